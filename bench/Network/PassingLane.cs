using System.Globalization;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Network;

/// <summary>
/// Datagrams of established connections through the kernel's fast path and through the kernel's own translation, made and counted by programs of the kernel on the same core (row 7a). What the access point costs shows against what
/// is left when its interface takes everything.
/// </summary>
internal static class PassingLane
{
    private const int Few = 10_000;
    private const int Some = 50_000;
    private const int Many = 1_000_000;
    private const int OpeningRate = 60_000;
    private const int PacketsToPass = 9;

    public static IEnumerable<Result> Run(NetworkOptions options, Machine machine)
    {
        foreach (var (ours, theirs, goal) in options.IsQuick ? [(Few, Few, 2.5)] : new[] { (Few, Few, 2.5), (Some, Some, 2.5), (Many, Some, 2.0) })
        {
            using var agent = new RouterSite(RouterKind.Xdp, machine.LoadCore, connections: ours);
            using var kernel = new RouterSite(RouterKind.Kernel, machine.LoadCore, steers: false);
            foreach (var result in Measure(options, machine, agent, ours, kernel, theirs, goal))
            {
                yield return result;
            }
        }
    }

    private static IEnumerable<Result> Measure(NetworkOptions options, Machine machine, RouterSite agent, int ourFlows, RouterSite kernel, int theirFlows, double goal)
    {
        var (ours, theirs, floor) = (new List<double>(), new List<double>(), new List<double>());
        var checks = 0L;
        Pinned.Run(machine.ServerCore, () =>
        {
            using var ourFrames = new FrameLoad(agent, ourFlows, new SeededRandom(1));
            using var theirFrames = new FrameLoad(kernel, theirFlows, new SeededRandom(1));
            theirFrames.Pace(theirFlows, OpeningRate, options.Cancel);
            for (var i = 0; i < PacketsToPass; i++)
            {
                ourFrames.Pace(ourFlows, OpeningRate, options.Cancel);
            }

            checks += FrameCheck.Run(agent, ourFrames) + FrameCheck.Run(kernel, theirFrames);
            using var ourLoad = new LiveLoad(agent, ourFrames);
            using var theirLoad = new LiveLoad(kernel, theirFrames);
            for (var pair = -1; pair < options.Pairs; pair++)
            {
                options.Cancel.ThrowIfCancellationRequested();
                var (our, their) = (ourLoad.Flood(options.Window), theirLoad.Flood(options.Window));
                var bare = 0.0;
                using (theirLoad.StopAtAccessPoint())
                {
                    bare = theirLoad.Flood(options.Window);
                }

                if (pair >= 0)
                {
                    ours.Add(our);
                    theirs.Add(their);
                    floor.Add(bare);
                }
            }
        });
        var text = string.Create(CultureInfo.InvariantCulture, $"datagrams of 64 octets in the kernel, {ourFlows:#,0} connections");
        var result = new Result("network", text, "M/s", [.. ours], string.Create(CultureInfo.InvariantCulture, $"{kernel.Name}, {theirFlows:#,0}"), [.. theirs])
        {
            Row = "7a",
            Checks = checks,
            Note = string.Create(CultureInfo.InvariantCulture, $"load, access point and sink on core {machine.ServerCore}; {Statistics.Median(floor):0.00} M/s if the access point's interface takes everything"),
        };
        yield return result with { Goal = string.Create(CultureInfo.InvariantCulture, $"row 7a: at least {goal} times the kernel's rate"), IsMet = result.Ratio >= goal };
        if (ourFlows == theirFlows)
        {
            // Nanoseconds of a packet beyond those of one that goes no further.
            double[] ourCost = [.. ours.Zip(floor, (rate, bare) => 1e3 * ((1 / rate) - (1 / bare)))];
            double[] theirCost = [.. theirs.Zip(floor, (rate, bare) => 1e3 * ((1 / rate) - (1 / bare)))];
            var cost = new Result("network", text + ", what the access point costs", "ns", ourCost, kernel.Name, theirCost) { Row = "7a" };
            yield return cost with { Goal = "row 7a: at most a sixth of the kernel's", IsMet = cost.Ratio <= 1.0 / 6 };
        }
    }
}
