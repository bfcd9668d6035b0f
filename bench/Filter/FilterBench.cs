using System.Globalization;
using Masquerade.Auth.Filter;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace Masquerade.Bench.Filter;

/// <summary>
/// The filter: the first look at a connection with 10, 100 and 1,000 rules against libpcap's interpreter, in the same process and on the same connections (verdicts must agree on every one); and what it adds to every other
/// packet of a connection.
/// </summary>
internal static class FilterBench
{
    private const string Help = """
        ./masq bench filter [options]: the matcher against libpcap, and what the filter adds to an established connection
          --quick       for function, not for figures
          --markdown    a table for bench/RESULTS.md instead of lines
        """;

    private static readonly int[] s_sizes = [10, 100, 1_000];

    public static int Run(string[] arguments)
    {
        if (arguments.FirstOrDefault(a => a is not ("--quick" or "--markdown")) is { } other)
        {
            var asked = other is "--help" or "-h" or "-?";
            (asked ? Console.Out : Console.Error).WriteLine(asked ? Help : $"masq bench filter: '{other}' is not understood\n{Help}");
            return asked ? 0 : 2;
        }

        var quick = arguments.Contains("--quick", StringComparer.Ordinal);
        var run = string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC, Linux {Machine.Kernel}, {Machine.Cpu}, load average {Machine.LoadAverage} before");
        List<Result> results = [.. FirstPackets(quick ? 3 : 31), .. Established(quick ? 3 : 41, quick ? 20 : 400)];
        if (arguments.Contains("--markdown", StringComparer.Ordinal))
        {
            Console.WriteLine($"{run}.\n\n{Result.MarkdownHead}");
            results.ForEach(r => Console.WriteLine(r.MarkdownRow()));
        }
        else
        {
            results.ForEach(r => Console.WriteLine(r.Line(run)));
        }

        return 0;
    }

    private static IEnumerable<Result> FirstPackets(int pairs)
    {
        var random = new SeededRandom(1);
        RuleSet[] sets = [.. s_sizes.Select(count => new RuleSet(count, random))];
        FilterProgram[] programs = [.. sets.Select(s => FilterProgram.Compile(s.Policy, default) ?? throw new BenchException("the policy is too large"))];
        PcapFilter[] peers = [.. sets.Select(s => new PcapFilter(s.Expression))];
        List<double>[] ours = [.. sets.Select(_ => new List<double>())], theirs = [.. sets.Select(_ => new List<double>())];
        var checks = 0L;
        try
        {
            for (var i = 0; i < sets.Length; i++)
            {
                for (var k = 0; k < sets[i].Tuples.Length; k++, checks++)
                {
                    if (programs[i].Match(sets[i].Tuples[k], FilterDirection.Out).Passes != peers[i].Matches(sets[i].Octets[k]))
                    {
                        throw new BenchException($"with {sets[i].Count} rules libpcap judges {sets[i].Tuples[k]} otherwise");
                    }
                }
            }

            // The sizes take turns as well: they are compared with each other.
            for (var pair = -3; pair < pairs; pair++)
            {
                for (var i = 0; i < sets.Length; i++)
                {
                    var (a, b) = (Time(programs[i], sets[i], 40), Time(peers[i], sets[i], Math.Max(2, 200 / sets[i].Count)));
                    if (pair >= 0)
                    {
                        ours[i].Add(a);
                        theirs[i].Add(b);
                    }
                }
            }
        }
        finally
        {
            Array.ForEach(peers, p => p.Dispose());
        }

        for (var i = 0; i < sets.Length; i++)
        {
            var result = new Result("filter", $"first packet, {sets[i].Count:#,0} rules", "ns", [.. ours[i]], "libpcap", [.. theirs[i]])
            {
                Checks = checks / sets.Length,
                Note = string.Create(CultureInfo.InvariantCulture, $"{1 / Statistics.Median(ours[i].Zip(theirs[i], (a, b) => a / b)):0.0} times faster; {programs[i].RowBytes:#,0} octets of rows"),
            };
            yield return i == 0 ? result with { Goal = "row 5: at most 0.2 of libpcap's time", IsMet = result.Ratio <= 0.2 } : result;
        }

        var growth = new Result("filter", "first packet, 1,000 rules", "ns", [.. ours[^1]], "10 rules", [.. ours[0]]);
        yield return growth with { Goal = "row 5: at most 2", IsMet = growth.Ratio <= 2 };
    }

    /// <summary>The same packets through the same engine, without a filter, with one rule, and with a thousand.</summary>
    private static IEnumerable<Result> Established(int pairs, int batches)
    {
        var one = FilterPolicy.Create("one", ["allow out any"], FilterSets.None, "bench", []) ?? throw new BenchException("a rule is wrong");
        var thousand = FilterPolicy.Create(
            "thousand", [.. Enumerable.Range(0, 999).Select(i => $"deny out tcp to 10.{i >> 8}.{i & 255}.0/24 port {1_000 + i}"), "allow out any"], FilterSets.None, "bench", []) ?? throw new BenchException("a rule is wrong");
        PacketPath[] paths = [Path(null), Path(one), Path(thousand)];
        List<double>[] times = [[], [], []];
        for (var pair = -3; pair < pairs; pair++)
        {
            for (var i = 0; i < paths.Length; i++)
            {
                // Each in each place of the turn, in turn.
                var which = (i + pair + 3) % paths.Length;
                var began = Stopwatch.GetTimestamp();
                for (var batch = 0; batch < batches; batch++)
                {
                    _ = paths[which].FamOutbound();
                }

                if (pair >= 0)
                {
                    times[which].Add(Stopwatch.GetElapsedTime(began).TotalNanoseconds / ((double)batches * PacketPath.Operations));
                }
            }
        }

        double[] added = [.. times[1].Zip(times[0], (with, without) => with - without)];
        yield return new Result("filter", "established, one rule", "ns", [.. times[1]], "no filter", [.. times[0]])
        {
            Goal = "row 4: at most 1 ns more", IsMet = Statistics.Median(added) <= 1, Note = string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(added):+0.00;-0.00} ns a packet"),
        };
        var growth = new Result("filter", "established, 1,000 rules", "ns", [.. times[2]], "one rule", [.. times[1]]);
        yield return growth with { Goal = "row 4: at most 1.05", IsMet = growth.Ratio <= 1.05 };
    }

    private static PacketPath Path(FilterPolicy? policy)
    {
        var path = new PacketPath { Mappings = 1_000 };
        if (policy is not null)
        {
            var table = new FilterTable(1, PacketPath.MaxClients);
            if (!table.TryAdd(policy, default, out var number))
            {
                throw new BenchException("the policy is too large");
            }

            for (var client = 0; client < PacketPath.MaxClients; client++)
            {
                _ = table.TryAssign(PacketPath.ClientMac(client), number);
            }

            path.Filter = table;
        }

        path.Setup();
        return path;
    }

    private static double Time(FilterProgram program, RuleSet set, int rounds)
    {
        var sum = 0;
        var (allocated, start) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.GetTimestamp());
        for (var round = 0; round < rounds; round++)
        {
            foreach (ref readonly var tuple in set.Tuples.AsSpan())
            {
                sum += program.Match(tuple, FilterDirection.Out).Rule;
            }
        }

        var elapsed = Stopwatch.GetElapsedTime(start);
        GC.KeepAlive(sum);
        return GC.GetAllocatedBytesForCurrentThread() - allocated < 256
            ? elapsed.TotalNanoseconds / ((double)rounds * set.Tuples.Length)
            : throw new BenchException("the matcher allocates");
    }

    private static double Time(PcapFilter filter, RuleSet set, int rounds)
    {
        var sum = 0;
        var start = Stopwatch.GetTimestamp();
        for (var round = 0; round < rounds; round++)
        {
            foreach (var packet in set.Octets)
            {
                sum += filter.Matches(packet) ? 1 : 0;
            }
        }

        var elapsed = Stopwatch.GetElapsedTime(start);
        GC.KeepAlive(sum);
        return elapsed.TotalNanoseconds / ((double)rounds * set.Octets.Length);
    }
}
