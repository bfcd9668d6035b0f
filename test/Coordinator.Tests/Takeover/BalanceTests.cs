using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>
/// Addresses move because a node has too much to do. Node n has the addresses n, 10 + n and 20 + n, of which it keeps n; what is anchored at each address is said by the test, and goes
/// with the address.
/// </summary>
[Trait("Req", "A-15")]
public sealed class BalanceTests(ITestOutputHelper output)
{
    private static readonly BalanceOptions On = new()
    {
        Enabled = true,
        BusyMappings = 100,
        CalmMappings = 50,
        After = TimeSpan.FromSeconds(2),
        Interval = TimeSpan.FromSeconds(5),
        AddressInterval = TimeSpan.FromSeconds(20),
    };

    private readonly SortedDictionary<ulong, uint> _anchored = [];

    [Fact]
    public void A_busy_node_gives_an_address_to_the_node_with_the_least_to_do_and_its_mappings_go_along()
    {
        var site = Site((1, 80), (11, 60), (21, 3), (2, 20), (3, 10));
        var record = Mapping(1, 5_000, 1) with { Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Address(11), 5_000)), FamEndpoint = new TransportEndpoint(Address(11), 5_000) };
        site.Say(1, site.Bench.Arrive(1));
        site.Say(1, site.Bench.Announce(1, record));
        Until(site, () => Owner(site, 11) == Ap3);
        site.Pass(500);
        Assert.Equal((Address(11), Ap1, Ap3, MoveCause.Load), site.Bench.Events.OfType<AddressMoved>().Select(m => (m.Address, m.From, m.To, m.Cause)).Single());
        Assert.True(site.Heard<AddressOwners>().First(o => o.Session == 1).Message.Planned);
        Assert.Equal(record.Mapping, Assert.Single(Assert.Single(site.Heard<AdoptMappings>(), a => a.Session == 3).Message.Mappings).Mapping);
        Assert.Equal(Ap3, Assert.Single(site.Bench.Record.Mappings.Values).Record.Ham);
        Assert.True(Book(site, 11) is { Settled: true, ByLoad: true });
        Assert.Equal((Ap1, Ap3, true), site.Bench.Core.Nodes.Elsewhere.Select(e => (e.Home, e.Owner, e.ByLoad)).Single());
    }

    /// <summary>The client had come back to its HAM, and has an endpoint there that is apart from its masquerade endpoint. When that endpoint's address goes, it has the other one still.</summary>
    [Fact]
    public void A_client_that_is_at_its_HAM_is_served_there_whichever_of_the_others_addresses_moves()
    {
        var site = Site((1, 80), (11, 60), (2, 20), (3, 10));
        site.Say(1, site.Bench.Arrive(1));
        site.Say(1, site.Bench.Announce(site.Bench.Record.Epoch.Value, Mapping(1, 5_000, 1)));
        site.Say(2, site.Bench.Arrive(2, 6_000));
        site.Pass(300);
        site.Say(1, site.Bench.Arrive(1) with { Offers = [new FamOffer(TransportProtocol.Udp, new TransportEndpoint(Address(11), 7_000))] });
        site.Pass(300);
        var back = Assert.Single(site.Bench.Record.Mappings.Values);
        Assert.Equal((Ap1, Ap1, new TransportEndpoint(Address(11), 7_000)), (back.Record.Ham, back.Fams[0].Node, back.Fams[0].Endpoint));
        Until(site, () => Owner(site, 11) == Ap3);
        site.Pass(500);
        back = Assert.Single(site.Bench.Record.Mappings.Values);
        Assert.Equal((Ap1, Ap1, At(1, 5_000)), (back.Record.Ham, back.Fams[0].Node, back.Fams[0].Endpoint));
    }

    [Theory]
    [InlineData("it is not busy", "1 60, 11 30, 21 10")]
    [InlineData("nobody has much less to do", "1 80, 11 60, 2 75, 3 75")]
    [InlineData("the other one would have more to do than this one afterwards", "1 20, 11 90, 2 10, 3 10")]
    [InlineData("it is not worth it", "1 200, 11 10, 21 10")]
    [InlineData("it needs the address itself", "1 200")]
    public void No_address_moves_if(string reason, string anchored)
    {
        Assert.NotEmpty(reason);
        var site = Site([.. anchored.Split(", ").Select(a => a.Split(' ')).Select(a => (ulong.Parse(a[0]), uint.Parse(a[1])))]);
        site.Pass(30_000, step: 20);
        Assert.Empty(site.Bench.Core.Nodes.Moved);
    }

    [Fact]
    public void No_address_moves_to_whom_failure_or_an_operator_would_not_move_it_to_nor_if_it_is_not_asked_for()
    {
        var off = Site(On with { Enabled = false }, (1, 80), (11, 60));
        off.Pass(30_000, step: 20);
        Assert.Empty(off.Bench.Core.Nodes.Moved);

        var site = Site((1, 80), (11, 60), (3, 15));
        Assert.True(site.Bench.Core.TryDrain(Ap2, true, site.Bench.Now, _ => { }));
        site.Unwilling.Add(3);
        site.Pass(30_000, step: 20);
        Assert.Equal(Ap1, Owner(site, 11));
        Assert.InRange(site.Heard<AddressOwners>().Count(o => o.Session == 3 && o.Message.Owners.Any(a => a.Address == Address(11) && a.Node == Ap3)), 1, 5);
        Assert.DoesNotContain(site.Heard<AddressOwners>(), o => o.Session == 2 && o.Message.Owners.Any(a => a.Node == Ap2 && a.Address == Address(11)));
        site.Unwilling.Clear();
        Until(site, () => Owner(site, 11) == Ap3);
    }

    [Fact]
    public void A_moment_of_much_to_do_moves_nothing()
    {
        var site = Site((1, 40), (11, 30));
        for (var i = 0; i < 20; i++)
        {
            (_anchored[1], _anchored[11]) = (400, 300);
            site.Pass(1_000);
            (_anchored[1], _anchored[11]) = (40, 30);
            site.Pass(1_500);
        }

        Assert.Empty(site.Bench.Core.Nodes.Moved);
    }

    [Fact]
    public void It_goes_home_when_its_home_has_room_for_it_and_not_before()
    {
        var site = Site((1, 80), (11, 60));
        Until(site, () => Owner(site, 11) != Ap1);
        (_anchored[1], _anchored[11]) = (30, 30);
        site.Pass(60_000, step: 20);
        Assert.NotEqual(Ap1, Owner(site, 11));
        _anchored[1] = 15;
        Until(site, () => Owner(site, 11) == Ap1);
        site.Pass(1_000);
        Assert.Equal([MoveCause.Load, MoveCause.Return], site.Bench.Events.OfType<AddressMoved>().Select(m => m.Cause));
        Assert.True(Book(site, 11) is { Settled: true, ByLoad: false });
    }

    [Fact]
    public void It_does_not_go_home_at_once_however_little_there_is_to_do()
    {
        var site = Site((1, 80), (11, 60));
        Until(site, () => Owner(site, 11) != Ap1);
        _anchored.Clear();
        site.Pass(19_000, step: 20);
        Assert.NotEqual(Ap1, Owner(site, 11));
        Until(site, () => Owner(site, 11) == Ap1);
    }

    [Fact]
    public void An_operator_who_puts_the_home_back_into_service_gets_it_back_at_once()
    {
        var site = Site((1, 80), (11, 60));
        Until(site, () => Owner(site, 11) != Ap1);
        site.Pass(1_000);
        Assert.True(site.Bench.Core.TryDrain(Ap1, true, site.Bench.Now, _ => { }));
        site.Pass(2_000);
        Assert.True(site.Bench.Core.TryDrain(Ap1, false, site.Bench.Now, _ => { }));
        Until(site, () => Owner(site, 11) == Ap1 && Owner(site, 1) == Ap1);

        // What moves by load after that stays away as before.
        Until(site, () => Owner(site, 11) != Ap1);
        site.Pass(15_000, step: 20);
        Assert.NotEqual(Ap1, Owner(site, 11));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nothing_is_lost_when_the_taker_dies_before_it_has_taken_the_address_or_afterwards(bool before)
    {
        var site = Site((1, 80), (11, 60), (2, 20), (3, 10));
        var record = Mapping(1, 5_000, 1) with { Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Address(11), 5_000)), FamEndpoint = new TransportEndpoint(Address(11), 5_000) };
        site.Say(1, site.Bench.Arrive(1));
        site.Say(1, site.Bench.Announce(1, record));
        if (before)
        {
            site.DeafToOffers.Add(3);
            Until(site, () => Book(site, 11) is { Next.IsNone: false });
        }
        else
        {
            Until(site, () => Owner(site, 11) == Ap3);
        }

        site.Silence(3);
        site.Pass(4_000);
        Assert.True(Book(site, 11) is { Settled: true, Next.IsNone: true });
        Assert.Equal(before ? Ap2 : Ap1, Owner(site, 11));
        Assert.Equal(before, Book(site, 11)!.ByLoad);
        Assert.Equal(Owner(site, 11), Assert.Single(site.Bench.Record.Mappings.Values).Record.Ham);
    }

    /// <summary>An address that was taken over when its home failed goes back to it when that is there again, although it has been moved on because of load.</summary>
    [Fact]
    public void Who_was_away_for_another_reason_gets_all_back_at_once()
    {
        var site = Site((1, 30), (11, 60), (21, 60), (2, 10), (3, 100));
        site.JoinWith(4, Address(4));
        site.Pass(100);
        site.Silence(1);
        Until(site, () => Owner(site, 11) is var owner && owner != Ap1);
        var taker = Owner(site, 11);
        Until(site, () => site.Bench.Events.OfType<AddressMoved>().Any(m => m.Cause == MoveCause.Load && m.From == taker));
        Assert.DoesNotContain(site.Bench.Core.Nodes.Moved, m => m.ByLoad);
        site.Silent.Remove(1);
        site.Deaf.Remove(1);
        site.Rejoin(1, 2, Address(1), Address(11), Address(21));
        site.Pass(3_000);
        Assert.All(new ulong[] { 1, 11, 21 }, a => Assert.Equal(Ap1, Owner(site, a)));
    }

    /// <summary>Loads go up and down by a fifth all the time, as they do; what has to move moves, once, and that is all.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Nothing_goes_to_and_fro_however_loads_flutter(int number)
    {
        var seed = number == 0 ? Seed.Number(output) : (ulong)number;
        var random = new SeededRandom(seed);
        var site = Site();
        foreach (var address in new ulong[] { 1, 11, 21, 2, 12, 22, 3, 13, 23 })
        {
            _anchored[address] = (uint)random.NextInt(address % 10 == 1 ? 200 : 60);
        }

        var steady = new SortedDictionary<ulong, uint>(_anchored);
        for (var second = 0; second < 600; second++)
        {
            foreach (var (address, load) in steady)
            {
                _anchored[address] = (uint)(load * (80 + random.NextInt(41)) / 100);
            }

            site.Pass(1_000, step: 50);
        }

        var moves = site.Bench.Events.OfType<AddressMoved>().ToList();
        output.WriteLine($"{string.Join(' ', steady)}: {string.Join(", ", moves.Select(m => $"{m.Address} {m.From} > {m.To} {m.Cause}"))}");
        Assert.DoesNotContain(moves, m => m.Cause is not (MoveCause.Load or MoveCause.Return));
        Assert.All(moves.GroupBy(m => m.Address), g => Assert.InRange(g.Count(), 1, 2));
        Assert.All(site.Bench.Core.Nodes.Moved, m => Assert.True(m is { Settled: true, Next.IsNone: true }));
        Assert.All(new ulong[] { 1, 2, 3 }, n => Assert.Equal(Name(n), Owner(site, n)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Two_coordinators_do_not_give_two_addresses_to_one_node_at_once(bool newsGetLost)
    {
        var (peers, sites) = Pair(newsGetLost);
        Pass(sites, () => peers.Find(Address(11)) is { IsMoving: true } || peers.Find(Address(12)) is { IsMoving: true });
        Pass(sites, () => new[] { peers.Find(Address(11)), peers.Find(Address(12)) }.Count(r => r is { Settled: true, ByLoad: true }) == 1);
        for (var i = 0; i < 60; i++)
        {
            Pass(sites);
            Assert.Single(new[] { peers.Find(Address(11)), peers.Find(Address(12)) }, r => r is not null && r.Latest.Node == Ap3);
        }

        // Of what was withdrawn nobody has ever heard.
        Assert.Single(sites[1].Said.Concat(sites[0].Said).Select(s => s.Message).OfType<AddressOwners>().SelectMany(o => o.Owners).Where(o => o.Node == Ap3).Select(o => o.Address).Distinct());
    }

    [Fact]
    public void A_coordinator_that_dies_while_it_moves_an_address_leaves_it_where_it_was_or_where_it_goes()
    {
        var (peers, sites) = Pair(newsGetLost: false);
        _anchored[12] = 0;
        sites[1].DeafToOffers.Add(3);
        Pass(sites, () => peers.Find(Address(11)) is { Next.IsNone: false, NextByLoad: true });
        peers.Kill(11);
        for (var i = 0; i < 40; i++)
        {
            sites[1].Pass(50);
        }

        Assert.True(peers.Find(Address(11)) is { Settled: true, Next.IsNone: true, ByLoad: false } left && left.Owner == Ap1);
    }

    [Fact]
    public void The_book_keeps_that_an_address_is_away_because_of_load_and_reads_what_was_written_before_there_was_such_a_thing()
    {
        var record = new AddressRecord(Address(1)) { Owner = Ap3, Epoch = new Epoch(9), ByLoad = true };
        foreach (var said in new[] { record, record with { ByLoad = false }, record with { Next = Ap2, NextEpoch = new Epoch(10), NextByLoad = true, Planned = true, Mover = 7 } })
        {
            Assert.Equal(said, AddressRecordCodec.Decode(said.Address.ToString(), AddressRecordCodec.Encode(said)));
        }

        var old = AddressRecordCodec.Decode("192.0.2.1", Convert.FromHexString("9801" + "A3617033" + "09" + "01" + "A0" + "00" + "A0" + "00"));
        Assert.Equal(record with { ByLoad = false }, old);
    }

    private PlayedSite Site(params (ulong Address, uint Mappings)[] anchored) => Site(On, anchored);

    private PlayedSite Site(BalanceOptions balance, params (ulong Address, uint Mappings)[] anchored)
    {
        var site = new PlayedSite(new CoordinatorOptions { Balance = balance });
        Anchor(site, anchored);
        for (ulong node = 1; node <= 3; node++)
        {
            site.JoinWith(node, Address(node), Address(10 + node), Address(20 + node));
        }

        site.Pass(100);
        site.Said.Clear();
        return site;
    }

    private void Anchor(PlayedSite site, params (ulong Address, uint Mappings)[] anchored)
    {
        foreach (var (address, mappings) in anchored)
        {
            _anchored[address] = mappings;
        }

        site.Loads = node => [.. _anchored.Where(a => Owner(site, a.Key) == Name(node)).Select(a => new AddressLoad(Address(a.Key), a.Value))];
    }

    /// <summary>Two coordinators; ap1 is busy at the first, ap2 at the second, and ap3, which is at the second, has nothing to do.</summary>
    private (PlayedCoordinators Peers, PlayedSite[] Sites) Pair(bool newsGetLost)
    {
        var peers = new PlayedCoordinators { LosesNews = newsGetLost };
        var store = new InMemoryClientStore(7);
        PlayedSite[] sites = [peers.Begin(11, store, On with { Interval = TimeSpan.FromSeconds(10) }), peers.Begin(12, store, On with { Interval = TimeSpan.FromSeconds(10) })];
        foreach (var site in sites)
        {
            Anchor(site, (1, 200), (11, 60), (2, 200), (12, 60), (3, 0));
        }

        sites[0].JoinWith(1, Address(1), Address(11));
        sites[1].JoinWith(2, Address(2), Address(12));
        sites[1].JoinWith(3, Address(3));
        return (peers, sites);
    }

    private static void Pass(PlayedSite[] sites, Func<bool>? until = null)
    {
        for (var i = 0; until is null ? i < 1 : !until(); i++)
        {
            Assert.True(i < 2_000, "it does not come about");
            foreach (var site in sites)
            {
                site.Pass(50);
            }
        }
    }

    private static void Until(PlayedSite site, Func<bool> condition)
    {
        for (var i = 0; i < 3_000 && !condition(); i++)
        {
            site.Pass(20, step: 20);
        }

        Assert.True(condition());
    }

    private static NodeId Owner(PlayedSite site, ulong address) => site.Bench.Core.Nodes.OwnerOf(Address(address));

    private static AddressRecord? Book(PlayedSite site, ulong address) => site.Bench.Core.Nodes.Moved.FirstOrDefault(m => m.Address == Address(address));
}
