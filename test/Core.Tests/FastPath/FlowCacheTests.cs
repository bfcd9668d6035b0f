using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FastPath;

/// <summary>The table of connections that pass, held against a dictionary.</summary>
public sealed class FlowCacheTests(ITestOutputHelper output)
{
    private const int Capacity = 2_000;

    [Fact]
    [Trait("Req", "A-19")]
    public void Whatever_is_written_and_taken_away_is_found_as_a_dictionary_finds_it()
    {
        var random = Seed.Fresh(output);
        var cache = new FlowCache(Capacity, 4, random.Fork());
        var lines = new Dictionary<int, FlowRoute>();
        for (var step = 0; step < 40_000; step++)
        {
            var number = random.NextInt(Capacity);

            // Now full, now nearly empty.
            if (random.Chance(step / 10_000 % 2 == 0 ? 0.8 : 0.3))
            {
                lines[number] = Route(number, random.NextInt(3));
                Assert.True(cache.Install(number, number % 4, lines[number], tick: 1));
            }
            else
            {
                cache.Remove(number);
                lines.Remove(number);
            }

            if (step % 1_000 == 0)
            {
                Check(cache, lines);
            }
        }

        Assert.Equal(lines.Count, cache.Count);
        foreach (var number in lines.Keys)
        {
            cache.Remove(number);
        }

        Assert.Equal(0, cache.Count);
        Check(cache, []);
    }

    [Fact]
    [Trait("Req", "A-26")]
    public void One_word_makes_all_lines_of_a_client_void_and_no_others()
    {
        var cache = new FlowCache(Capacity, 4, new SeededRandom(1));
        var lines = Enumerable.Range(0, Capacity).ToDictionary(i => i, i => Route(i, 0));
        foreach (var (number, route) in lines)
        {
            Assert.True(cache.Install(number, number % 4, route, tick: 1));
        }

        cache.Invalidate(2);
        Check(cache, lines.Where(l => l.Key % 4 != 2).ToDictionary());

        // Written again they hold again; what is void all the same takes a place until then.
        Assert.Equal(Capacity, cache.Count);
        Assert.True(cache.Install(2, 2, lines[2], tick: 1));
        Check(cache, lines.Where(l => l.Key % 4 != 2 || l.Key == 2).ToDictionary());
    }

    [Fact]
    public void What_the_cache_does_not_know_how_to_rewrite_is_not_taken()
    {
        var cache = new FlowCache(8, 1, new SeededRandom(1));
        var v4 = Route(1, 0);
        var v6 = TransportEndpoint.Parse("[2001:db8::1]:5");
        Assert.False(cache.Install(1, 0, v4 with { Tuple = v4.Tuple with { Protocol = TransportProtocol.Icmp } }, 1));
        Assert.False(cache.Install(1, 0, v4 with { Tuple = v4.Tuple with { Destination = v6 } }, 1));
        Assert.False(cache.Install(1, 0, v4 with { Masquerade = v6 }, 1));
        Assert.Equal(0, cache.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Install(8, 0, v4, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Install(1, 1, v4, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FlowCache(0, 1, new SeededRandom(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FlowCache(FlowCache.MaxCapacity + 1, 1, new SeededRandom(1)));
    }

    [Fact]
    public void A_million_connections_take_no_more_memory_than_is_said()
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var cache = new FlowCache(1_000_000, 1, new SeededRandom(1));
        var octets = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(octets / 1_000_000.0, 64, 86);
        GC.KeepAlive(cache);
    }

    private static FlowRoute Route(int number, int generation)
    {
        var client = new TransportEndpoint(IpAddress.FromV4(0x0A80_0001 + ((uint)number & 15)), (ushort)(1_024 + number));
        var server = new TransportEndpoint(IpAddress.FromV4(0xCB00_7100 + ((uint)number & 7)), (ushort)(443 + generation));
        var masquerade = new TransportEndpoint(IpAddress.FromV4(0x0A01_0101), (ushort)(20_000 + number));
        return new FlowRoute(
            new FlowTuple(client, server, (number & 1) == 0 ? TransportProtocol.Tcp : TransportProtocol.Udp), masquerade, masquerade with { Port = (ushort)(40_000 + number) });
    }

    /// <summary>Everything that may be there is asked for, in both directions.</summary>
    private static void Check(FlowCache cache, Dictionary<int, FlowRoute> lines)
    {
        var numbers = new int[1];
        for (var number = 0; number < Capacity; number++)
        {
            for (var generation = 0; generation < 3; generation++)
            {
                var route = Route(number, generation);
                var wanted = lines.TryGetValue(number, out var held) && held == route ? number : -1;
                cache.Find([FlowKey.Of(route.Tuple)], isInbound: false, numbers);
                Assert.Equal(wanted, numbers[0]);
                var inbound = new FlowTuple(route.Tuple.Destination, route.Fam, route.Tuple.Protocol);
                cache.Find([FlowKey.Of(inbound)], isInbound: true, numbers);
                Assert.Equal(wanted, numbers[0]);

                // From the other side it is nobody's packet.
                cache.Find([FlowKey.Of(inbound)], isInbound: false, numbers);
                Assert.Equal(-1, numbers[0]);
            }
        }
    }
}
