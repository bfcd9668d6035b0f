using System.Globalization;
using System.Runtime.InteropServices;
using Masquerade.Lab;

namespace Masquerade.Bench.Network;

/// <summary>The agent between real links, beside the kernel's own translation (rows 7b, 7c, 7d), and a whole site in which a client walks (row 10).</summary>
internal static class NetworkBench
{
    public static int Run(string[] arguments)
    {
        if (arguments.Any(a => a is "--help" or "-h" or "-?"))
        {
            Console.WriteLine(NetworkOptions.Help);
            return 0;
        }

        using var stop = new CancellationTokenSource();
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        if (NetworkOptions.Read(arguments, stop.Token, out var mistake) is not { } options)
        {
            Console.Error.WriteLine($"masq bench network: {mistake}\n{NetworkOptions.Help}");
            return 2;
        }

        var run = string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC, Linux {Machine.Kernel}, {Machine.Cpu}, load average {Machine.LoadAverage} before");
        List<Result> results = [];
        try
        {
            foreach (var result in Measure(options))
            {
                results.Add(result);
                (options.IsJson || options.IsMarkdown ? Console.Error : Console.Out).WriteLine(result.Line(run));
            }
        }
        catch (Exception e) when (e is BenchException or LabException or IOException or System.Net.Sockets.SocketException or OperationCanceledException)
        {
            Console.Error.WriteLine($"masq bench network: {e.Message}");
            return 1;
        }

        if (options.IsJson)
        {
            results.ForEach(r => Console.WriteLine(r.RowJson()));
        }
        else if (options.IsMarkdown)
        {
            Console.WriteLine($"{run}.\n\n{Result.MarkdownHead}");
            results.ForEach(r => Console.WriteLine(r.MarkdownRow()));
        }

        return 0;

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static IEnumerable<Result> Measure(NetworkOptions options)
    {
        var machine = new Machine(!options.IsSwapped);
        if (options.Chosen.Contains("passing", StringComparer.Ordinal))
        {
            foreach (var result in PassingLane.Run(options, machine))
            {
                yield return result;
            }
        }

        if (options.Chosen.Any(l => l is not ("handoff" or "passing")))
        {
            using var agent = new RouterSite(RouterKind.Agent, machine.ServerCore);
            using var passing = new RouterSite(RouterKind.Tc, machine.ServerCore);
            using var kernel = new RouterSite(RouterKind.Kernel, machine.ServerCore);
            foreach (var result in options.Chosen.SelectMany(lane => lane switch
            {
                "datagrams" => (IEnumerable<Result>)[DatagramLane.Run(options, machine, agent, kernel, 1_000), DatagramLane.Run(options, machine, agent, kernel, 50_000)],
                "bulk" => [.. BulkLane.Run(options, agent, kernel), .. BulkLane.Run(options, passing, kernel)],
                "latency" => [.. LatencyLane.Run(options, agent, kernel), .. LatencyLane.Run(options, passing, kernel)],
                _ => [],
            }))
            {
                yield return result;
            }
        }

        if (options.Chosen.Contains("handoff", StringComparer.Ordinal))
        {
            foreach (var result in HandoffLane.Run(options))
            {
                yield return result;
            }
        }
    }
}
