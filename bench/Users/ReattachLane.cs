using System.Collections.Concurrent;
using System.Globalization;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Users;

namespace Masquerade.Bench.Users;

/// <summary>
/// Two clients walk a real site side by side: one with <c>masq client</c>, whose session the next access point gets and has proved by the handshake, and one with wpa_supplicant, which authenticates by PEAP-MSCHAPv2 anew.
/// What is compared is the time from the first frame to the last at the client, with the same coordinator, access points and FreeRADIUS.
/// </summary>
internal sealed class ReattachLane : IDisposable
{
    private const double Goal = 50;

    /// <summary>The runtime of every program compiles at the first client of its life: one lap is not counted.</summary>
    private const int WarmUp = LabTopology.AccessPointCount;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly ConcurrentQueue<(bool IsEnd, long At)> _peap = new();
    private readonly Stage _stage;
    private readonly CancellationToken _cancel;
    private RadiusSite? _radius;

    private ReattachLane(CancellationToken cancel)
    {
        _cancel = cancel;
        _stage = new Stage(new DemoOptions { Clients = 2 }, new SilentObserver(), cancel, topology => (_radius = new RadiusSite(topology, Hear, "ada", "bob")).Users);
    }

    public static Result Run(UsersOptions options, CancellationToken cancel)
    {
        using var lane = new ReattachLane(cancel);
        return lane.Walk(options.Roams);
    }

    public void Dispose()
    {
        _stage.Dispose();
        _radius?.Dispose();
    }

    private Result Walk(int roams)
    {
        var topology = _stage.Topology;
        Move(0);
        using var ada = _radius!.StartMasqClient(topology.Clients[0], 0, "ada");
        using var bob = _radius.StartWpaSupplicant(topology.Clients[1], 1, "bob");
        Wait(() => ada.Told("linkProtected").Count == 1 && Ends() == 1, "the clients do not get in");
        List<double> handshakes = [], authentications = [];
        var (frames, checks) = (string.Empty, 0L);
        for (var roam = 1; roam <= WarmUp + roams; roam++)
        {
            var (links, ends, logins) = (ada.Told("linkProtected").Count, Ends(), (_radius.LoginsOf(0), _radius.LoginsOf(1)));
            Move(roam % LabTopology.AccessPointCount);
            Wait(() => ada.Told("linkProtected").Count > links && Ends() > ends && _radius.LoginsOf(1) > logins.Item2, "a client does not get in after a walk");
            var link = ada.Told("linkProtected")[^1];
            if (link.GetProperty("withEap").GetBoolean() || _radius.LoginsOf(0) != logins.Item1)
            {
                throw new BenchException("the protected client was authenticated anew");
            }

            if (roam > WarmUp)
            {
                handshakes.Add(link.GetProperty("milliseconds").GetDouble());
                authentications.Add(LastPeap());
                frames = $"{link.GetProperty("framesSent").GetInt32()} frames out and {link.GetProperty("framesReceived").GetInt32()} in";
                checks += 2;
            }
        }

        double[] ratios = [.. authentications.Zip(handshakes, (a, h) => a / h)];
        return new Result("users", "session follows the client: handshake at the next access point", "ms", [.. handshakes], "PEAP-MSCHAPv2 by wpa_supplicant", [.. authentications])
        {
            Goal = string.Create(CultureInfo.InvariantCulture, $"at least {Goal:0} times faster"),
            IsMet = Statistics.Median(ratios) >= Goal,
            Checks = checks,
            Note = string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(ratios):0} times faster [{Statistics.Quantile(ratios, 0.25):0}..{Statistics.Quantile(ratios, 0.75):0}]; {frames}; silence of the links while they switch not counted"),
        };
    }

    private void Move(int to)
    {
        _ = _stage.Move(0, to);
        _ = _stage.Move(1, to);
    }

    private void Hear(string line)
    {
        var at = LabClock.Now;
        if (line.Contains("CTRL-EVENT-EAP-STARTED", StringComparison.Ordinal))
        {
            _peap.Enqueue((false, at));
        }
        else if (line.Contains("CTRL-EVENT-EAP-SUCCESS", StringComparison.Ordinal))
        {
            _peap.Enqueue((true, at));
        }
    }

    private int Ends() => _peap.Count(e => e.IsEnd);

    /// <summary>How long the last whole authentication took, ms.</summary>
    private double LastPeap()
    {
        var said = _peap.ToArray();
        var end = Array.FindLastIndex(said, e => e.IsEnd);
        var begin = Array.FindLastIndex(said, end, e => !e.IsEnd);
        return (said[end].At - said[begin].At) / 1e6;
    }

    private void Wait(Func<bool> condition, string otherwise)
    {
        var deadline = LabClock.Now + (s_patience.Ticks * 100);
        while (!condition())
        {
            _cancel.ThrowIfCancellationRequested();
            if (_stage.Network.Failure is { } failure || LabClock.Now > deadline)
            {
                throw new BenchException(_stage.Network.Failure ?? otherwise);
            }

            Thread.Sleep(5);
        }

        // What follows of it, such as accounting, is not part of the next.
        Thread.Sleep(200);
    }
}
