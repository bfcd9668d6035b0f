using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>A node fails, is found out, and another one gets what it owned.</summary>
public sealed class FailureTests
{
    private readonly PlayedSite _site = new();

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_failed_node_is_found_out_within_half_a_second_and_another_one_gets_its_mappings()
    {
        _site.Begin(PlayedSite.Link);
        _site.ServeElsewhere();
        var begin = _site.Bench.Now;
        _site.Silence(1);
        _site.Until(() => _site.Heard<AddressOwners>().Any());
        Assert.InRange((_site.Bench.Now - begin).TotalMilliseconds, 200, 500);
        Assert.Equal(2, _site.Heard<ProbeNode>().Select(p => p.Session).Distinct().Count());

        // ap3, which anchors nothing, is asked; once it has taken the address it gets the mapping with the FAM, and the FAM hears of its new HAM.
        var (to, owners) = _site.Heard<AddressOwners>().First();
        Assert.Equal(3ul, to);
        var owner = Assert.Single(owners.Owners);
        Assert.Equal((Address(1), Ap3, false), (owner.Address, owner.Node, owner.Settled));
        _site.Pass(20);
        var adopt = Assert.Single(_site.Heard<AdoptMappings>());
        Assert.Equal(3ul, adopt.Session);
        var record = Assert.Single(adopt.Message.Mappings);
        Assert.Equal((Ap3, At(2, 6_000)), (record.Ham, record.FamEndpoint));
        Assert.Equal(Ap3, Assert.Single(_site.Heard<ArrivalUpdate>().Last(u => u.Session == 2).Message.Mappings).Ham);
        Assert.Equal(Ap3, Assert.Single(_site.Bench.Record.Mappings.Values).Record.Ham);
        Assert.Equal(Ap3, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        _site.Pass(50);
        Assert.True(_site.Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Settled);
        Assert.Equal(0, _site.Bench.Core.AddressesMoving);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_lost_session_is_not_death_while_another_node_reaches_the_node()
    {
        _site.Begin(PlayedSite.Link);
        _site.Bench.Core.OnDisconnected(1, _site.Bench.Now);
        _site.Silent.Add(1);
        _site.Pass(3_000);
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.InRange(_site.Heard<ProbeNode>().Count(), 8, 20);
        Assert.Empty(_site.Heard<AddressOwners>());
        _site.Deaf.Add(1);
        _site.Pass(1_000);
        Assert.NotEqual(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void The_same_link_comes_first_and_then_the_node_with_the_fewest_mappings()
    {
        _site.Join(1, PlayedSite.Link);
        _site.Join(2, PlayedSite.Anything);
        _site.Join(3, PlayedSite.Link);
        _site.Join(4, PlayedSite.Link);
        (_site.Load[2], _site.Load[3], _site.Load[4]) = (0, 9, 8);
        _site.Pass(200);
        _site.Silence(1);
        _site.Pass(1_000);
        Assert.Equal(Name(4), _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        _site.Silence(3);
        _site.Silence(4);
        _site.Pass(1_500);
        Assert.Equal([Ap2, Ap2, Ap2], new ulong[] { 1, 3, 4 }.Select(n => _site.Bench.Core.Nodes.OwnerOf(Address(n))));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void Who_cannot_take_an_address_is_not_asked_and_nobody_is_probed_for_nothing()
    {
        _site.Join(1);
        _site.Join(2, IpPrefix.Parse("198.51.100.0/24"));
        _site.Join(3);
        _site.Silence(1);
        _site.Pass(2_000);
        Assert.Empty(_site.Heard<ProbeNode>());
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));

        // One that can comes later.
        _site.Join(4, PlayedSite.Link);
        _site.Pass(1_500);
        Assert.Equal(Name(4), _site.Bench.Core.Nodes.OwnerOf(Address(1)));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void Takeover_can_be_switched_off()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { Takeover = false }, nodes: 0);
        foreach (var node in new ulong[] { 1, 2, 3 })
        {
            bench.Connect(node, takes: [PlayedSite.Link]);
        }

        bench.Core.OnDisconnected(1, bench.Now);
        for (var i = 0; i < 100; i++)
        {
            bench.Tell(2, new Heartbeat { Id = bench.NextId() });
            Assert.DoesNotContain(bench.Wait(20), s => s.Message is ProbeNode);
        }
    }

    /// <summary>The coordinator and the failed node's access point at once: whoever serves the client says so, and is told the rest.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_client_that_vanished_with_its_node_finds_its_mappings_elsewhere()
    {
        _site.Begin(PlayedSite.Link);
        _site.Say(1, _site.Bench.Arrive(1));
        _site.Say(1, _site.Bench.Announce(1, Mapping(1, 5_000, 1)));
        _site.Silence(1);
        _site.Bench.Core.OnDisconnected(1, _site.Bench.Now);
        var reply = _site.Say(2, _site.Bench.Arrive(2, 6_000)).OfType<ArriveReply>().Single();
        Assert.True(reply.Complete);
        Assert.Equal(At(2, 6_000), Assert.Single(reply.Mappings).FamEndpoint);
        _site.Pass(1_000);
        var entry = Assert.Single(_site.Bench.Record.Mappings.Values);
        Assert.Equal((Ap3, At(2, 6_000), Ap2), (entry.Record.Ham, entry.EndpointAt(Ap2), _site.Bench.Record.Fam));

        // And at the node that takes over: it serves at the masquerade endpoint itself, as any HAM does.
        _site.Silence(3);
        _site.Pass(1_500);
        entry = Assert.Single(_site.Bench.Record.Mappings.Values);
        Assert.Equal((Ap2, At(1, 5_000)), (entry.Record.Ham, entry.EndpointAt(Ap2)));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void Whom_a_failed_node_served_it_serves_no_more()
    {
        _site.Begin(PlayedSite.Link);
        _site.Say(2, _site.Bench.Arrive(2));
        _site.Say(2, _site.Bench.Announce(1, Mapping(2, 5_000, 1)));
        _site.Say(1, _site.Bench.Arrive(1, 6_000));
        Assert.Equal(Ap1, _site.Bench.Record.Fam);
        _site.Said.Clear();
        _site.Silence(1);
        _site.Pass(1_000);
        Assert.True(_site.Bench.Record.Fam.IsNone);
        var cleared = Assert.Single(_site.Heard<FamCleared>(), c => c.Session == 2).Message;
        Assert.Equal((Mapping(2, 5_000, 1).Mapping, new Epoch(2)), (Assert.Single(cleared.Routes).Mapping, cleared.Epoch));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void An_offer_that_nobody_acknowledges_goes_to_another_node()
    {
        _site.Begin(PlayedSite.Link);
        _site.DeafToOffers.Add(3);
        _site.Silence(1);
        _site.Pass(2_500);
        Assert.Equal(Ap2, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(Ap2, _site.Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Node);
        _site.DeafToOffers.Clear();
        _site.Pass(2_500);
        Assert.Equal(0, _site.Bench.Core.AddressesMoving);
        Assert.Equal(0, _site.Bench.Core.Nodes.Find(Ap3)!.PushesWaiting);
    }

    /// <summary>It has lost its session after it was asked. That the welcome names it as the owner to be is no answer of it.</summary>
    [Theory]
    [InlineData(1UL, true)]
    [InlineData(1UL, false)]
    [InlineData(2UL, true)]
    [InlineData(2UL, false)]
    [Trait("Req", "A-15")]
    public void A_node_that_is_asked_may_refuse_also_after_a_welcome(ulong incarnation, bool refuses)
    {
        _site.Begin(PlayedSite.Link);
        _site.DeafToOffers.Add(3);
        _site.Silence(1);
        _site.Until(() => _site.Heard<AddressOwners>().Any());
        _site.DeafToOffers.Clear();
        if (refuses)
        {
            _site.Unwilling.Add(3);
        }

        _site.Bench.Core.OnDisconnected(3, _site.Bench.Now);
        _site.Rejoin(3, incarnation);
        Assert.Equal(Ap3, Assert.Single(_site.Heard<Welcome>().Single().Message.Owners).Node);
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        _site.Pass(500);
        Assert.Equal(refuses ? Ap2 : Ap3, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(refuses ? Ap2 : Ap3, _site.Bench.Events.OfType<AddressMoved>().Single().To);
    }
}
