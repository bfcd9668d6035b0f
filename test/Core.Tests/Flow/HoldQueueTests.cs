using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FlowTables;

/// <summary>Packets that wait come out whole, in order, and never more than the bound.</summary>
public sealed class HoldQueueTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-29")]
    public void Random_use_agrees_with_a_simple_queue_and_stays_in_bounds()
    {
        var random = Seed.Fresh(output);
        const int MaxPackets = 40;
        const int MaxBytes = 150_000;
        var queue = new HoldQueue(MaxPackets, MaxBytes);
        var model = new Queue<(byte[] Packet, int Tag)>();
        var bytes = 0;
        for (var step = 0; step < 20_000; step++)
        {
            if (random.Chance(0.52))
            {
                var packet = new byte[1 + random.NextInt(random.Chance(0.1) ? 65_575 : 1_500)];
                packet.AsSpan().Fill((byte)step);
                packet[^1] = (byte)(step >> 8);
                var fits = model.Count < MaxPackets && bytes + packet.Length <= MaxBytes;
                Assert.Equal(fits, queue.TryEnqueue(packet, default, step, new Instant(step)));
                if (fits)
                {
                    model.Enqueue((packet, step));
                    bytes += packet.Length;
                }
            }
            else if (model.TryDequeue(out var expected))
            {
                Assert.True(queue.TryPeek(out var held));
                Assert.True(held.Packet.SequenceEqual(expected.Packet));
                Assert.Equal(expected.Tag, held.Tag);
                Assert.Equal(new Instant(expected.Tag), held.Deadline);
                queue.Dequeue();
                bytes -= expected.Packet.Length;
            }

            Assert.Equal(model.Count, queue.Count);
            Assert.Equal(bytes, queue.Bytes);
        }
    }

    [Fact]
    public void The_longest_packet_fits_and_can_be_written_in_place()
    {
        var queue = new HoldQueue(1, 65_575);
        Assert.True(queue.TryEnqueue(new byte[65_575], default, 1, Instant.Never));
        Assert.False(queue.TryEnqueue(new byte[1], default, 2, Instant.Never));
        Assert.True(queue.TryPeek(out var held));
        held.Packet[65_574] = 9;
        Assert.True(queue.TryPeek(out var again));
        Assert.Equal(9, again.Packet[65_574]);
        queue.Clear();
        Assert.False(queue.TryPeek(out _));
        Assert.Equal(0, queue.Bytes);
        Assert.False(queue.TryEnqueue([], default, 3, Instant.Never));
    }

    /// <summary>One room for the octets and as much again for the gap at the ring's end; growing must not overshoot that.</summary>
    [Fact]
    [Trait("Req", "A-29")]
    public void Memory_stays_within_twice_the_bound()
    {
        const int MaxBytes = 100_000;
        var queue = new HoldQueue(1_000, MaxBytes);
        var small = new byte[1_000];
        var longest = new byte[65_575];
        for (var i = 0; i < 80; i++)
        {
            Assert.True(queue.TryEnqueue(small, default, i, Instant.Never));
        }

        for (var i = 0; i < 50; i++)
        {
            queue.Dequeue();
        }

        // 30,000 octets stand in the middle of the ring and leave too little on either side.
        var before = GC.GetAllocatedBytesForCurrentThread();
        var added = queue.TryEnqueue(longest, default, 80, Instant.Never);
        var grown = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(added);
        Assert.InRange(grown, MaxBytes, (2 * MaxBytes) + 1_024);
    }

    [Fact]
    public void A_warm_queue_allocates_nothing()
    {
        var queue = new HoldQueue(16, 32_768);
        var packet = new byte[1_000];
        void Round()
        {
            for (var i = 0; i < 1_000; i++)
            {
                while (queue.TryEnqueue(packet, default, i, Instant.Never))
                {
                }

                while (queue.TryPeek(out _))
                {
                    queue.Dequeue();
                }
            }
        }

        Assert.Equal(0, Allocations.Least(Round));
    }
}
