using System.Globalization;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Network;

/// <summary>Small datagrams of established connections, as many as one core can send, through the agent and through the kernel in turn; what reaches the server is counted there (row 7b).</summary>
internal static class DatagramLane
{
    private const int OpeningRate = 4_000;

    public static Result Run(NetworkOptions options, Machine machine, RouterSite agent, RouterSite kernel, int flows)
    {
        var (ours, theirs) = (new List<double>(), new List<double>());
        var (checks, shares, offered) = (0L, new List<double>(), new List<double>());
        Pinned.Run(machine.LoadCore, () =>
        {
            using var toAgent = new FrameLoad(agent, flows, new SeededRandom(1));
            using var toKernel = new FrameLoad(kernel, flows, new SeededRandom(1));
            foreach (var (site, load) in (ReadOnlySpan<(RouterSite, FrameLoad)>)[(agent, toAgent), (kernel, toKernel)])
            {
                // Every connection is opened before it counts, and the agent's code has been compiled.
                load.Pace(flows, OpeningRate, options.Cancel);
                _ = Measure(site, load, options.Window, []);
                checks += FrameCheck.Run(site, load);
            }

            for (var pair = 0; pair < options.Pairs && !options.Cancel.IsCancellationRequested; pair++)
            {
                var seconds = agent.AgentSeconds;
                ours.Add(Measure(agent, toAgent, options.Window, offered));
                shares.Add((agent.AgentSeconds - seconds) / options.Window.TotalSeconds);
                theirs.Add(Measure(kernel, toKernel, options.Window, []));
            }

            checks += FrameCheck.Run(agent, toAgent) + FrameCheck.Run(kernel, toKernel);
        });
        options.Cancel.ThrowIfCancellationRequested();
        var text = flows.ToString("#,0", CultureInfo.InvariantCulture);
        var result = new Result("network", $"datagrams of 64 octets, {text} connections, more than can be taken", "k/s", [.. ours], kernel.Name, [.. theirs])
        {
            Row = "7b",
            Checks = checks,
            Cpu = string.Create(CultureInfo.InvariantCulture, $"CPU: agent {Statistics.Median(shares) * 100:0} %"),
            Note = string.Create(CultureInfo.InvariantCulture, $"load of {Statistics.Median(offered):#,0} k/s on core {machine.LoadCore}, access point on core {machine.ServerCore}"),
        };
        return result with { Goal = "row 7b: at least the kernel's rate", IsMet = result.Ratio >= 1 };
    }

    /// <summary>Thousands of datagrams per second that arrived.</summary>
    private static double Measure(RouterSite site, FrameLoad load, TimeSpan window, List<double> offered)
    {
        var before = site.Delivered();
        offered.Add(load.Flood(window) / window.TotalSeconds / 1_000);
        Thread.Sleep(50);
        return (site.Delivered() - before) / window.TotalSeconds / 1_000;
    }
}
