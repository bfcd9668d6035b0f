using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Forwarder;

/// <summary>Row 3: what an incremental checksum takes, against summing the packet again with the widest vectors that the machine has.</summary>
internal static class ChecksumLanes
{
    private const int Large = 1_480;
    private const int Stored = 32_768;
    private const int Rounds = 200_000;

    public static IEnumerable<Result> Measure(int pairs)
    {
        var random = new SeededRandom(7);
        var packets = new byte[Stored * Large];
        for (var i = 0; i < packets.Length; i += 8)
        {
            MemoryMarshal.Write(packets.AsSpan(i), random.NextUInt64());
        }

        var order = new int[Rounds];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = random.NextInt(Stored) * Large;
        }

        var delta = ChecksumDelta.Between(IpAddress.FromV4(0x0A80_0001), IpAddress.FromV4(0x0A01_0101)) + ChecksumDelta.Between(1_024, 40_000);
        foreach (var length in new[] { 20, 64, Large })
        {
            var packet = packets.AsSpan(0, length);
            if (InternetChecksum.Finish(FullSum(packet)) != InternetChecksum.Compute(packet))
            {
                throw new BenchException($"the vectors sum {length} octets otherwise");
            }
        }

        List<double> incremental = [], small = [], large = [], coldIncremental = [], cold = [];
        for (var pair = -2; pair < pairs; pair++)
        {
            Keep(incremental, Time(() => Chain(delta)));
            Keep(small, Time(() => Repeat(packets.AsSpan(0, 64))));
            Keep(large, Time(() => Repeat(packets.AsSpan(0, Large))));
            Keep(coldIncremental, Time(() => Apply(packets, order, delta)));
            Keep(cold, Time(() => Sum(packets, order)));
            void Keep(List<double> values, double value)
            {
                if (pair >= 0)
                {
                    values.Add(value);
                }
            }
        }

        yield return Against(small, incremental, "64 octets, cached", "at least 2 times as long; incremental at most 2 ns", r => r.Ratio >= 2 && Statistics.Median(incremental) <= 2);
        yield return Against(large, incremental, "1,480 octets, cached", "at least 8 times as long", r => r.Ratio >= 8);
        yield return Against(cold, coldIncremental, "1,480 octets, from memory", "at least 20 times as long", r => r.Ratio >= 20);
    }

    private static Result Against(List<double> full, List<double> incremental, string what, string goal, Func<Result, bool> isMet)
    {
        var result = new Result("checksum", $"summed again, {what}", "ns", [.. full], "incremental", [.. incremental]) { Row = "3", Goal = "row 3: " + goal };
        return result with { IsMet = isMet(result) };
    }

    private static double Time(Func<uint> run)
    {
        var began = Stopwatch.GetTimestamp();
        var sum = run();
        var elapsed = Stopwatch.GetElapsedTime(began);
        GC.KeepAlive(sum);
        return elapsed.TotalNanoseconds / Rounds;
    }

    /// <summary>Each on the result of the one before: what a call takes, not how many fit beside each other.</summary>
    private static uint Chain(ChecksumDelta delta)
    {
        ushort checksum = 0x1234;
        for (var i = 0; i < Rounds; i++)
        {
            checksum = delta.ApplyTo(checksum);
        }

        return checksum;
    }

    private static uint Repeat(Span<byte> packet)
    {
        var sum = 0U;
        for (var i = 0; i < Rounds; i++)
        {
            // Depends on the one before, as the other does.
            packet[0] = (byte)sum;
            sum = FullSum(packet);
        }

        return sum;
    }

    private static uint Apply(byte[] packets, int[] order, ChecksumDelta delta)
    {
        var sum = 0U;
        foreach (var at in order)
        {
            ref var field = ref Unsafe.As<byte, ushort>(ref packets[at + 26]);
            field = delta.ApplyTo(field);
            sum += field;
        }

        return sum;
    }

    private static uint Sum(byte[] packets, int[] order)
    {
        var sum = 0U;
        foreach (var at in order)
        {
            sum += FullSum(packets.AsSpan(at, Large));
        }

        return sum;
    }

    /// <summary>The ones' complement sum in words as they stand in memory: 32 bits at a time in lanes of 64, turned round at the end (RFC 1071 section 2(B)).</summary>
    private static uint FullSum(ReadOnlySpan<byte> packet)
    {
        ref var first = ref MemoryMarshal.GetReference(packet);
        var lanes = Vector512<ulong>.Zero;
        nuint at = 0;
        for (; at + 64 <= (nuint)packet.Length; at += 64)
        {
            var words = Vector512.LoadUnsafe(ref first, at).AsUInt32();
            lanes += (words.AsUInt64() & Vector512.Create(0xFFFF_FFFFUL)) + (words.AsUInt64() >>> 32);
        }

        var sum = Vector512.Sum(lanes);
        for (; at + 4 <= (nuint)packet.Length; at += 4)
        {
            sum += Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref first, at));
        }

        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((ushort)sum) : (uint)sum;
    }
}
