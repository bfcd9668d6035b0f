using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>An operator drains a node: what it owns moves while it lives.</summary>
public sealed class DrainTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-15")]
    public void A_drained_node_gives_its_address_away_and_gets_it_back_when_the_operator_says_so(bool returns)
    {
        var site = new PlayedSite(new CoordinatorOptions { ReturnAddresses = returns });
        site.Begin(PlayedSite.Link);
        site.ServeElsewhere();
        Assert.True(site.Bench.Core.TryDrain(Ap1, true, site.Bench.Now, failure => Assert.Equal(StoreFailure.None, failure)));
        site.Pass(1_500);
        Assert.Equal(Ap3, site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.True(site.Heard<AddressOwners>().First(o => o.Session == 1).Message.Planned);
        Assert.Equal(Ap3, Assert.Single(site.Bench.Record.Mappings.Values).Record.Ham);
        site.Pass(3_000);
        Assert.Equal(Ap3, site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.True(site.Bench.Core.TryDrain(Ap1, false, site.Bench.Now, _ => { }));
        site.Pass(1_500);
        Assert.Equal(Ap1, site.Bench.Core.Nodes.OwnerOf(Address(1)));
        Assert.False(site.Bench.Core.TryDrain(new NodeId("nobody"), true, site.Bench.Now, _ => { }));
    }
}
