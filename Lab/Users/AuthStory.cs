using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Users;

/// <summary>
/// Two employees and a guest walk: one with <c>masq client</c>, whose link is protected, one with an ordinary wpa_supplicant, the guest with nothing. At each access point each tries what
/// he may do and what he may not. In the middle one employee is denied.
/// </summary>
public sealed class AuthStory : IDisposable
{
    private const int DatagramRate = 200;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_trial = TimeSpan.FromMilliseconds(1_200);
    private readonly Stage _stage;
    private RadiusSite? _site;
    private readonly CoordinatorReader _coordinator;
    private readonly List<User> _users = [];
    private readonly List<PolicyTrial> _trials = [];
    private readonly CancellationToken _cancel;
    private MasqClient? _ada;
    private WpaSupplicant? _bob;
    private LinkTap? _tap;
    private int _trialPort;
    private int _warm;
    private User? _denied;
    private long _deniedAt;

    private AuthStory(DemoOptions options, IDemoObserver observer, CancellationToken cancel)
    {
        _cancel = cancel;
        try
        {
            _stage = new Stage(options with { Clients = 3 }, observer, cancel, topology =>
            {
                _site = new RadiusSite(topology, heard: null, AuthPolicies.Ada, AuthPolicies.Bob);
                return _site.Users with { Guests = true, Policies = AuthPolicies.Text };
            });
        }
        catch
        {
            _site?.Dispose();
            throw;
        }

        _coordinator = new CoordinatorReader(_stage.Topology.Coordinator, MasqueradeNetwork.FirstApiPort);
    }

    /// <summary>Plays it to its verdict. Whatever happens, nothing of it is left on the machine.</summary>
    /// <exception cref="LabException">The laboratory could not be set up, or somebody was never let in.</exception>
    /// <exception cref="OperationCanceledException">The walk was cancelled.</exception>
    public static AuthResult Run(DemoOptions options, IDemoObserver observer, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(observer);
        using var story = new AuthStory(options, observer, cancel);
        return story.Play();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _tap?.Dispose();
        _ada?.Dispose();
        _bob?.Dispose();
        _coordinator.Dispose();
        _stage.Dispose();
        _site?.Dispose();
    }

    private string? ClientFailure => _ada is { HasEnded: true } ? $"masq client ended by itself: {string.Join(" | ", _ada.Events.TakeLast(3))}" : null;

    private IReadOnlyList<(double Milliseconds, int Sent, int Received)> HandshakesWithoutEap =>
    [
        .. _ada!.Told("linkProtected").Where(e => !e.GetProperty("withEap").GetBoolean())
            .Select(e => (e.GetProperty("milliseconds").GetDouble(), e.GetProperty("framesSent").GetInt32(), e.GetProperty("framesReceived").GetInt32())),
    ];

    private AuthResult Play()
    {
        LetIn();
        WarmUp();
        foreach (var user in _users)
        {
            OpenConnections(user);
        }

        _stage.Begin();
        _stage.Observer.Note("everybody is in; the walk begins");
        TryAll(0);
        var middle = (_stage.Options.Roams + 1) / 2;
        for (var i = 1; i <= _stage.Options.Roams; i++)
        {
            Walk(i % LabTopology.AccessPointCount);
            if (i == middle)
            {
                Deny(_users[1]);
            }

            TryAll(i % LabTopology.AccessPointCount);
        }

        return Judge();
    }

    private void LetIn()
    {
        for (var client = 0; client < 3; client++)
        {
            _ = _stage.Move(client, 0);
        }

        var topology = _stage.Topology;
        _stage.Observer.Note($"{AuthPolicies.Ada} starts masq client at c1, {AuthPolicies.Bob} wpa_supplicant at c2; the guest at c3 has nothing");
        _ada = _site!.StartMasqClient(topology.Clients[0], 0, AuthPolicies.Ada);
        _bob = _site.StartWpaSupplicant(topology.Clients[1], 1, AuthPolicies.Bob);
        _users.AddRange([new User(AuthPolicies.Ada, "masq client", 0, 0), new User(AuthPolicies.Bob, "wpa_supplicant", 1, 0), new User("guest", "nothing", 2, AuthPolicies.FirstPortal)]);
        Wait(() => _ada.Told("linkProtected").Count > 0, "masq client has no protected link at AP1");
        foreach (var user in _users.Take(2))
        {
            var proof = Admitted(user, 0) ?? throw new LabException($"{user.Name} is not let in at AP1");
            _stage.Observer.Note($"{user.Name} is let in at AP1, proved by {proof}");
        }
    }

    /// <summary>One lap that is not judged: an access point is in service for months, and the first client of its life, for whom the runtime still compiles, is not what this is about.</summary>
    private void WarmUp()
    {
        for (var i = 1; i <= LabTopology.AccessPointCount; i++)
        {
            var to = i % LabTopology.AccessPointCount;
            _users.ForEach(u => _ = _stage.Move(u.Client, to));
            foreach (var user in _users.Take(2))
            {
                _ = Admitted(user, to) ?? throw new LabException($"{user.Name} is not let in at AP{to + 1}");
            }
        }

        _tap = new LinkTap(_stage.Topology, 0);
        _warm = HandshakesWithoutEap.Count;
    }

    /// <summary>The connections that are to live through the walk. The guest's go where guests may.</summary>
    private void OpenConnections(User user)
    {
        foreach (var family in _stage.Options.Families)
        {
            var server = user.FirstPort != 0 ? Server(family, user.FirstPort) : _stage.NextServer(family);
            user.Connections.Add(_stage.Add(new PingPong(_stage.Topology, $"{user.Name}, interactive", user.Client, server, 4_096, TimeSpan.FromMilliseconds(20))));
        }

        if (user.FirstPort == 0)
        {
            user.Datagrams = _stage.Add(new UdpFlow(_stage.Topology, user.Client, _stage.NextServer(_stage.Options.Families[0]), DatagramRate, _stage.Longest + TimeSpan.FromMinutes(3)));
        }

        Wait(() => user.Connections.All(c => c.Bytes > 0) && (user.Datagrams?.Bytes ?? 1) > 0, $"{user.Name}'s connections do not come about");
    }

    private void Walk(int to)
    {
        foreach (var user in _users)
        {
            user.Walk.Add(_stage.Move(user.Client, to));
            _stage.Observer.Roamed(user.Walk[^1], _stage.Seconds(user.Walk[^1].DownBegin));
        }

        foreach (var user in _users)
        {
            // Who was denied is not waited for; the trials show that he is not let in.
            user.Proofs.Add(user == _denied ? string.Empty : Admitted(user, to) ?? string.Empty);
            if (user != _denied)
            {
                _stage.Observer.Note($"         {user.Name} at AP{to + 1}: {(user.Proofs[^1].Length > 0 ? "proved by " + user.Proofs[^1] : "not let in")}");
            }
        }
    }

    private void Deny(User user)
    {
        _stage.Stay(_stage.Options.Dwell, _cancel);
        _denied = user;
        _deniedAt = LabClock.Now;
        if (!_coordinator.Order($"v1/users/{user.Name}/deny"))
        {
            throw new LabException("the coordinator does not take the order to deny a user");
        }

        _stage.Observer.Note($"{_stage.Seconds(_deniedAt),7:F2}s  {user.Name} is denied");
    }

    /// <summary>Everybody tries at once what he may do and what he may not.</summary>
    private void TryAll(int accessPoint)
    {
        var trials = new List<(User User, string What, bool Allowed, PingPong Flow)>();
        try
        {
            foreach (var user in _users)
            {
                var mayHere = user != _denied;
                foreach (var family in _stage.Options.Families)
                {
                    var name = family == AddressFamily.InterNetworkV6 ? "IPv6" : "IPv4";
                    Add(user, $"what {(user.FirstPort == 0 ? "employees" : "guests")} may, {name}", mayHere, user.FirstPort == 0 ? _stage.NextServer(family) : Server(family, user.FirstPort));
                    Add(user, $"what {(user.FirstPort == 0 ? "employees" : "guests")} may not, {name}", allowed: false, user.FirstPort == 0 ? Server(family, AuthPolicies.FirstForbidden) : _stage.NextServer(family));
                }
            }

            // What is allowed must come about, however busy the machine is; what is not has the same time, and no less than a retransmission takes.
            var until = LabClock.Now + (s_trial.Ticks * 100);
            Wait(() => LabClock.Now >= until && trials.All(t => !t.Allowed || t.Flow.Bytes > 0), "trials", mustHold: false);
            _trials.AddRange(trials.Select(t => new PolicyTrial(t.User.Name, accessPoint + 1, t.What, t.Allowed, t.Flow.Bytes)));
            var wrong = _trials.TakeLast(trials.Count).Count(t => !t.IsRight);
            _stage.Observer.Note($"         at AP{accessPoint + 1} {trials.Count} connections tried, {trials.Count(t => t.Allowed)} allowed{(wrong == 0 ? ", all as the policy says" : $", {wrong} NOT as the policy says")}");
        }
        finally
        {
            trials.ForEach(t => t.Flow.Dispose());
        }

        void Add(User user, string what, bool allowed, IPEndPoint server)
        {
            var flow = new PingPong(_stage.Topology, what, user.Client, server, 1_024, TimeSpan.FromMilliseconds(100));
            trials.Add((user, what, allowed, flow));
            flow.Start();
        }
    }

    private AuthResult Judge()
    {
        var end = LabClock.Now;
        var frames = _tap!.Stop();
        var lastOctet = _denied!.All.Max(c => c.LastProgress);
        _stage.Finish(end);
        var outcomes = _users.Select(u => new UserOutcome(u.Name, u.With, $"c{u.Client + 1}", _site!.LoginsOf(u.Client), [.. Enumerable.Range(0, u.Walk.Count).Select(i => RoamOf(u, i, end))], u.Connections.Count, u.Connections.Count(c => c.Health == ConnectionHealth.Finished))
        {
            Failure = u.Client == 0 ? ClientFailure : null,
        }).ToArray();
        var result = new AuthResult
        {
            Users = outcomes,
            Trials = _trials,
            Denial = new DenialOutcome(_denied.Name, _stage.Seconds(_deniedAt), Math.Max(0, LabClock.ToMilliseconds(lastOctet - _deniedAt))),
            LinkFrames = frames.Frames,
            ReadableFrames = frames.Readable,
            Handshakes = [.. HandshakesWithoutEap.Skip(_warm)],
            Duration = TimeSpan.FromTicks((end - _stage.Start) / 100),
            ProgramFailure = _stage.Network.Failure,
        };
        return result with { Verdict = AuthVerdict.Judge(result) };
    }

    private UserRoam RoamOf(User user, int index, long end)
    {
        var roam = user.Walk[index];
        var until = index + 1 < user.Walk.Count ? user.Walk[index + 1].DownBegin : end;
        var isOver = user == _denied && until > _deniedAt;
        var silence = isOver && roam.DownBegin > _deniedAt ? double.NaN
            : user.Datagrams is { } datagrams ? Math.Max(DatagramAccounting.LongestSilence(datagrams.Down, roam, isOver ? _deniedAt : until), DatagramAccounting.LongestSilence(datagrams.Up, roam, isOver ? _deniedAt : until))
            : user.Connections.Max(c => LabClock.ToMilliseconds(c.LongestSilence(roam.DownBegin, until)));
        return new UserRoam(roam.From + 1, roam.To + 1, _stage.Seconds(roam.DownBegin), user.Proofs[index], LabClock.ToMilliseconds(roam.SwitchTime), silence);
    }

    /// <summary>Waits until a user is let in at an access point; how that was proved, null if it does not happen.</summary>
    private string? Admitted(User user, int accessPoint)
    {
        string? proof = null;
        Wait(
            () =>
            {
                proof = _coordinator.UserOf(user.Client) is { } known && string.Equals(known.Name, user.Name, StringComparison.Ordinal) && known.At == accessPoint ? known.Proof : null;
                return proof is not null;
            },
            $"{user.Name} at AP{accessPoint + 1}", mustHold: false);
        return proof;
    }

    private void Wait(Func<bool> condition, string what, bool mustHold = true)
    {
        var deadline = LabClock.Now + (s_patience.Ticks * 100);
        while (!condition())
        {
            if ((_stage.Network.Failure ?? ClientFailure) is { } failure)
            {
                throw new LabException(failure);
            }

            if (LabClock.Now > deadline)
            {
                if (mustHold)
                {
                    throw new LabException($"{what} (after {s_patience.TotalSeconds:F0} s)");
                }

                return;
            }

            _stage.Stay(TimeSpan.FromMilliseconds(10), _cancel);
        }
    }

    private IPEndPoint Server(AddressFamily family, int first) =>
        new(family == AddressFamily.InterNetworkV6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress, first + (_trialPort++ % 1_000));

    private sealed class User(string name, string with, int client, int firstPort)
    {
        public string Name { get; } = name;

        public string With { get; } = with;

        public int Client { get; } = client;

        /// <summary>The first of the ports that the user may open connections to; 0: all but the forbidden ones.</summary>
        public int FirstPort { get; } = firstPort;

        public List<PingPong> Connections { get; } = [];

        public UdpFlow? Datagrams { get; set; }

        public IEnumerable<LabConnection> All => Datagrams is null ? Connections : [.. Connections, Datagrams];

        public List<RoamRecord> Walk { get; } = [];

        public List<string> Proofs { get; } = [];
    }
}
