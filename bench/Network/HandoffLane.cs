using System.Globalization;
using Masquerade.Lab;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;

namespace Masquerade.Bench.Network;

/// <summary>
/// A client walks between access points of a whole site (agents, coordinator) with numbered datagrams both ways: from the moment its new link is up, of which the access point is told, to the first
/// datagram from the server that the new access point puts onto it. The time for which a radio is silent is not part of it (row 10).
/// </summary>
internal static class HandoffLane
{
    private const double MedianGoal = 1;
    private const double TailGoal = 3;
    private const double Tail = 0.99;
    private const int AnatomyOf = 15;

    public static IEnumerable<Result> Run(NetworkOptions options)
    {
        var lab = new DemoOptions { Clients = 1, Families = [System.Net.Sockets.AddressFamily.InterNetwork], DatagramRate = options.HandoffRate, Dwell = TimeSpan.FromMilliseconds(100), Roams = options.Handoffs };
        using var stage = new Stage(lab, new SilentObserver(), options.Cancel);
        stage.Prepare(options.Cancel);
        using var captures = new CapturePoints(stage.Topology);
        stage.Begin();
        var flow = stage.Add(new UdpFlow(stage.Topology, 0, stage.NextServer(lab.Families[0]), lab.DatagramRate, stage.Longest));
        List<RoamRecord> walk = [];
        options.Cancel.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(500));
        for (var i = 0; i < options.Handoffs; i++)
        {
            options.Cancel.ThrowIfCancellationRequested();
            walk.Add(stage.Move(0, (stage.Radio.Where(0) + 1) % LabTopology.AccessPointCount));
            options.Cancel.WaitHandle.WaitOne(lab.Dwell);
        }

        stage.Finish(LabClock.Now);
        captures.Stop();
        if (stage.Network.Failure is { } failure || captures.Dropped > 0)
        {
            throw new BenchException(stage.Network.Failure ?? string.Create(CultureInfo.InvariantCulture, $"the captures have lost {captures.Dropped} frames"));
        }

        var times = Times(captures.Log, walk);
        var accounting = new DatagramAccounting(captures.Log, stage.Links(), new Dictionary<ushort, int> { [(ushort)flow.Server.Port] = 0 });
        var datagrams = accounting.Judge(flow);
        var note = string.Create(
            CultureInfo.InvariantCulture,
            $"{times.Length} handoffs at {lab.DatagramRate:#,0} datagrams a second each way: {datagrams.Sent:#,0} sent, {datagrams.Lost} lost, {datagrams.Duplicated} twice, {datagrams.Reordered} out of order, {datagrams.Corrupted} changed; {datagrams.Unsent} into a dead link{string.Concat(accounting.LastSeen(stage.Start).Take(3).Select(l => "; " + l))}");
        var isWhole = datagrams is { Lost: 0, Duplicated: 0, Reordered: 0, Corrupted: 0 };
        yield return new Result("site", "handoff, median", "ms", [Statistics.Median(times)], string.Empty, [])
        {
            Row = "10",
            Goal = $"row 10: at most {MedianGoal} ms, nothing lost, twice or out of order",
            IsMet = Statistics.Median(times) <= MedianGoal && isWhole,
            Checks = datagrams.Sent,
            Note = note,
        };
        yield return new Result("site", "handoff, 99th percentile", "ms", [Statistics.Quantile(times, Tail)], string.Empty, [])
        {
            Row = "10",
            Goal = $"row 10: at most {TailGoal} ms",
            IsMet = Statistics.Quantile(times, Tail) <= TailGoal,
            Note = string.Create(CultureInfo.InvariantCulture, $"{Anatomy(captures.Log, walk)}; the longest {times.Max():0.00} ms; a quarter took at most {Statistics.Quantile(times, 0.25):0.00} ms, three quarters {Statistics.Quantile(times, 0.75):0.00} ms"),
        };
    }

    /// <summary>Where the time goes: when each step was seen, in the median of the last handoffs (each looks through the whole log).</summary>
    private static string Anatomy(PacketLog log, List<RoamRecord> walk)
    {
        var steps = walk.TakeLast(AnatomyOf).SelectMany(r => RoamAnatomy.Steps(log, r)).GroupBy(s => s.Step, s => s.Milliseconds, StringComparer.Ordinal);
        return "seen after " + string.Join(", ", steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(s.OfType<double>()):0.00} ms: {s.Key}")));
    }

    /// <summary>For each handoff, ms from the link to the first datagram on it.</summary>
    private static double[] Times(PacketLog log, List<RoamRecord> walk)
    {
        var times = new double[walk.Count];
        var ways = Enumerable.Range(0, LabTopology.AccessPointCount)
            .Select(k => log.At(CapturePoints.ClientSide(k)).Where(p => p.Kind == FrameKind.Flow && p.Protocol == 17 && p.Down && p.Outgoing).Select(p => p.At).ToArray()).ToArray();
        for (var i = 0; i < walk.Count; i++)
        {
            var way = ways[walk[i].To];
            var at = Array.BinarySearch(way, walk[i].UpEnd);
            at = at < 0 ? ~at : at;
            times[i] = at < way.Length ? LabClock.ToMilliseconds(way[at] - walk[i].UpEnd) : throw new BenchException("after a handoff nothing reached the client");
        }

        return times;
    }
}
