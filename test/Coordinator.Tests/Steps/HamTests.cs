using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

public sealed class HamTests
{
    private readonly CoordinatorBench _bench = new();

    public HamTests()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1), Mapping(1, 5_001, 1)));
        _bench.Tell(2, _bench.Arrive(2, 6_000, 6_001));
    }

    [Fact]
    [Trait("Req", "A-06")]
    [Trait("Req", "A-11")]
    public void A_ham_that_asks_learns_of_all_its_mappings_of_the_client()
    {
        var reply = Query(5_000);
        Assert.Equal((AckStatus.Ok, new Epoch(2)), (reply.Status, reply.Epoch));
        Assert.Equal([At(2, 6_000), At(2, 6_001)], reply.Routes.Select(r => r.NewFamEndpoint).Order());
    }

    [Fact]
    [Trait("Req", "A-06")]
    public void Out_of_coverage_is_an_answer_and_an_unknown_mapping_is_another()
    {
        _bench.Tell(2, new Depart { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(2), Idle = false });
        Assert.Equal(AckStatus.Ok, Query(5_000).Status);
        Assert.Empty(Query(5_000).Routes);
        Assert.Equal(AckStatus.Unknown, Query(5_555).Status);
    }

    [Fact]
    public void A_ham_ends_what_it_owns_and_nothing_else()
    {
        ReleaseMappings Release() => new() { Id = _bench.NextId(), Client = Client, Mappings = [Mapping(1, 5_000, 1).Mapping] };
        _bench.Tell(3, Release());
        Assert.Equal(2, _bench.Record.Mappings.Count);
        var sent = _bench.Tell(1, Release());
        Assert.Single(_bench.Record.Mappings);
        Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Ended);
    }

    [Fact]
    public void After_a_loss_of_the_store_hams_bring_back_what_they_own()
    {
        var bench = new CoordinatorBench();
        var mine = Mapping(1, 5_000, 1, fam: At(2, 6_000));
        Assert.Equal(AckStatus.Ok, bench.Ask<Ack>(1, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(4), FamEpoch = new Epoch(4), Mappings = [mine, Mapping(3, 7_000, 1)] }).Status);
        var entry = Assert.Single(bench.Record.Mappings.Values);
        Assert.Equal((new Epoch(4), At(2, 6_000)), (bench.Record.HighestReported, entry.EndpointAt(Ap2)));
        Assert.Equal(new Epoch(5), bench.Ask<ArriveReply>(3, bench.Arrive(3, 7_000)).Epoch);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_that_comes_back_with_empty_tables_anchors_as_before_and_serves_nobody()
    {
        var anchored = _bench.Record.Mappings.Count;
        Assert.NotEqual(0, anchored);
        _bench.Core.OnDisconnected(1, _bench.Now);
        _bench.Connect(1, incarnation: 2, session: 11);
        Assert.Equal(anchored, _bench.Record.Mappings.Count);
        Assert.Null(_bench.Record.Pending);
        Assert.All(_bench.Record.Mappings.Values, e => Assert.DoesNotContain(e.Fams, f => f.Node == Ap1));
        _bench.Core.OnDisconnected(2, _bench.Now);
        _bench.Connect(2, incarnation: 2, session: 12);
        Assert.True(_bench.Record.Fam.IsNone);
        Assert.Equal((anchored, new Epoch(2)), (_bench.Record.Mappings.Count, _bench.Record.Epoch));
    }

    /// <summary>The node's configuration has changed while it was away: what was anchored at an address that it has no more is gone, and the FAM is told.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void What_was_anchored_at_an_address_that_a_node_has_lost_is_gone()
    {
        _bench.Core.OnDisconnected(1, _bench.Now);
        _bench.Connect(1, incarnation: 2, session: 11, addresses: [Address(99)]);
        Assert.Empty(_bench.Record.Mappings);
    }

    private FamQueryReply Query(int port) => _bench.Ask<FamQueryReply>(1, new FamQuery { Id = _bench.NextId(), Client = Client, Mapping = Mapping(1, port, 1).Mapping });
}
