using System.Diagnostics;
using System.Globalization;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Forwarder;

/// <summary>The rewriting of established connections against its twin in C and what one writes first, and the table against a dictionary (rows 1, 2, 3 and 6).</summary>
internal static class ForwarderBench
{
    private const string Help = """
        ./masq bench forwarder [options]: packets of established connections, against the same program in C and a naive one in C#
          --quick       for function, not for figures
          --markdown    a table for bench/RESULTS.md instead of lines
          --json        one line for each row of the goals: row, name, ratio, goal, met
        """;

    private const int Large = 1_000_000;
    private static readonly int[] s_sizes = [1_000, 64_000, Large];

    public static int Run(string[] arguments)
    {
        if (arguments.FirstOrDefault(a => a is not ("--quick" or "--markdown" or "--json")) is { } other)
        {
            var asked = other is "--help" or "-h" or "-?";
            (asked ? Console.Out : Console.Error).WriteLine(asked ? Help : $"masq bench forwarder: '{other}' is not understood\n{Help}");
            return asked ? 0 : 2;
        }

        var pairs = arguments.Contains("--quick", StringComparer.Ordinal) ? 2 : 21;
        var run = string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC, Linux {Machine.Kernel}, {Machine.Cpu}, load average {Machine.LoadAverage} before");
        List<Result> results = [.. Measure(pairs), .. ChecksumLanes.Measure(pairs), .. TableLanes.Measure(pairs)];
        if (arguments.Contains("--json", StringComparer.Ordinal))
        {
            results.ForEach(r => Console.WriteLine(r.RowJson()));
        }
        else if (arguments.Contains("--markdown", StringComparer.Ordinal))
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

    private static IEnumerable<Result> Measure(int pairs)
    {
        var library = ForwarderTwin.Compile();
        List<double> small = [];
        WarmUp(library);
        foreach (var size in s_sizes)
        {
            var traffic = new Traffic(size, new SeededRandom(42));
            var ours = new OurForwarder(traffic, new SeededRandom(1));
            using var twin = new ForwarderTwin(library, traffic, new SeededRandom(2));
            var naive = size == Large ? new NaiveForwarder(traffic) : null;

            // A pass over few packets is short: as many as make 64,000 packets belong together.
            var passes = Math.Max(1, 64_000 / size);
            List<double>[] us = [[], []], them = [[], []];
            List<double> slow = [], found = [], foundByTwin = [];
            var keys = traffic.Keys();
            for (var pair = -2; pair < pairs; pair++)
            {
                for (var way = 0; way < 2; way++)
                {
                    var (a, b) = (0.0, 0.0);
                    for (var pass = 0; pass < passes; pass++)
                    {
                        a += traffic.Pass(ours, way == 1) / passes;
                        b += traffic.Pass(twin, way == 1) / passes;
                    }

                    Keep(us[way], a, pair);
                    Keep(them[way], b, pair);
                }

                Keep(found, Find(keys, (batch, numbers) => ours.Cache.Find(batch, isInbound: false, numbers), passes), pair);
                Keep(foundByTwin, Find(keys, twin.Find, passes), pair);
                if (naive is not null && pair < 9)
                {
                    Keep(slow, traffic.Pass(naive, isInbound: false), pair);
                }
            }

            var text = size.ToString("#,0", CultureInfo.InvariantCulture);
            foreach (var way in new[] { 0, 1 })
            {
                var result = Speed($"{(way == 0 ? "outbound at the FAM" : "inbound at the FAM")}, {text} connections", us[way], "C twin", them[way]) with { Row = way == 0 ? "1" : "2", Checks = traffic.Checks };
                yield return size == s_sizes[0] ? result : result with { Goal = $"row {result.Row}: at least 0.9 of C's speed", IsMet = result.Ratio >= 0.9 };
            }

            var bothWays = new Result("forwarder", $"inbound, {text} connections", "ns", [.. us[1]], "outbound", [.. us[0]]) { Row = "2" };
            yield return bothWays with { Goal = "row 2: at most 1.1 times the time", IsMet = bothWays.Ratio <= 1.1 };
            if (naive is not null)
            {
                var result = Speed($"outbound at the FAM, {text} connections", us[0][..slow.Count], "naive C#", slow);
                yield return result with { Row = "1", Goal = "row 1: at least 12 times the naive one's speed", IsMet = result.Ratio >= 12, Checks = traffic.Checks };
            }

            yield return Speed($"finding one of {text} connections", found, "C twin", foundByTwin) with { Row = "6", Note = Rate(found) };
            if (size == s_sizes[0])
            {
                small = found;
            }
            else if (size == Large)
            {
                var growth = new Result("forwarder", $"finding one of {text} connections", "ns", [.. found], "of 1,000", [.. small]) { Row = "6" };
                yield return growth with { Goal = "row 6: at most 2.2 times the time", IsMet = growth.Ratio <= 2.2 };
                yield return AgainstDictionary(keys, found);
            }
        }
    }

    /// <summary>By time: until what runs often has been compiled for good.</summary>
    private static void WarmUp(nint library)
    {
        var traffic = new Traffic(s_sizes[0], new SeededRandom(42));
        var ours = new OurForwarder(traffic, new SeededRandom(1));
        using var twin = new ForwarderTwin(library, traffic, new SeededRandom(2));
        var keys = traffic.Keys();
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(2);)
        {
            _ = traffic.Pass(ours, isInbound: false) + traffic.Pass(ours, isInbound: true) + traffic.Pass(twin, isInbound: false);
            _ = Find(keys, (batch, numbers) => ours.Cache.Find(batch, isInbound: false, numbers), 1) + Find(keys, twin.Find, 1);
        }
    }

    /// <summary>Speeds, so that more is better: the other's time by ours.</summary>
    private static Result Speed(string lane, IReadOnlyList<double> ours, string floor, IReadOnlyList<double> theirs) =>
        new("forwarder", lane, "M/s", [.. ours.Select(t => 1_000 / t)], floor, [.. theirs.Select(t => 1_000 / t)])
        {
            Note = string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(ours):0.0} ns a packet, {floor} {Statistics.Median(theirs):0.0}"),
        };

    private static string Rate(List<double> times) => string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(times):0.0} ns, 32 at a time");

    private static Result AgainstDictionary(FlowKey[] keys, List<double> found)
    {
        var dictionary = new Dictionary<FlowKey, int>(keys.Length);
        for (var i = 0; i < keys.Length; i++)
        {
            dictionary[keys[i]] = i;
        }

        // Asked in another order than they were written in, as the table is.
        var asked = (FlowKey[])keys.Clone();
        var random = new SeededRandom(3);
        for (var i = asked.Length - 1; i > 0; i--)
        {
            var j = random.NextInt(i + 1);
            (asked[i], asked[j]) = (asked[j], asked[i]);
        }

        List<double> times = [];
        for (var pair = 0; pair < Math.Min(5, found.Count); pair++)
        {
            times.Add(Find(asked, (batch, numbers) =>
            {
                for (var i = 0; i < batch.Length; i++)
                {
                    numbers[i] = dictionary.GetValueOrDefault(batch[i], -1);
                }
            }, 1));
        }

        var result = Speed($"finding one of {keys.Length:#,0} connections", found[..times.Count], "Dictionary", times);
        return result with { Row = "6", Goal = "row 6: at least 12 times a Dictionary's speed, 55 M/s", IsMet = result.Ratio >= 12 && result.Value >= 55 };
    }

    private delegate void Finder(ReadOnlySpan<FlowKey> keys, Span<int> numbers);

    private static double Find(FlowKey[] keys, Finder find, int passes)
    {
        Span<int> numbers = stackalloc int[FlowForwarder.MaxBatch];
        var (sum, hits) = (0L, 0);
        var began = Stopwatch.GetTimestamp();
        for (var pass = 0; pass < passes; pass++)
        {
            for (var at = 0; at < keys.Length; at += FlowForwarder.MaxBatch)
            {
                var batch = keys.AsSpan(at, Math.Min(FlowForwarder.MaxBatch, keys.Length - at));
                find(batch, numbers);
                foreach (var number in numbers[..batch.Length])
                {
                    sum += number;
                    hits += number >= 0 ? 1 : 0;
                }
            }
        }

        var elapsed = Stopwatch.GetElapsedTime(began);
        return hits == passes * keys.Length && sum == (long)passes * keys.Length * (keys.Length - 1) / 2
            ? elapsed.TotalNanoseconds / ((double)passes * keys.Length)
            : throw new BenchException($"{hits:#,0} of {(long)passes * keys.Length:#,0} keys were found, or not the right ones");
    }

    private static void Keep(List<double> values, double value, int pair)
    {
        if (pair >= 0)
        {
            values.Add(value);
        }
    }
}
