using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FlowTables;

/// <summary>Blocks of ports: one client at a time, chance inside, every port of use to somebody, rest before the next one, nothing lost.</summary>
[Trait("Req", "N-12")]
public sealed class PortBlockTests(ITestOutputHelper output)
{
    private static readonly IpAddress First = IpAddress.Parse("192.0.2.1");
    private static readonly IpAddress Second = IpAddress.Parse("192.0.2.2");
    private static readonly IpAddress Six = IpAddress.Parse("2001:db8::1");
    private static readonly IpAddress Foreign = IpAddress.Parse("192.0.2.77");
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(120);
    private static readonly TransportProtocol[] Protocols = [TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp];

    [Fact]
    public void A_client_stays_in_its_block_for_all_protocols_and_any_port_of_it_may_come_first()
    {
        var firsts = new HashSet<int>();
        for (ulong seed = 1; seed <= 400; seed++)
        {
            var pool = Pool(1024, 2047, seed: seed);
            var ports = new HashSet<(TransportProtocol, ushort)>();
            var inOrder = true;
            foreach (var protocol in Protocols)
            {
                var last = 0;
                for (var i = 0; i < 64; i++)
                {
                    Assert.True(pool.TryAllocate(protocol, false, 0, Instant.Zero, out var endpoint, Client(1)));
                    Assert.True(ports.Add((protocol, endpoint.Port)));
                    inOrder &= endpoint.Port > last;
                    last = endpoint.Port;
                    firsts.Add(i == 0 && protocol == TransportProtocol.Tcp ? endpoint.Port % 64 : endpoint.Port % 64 | 0x1000);
                }
            }

            Assert.False(inOrder);
            Assert.Single(ports.Select(p => p.Item2 / 64).Distinct());
            Assert.Equal(new PortBlockUse(64, 1, 0, 15), pool.DescribeBlocks());
        }

        // 400 draws of 64: one that never comes is a chance of 1 in 500.
        Assert.InRange(firsts.Count(f => f < 0x1000), 60, 64);
    }

    [Fact]
    public void Several_blocks_up_to_the_limit_and_then_refused_while_others_are_not()
    {
        var pool = Pool(1024, 65_535, perClient: 3);
        var blocks = new HashSet<int>();
        for (var i = 0; i < 3 * 64; i++)
        {
            Assert.True(pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out var endpoint, Client(1)));
            blocks.Add(endpoint.Port / 64);
        }

        Assert.Equal(3, blocks.Count);
        Assert.False(pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out _, Client(1)));
        Assert.Equal(-1, pool.Choose(Client(1), TransportProtocol.Udp, false, Instant.Zero));
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out _, Client(1)));
        Assert.True(pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out var other, Client(2)));
        Assert.DoesNotContain(other.Port / 64, blocks);
    }

    [Theory]
    [InlineData(1024, 65_535, 64)]
    [InlineData(1024, 65_535, 4_096)]
    [InlineData(1000, 5_017, 256)]
    [InlineData(2000, 2_127, 64)]
    public void Every_port_is_of_use_to_somebody_and_clients_for_whom_no_block_is_left_share_the_rest(ushort first, ushort last, int size)
    {
        var pool = Pool(first, last, size: size, perClient: 2);
        var owners = new Dictionary<int, int>();
        var taken = 0;
        var refused = 0;
        for (var client = 1; client <= 3_000 && refused < 50; client++)
        {
            refused++;
            var wanted = client % 7 == 0 ? size * 2 : 1 + (client % 40);
            for (; wanted > 0 && pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint, Client(client)); wanted--)
            {
                (taken, refused) = (taken + 1, 0);
                if (pool.TryBeginBlock(endpoint, Client(client), out var block))
                {
                    Assert.True(owners.TryAdd(endpoint.Port / size, client));
                    Assert.InRange(endpoint.Port, block.First, block.Last);
                }
                else if (owners.TryGetValue(endpoint.Port / size, out var owner))
                {
                    Assert.Equal(owner, client);
                }
            }
        }

        // What is left is in clients' own blocks: 3,000 clients have taken all others.
        var use = pool.DescribeBlocks();
        Assert.Equal(0, pool.Free(TransportProtocol.Tcp, false, Instant.Zero));
        Assert.Equal(0, use.Free);
        Assert.InRange(use.Shared, 1, 1 + ((use.Clients + use.Shared) / 8));
        Assert.Equal(owners.Count, use.Clients);
        Assert.True(taken > use.Shared * (size - 1), $"{taken} of {use.Shared} shared and {use.Clients} owned blocks");

        // Of clients that have a block each one can fill it.
        foreach (var (number, client) in owners.Take(20))
        {
            while (pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out _, Client(client)))
            {
            }

            for (var port = Math.Max(number * size, first); port < Math.Min((number + 1) * size, last + 1); port++)
            {
                Assert.False(pool.TryTake(TransportProtocol.Tcp, new TransportEndpoint(First, (ushort)port), Instant.Zero, Client(client)));
            }
        }
    }

    [Fact]
    [Trait("Req", "A-17")]
    public void A_block_rests_as_a_whole_and_stays_with_a_client_that_comes_back_meanwhile()
    {
        // Two blocks: one is left to share, so there is one to have.
        var pool = Pool(2_048, 2_175);
        var ended = new List<(PortBlock Block, MacAddress Client)>();
        pool.BlockEnded = (block, client) => ended.Add((block, client));
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var one, Client(1)));
        Assert.True(pool.TryBeginBlock(one, Client(1), out var block));
        Assert.False(pool.TryBeginBlock(one, Client(1), out _));
        Assert.True(pool.TryAllocate(TransportProtocol.Udp, false, 0, Instant.Zero, out var two, Client(1)));
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var others, Client(2)));
        Assert.NotEqual(one.Port / 64, others.Port / 64);
        Assert.False(pool.TryBeginBlock(others, Client(2), out _));
        pool.Release(TransportProtocol.Tcp, one, Instant.Zero);
        var later = Instant.Zero + TimeSpan.FromSeconds(100);
        pool.Release(TransportProtocol.Udp, two, later);
        pool.Release(TransportProtocol.Tcp, others, later);

        // The first port has rested, the block has not.
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, later + TimeSpan.FromSeconds(50), out others, Client(2)));
        Assert.NotEqual(one.Port / 64, others.Port / 64);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, later + TimeSpan.FromSeconds(119), out var back, Client(1)));
        Assert.Equal(one.Port / 64, back.Port / 64);
        Assert.False(pool.TryBeginBlock(back, Client(1), out _));
        pool.Release(TransportProtocol.Tcp, back, later + TimeSpan.FromSeconds(119));
        pool.Wake(later + TimeSpan.FromSeconds(238));
        Assert.Empty(ended);
        pool.Wake(later + TimeSpan.FromSeconds(239));
        Assert.Equal((block, Client(1)), Assert.Single(ended));
        Assert.Equal((ushort)(one.Port & ~63), block.First);
        Assert.Equal((ushort)(one.Port | 63), block.Last);

        // What never was on the wire needs no rest, and what had no mapping has no end.
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, later + TimeSpan.FromSeconds(239), out var unused, Client(3)));
        pool.ReleaseUnused(TransportProtocol.Tcp, unused);
        Assert.Equal(0, pool.DescribeBlocks().Clients);
        Assert.Single(ended);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void What_comes_back_brings_its_block_along_if_that_is_nobodys()
    {
        var pool = Pool(1024, 65_535, perClient: 2);
        pool.BlockEnded = (block, client) => Assert.Fail($"{block} of {client}");
        TransportEndpoint At(int port) => new(First, (ushort)port);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, At(6_400), Instant.Zero, Client(1)));
        Assert.True(pool.TryBeginBlock(At(6_400), Client(1), out var block));
        Assert.Equal(new PortBlock(First, 6_400, 6_463), block);

        // Somebody else's port in it, and ports out of the range, keep no block; and a third block is too many.
        Assert.True(pool.TryReclaim(TransportProtocol.Udp, At(6_401), Instant.Zero, Client(2)));
        Assert.False(pool.TryBeginBlock(At(6_401), Client(2), out _));
        Assert.True(pool.TryReclaim(TransportProtocol.Udp, At(80), Instant.Zero, Client(2)));
        Assert.False(pool.TryBeginBlock(At(80), Client(2), out _));
        Assert.True(pool.TryReclaim(TransportProtocol.Udp, At(12_800), Instant.Zero, Client(1)));
        Assert.True(pool.TryReclaim(TransportProtocol.Udp, At(19_200), Instant.Zero, Client(1)));
        Assert.False(pool.TryBeginBlock(At(19_200), Client(1), out _));
        Assert.Equal(2, pool.DescribeBlocks().Clients);
        for (var i = 0; i < 127; i++)
        {
            Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint, Client(1)));
            Assert.True(endpoint.Port / 64 is 100 or 200);
        }

        Assert.False(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out _, Client(1)));

        // An explicit port may be asked for anywhere but in another client's block.
        Assert.False(pool.TryTake(TransportProtocol.Tcp, At(12_801), Instant.Zero, Client(2)));
        Assert.False(pool.TryTake(TransportProtocol.Udp, At(12_801), Instant.Zero));
        Assert.True(pool.TryTake(TransportProtocol.Udp, At(12_801), Instant.Zero, Client(1)));
        Assert.True(pool.TryTake(TransportProtocol.Tcp, At(25_600), Instant.Zero, Client(2)));
        Assert.False(pool.TryBeginBlock(At(25_600), Client(2), out _));

        // An address that is given up takes its blocks along, in silence; it comes back with what others say.
        pool.ForgetBlocks(First);
        Assert.Equal(0, pool.DescribeBlocks().Clients);
        Assert.False(pool.TryBeginBlock(At(12_800), Client(1), out _));
        pool.ReleaseUnused(TransportProtocol.Udp, At(12_800));
        Assert.True(pool.TryReclaim(TransportProtocol.Udp, At(12_800), Instant.Zero, Client(3)));
        Assert.True(pool.TryBeginBlock(At(12_800), Client(3), out _));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void Another_client_s_port_in_a_block_does_not_keep_it_and_is_not_given_out_with_it()
    {
        var pool = Pool(2_048, 2_175);
        var ended = new List<PortBlock>();
        pool.BlockEnded = (block, _) => ended.Add(block);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var one, Client(1)));
        Assert.True(pool.TryBeginBlock(one, Client(1), out var block));
        var others = new TransportEndpoint(First, (ushort)(one.Port ^ 1));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, others, Instant.Zero, Client(2)));
        pool.Release(TransportProtocol.Tcp, one, Instant.Zero);
        pool.Wake(Instant.Zero + Rest);
        Assert.Equal(block, Assert.Single(ended));
        Assert.Equal(new PortBlockUse(64, 0, 0, 2), pool.DescribeBlocks());

        // Two clients fill both blocks, but for that port.
        var given = new HashSet<TransportEndpoint>();
        foreach (var client in new[] { 3, 4 })
        {
            while (pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero + Rest, out var endpoint, Client(client)))
            {
                Assert.True(given.Add(endpoint));
            }
        }

        Assert.Equal(127, given.Count);
        Assert.DoesNotContain(others, given);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void At_an_address_that_was_taken_over_blocks_come_and_go_with_what_is_given_back()
    {
        var pool = Pool(1024, 65_535);
        var ended = new List<PortBlock>();
        pool.BlockEnded = (block, _) => ended.Add(block);
        Assert.True(pool.TryHold(Foreign, settled: false));
        var (one, two) = (new TransportEndpoint(Foreign, 6_400), new TransportEndpoint(Foreign, 6_463));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, one, Instant.Zero, Client(1)));
        Assert.True(pool.TryBeginBlock(one, Client(1), out var block));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, two, Instant.Zero, Client(1)));
        Assert.False(pool.TryBeginBlock(two, Client(1), out _));
        pool.Release(TransportProtocol.Tcp, one, Instant.Zero);
        pool.Wake(Instant.Zero + Rest);
        Assert.Empty(ended);
        pool.Release(TransportProtocol.Tcp, two, Instant.Zero + Rest);
        Assert.Equal(Instant.Zero + Rest + Rest, pool.NextWake);
        pool.Wake(pool.NextWake);
        Assert.Equal(block, Assert.Single(ended));
        Assert.Equal(new PortBlockUse(64, 0, 0, 1_008), pool.DescribeBlocks());
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, one, Instant.Zero + Rest + Rest, Client(2)));
        pool.Yield(Foreign);
        Assert.True(pool.TryHold(Foreign, settled: true));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, one, Instant.Zero + Rest + Rest, Client(3)));
        Assert.True(pool.TryBeginBlock(one, Client(3), out _));
        Assert.Single(ended);
    }

    [Fact]
    [Trait("Req", "A-21")]
    public void A_reserved_port_is_not_given_out_of_a_block_and_does_not_keep_it()
    {
        var pool = Pool(2_048, 2_175);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var one, Client(1)));
        var reserved = new TransportEndpoint(First, (ushort)(one.Port ^ 1));
        pool.Reserve(TransportProtocol.Tcp, reserved);
        pool.Reserve(TransportProtocol.Tcp, one);
        for (var i = 0; i < 62; i++)
        {
            Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint, Client(1)));
            Assert.NotEqual(reserved, endpoint);
            pool.ReleaseUnused(TransportProtocol.Tcp, endpoint);
            Assert.True(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero, Client(1)));
            Assert.Equal(one.Port / 64, endpoint.Port / 64);
            pool.Release(TransportProtocol.Tcp, endpoint, Instant.Zero);
        }

        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, reserved, Instant.Zero, Client(2)));
        pool.Release(TransportProtocol.Tcp, one, Instant.Zero);
        pool.Wake(Instant.Zero + Rest);
        Assert.Equal(new PortBlockUse(64, 0, 0, 2), pool.DescribeBlocks());
        Assert.Equal(126, pool.Free(TransportProtocol.Tcp, false, Instant.Zero + Rest));
    }

    [Theory]
    [InlineData(32, 8)]
    [InlineData(96, 8)]
    [InlineData(8_192, 8)]
    [InlineData(1_024, 8)]
    [InlineData(-64, 8)]
    [InlineData(64, 0)]
    [InlineData(64, 65)]
    public void Blocks_that_cannot_be_are_refused(int size, int perClient) =>
        Assert.Throws<ArgumentException>(() => Pool(1_024, 3_070, size: size, perClient: perClient));

    [Fact]
    [Trait("Req", "A-17")]
    public void In_random_use_no_two_clients_are_in_a_block_and_nothing_is_lost()
    {
        var random = Seed.Fresh(output);
        var pool = new EndpointPool(
            new EndpointPoolOptions
            {
                Addresses = [First, Six, Second], FirstPort = 1_000, LastPort = 3_000, Reserved = [(TransportProtocol.Udp, 2_000)], BlockSize = 64, BlocksPerClient = 3,
            },
            new SeededRandom(random.NextUInt64()));
        var all = Protocols.ToDictionary(p => p, p => (pool.Free(p, false, Instant.Zero), pool.Free(p, true, Instant.Zero)));
        var free = pool.DescribeBlocks().Free;

        // Of each port in use: whose, and whether it keeps that client's block. Of each block: whose.
        var used = new Dictionary<(TransportProtocol Protocol, TransportEndpoint Endpoint), MacAddress>();
        var resting = new Dictionary<(TransportProtocol Protocol, TransportEndpoint Endpoint), Instant>();
        var part = new Dictionary<(TransportProtocol Protocol, TransportEndpoint Endpoint), PortBlock>();
        var owners = new Dictionary<PortBlock, MacAddress>();
        var now = Instant.Zero;
        pool.BlockEnded = (block, client) =>
        {
            Assert.True(owners.Remove(block, out var owner));
            Assert.Equal(owner, client);
            foreach (var (key, _) in part.Where(p => p.Value == block).ToList())
            {
                Assert.False(used.ContainsKey(key), $"{key} is in use and {block} has ended");
                Assert.True(!resting.TryGetValue(key, out var until) || until <= now, $"{key} rests and {block} has ended");
                part.Remove(key);
            }
        };

        PortBlock? BlockOf(TransportEndpoint endpoint) =>
            owners.Keys.Where(b => b.Address == endpoint.Address && endpoint.Port >= b.First && endpoint.Port <= b.Last).Select(b => (PortBlock?)b).SingleOrDefault();

        for (var step = 0; step < 60_000; step++)
        {
            now += TimeSpan.FromMilliseconds(random.NextInt(step % 20_000 < 10_000 ? 100 : 1_500));
            pool.Wake(now);
            foreach (var (key, _) in resting.Where(r => r.Value <= now).ToList())
            {
                resting.Remove(key);
                part.Remove(key);
            }

            var client = random.Chance(0.2) ? MacAddress.None : Client(1 + random.NextInt(60));
            var (protocol, ipv6) = (Protocols[random.NextInt(3)], random.Chance(0.3));
            TransportEndpoint endpoint;
            switch (random.NextInt(9))
            {
                case <= 3:
                    if (pool.TryAllocate(protocol, ipv6, (ushort)(random.Chance(0.1) ? 1_000 + random.NextInt(2_500) : 0), now, out endpoint, client))
                    {
                        Taken(endpoint);
                    }

                    break;
                case 4:
                    endpoint = new TransportEndpoint(ipv6 ? Six : First, (ushort)(1_000 + random.NextInt(2_001)));
                    if (random.Chance(0.5) ? pool.TryTake(protocol, endpoint, now, client) : pool.TryReclaim(protocol, endpoint, now, client))
                    {
                        Taken(endpoint, mayBeInAnothers: true);
                    }

                    break;
                case 5 or 6 or 7 when used.Count > 0:
                    var (released, _) = used.ElementAt(random.NextInt(used.Count));
                    used.Remove(released);
                    resting[released] = now + Rest;
                    pool.Release(released.Protocol, released.Endpoint, now);
                    break;
                case 8 when used.Count > 0:
                    var (unused, _) = used.ElementAt(random.NextInt(used.Count));
                    used.Remove(unused);
                    pool.ReleaseUnused(unused.Protocol, unused.Endpoint);
                    part.Remove(unused);
                    break;
            }

            void Taken(TransportEndpoint taken, bool mayBeInAnothers = false)
            {
                var key = (protocol, taken);
                Assert.DoesNotContain(key, resting.Keys);
                Assert.True(used.TryAdd(key, client), $"{key} was given twice");
                if (BlockOf(taken) is { } block)
                {
                    Assert.True(mayBeInAnothers || owners[block] == client, $"{key} of {owners[block]} was given to {client}");
                    if (owners[block] == client)
                    {
                        part[key] = block;
                    }
                }
                else if (!client.IsNone && pool.TryBeginBlock(taken, client, out var begun))
                {
                    Assert.True(owners.TryAdd(begun, client));
                    Assert.True(mayBeInAnothers || owners.Count(o => o.Value == client && o.Key.Address == begun.Address) <= 3);
                    part[key] = begun;
                }
            }
        }

        Assert.NotEmpty(owners);
        foreach (var (key, _) in used.ToList())
        {
            used.Remove(key);
            resting[key] = now + Rest;
            pool.Release(key.Protocol, key.Endpoint, now);
        }

        now += Rest;
        pool.Wake(now);
        Assert.Empty(owners);
        Assert.Equal(new PortBlockUse(64, 0, 0, free), pool.DescribeBlocks());
        Assert.All(Protocols, p => Assert.Equal(all[p], (pool.Free(p, false, now), pool.Free(p, true, now))));
        Assert.Equal(all[TransportProtocol.Tcp].Item1, pool.Size(TransportProtocol.Tcp, false));
    }

    [Fact]
    public void Giving_and_taking_back_blocks_allocates_nothing_once_warm()
    {
        var pool = Pool(1024, 65_535);
        var now = Instant.Zero;
        void Round()
        {
            for (var i = 0; i < 2_000; i++)
            {
                now += TimeSpan.FromSeconds(1);
                if (pool.TryAllocate(TransportProtocol.Tcp, false, 0, now, out var endpoint, Client(1 + (i % 300))))
                {
                    pool.TryBeginBlock(endpoint, Client(1 + (i % 300)), out _);
                    pool.Release(TransportProtocol.Tcp, endpoint, now);
                }
            }
        }

        Assert.Equal(0, Allocations.Least(Round));
    }

    private static MacAddress Client(int number) => new((ulong)(0x0200_0000_0000 + number));

    private static EndpointPool Pool(ushort first, ushort last, ulong seed = 1, int size = 64, int perClient = 8) => new(
        new EndpointPoolOptions { Addresses = [First], FirstPort = first, LastPort = last, BlockSize = size, BlocksPerClient = perClient }, new SeededRandom(seed));
}
