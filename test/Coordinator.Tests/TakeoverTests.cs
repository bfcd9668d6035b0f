using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests;

/// <summary>A node fails, is found out, and another one gets what it owned. The nodes are played; they beat once in 50 ms unless a test has them stop.</summary>
public sealed class TakeoverTests
{
    private static readonly IpPrefix Link = IpPrefix.Parse("192.0.2.0/24");
    private static readonly IpPrefix Anything = IpPrefix.Parse("0.0.0.0/0");
    private readonly CoordinatorBench _bench = new(nodes: 0);
    private readonly List<(ulong Session, ControlMessage Message)> _heard = [];
    private readonly HashSet<ulong> _silent = [];
    private readonly HashSet<ulong> _deaf = [];
    private readonly Dictionary<ulong, uint> _load = [];
    private readonly Dictionary<ulong, ulong> _sessions = [];

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_failed_node_is_found_out_within_half_a_second_and_another_one_gets_its_mappings()
    {
        Site(Link);
        ServeElsewhere();
        var begin = _bench.Now;
        Silence(1);
        Until(() => Heard<AddressOwners>().Any());
        Assert.InRange((_bench.Now - begin).TotalMilliseconds, 200, 500);
        Assert.Equal(2, Heard<ProbeNode>().Select(p => p.Session).Distinct().Count());

        // ap3, which anchors nothing, is asked; once it has taken the address it gets the mapping with the FAM, and the FAM hears of its new HAM.
        var (to, owners) = Heard<AddressOwners>().First();
        Assert.Equal(3ul, to);
        var owner = Assert.Single(owners.Owners);
        Assert.Equal((Address(1), Ap3, false), (owner.Address, owner.Node, owner.Settled));
        Pass(20);
        var adopt = Assert.Single(Heard<AdoptMappings>());
        Assert.Equal(3ul, adopt.Session);
        var record = Assert.Single(adopt.Message.Mappings);
        Assert.Equal((Ap3, At(2, 6_000)), (record.Ham, record.FamEndpoint));
        Assert.Equal(Ap3, Assert.Single(Heard<ArrivalUpdate>().Last(u => u.Session == 2).Message.Mappings).Ham);
        Assert.Equal(Ap3, Assert.Single(_bench.Record.Mappings.Values).Record.Ham);
        Assert.Equal(Ap3, _bench.Core.Nodes.OwnerOf(Address(1)));
        Pass(50);
        Assert.True(Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Settled);
        Assert.Equal(0, _bench.Core.AddressesMoving);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_lost_session_is_not_death_while_another_node_reaches_the_node()
    {
        Site(Link);
        _bench.Core.OnDisconnected(1, _bench.Now);
        _silent.Add(1);
        Pass(3_000);
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.InRange(Heard<ProbeNode>().Count(), 8, 20);
        Assert.Empty(Heard<AddressOwners>());
        _deaf.Add(1);
        Pass(1_000);
        Assert.NotEqual(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void The_same_link_comes_first_and_then_the_node_with_the_fewest_mappings()
    {
        Join(1, Link);
        Join(2, Anything);
        Join(3, Link);
        Join(4, Link);
        (_load[2], _load[3], _load[4]) = (0, 9, 8);
        Pass(200);
        Silence(1);
        Pass(1_000);
        Assert.Equal(Name(4), _bench.Core.Nodes.OwnerOf(Address(1)));
        Silence(3);
        Silence(4);
        Pass(1_500);
        Assert.Equal([Ap2, Ap2, Ap2], new ulong[] { 1, 3, 4 }.Select(n => _bench.Core.Nodes.OwnerOf(Address(n))));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void Who_cannot_take_an_address_is_not_asked_and_nobody_is_probed_for_nothing()
    {
        Join(1);
        Join(2, IpPrefix.Parse("198.51.100.0/24"));
        Join(3);
        Silence(1);
        Pass(2_000);
        Assert.Empty(Heard<ProbeNode>());
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));

        // One that can comes later.
        Join(4, Link);
        Pass(1_500);
        Assert.Equal(Name(4), _bench.Core.Nodes.OwnerOf(Address(1)));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void Takeover_can_be_switched_off()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { Takeover = false }, nodes: 0);
        foreach (var node in new ulong[] { 1, 2, 3 })
        {
            bench.Connect(node, takes: [Link]);
        }

        bench.Core.OnDisconnected(1, bench.Now);
        for (var i = 0; i < 100; i++)
        {
            bench.Tell(2, new Heartbeat { Id = bench.NextId() });
            Assert.DoesNotContain(bench.Wait(20), s => s.Message is ProbeNode);
        }
    }

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_node_that_comes_back_is_told_what_it_does_not_own_and_gets_it_back_when_it_is_stable()
    {
        Site(Link);
        ServeElsewhere();
        Silence(1);
        Pass(1_000);
        var taken = _bench.Core.Nodes.OwnerOf(Address(1));
        Assert.Equal(Ap3, taken);
        _heard.Clear();
        _silent.Remove(1);
        _deaf.Remove(1);
        Rejoin(1, 2);
        var welcome = Heard<Welcome>().Single(w => w.Session == 11).Message;
        Assert.Equal((Ap3, 0u), (Assert.Single(welcome.Owners).Node, welcome.Restored));
        Pass(900);
        Assert.Equal(Ap3, _bench.Core.Nodes.OwnerOf(Address(1)));
        Pass(200);
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
        var record = Assert.Single(Assert.Single(Heard<AdoptMappings>(), a => a.Session == 11).Message.Mappings);
        Assert.Equal((Ap1, At(2, 6_000)), (record.Ham, record.FamEndpoint));
        var epochs = Heard<AddressOwners>().SelectMany(o => o.Message.Owners).Select(o => o.Epoch).ToList();
        Assert.All(epochs, e => Assert.True(e > welcome.Owners[0].Epoch));
        Assert.Equal(Ap1, Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Node);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void With_returning_switched_off_a_node_keeps_none_of_its_addresses()
    {
        var bench = new TakeoverTests(new CoordinatorOptions { ReturnAddresses = false });
        bench.Site(Link);
        bench.Silence(1);
        bench.Pass(1_000);
        bench._silent.Remove(1);
        bench._deaf.Remove(1);
        bench.Rejoin(1, 2);
        bench.Pass(10_000);
        Assert.NotEqual(Ap1, bench._bench.Core.Nodes.OwnerOf(Address(1)));
    }

    /// <summary>The coordinator and the failed node's access point at once: whoever serves the client says so, and is told the rest.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_client_that_vanished_with_its_node_finds_its_mappings_elsewhere()
    {
        Site(Link);
        Say(1, _bench.Arrive(1));
        Say(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        Silence(1);
        _bench.Core.OnDisconnected(1, _bench.Now);
        var reply = Say(2, _bench.Arrive(2, 6_000)).OfType<ArriveReply>().Single();
        Assert.True(reply.Complete);
        Assert.Equal(At(2, 6_000), Assert.Single(reply.Mappings).FamEndpoint);
        Pass(1_000);
        var entry = Assert.Single(_bench.Record.Mappings.Values);
        Assert.Equal((Ap3, At(2, 6_000), Ap2), (entry.Record.Ham, entry.EndpointAt(Ap2), _bench.Record.Fam));

        // And at the node that takes over: it serves at the masquerade endpoint itself, as any HAM does.
        Silence(3);
        Pass(1_500);
        entry = Assert.Single(_bench.Record.Mappings.Values);
        Assert.Equal((Ap2, At(1, 5_000)), (entry.Record.Ham, entry.EndpointAt(Ap2)));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void Whom_a_failed_node_served_it_serves_no_more()
    {
        Site(Link);
        Say(2, _bench.Arrive(2));
        Say(2, _bench.Announce(1, Mapping(2, 5_000, 1)));
        Say(1, _bench.Arrive(1, 6_000));
        Assert.Equal(Ap1, _bench.Record.Fam);
        _heard.Clear();
        Silence(1);
        Pass(1_000);
        Assert.True(_bench.Record.Fam.IsNone);
        var cleared = Assert.Single(Heard<FamCleared>(), c => c.Session == 2).Message;
        Assert.Equal((Mapping(2, 5_000, 1).Mapping, new Epoch(2)), (Assert.Single(cleared.Routes).Mapping, cleared.Epoch));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void An_offer_that_nobody_acknowledges_goes_to_another_node()
    {
        Site(Link);
        _deafToOffers.Add(3);
        Silence(1);
        Pass(2_500);
        Assert.Equal(Ap2, _bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(Ap2, Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Node);
        _deafToOffers.Clear();
        Pass(2_500);
        Assert.Equal(0, _bench.Core.AddressesMoving);
        Assert.Equal(0, _bench.Core.Nodes.Find(Ap3)!.PushesWaiting);
    }

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_node_that_is_back_before_its_addresses_are_taken_keeps_them()
    {
        Site(Link);
        ServeElsewhere();
        _deafToOffers.Add(3);
        Silence(1);
        Until(() => Heard<AddressOwners>().Any());
        var offered = Heard<AddressOwners>().First().Message.Owners.Single().Epoch;
        _silent.Remove(1);
        _deaf.Remove(1);
        Rejoin(1, 2);
        var welcome = Heard<Welcome>().Single(w => w.Session == 11).Message;
        var owner = Assert.Single(welcome.Owners);
        Assert.Equal((Ap1, 1u), (owner.Node, welcome.Restored));
        Assert.True(owner.Epoch > offered);
        _deafToOffers.Clear();
        Pass(3_000);
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(owner.Epoch, Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Epoch);
        Assert.Equal(Ap1, Assert.Single(_bench.Record.Mappings.Values).Record.Ham);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void A_coordinator_that_has_forgotten_learns_who_owns_what()
    {
        Join(1, Link);
        Join(2, new AddressOwner(Address(1), new Epoch(77), Ap2, true), Link);
        Assert.Equal(Ap2, _bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(Ap2, Heard<AddressOwners>().Last(o => o.Session == 1).Message.Owners.Single().Node);

        // Much later nobody is believed who claims what a connected node has.
        Pass(70_000, step: 40);
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
        Join(4, new AddressOwner(Address(1), new Epoch(70_000), Name(4), true), Link);
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(Ap1, Assert.Single(Heard<Welcome>().Last(w => w.Session == 4).Message.Owners, o => o.Address == Address(1)).Node);
    }

    private readonly HashSet<ulong> _deafToOffers = [];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-15")]
    public void A_drained_node_gives_its_address_away_and_gets_it_back_when_the_operator_says_so(bool returns)
    {
        var bench = new TakeoverTests(new CoordinatorOptions { ReturnAddresses = returns });
        bench.Site(Link);
        bench.ServeElsewhere();
        Assert.True(bench._bench.Core.TryDrain(Ap1, true, bench._bench.Now, failure => Assert.Equal(StoreFailure.None, failure)));
        bench.Pass(1_500);
        Assert.Equal(Ap3, bench._bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.True(bench.Heard<AddressOwners>().First(o => o.Session == 1).Message.Planned);
        Assert.Equal(Ap3, Assert.Single(bench._bench.Record.Mappings.Values).Record.Ham);
        bench.Pass(3_000);
        Assert.Equal(Ap3, bench._bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.True(bench._bench.Core.TryDrain(Ap1, false, bench._bench.Now, _ => { }));
        bench.Pass(1_500);
        Assert.Equal(Ap1, bench._bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.False(bench._bench.Core.TryDrain(new NodeId("nobody"), true, bench._bench.Now, _ => { }));
    }

    public TakeoverTests()
    {
    }

    private TakeoverTests(CoordinatorOptions options) => _bench = new CoordinatorBench(options, nodes: 0);

    /// <summary>Three nodes on one link; ap2 anchors more than ap3.</summary>
    private void Site(IpPrefix takes)
    {
        for (ulong node = 1; node <= 3; node++)
        {
            Join(node, takes);
        }

        _load[2] = 5;
        Pass(100);
        _heard.Clear();
    }

    /// <summary>The client's mapping is anchored at ap1, and ap2 serves it.</summary>
    private void ServeElsewhere()
    {
        Say(1, _bench.Arrive(1));
        Say(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        Say(2, _bench.Arrive(2, 6_000));
        Pass(300);
        _heard.Clear();
    }

    private void Join(ulong node, params IpPrefix[] takes) => Join(node, null, takes);

    private void Join(ulong node, AddressOwner? claim, params IpPrefix[] takes)
    {
        _sessions[node] = node;
        Collect(_bench.Connect(node, takes: takes, owners: claim is null ? [] : [claim]));
    }

    private void Rejoin(ulong node, ulong incarnation)
    {
        _sessions[node] = node + 10;
        Collect(_bench.Connect(node, incarnation, node + 10, takes: [Link]));
    }

    private void Silence(ulong node)
    {
        _silent.Add(node);
        _deaf.Add(node);
    }

    private List<ControlMessage> Say(ulong node, ControlMessage message)
    {
        var said = _bench.Tell(_sessions[node], message);
        Collect(said);
        return [.. said.Where(s => s.Session == _sessions[node]).Select(s => s.Message)];
    }

    /// <summary>Nodes answer what they are asked: probes after 150 ms, everything else at once.</summary>
    private void Collect(IReadOnlyList<(ulong Session, ControlMessage Message)> said)
    {
        _heard.AddRange(said);
        foreach (var (session, message) in said)
        {
            var node = session % 10;
            if (_silent.Contains(node))
            {
                continue;
            }

            switch (message)
            {
                case ProbeNode probe:
                    var isDead = _deaf.Contains(Enumerable.Range(1, 4).Select(n => (ulong)n).First(n => probe.Peer.Address == Address(n)));
                    _answers.TryAdd(probe.Id, (session, _bench.Now + TimeSpan.FromMilliseconds(isDead ? 150 : 1), new ProbeResult { Id = probe.Id, Alive = !isDead }));
                    break;
                case AddressOwners when _deafToOffers.Contains(node):
                    break;
                case AddressOwners or AdoptMappings or FamChange or FamCleared or ArrivalUpdate:
                    _answers.TryAdd(message.Id, (session, _bench.Now + TimeSpan.FromMilliseconds(1), new Ack { Id = message.Id, Status = AckStatus.Ok }));
                    break;
            }
        }
    }

    private readonly Dictionary<ulong, (ulong Session, Instant At, ControlMessage Answer)> _answers = [];

    private void Pass(double milliseconds, int step = 5)
    {
        for (var end = _bench.Now + TimeSpan.FromMilliseconds(milliseconds); _bench.Now < end;)
        {
            Collect(_bench.Wait(step));
            foreach (var (id, answer) in _answers.Where(a => a.Value.At <= _bench.Now).ToList())
            {
                _answers.Remove(id);
                Collect(_bench.Tell(answer.Session, answer.Answer));
            }

            if (_bench.Now >= _nextBeat)
            {
                _nextBeat = _bench.Now + TimeSpan.FromMilliseconds(45);
                foreach (var (node, session) in _sessions.Where(s => !_silent.Contains(s.Key)))
                {
                    Collect(_bench.Tell(session, new Heartbeat { Id = _bench.NextId(), Mappings = _load.GetValueOrDefault(node) }));
                }
            }
        }
    }

    private Instant _nextBeat;

    private void Until(Func<bool> condition)
    {
        for (var i = 0; i < 1_000 && !condition(); i++)
        {
            Pass(5);
        }

        Assert.True(condition());
    }

    private IEnumerable<(ulong Session, T Message)> Heard<T>()
        where T : ControlMessage => _heard.Where(h => h.Message is T).Select(h => (h.Session, (T)h.Message));
}
