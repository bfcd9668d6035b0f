using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FlowTables;

/// <summary>Endpoints that are taken for one server each: whole while ports abound, shared when they run short, never twice for one server, and each use rests by itself.</summary>
[Trait("Req", "N-01")]
[Trait("Rfc", "7857 section 3")]
public sealed class SharedPortTests(ITestOutputHelper output)
{
    private const ushort First = 2_000;
    private static readonly IpAddress Own = IpAddress.Parse("192.0.2.1");
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(120);

    [Fact]
    public void While_ports_abound_each_mapping_has_one_to_itself()
    {
        var pool = Pool(16);
        var seen = Enumerable.Range(0, 12).Select(i => Take(pool, i)).ToList();
        Assert.Equal(12, seen.Distinct().Count());
    }

    [Fact]
    public void When_ports_run_short_they_are_shared_and_as_many_mappings_fit_as_there_are_ports_and_servers()
    {
        var pool = Pool(16);
        var used = new HashSet<(TransportEndpoint, int)>();
        for (var round = 0; round < 16; round++)
        {
            for (var server = 0; server < 40; server++)
            {
                Assert.True(used.Add((Take(pool, server), server)), "one endpoint was given twice for one server");
            }
        }

        Assert.Equal(16, used.Select(u => u.Item1).Distinct().Count());
        Assert.False(pool.TryAllocateFor(Server(7), TransportProtocol.Tcp, false, 0, Instant.Zero, out var none));
        Assert.True(none.IsNone);
        Assert.True(pool.TryAllocateFor(Server(7), TransportProtocol.Udp, false, 0, Instant.Zero, out _));
        Assert.True(pool.TryAllocateFor(Server(40), TransportProtocol.Tcp, false, 0, Instant.Zero, out _));
        Assert.False(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out _));
    }

    [Fact]
    public void What_is_lent_whole_is_not_shared_and_what_is_shared_is_not_lent_whole()
    {
        var pool = Pool(2);
        Assert.True(pool.TryAllocate(TransportProtocol.Tcp, false, 0, Instant.Zero, out var whole));
        var shared = Take(pool, 1);
        Assert.NotEqual(whole, shared);
        Assert.Equal(shared, Take(pool, 2));
        Assert.Equal(shared, Take(pool, 3));
        Assert.False(pool.TryTake(TransportProtocol.Tcp, shared, Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, shared, Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, whole, Server(4), Instant.Zero));
        pool.Release(TransportProtocol.Tcp, shared, Instant.Zero);
        pool.ReleaseUnused(TransportProtocol.Tcp, shared);
        Assert.False(pool.TryTake(TransportProtocol.Tcp, shared, Instant.Zero + Rest));
    }

    /// <summary>RFC 6888 REQ-8: a server that may still answer does not answer somebody else.</summary>
    [Fact]
    [Trait("Rfc", "6888 REQ-8")]
    public void A_use_rests_towards_its_server_and_the_port_is_free_when_all_have_rested()
    {
        var pool = Pool(1);
        var endpoint = Take(pool, 1);
        Assert.Equal(endpoint, Take(pool, 2));
        pool.Release(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero);
        pool.Release(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero + (Rest / 2));
        Assert.False(pool.TryAllocateFor(Server(1), TransportProtocol.Tcp, false, 0, Instant.Zero + (Rest * 0.9), out _));
        Assert.True(pool.TryAllocateFor(Server(3), TransportProtocol.Tcp, false, 0, Instant.Zero + (Rest * 0.9), out _));
        Assert.True(pool.TryAllocateFor(Server(1), TransportProtocol.Tcp, false, 0, Instant.Zero + Rest, out _));
        foreach (var server in new[] { 1, 2, 3 })
        {
            Assert.False(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + (Rest * 2)));
            pool.Release(TransportProtocol.Tcp, endpoint, Server(server), Instant.Zero + (Rest * 2));
        }

        Assert.False(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + (Rest * 2.9)));
        Assert.True(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + (Rest * 3)));
    }

    [Fact]
    public void A_use_that_never_was_on_the_wire_does_not_rest()
    {
        var pool = Pool(1);
        var endpoint = Take(pool, 1);
        Take(pool, 2);
        pool.ReleaseUnused(TransportProtocol.Tcp, endpoint, Server(1));
        Assert.Equal(endpoint, Take(pool, 1));
        pool.ReleaseUnused(TransportProtocol.Tcp, endpoint, Server(1));
        pool.ReleaseUnused(TransportProtocol.Tcp, endpoint, Server(2));
        Assert.True(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero));
    }

    /// <summary>A node that was restarted is given its mappings back client by client, while others end already.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void Uses_of_one_endpoint_are_reclaimed_one_by_one()
    {
        var pool = Pool(4);
        var endpoint = new TransportEndpoint(Own, First + 1);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero));
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero));
        pool.Release(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero);
        Assert.False(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Server(2), Instant.Zero));
        var outside = new TransportEndpoint(Own, 500);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, outside, Server(1), Instant.Zero));

        // Nobody else is ever given a port that is not given out.
        for (var server = 10; server < 200; server++)
        {
            Assert.NotEqual(outside, Take(pool, server));
        }
    }

    /// <summary>Of what was lent in an earlier life not all has been told again: nobody joins it before that has certainly been.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void Nobody_joins_a_port_of_an_earlier_life_before_all_of_its_uses_have_had_time_to_be_told()
    {
        var pool = Pool(2);
        var earlier = new TransportEndpoint(Own, First);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, earlier, Server(1), Instant.Zero));
        for (var server = 2; server < 20; server++)
        {
            Assert.NotEqual(earlier, Take(pool, server));
        }

        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, earlier, Server(2), Instant.Zero));
        Assert.True(pool.TryAllocateFor(Server(3), TransportProtocol.Tcp, false, 0, Instant.Zero + Rest, out var joined));
        Assert.Equal(earlier, joined);
    }

    [Fact]
    [Trait("Req", "A-18")]
    public void What_was_shared_at_an_address_that_another_node_has_now_is_forgotten()
    {
        var pool = Pool(4);
        var foreign = IpAddress.Parse("198.51.100.7");
        Assert.True(pool.TryHold(foreign, settled: true));
        var endpoint = new TransportEndpoint(foreign, 3_000);
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Server(1), Instant.Zero));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Server(2), Instant.Zero));
        pool.Release(TransportProtocol.Tcp, endpoint, Server(2), Instant.Zero);
        pool.Yield(foreign);
        Assert.True(pool.TryHold(foreign, settled: true));
        Assert.True(pool.TryReclaim(TransportProtocol.Tcp, endpoint, Instant.Zero));
        Take(pool, 1);
        Assert.False(pool.TryTake(TransportProtocol.Tcp, endpoint, Instant.Zero + Rest + Rest));
    }

    /// <summary>Against a model that knows of each use whether it lives, rests, or is none.</summary>
    [Fact]
    public void Any_order_of_taking_and_giving_back_keeps_to_the_rules()
    {
        var random = new SeededRandom(Seed.Number(output));
        var pool = Pool(8);
        var live = new List<(TransportEndpoint Endpoint, int Server)>();
        var resting = new Dictionary<(TransportEndpoint, int), Instant>();
        var whole = new List<TransportEndpoint>();
        var wholeResting = new Dictionary<TransportEndpoint, Instant>();
        var now = Instant.Zero;
        for (var step = 0; step < 20_000; step++)
        {
            now += TimeSpan.FromSeconds(random.NextInt(10));
            switch (random.NextInt(5))
            {
                case 0 or 1:
                    var server = random.NextInt(12);
                    if (pool.TryAllocateFor(Server(server), TransportProtocol.Tcp, false, 0, now, out var given))
                    {
                        Assert.DoesNotContain((given, server), live);
                        Assert.DoesNotContain(given, whole);
                        Assert.False(resting.TryGetValue((given, server), out var until) && until > now, $"{given} for {server} rests until {until}");
                        Assert.False(wholeResting.TryGetValue(given, out var wholeUntil) && wholeUntil > now);
                        live.Add((given, server));
                    }

                    break;
                case 2 when whole.Count < 3 && pool.TryAllocate(TransportProtocol.Tcp, false, 0, now, out var taken):
                    Assert.DoesNotContain(taken, whole);
                    Assert.DoesNotContain(taken, live.Select(l => l.Endpoint));
                    Assert.DoesNotContain(resting, r => r.Key.Item1 == taken && r.Value > now);
                    whole.Add(taken);
                    break;
                case 3 when live.Count > 0:
                    var ended = live[random.NextInt(live.Count)];
                    live.Remove(ended);
                    if (random.Chance(0.5))
                    {
                        pool.Release(TransportProtocol.Tcp, ended.Endpoint, Server(ended.Server), now);
                        resting[ended] = now + Rest;
                    }
                    else
                    {
                        pool.ReleaseUnused(TransportProtocol.Tcp, ended.Endpoint, Server(ended.Server));
                    }

                    break;
                case 4 when whole.Count > 0:
                    pool.Release(TransportProtocol.Tcp, whole[0], now);
                    wholeResting[whole[0]] = now + Rest;
                    whole.RemoveAt(0);
                    break;
            }
        }

        foreach (var (endpoint, server) in live)
        {
            pool.ReleaseUnused(TransportProtocol.Tcp, endpoint, Server(server));
        }

        whole.ForEach(e => pool.ReleaseUnused(TransportProtocol.Tcp, e));
        Assert.Equal(8, pool.Free(TransportProtocol.Tcp, false, now + Rest));
    }

    [Fact]
    public void An_index_counts_who_shares_an_endpoint_and_leaves_single_slots_alone()
    {
        var pool = Pool(4);
        var index = new EndpointIndex(pool);
        var (shared, single, foreign) = (new TransportEndpoint(Own, 2_000), new TransportEndpoint(Own, 2_001), TransportEndpoint.Parse("198.51.100.9:2000"));
        index[TransportProtocol.Tcp, single] = 5;
        index.Share(TransportProtocol.Tcp, single, more: true);
        index.Share(TransportProtocol.Tcp, single, more: false);
        Assert.Equal(5, index[TransportProtocol.Tcp, single]);
        index.Share(TransportProtocol.Tcp, foreign, more: true);
        Assert.Equal(EndpointIndex.Nothing, index[TransportProtocol.Tcp, foreign]);
        for (var i = 0; i < 3; i++)
        {
            index.Share(TransportProtocol.Tcp, shared, more: true);
            Assert.True(index[TransportProtocol.Tcp, shared] < EndpointIndex.Nothing);
        }

        for (var i = 0; i < 5; i++)
        {
            index.Share(TransportProtocol.Tcp, shared, more: false);
            Assert.Equal(i < 2, index[TransportProtocol.Tcp, shared] < EndpointIndex.Nothing);
        }

        Assert.Equal(EndpointIndex.Nothing, index[TransportProtocol.Tcp, shared]);
        Assert.Equal(EndpointIndex.Nothing, index[TransportProtocol.Udp, shared]);
    }

    private static TransportEndpoint Server(int number) => new(IpAddress.Parse("203.0.113.9"), (ushort)(7_000 + number));

    private static EndpointPool Pool(int ports) =>
        new(new EndpointPoolOptions { Addresses = [Own], FirstPort = First, LastPort = (ushort)(First + ports - 1), RestTime = Rest }, new SeededRandom(3));

    private static TransportEndpoint Take(EndpointPool pool, int server)
    {
        Assert.True(pool.TryAllocateFor(Server(server), TransportProtocol.Tcp, false, 0, Instant.Zero, out var endpoint), $"nothing is left for server {server}");
        return endpoint;
    }
}
