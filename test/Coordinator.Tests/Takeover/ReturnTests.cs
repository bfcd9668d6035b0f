using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>A node that had failed comes back, or a coordinator that has forgotten: who owns what.</summary>
public sealed class ReturnTests
{
    private readonly PlayedSite _site = new();

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_node_that_comes_back_is_told_what_it_does_not_own_and_gets_it_back_when_it_is_stable()
    {
        _site.Begin(PlayedSite.Link);
        _site.ServeElsewhere();
        _site.Silence(1);
        _site.Pass(1_000);
        var taken = _site.Bench.Core.Nodes.OwnerOf(Address(1));
        Assert.Equal(Ap3, taken);
        _site.Said.Clear();
        _site.Silent.Remove(1);
        _site.Deaf.Remove(1);
        _site.Rejoin(1, 2);
        var welcome = _site.Heard<Welcome>().Single(w => w.Session == 11).Message;
        Assert.Equal((Ap3, 0u), (Assert.Single(welcome.Owners).Node, welcome.Restored));
        _site.Pass(900);
        Assert.Equal(Ap3, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        _site.Pass(200);
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        var record = Assert.Single(Assert.Single(_site.Heard<AdoptMappings>(), a => a.Session == 11).Message.Mappings);
        Assert.Equal((Ap1, At(2, 6_000)), (record.Ham, record.FamEndpoint));
        var epochs = _site.Heard<AddressOwners>().SelectMany(o => o.Message.Owners).Select(o => o.Epoch).ToList();
        Assert.All(epochs, e => Assert.True(e > welcome.Owners[0].Epoch));
        Assert.Equal(Ap1, _site.Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Node);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void With_returning_switched_off_a_node_keeps_none_of_its_addresses()
    {
        var site = new PlayedSite(new CoordinatorOptions { ReturnAddresses = false });
        site.Begin(PlayedSite.Link);
        site.Silence(1);
        site.Pass(1_000);
        site.Silent.Remove(1);
        site.Deaf.Remove(1);
        site.Rejoin(1, 2);
        site.Pass(10_000);
        Assert.NotEqual(Ap1, site.Bench.Core.Nodes.OwnerOf(Address(1)));
    }

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_node_that_is_back_before_its_addresses_are_taken_keeps_them()
    {
        _site.Begin(PlayedSite.Link);
        _site.ServeElsewhere();
        _site.DeafToOffers.Add(3);
        _site.Silence(1);
        _site.Until(() => _site.Heard<AddressOwners>().Any());
        var offered = _site.Heard<AddressOwners>().First().Message.Owners.Single().Epoch;
        _site.Silent.Remove(1);
        _site.Deaf.Remove(1);
        _site.Rejoin(1, 2);
        var welcome = _site.Heard<Welcome>().Single(w => w.Session == 11).Message;
        var owner = Assert.Single(welcome.Owners);
        Assert.Equal((Ap1, 1u), (owner.Node, welcome.Restored));
        Assert.True(owner.Epoch > offered);
        _site.DeafToOffers.Clear();
        _site.Pass(3_000);
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(owner.Epoch, _site.Heard<AddressOwners>().Last(o => o.Session == 3).Message.Owners.Single().Epoch);
        Assert.Equal(Ap1, Assert.Single(_site.Bench.Record.Mappings.Values).Record.Ham);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void A_coordinator_that_has_forgotten_learns_who_owns_what()
    {
        _site.Join(1, PlayedSite.Link);
        _site.Join(2, new AddressOwner(Address(1), new Epoch(77), Ap2, true), PlayedSite.Link);
        Assert.Equal(Ap2, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(Ap2, _site.Heard<AddressOwners>().Last(o => o.Session == 1).Message.Owners.Single().Node);

        // Much later nobody is believed who claims what a connected node has.
        _site.Pass(70_000, step: 40);
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        _site.Join(4, new AddressOwner(Address(1), new Epoch(70_000), Name(4), true), PlayedSite.Link);
        Assert.Equal(Ap1, _site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.Equal(Ap1, Assert.Single(_site.Heard<Welcome>().Last(w => w.Session == 4).Message.Owners, o => o.Address == Address(1)).Node);
    }
}
