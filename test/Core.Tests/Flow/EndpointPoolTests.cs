using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FlowTables;

/// <summary>The node's own endpoints: one owner each, rest before reuse, spread over the addresses, refusal when none is left.</summary>
public sealed class EndpointPoolTests(ITestOutputHelper output)
{
    private static readonly IpAddress First = IpAddress.Parse("192.0.2.1");
    private static readonly IpAddress Second = IpAddress.Parse("192.0.2.2");
    private static readonly IpAddress Six = IpAddress.Parse("2001:db8::1");
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(120);
    private static readonly TransportProtocol[] Protocols = [TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp];

    [Fact]
    [Trait("Req", "A-18")]
    public void Every_endpoint_of_every_address_is_given_once_and_then_refused()
    {
        var pool = Pool(1024, 65_535);
        var seen = new HashSet<TransportEndpoint>();
        while (pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out var endpoint))
        {
            Assert.True(seen.Add(endpoint), $"{endpoint} was given twice");
            Assert.NotEqual(4747, endpoint.Port);
            Assert.True(endpoint.Address == First || endpoint.Address == Second);
            Assert.True(endpoint.Port >= 1024);
        }

        Assert.Equal(2 * (65_536 - 1024 - 1), seen.Count);
        Assert.Equal(0, pool.Free(TransportProtocol.Udp, false, Instant.Zero));
        Assert.True(pool.TryAllocate(TransportProtocol.Udp, true, 0, Instant.Zero, out var six));
        Assert.Equal(Six, six.Address);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 4747, Instant.Zero, out var tcp));
        Assert.Equal(4747, tcp.Port);
    }

    [Fact]
    [Trait("Req", "A-21")]
    public void A_reserved_endpoint_is_lent_to_nobody_and_may_be_reclaimed_at_any_time()
    {
        var pool = Pool(2_000, 2_003);
        var (free, lent, foreign) = (new TransportEndpoint(First, 2_000), new TransportEndpoint(First, 2_001), TransportEndpoint.Parse("198.51.100.1:2000"));
        Assert.True(pool.TryTake(TransportProtocol.Udp, lent, Instant.Zero));
        foreach (var endpoint in new[] { free, lent, foreign, free })
        {
            pool.Reserve(TransportProtocol.Udp, endpoint);
        }

        // Whoever had it keeps it; after that it does not come back to the others.
        Assert.False(pool.TryReclaim(TransportProtocol.Udp, lent, Instant.Zero));
        pool.Release(TransportProtocol.Udp, lent, Instant.Zero);
        var later = Instant.Zero + Rest + Rest;
        var given = new HashSet<TransportEndpoint>();
        while (pool.TryAllocate(TransportProtocol.Udp, false, 2_000, later, out var endpoint))
        {
            Assert.True(given.Add(endpoint));
        }

        Assert.Equal(6, given.Count);
        Assert.DoesNotContain(free, given);
        Assert.DoesNotContain(lent, given);
        for (var times = 0; times < 3; times++)
        {
            Assert.True(pool.TryReclaim(TransportProtocol.Udp, free, later));
            Assert.False(pool.TryReclaim(TransportProtocol.Udp, free, later));
            pool.Release(TransportProtocol.Udp, free, later);
        }

        Assert.True(pool.TryReclaim(TransportProtocol.Udp, lent, later));
        Assert.True(pool.TryTake(TransportProtocol.Tcp, free, later));
    }

    [Fact]
    [Trait("Req", "A-17")]
    public void A_released_endpoint_rests_from_its_release_and_an_unused_one_does_not()
    {
        var pool = Pool(5000, 5000);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, true, 0, Instant.Zero, out var endpoint));
        pool.Release(TransportProtocol.Tcp, endpoint, Instant.Zero);
        Assert.False(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + Rest - TimeSpan.FromMilliseconds(1)));
        Assert.False(pool.TryAllocate(TransportProtocol.Tcp, true, 0, Instant.Zero + Rest - TimeSpan.FromMilliseconds(1), out _));
        Assert.True(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + Rest));
        pool.ReleaseUnused(TransportProtocol.Tcp, endpoint);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, true, 0, Instant.Zero + Rest, out _));
    }

    [Fact]
    [Trait("Req", "A-17")]
    public void Releasing_twice_does_not_take_the_endpoint_from_its_next_owner()
    {
        var pool = Pool(5000, 5000);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, true, 0, Instant.Zero, out var endpoint));
        pool.Release(TransportProtocol.Tcp, endpoint, Instant.Zero);
        pool.Release(TransportProtocol.Tcp, endpoint, Instant.Zero + TimeSpan.FromSeconds(60));
        Assert.True(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + Rest));

        // When the second release's rest would end, the endpoint belongs to somebody else.
        Assert.False(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + Rest + Rest));
    }

    [Fact]
    [Trait("Req", "A-17")]
    public void A_resting_endpoint_is_not_freed_as_unused()
    {
        var pool = Pool(5000, 5000);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, true, 0, Instant.Zero, out var endpoint));
        pool.Release(TransportProtocol.Tcp, endpoint, Instant.Zero);
        pool.ReleaseUnused(TransportProtocol.Tcp, endpoint);
        Assert.False(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero));
    }

    [Theory]
    [InlineData(4747)]
    [InlineData(80)]
    public void Releasing_what_is_never_given_does_not_make_it_givable(int port)
    {
        var pool = Pool(1024, 65_535);
        var endpoint = new TransportEndpoint(First, (ushort)port);
        var free = pool.Free(TransportProtocol.Udp, false, Instant.Zero);
        pool.ReleaseUnused(TransportProtocol.Udp, endpoint);
        pool.Release(TransportProtocol.Udp, endpoint, Instant.Zero);
        Assert.Equal(free, pool.Free(TransportProtocol.Udp, false, Instant.Zero + Rest));
        Assert.False(pool.TryTake(TransportProtocol.Udp, endpoint, Instant.Zero + Rest));
    }

    [Fact]
    [Trait("Req", "A-16")]
    [Trait("Req", "A-17")]
    public void What_a_node_is_given_back_is_lent_even_if_it_is_out_of_range_but_not_while_it_rests()
    {
        var address = IpAddress.Parse("192.0.2.1");
        var pool = new EndpointPool(
            new EndpointPoolOptions { Addresses = [address], FirstPort = 2_000, LastPort = 2_001, Reserved = [(TransportProtocol.Udp, 4_747)] }, new SeededRandom(1));
        var endpoint = new TransportEndpoint(address, 2_000);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, TransportEndpoint.Parse("192.0.2.2:2000"), Instant.Zero));
        Assert.Equal(1, pool.Free(TransportProtocol.Tcp, ipv6: false, Instant.Zero));

        pool.Release(TransportProtocol.Tcp, endpoint, Instant.Zero);
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Instant.Zero));
        var later = Instant.Zero + TimeSpan.FromSeconds(120);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, later));

        foreach (var odd in new ushort[] { 80, 4_747 })
        {
            Assert.True(pool.TryReclaim(TransportProtocol.Udp, new TransportEndpoint(address, odd), later));
            Assert.False(pool.TryReclaim(TransportProtocol.Udp, new TransportEndpoint(address, odd), later));
            pool.Release(TransportProtocol.Udp, new TransportEndpoint(address, odd), later);
        }

        Assert.Equal(2, pool.Free(TransportProtocol.Udp, ipv6: false, later + TimeSpan.FromSeconds(240)));
        Assert.False(pool.TryTake(TransportProtocol.Udp, new TransportEndpoint(address, 4_747), later + TimeSpan.FromSeconds(240)));
    }

    [Fact]
    public void A_port_reserved_twice_counts_once()
    {
        var pool = new EndpointPool(
            new EndpointPoolOptions
            {
                Addresses = [First],
                FirstPort = 4747,
                LastPort = 4748,
                Reserved = [(TransportProtocol.Udp, 4747), (TransportProtocol.Udp, 4747)],
            },
            new SeededRandom(1));
        Assert.Equal(1, pool.Free(TransportProtocol.Udp, false, Instant.Zero));
        Assert.True(pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out var endpoint));
        Assert.Equal(4748, endpoint.Port);
    }

    [Fact]
    [Trait("Req", "A-18")]
    public void Addresses_of_a_family_share_the_work()
    {
        var pool = Pool(1024, 65_535);
        var first = 0;
        for (var i = 0; i < 3_000; i++)
        {
            Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint));
            first += endpoint.Address == First ? 1 : 0;
        }

        Assert.InRange(first, 1_400, 1_600);
    }

    [Fact]
    [Trait("Req", "A-18")]
    public void The_same_seed_gives_the_same_endpoints_and_another_seed_gives_others()
    {
        static ushort[] Ports(ulong seed)
        {
            var pool = Pool(1024, 65_535, seed);
            var ports = new ushort[64];
            for (var i = 0; i < ports.Length; i++)
            {
                Assert.True(pool.TryAllocate(TransportProtocol.Tcp, true, 0, Instant.Zero, out var endpoint));
                ports[i] = endpoint.Port;
            }

            return ports;
        }

        Assert.Equal(Ports(7), Ports(7));
        Assert.NotEqual(Ports(7), Ports(8));
    }

    [Fact]
    [Trait("Req", "A-17")]
    public void Random_use_agrees_with_a_simple_model()
    {
        var random = Seed.Fresh(output);
        var pool = Pool(6000, 6020, random.NextUInt64());
        var used = new HashSet<(TransportProtocol, TransportEndpoint)>();
        var resting = new Dictionary<(TransportProtocol, TransportEndpoint), Instant>();
        var now = Instant.Zero;
        for (var step = 0; step < 50_000; step++)
        {
            now += TimeSpan.FromMilliseconds(random.NextInt(3_000));
            foreach (var (key, _) in resting.Where(r => r.Value <= now).ToList())
            {
                resting.Remove(key);
            }

            var protocol = Protocols[random.NextInt(3)];
            var ipv6 = random.Chance(0.5);
            var inUse = used.Where(u => u.Item1 == protocol).ToList();
            switch (random.NextInt(4))
            {
                case 0 or 1:
                    bool OfSpace((TransportProtocol P, TransportEndpoint E) u) => u.P == protocol && u.E.Address.IsIPv4 != ipv6;
                    var left = ((ipv6 ? 1 : 2) * 21) - used.Count(OfSpace) - resting.Keys.Count(OfSpace);
                    Assert.Equal(left, pool.Free(protocol, ipv6, now));
                    var given = pool.TryAllocate(protocol, ipv6, (ushort)(random.Chance(0.5) ? 6000 + random.NextInt(30) : 0), now, out var endpoint);
                    Assert.Equal(left > 0, given);
                    if (given)
                    {
                        Assert.Equal(!ipv6, endpoint.Address.IsIPv4);
                        Assert.InRange(endpoint.Port, 6000, 6020);
                        Assert.DoesNotContain((protocol, endpoint), resting.Keys);
                        Assert.True(used.Add((protocol, endpoint)));
                    }

                    break;
                case 2 when inUse.Count > 0:
                    var released = inUse[random.NextInt(inUse.Count)];
                    pool.Release(protocol, released.Item2, now);
                    used.Remove(released);
                    resting[released] = now + Rest;
                    break;
                case 3 when inUse.Count > 0:
                    var unused = inUse[random.NextInt(inUse.Count)];
                    pool.ReleaseUnused(protocol, unused.Item2);
                    used.Remove(unused);
                    break;
            }
        }
    }

    [Fact]
    [Trait("Req", "A-18")]
    public void The_endpoint_index_reads_what_was_written_and_nothing_for_foreign_addresses()
    {
        var pool = Pool(1024, 65_535);
        var index = new EndpointIndex(pool);
        var own = new TransportEndpoint(Second, 40_000);
        var foreign = new TransportEndpoint(IpAddress.Parse("198.51.100.9"), 40_000);
        Assert.Equal(-1, index[TransportProtocol.Tcp, own]);
        index[TransportProtocol.Tcp, own] = 0;
        index[TransportProtocol.Tcp, foreign] = 5;
        Assert.Equal(0, index[TransportProtocol.Tcp, own]);
        Assert.Equal(-1, index[TransportProtocol.Udp, own]);
        Assert.Equal(-1, index[TransportProtocol.Tcp, own with { Address = First }]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var read = index[TransportProtocol.Tcp, foreign] + index[TransportProtocol.Icmp, own];
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(-2, read);
        index[TransportProtocol.Tcp, own] = -1;
        Assert.Equal(-1, index[TransportProtocol.Tcp, own]);
    }

    [Fact]
    [Trait("Req", "A-17")]
    public void Giving_and_resting_allocate_nothing_once_warm()
    {
        var pool = Pool(1024, 65_535);
        var now = Instant.Zero;
        void Round()
        {
            for (var i = 0; i < 2_000; i++)
            {
                now += TimeSpan.FromSeconds(1);
                if (pool.TryAllocate(TransportProtocol.Tcp, false, 0, now, out var endpoint))
                {
                    pool.Release(TransportProtocol.Tcp, endpoint, now);
                }
            }
        }

        Assert.Equal(0, Allocations.Least(Round));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void Of_an_address_that_was_taken_over_endpoints_are_reclaimed_and_never_given_out()
    {
        var pool = Pool(5000, 5001);
        var foreign = IpAddress.Parse("192.0.2.77");
        var index = new EndpointIndex(pool);
        var taken = new TransportEndpoint(foreign, 5000);
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, taken, Instant.Zero));
        Assert.True(pool.TryHold(foreign, settled: false));
        Assert.True(pool.Owns(foreign) && !pool.IsSettled(foreign));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, taken, Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, taken, Instant.Zero));
        index[TransportProtocol.Tcp, taken] = 7;
        Assert.Equal(7, index[TransportProtocol.Tcp, taken]);
        Assert.False(pool.TryTake(TransportProtocol.Tcp, new TransportEndpoint(foreign, 5001), Instant.Zero));
        while (pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint))
        {
            Assert.NotEqual(foreign, endpoint.Address);
        }

        // Given up while one rests: the next foreign address in its place begins afresh.
        pool.Release(TransportProtocol.Tcp, taken, Instant.Zero);
        index[TransportProtocol.Tcp, taken] = -1;
        pool.Yield(foreign);
        Assert.False(pool.Owns(foreign));
        Assert.Equal(-1, pool.AddressIndex(foreign));
        var next = IpAddress.Parse("192.0.2.78");
        Assert.True(pool.TryHold(next, settled: true));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, new TransportEndpoint(next, 5000), Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, new TransportEndpoint(next, 5000), Instant.Zero + Rest + Rest));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void An_own_address_that_is_anothers_gives_nothing_out_until_it_is_back_and_settled()
    {
        var pool = Pool(5000, 5000);
        foreach (var address in pool.Addresses)
        {
            pool.Yield(address);
        }

        Assert.False(pool.GivesOut || pool.Owns(First));
        Assert.Equal(0, pool.Free(TransportProtocol.Tcp, false, Instant.Zero) + pool.Size(TransportProtocol.Tcp, true));
        Assert.False(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out _));
        Assert.True(pool.TryHold(Second, settled: false));
        Assert.False(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out _));
        Assert.True(pool.TryReclaim(TransportProtocol.Udp, new TransportEndpoint(Second, 5000), Instant.Zero));
        Assert.True(pool.TryHold(Second, settled: true));
        Assert.False(pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out _));
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint));
        Assert.Equal(Second, endpoint.Address);
    }

    [Fact]
    public void There_is_room_for_so_many_addresses_and_places_are_used_again()
    {
        var pool = Pool(5000, 5001);
        var foreign = Enumerable.Range(0, EndpointPool.MaxKnown - 3).Select(i => IpAddress.FromV4(0x0A00_0000 + (uint)i)).ToList();
        Assert.All(foreign, a => Assert.True(pool.TryHold(a, settled: true)));
        Assert.False(pool.TryHold(IpAddress.Parse("10.9.9.9"), settled: true));
        pool.Yield(foreign[5]);
        Assert.True(pool.TryHold(IpAddress.Parse("10.9.9.9"), settled: true));
        Assert.All(foreign.Where(a => a != foreign[5]), a => Assert.True(pool.Owns(a)));
        foreign.ForEach(pool.Yield);
        Assert.All(pool.Addresses, a => Assert.True(pool.Owns(a)));
        Assert.True(pool.Owns(IpAddress.Parse("10.9.9.9")));
    }

    private static EndpointPool Pool(ushort first, ushort last, ulong seed = 1) => new(
        new EndpointPoolOptions { Addresses = [First, Six, Second], FirstPort = first, LastPort = last, Reserved = [(TransportProtocol.Udp, 4747)] },
        new SeededRandom(seed));
}
