using System.Diagnostics;
using System.Globalization;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Forwarder;

/// <summary>Row 6, besides how fast lines are found: memory, writing four million of them without a pause, and finding while a tenth of them come and go.</summary>
internal static class TableLanes
{
    private const int Many = 4_000_000;
    private const int Read = 1_000_000;
    private const int Chunk = 1_024;

    public static IEnumerable<Result> Measure(int pairs)
    {
        yield return Write();
        yield return Churn(pairs);
    }

    private static Result Write()
    {
        var before = Machine.ResidentBytes(Environment.ProcessId);
        var cache = new FlowCache(Many, Traffic.Clients, new SeededRandom(1));
        var longest = 0.0;
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < Many; i++)
        {
            var one = Stopwatch.GetTimestamp();
            cache.Install(i, Traffic.ClientOf(i), Traffic.Route(i), tick: 1);
            longest = Math.Max(longest, Stopwatch.GetElapsedTime(one).TotalMicroseconds);
        }

        var each = Stopwatch.GetElapsedTime(began).TotalNanoseconds / Many;
        var octets = (double)(Machine.ResidentBytes(Environment.ProcessId) - before) / Many;
        GC.KeepAlive(cache);
        return new Result("table", "memory for a connection, both directions, resident, 4,000,000 connections", "B", [octets], "the kernel's entry without its slot", [256])
        {
            Row = "6",
            Goal = "row 6: at most 96 B, no pause over 1 ms while it is filled",
            IsMet = octets <= 96 && longest <= 1_000,
            Note = string.Create(CultureInfo.InvariantCulture, $"{each:0} ns to write one, the longest {longest:0} µs (which the machine's own pauses are part of)"),
        };
    }

    /// <summary>Connections come and go between batches, one for every ten that are looked for.</summary>
    private static Result Churn(int pairs)
    {
        var cache = new FlowCache(Read, Traffic.Clients, new SeededRandom(1));
        var keys = new FlowKey[Read];
        for (var i = 0; i < Read; i++)
        {
            keys[i] = FlowKey.Of(Traffic.Route(i).Tuple);
            cache.Install(i, Traffic.ClientOf(i), Traffic.Route(i), tick: 1);
        }

        var random = new SeededRandom(9);
        List<double> still = [], churning = [];
        for (var pair = -1; pair < pairs; pair++)
        {
            var (a, b) = (Look(cache, keys, random, churn: false), Look(cache, keys, random, churn: true));
            if (pair >= 0)
            {
                still.Add(1_000 / a);
                churning.Add(1_000 / b);
            }
        }

        return new Result("table", "finding one of 1,000,000 connections while a tenth of them come and go", "M/s", [.. churning], "while none do", [.. still]) { Row = "6" };
    }

    private static double Look(FlowCache cache, FlowKey[] keys, SeededRandom random, bool churn)
    {
        Span<int> numbers = stackalloc int[FlowForwarder.MaxBatch];
        Span<FlowKey> asked = new FlowKey[Chunk];
        Span<int> wanted = new int[Chunk];
        var elapsed = 0L;
        for (var round = 0; round < Read / Chunk; round++)
        {
            for (var i = 0; i < Chunk; i++)
            {
                wanted[i] = random.NextInt(Read);
                asked[i] = keys[wanted[i]];
            }

            if (churn)
            {
                for (var i = 0; i < Chunk / 10; i++)
                {
                    var number = random.NextInt(Read);
                    cache.Remove(number);
                    cache.Install(number, Traffic.ClientOf(number), Traffic.Route(number), tick: 1);
                }
            }

            var began = Stopwatch.GetTimestamp();
            for (var at = 0; at < Chunk; at += FlowForwarder.MaxBatch)
            {
                cache.Find(asked.Slice(at, FlowForwarder.MaxBatch), isInbound: false, numbers);
                if (!numbers.SequenceEqual(wanted.Slice(at, FlowForwarder.MaxBatch)))
                {
                    throw new BenchException("a connection was not found, or another one");
                }
            }

            elapsed += Stopwatch.GetTimestamp() - began;
        }

        return Stopwatch.GetElapsedTime(0, elapsed).TotalNanoseconds / Read;
    }
}
