using Masquerade.Core.Flow;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FlowTables;

/// <summary>Hashes, the hash index and the slab: hostile keys, a simple model, stable references, the same order in every run.</summary>
public sealed class FlowTableTests(ITestOutputHelper output)
{
    /// <summary>Prefixes that cancel the constants of the hash: no destination a client may choose must make the ports disappear from it.</summary>
    [Theory]
    [InlineData(0xA0761D6478BD642FUL)]
    [InlineData(0xE7037ED1A0B428DBUL)]
    [InlineData(0x20010DB800000000UL)]
    [InlineData(0UL)]
    [Trait("Req", "A-19")]
    public void Chosen_destinations_do_not_share_a_hash(ulong high)
    {
        var random = Seed.Fresh(output);
        var seed = (uint)random.NextUInt64();
        var source = new TransportEndpoint(IpAddress.Parse("2001:db8:1::5"), 1);
        var seen = new HashSet<uint>();
        for (var i = 0; i < 10_000; i++)
        {
            var destination = new TransportEndpoint(new IpAddress(high, 1 + (ulong)(i & 7)), (ushort)(i >> 3));
            seen.Add(FlowHash.Of(new FlowTuple(source with { Port = (ushort)i }, destination, TransportProtocol.Udp), seed));
        }

        // Of 10,000 random 32-bit values 0.01 pairs collide on average.
        Assert.InRange(seen.Count, 9_990, 10_000);
    }

    [Fact]
    [Trait("Req", "A-19")]
    public void Every_field_and_the_seed_change_the_hash()
    {
        var a = IpAddress.Parse("10.0.0.5");
        var b = IpAddress.Parse("198.51.100.7");
        var tuple = new FlowTuple(new TransportEndpoint(a, 1), new TransportEndpoint(b, 2), TransportProtocol.Tcp);
        uint[] hashes =
        [
            FlowHash.Of(tuple, 1), FlowHash.Of(tuple, 2), FlowHash.Of(tuple.Reply(), 1),
            FlowHash.Of(tuple with { Protocol = TransportProtocol.Udp }, 1),
            FlowHash.Of(tuple with { Source = tuple.Source with { Port = 3 } }, 1),
            FlowHash.Of(tuple with { Destination = tuple.Destination with { Port = 3 } }, 1),
            FlowHash.Of(tuple with { Source = tuple.Source with { Address = b } }, 1),
            FlowHash.Of(TransportProtocol.Tcp, tuple.Source, 1), FlowHash.Of(TransportProtocol.Udp, tuple.Source, 1),
            FlowHash.Of(TransportProtocol.Tcp, tuple.Source, 2),
            FlowHash.Of(new MacAddress(1), 1), FlowHash.Of(new MacAddress(2), 1), FlowHash.Of(new MacAddress(1), 2),
        ];
        Assert.Equal(hashes.Length, hashes.Distinct().Count());
        Assert.Equal(FlowHash.Of(tuple, 1), FlowHash.Of(tuple, 1));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(int.MaxValue)]
    public void The_index_agrees_with_a_simple_model(int distinctHashes)
    {
        var random = Seed.Fresh(output);
        const int Capacity = 200;
        var index = new HashIndex(Capacity);
        var model = new Dictionary<int, uint>();
        for (var step = 0; step < 20_000; step++)
        {
            // Slots stand for records: each is under one hash. Hashes end in the same bits, so that chains meet and wrap round the end.
            var slot = random.NextInt(250);
            if (model.TryGetValue(slot, out var hash))
            {
                Assert.False(index.Remove(hash ^ 0x8000_0000, slot));
                Assert.True(index.Remove(hash, slot));
                model.Remove(slot);
            }
            else
            {
                hash = (uint)(random.NextInt(distinctHashes) << 8) | (uint)(0xFC + random.NextInt(4));
                Assert.Equal(model.Count < Capacity, index.Insert(hash, slot));
                if (model.Count < Capacity)
                {
                    model[slot] = hash;
                }
            }

            Assert.Equal(model.Count, index.Count);
            var found = new List<int>();
            for (var s = index.First(hash, out var probe); s >= 0; s = index.Next(ref probe))
            {
                found.Add(s);
            }

            Assert.Equal(model.Where(m => m.Value == hash).Select(m => m.Key).Order(), found.Order());
        }
    }

    [Fact]
    public void The_index_allocates_nothing_and_walks_in_the_same_order_every_time()
    {
        static int[] Walk()
        {
            var index = new HashIndex(64);
            for (var slot = 0; slot < 20; slot++)
            {
                index.Insert(9, slot);
            }

            index.Remove(9, 3);
            var order = new List<int>();
            for (var s = index.First(9, out var probe); s >= 0; s = index.Next(ref probe))
            {
                order.Add(s);
            }

            return [.. order];
        }

        Assert.Equal(19, Walk().Length);
        Assert.Equal(Walk(), Walk());
        var warm = new HashIndex(64);
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                warm.Insert((uint)i, i);
                warm.First((uint)i, out _);
                warm.Remove((uint)i, i);
            }
        }));
    }

    [Fact]
    public void The_slab_refuses_when_full_keeps_references_and_walks_live_slots()
    {
        var slab = new Slab<long>(3_000);
        Assert.True(slab.TryAllocate(out var first));
        ref var kept = ref slab[first];
        while (slab.TryAllocate(out var slot))
        {
            slab[slot] = slot;
        }

        Assert.Equal(3_000, slab.Count);
        kept = 77;
        Assert.Equal(77, slab[first]);
        slab.Free(1_500);
        Assert.False(slab.IsLive(1_500));
        Assert.Throws<InvalidOperationException>(() => slab.Free(1_500));
        Assert.Equal(1_501, slab.NextLive(1_500));
        Assert.Equal(-1, slab.NextLive(3_000));
        Assert.False(slab.IsLive(-1));
        Assert.False(slab.IsLive(3_000));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.True(slab.TryAllocate(out var again));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(1_500, again);
        Assert.Equal(0, slab[again]);
    }

    [Fact]
    public void The_generator_repeats_its_seed_and_stays_in_range()
    {
        var a = new SeededRandom(42);
        var b = new SeededRandom(42);
        var other = new SeededRandom(43);
        Assert.NotEqual(other.NextUInt64(), new SeededRandom(42).NextUInt64());
        var counts = new int[7];
        for (var i = 0; i < 7_000; i++)
        {
            var x = a.NextInt(7);
            Assert.Equal(x, b.NextInt(7));
            counts[x]++;
        }

        Assert.All(counts, c => Assert.InRange(c, 800, 1_200));
        Assert.Equal(a.Fork().NextUInt64(), b.Fork().NextUInt64());
        Assert.NotEqual(a.Fork().NextUInt64(), a.NextUInt64());
    }
}
