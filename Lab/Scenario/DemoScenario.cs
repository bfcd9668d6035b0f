using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Scenario;

/// <summary>One run: builds the network, starts the programs or the kernel's NAT, lets c1 walk with all its traffic, kills programs if asked to, and judges what happened.</summary>
public static class DemoScenario
{
    /// <summary>Runs one walk to its verdict. Whatever happens, nothing of it is left on the machine.</summary>
    /// <exception cref="LabException">The laboratory could not be set up, or the network never came up.</exception>
    /// <exception cref="OperationCanceledException">The walk was cancelled.</exception>
    public static DemoResult Run(DemoOptions options, IDemoObserver observer, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(observer);

        // Who is to take over an address in another subnet must be able to have routes changed.
        options = options.Chaos is null ? options : options with { RouteCommand = true };
        using var stage = new Stage(options, observer, cancel);
        return Run(stage, cancel);
    }

    private static DemoResult Run(Stage stage, CancellationToken cancel)
    {
        stage.Prepare(cancel);
        var site = stage.Network.Site;
        if (site is { Coordinators.Count: > 1 })
        {
            stage.Observer.Note(site.ToString());
        }

        using var captures = new CapturePoints(stage.Topology);
        stage.StartTraffic();
        stage.Stay(stage.Options.Dwell, cancel);
        var chaos = stage.Options.Chaos is { } asked ? new ChaosStory(stage, asked) : null;
        if (chaos is null)
        {
            Walk(stage, cancel);
        }
        else
        {
            chaos.Play(cancel);
        }

        var end = LabClock.Now;
        stage.Finish(end);
        captures.Stop();
        var failure = stage.Network.Failure;
        stage.Observer.Note($"judging {captures.Log.Count} captured frames");
        if (stage.Options.LogDirectory is { } directory)
        {
            Directory.CreateDirectory(directory);
            File.WriteAllLines(Path.Combine(directory, "roams.log"), RoamAnatomy.Describe(captures.Log, stage.Walk));
        }

        var result = Judge(stage, captures, end, chaos) with { Site = site, ProgramFailure = failure };
        return result with { Verdict = DemoVerdict.Judge(result) };
    }

    private static void Walk(Stage stage, CancellationToken cancel)
    {
        for (var i = 0; i < stage.Options.Roams; i++)
        {
            stage.Roam((stage.Radio.Where(0) + 1) % LabTopology.AccessPointCount);

            // Every other new connection comes in the very first moment at the new access point, the others in peace.
            if (i % 2 == 1)
            {
                stage.Stay(TimeSpan.FromMilliseconds(300), cancel);
            }

            stage.OpenNew();
            stage.Stay(stage.Options.Dwell - (i % 2 == 1 ? TimeSpan.FromMilliseconds(300) : TimeSpan.Zero), cancel);
        }
    }

    private static DemoResult Judge(Stage stage, CapturePoints captures, long end, ChaosStory? chaos)
    {
        var links = stage.Links();
        var clientOfFlow = stage.Connections.ToDictionary(c => (ushort)c.Server.Port, c => c.Client);
        var accounting = new DatagramAccounting(captures.Log, links, clientOfFlow, chaos is null ? null : chaos.IsTroubled);
        var datagrams = stage.Connections.OfType<DatagramFlow>().Select(accounting.Judge).ToArray();
        var tcp = stage.Connections.Where(c => c.Protocol is "TCP").ToArray();
        var echoes = stage.Connections.OfType<EchoFlow>().ToArray();
        return new DemoResult
        {
            Roams = stage.Walk.Count,
            TcpConnections = tcp.Length,
            TcpResets = tcp.Count(c => c.Health == ConnectionHealth.Reset),
            TcpCorrupted = tcp.Count(c => c.Health == ConnectionHealth.Corrupted),
            TcpStalled = tcp.Count(c => c.Health is ConnectionHealth.Stalled or ConnectionHealth.Opening),
            Udp = new DatagramSummary(datagrams.Sum(d => d.Sent), datagrams.Sum(d => d.Unsent), datagrams.Sum(d => d.Lost),
                datagrams.Sum(d => d.Duplicated), datagrams.Sum(d => d.Reordered), datagrams.Sum(d => d.Corrupted))
            { LostInKills = datagrams.Sum(d => d.LostInKills) },
            Losses = accounting.LastSeen(stage.Start),
            PingSent = echoes.Sum(e => e.Log.Sent),
            PingLost = echoes.Sum(accounting.LostEchoes),
            Gaps = [.. Enumerable.Range(0, stage.Walk.Count).Select(i => stage.GapOf(i, end))],
            Path = new PathJudge(captures.Log, links, clientOfFlow, stage.Network.Owners, chaos is null ? null : chaos.IsUnled).Judge(),
            CaptureDrops = captures.Dropped,
            Connections = [.. stage.Connections.Select(c => new ConnectionOutcome(c.Name, c.Protocol, $"c{c.Client + 1}", c.Server.ToString(),
                c.SeenByServer?.ToString() ?? string.Empty, c.Health.ToString(), c.Bytes, c.Failure))],
            Kills = chaos?.Reports,
            Troubles = chaos?.Troubles ?? [],
            Duration = TimeSpan.FromTicks((end - stage.Start) / 100),
        };
    }
}
