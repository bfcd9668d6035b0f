using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>Access points that hear a client besides its FAM, and hear it no more.</summary>
[Trait("Req", "A-13")]
public sealed class FurtherTests
{
    private readonly CoordinatorBench _bench = new(new CoordinatorOptions { Fams = FamChoice.RoundRobin });

    public FurtherTests()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        Assert.Equal(FamRole.Further, _bench.Ask<ArriveReply>(2, _bench.Arrive(2, 6_000) with { Also = true }).Role);
        Assert.Equal(Ap2, Assert.Single(_bench.Record.Further).Node);
    }

    /// <summary>Its link went before it had the answer, so it knows of no role, and departs as it would from a stay of its own.</summary>
    [Fact]
    public void One_that_departs_is_none_any_more()
    {
        var sent = _bench.Tell(2, new Depart { Id = _bench.NextId(), Client = Client, Epoch = Epoch.None, Idle = false });
        Assert.Empty(_bench.Record.Further);
        Assert.Equal(Ap1, _bench.Record.Fam);
        Assert.Empty(Assert.Single(sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>()).Routes.SelectMany(r => r.Further));
    }

    /// <summary>What it said before it was asked again is about an earlier stay.</summary>
    [Fact]
    public void A_departure_from_before_its_arrival_changes_nothing()
    {
        var early = _bench.NextId();
        _bench.Tell(2, _bench.Arrive(2, 6_001) with { Also = true });
        _bench.Tell(2, new Depart { Id = early, Client = Client, Epoch = Epoch.None, Idle = false });
        Assert.Equal(Ap2, Assert.Single(_bench.Record.Further).Node);
    }

    [Fact]
    public void When_the_one_that_was_summoned_does_not_hear_the_client_the_next_one_is()
    {
        _bench.Tell(3, _bench.Arrive(3, 7_000) with { Also = true });
        var sent = _bench.Tell(1, new LinkLost { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1) });
        Assert.Equal(3UL, Assert.Single(sent, s => s.Message is Summon).Session);
        sent = _bench.Tell(3, new LinkLost { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1) });
        Assert.Equal(2UL, Assert.Single(sent, s => s.Message is Summon).Session);
        Assert.Equal(Ap2, Assert.Single(_bench.Record.Further).Node);
    }

    /// <summary>A node that is none says so all the same, about a stay that is long over.</summary>
    [Fact]
    public void Who_is_none_loses_nothing()
    {
        Assert.Equal(AckStatus.Ok, _bench.Ask<Ack>(3, new LinkLost { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1) }).Status);
        Assert.Equal(Ap2, Assert.Single(_bench.Record.Further).Node);
    }
}
