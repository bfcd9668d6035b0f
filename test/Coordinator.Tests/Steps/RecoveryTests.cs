using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>What is said late, by nodes that were out of reach or to a coordinator that has forgotten. Each of these was found by a seed of SimWorld.</summary>
public sealed class RecoveryTests
{
    [Fact]
    [Trait("Req", "A-12")]
    public void A_previous_fam_that_was_out_of_reach_hears_of_the_move_when_it_is_back()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(1, bench.Announce(1, Mapping(3, 5_000, 1, fam: At(1, 6_000))));
        bench.Core.OnDisconnected(1, bench.Now);
        Assert.True(bench.Ask<ArriveReply>(2, bench.Arrive(2, 7_000)).Complete);

        bench.Connect(1, session: 11);
        var change = bench.Wait(1_000).Where(s => s.Session == 11).Select(s => s.Message).OfType<FamChange>().Single();
        Assert.Equal((Ap2, Ap1, TransportEndpoint.None), (change.NewFam, change.PreviousFam, change.PreviousFamPeer));
        Assert.Equal((At(1, 6_000), At(2, 7_000)), (Assert.Single(change.Routes).OldFamEndpoint, change.Routes[0].NewFamEndpoint));
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void A_hams_epoch_does_not_make_a_fam_of_an_older_one_right()
    {
        var bench = new CoordinatorBench();
        bench.Tell(2, bench.Announce(5, Mapping(3, 5_000, 1, fam: At(2, 6_000))) with { Full = true });
        bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(8), Mappings = [Mapping(3, 5_000, 1, fam: At(1, 6_000))] });
        Assert.Equal((Ap2, new Epoch(5)), (bench.Record.Fam, bench.Record.Epoch));

        var sent = bench.Tell(1, bench.Announce(8, Mapping(3, 5_000, 1, fam: At(1, 6_000))) with { Full = true });
        Assert.Equal((Ap1, new Epoch(8)), (bench.Record.Fam, bench.Record.Epoch));
        Assert.Equal(Ap1, sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<FamChange>().Single().NewFam);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_second_departure_of_one_epoch_tells_what_was_opened_between_the_two()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        var epoch = bench.Record.Epoch;
        bench.Tell(1, new Depart { Id = bench.NextId(), Client = Client, Epoch = epoch, Idle = false, Mappings = [] });
        var sent = bench.Tell(1, new Depart { Id = bench.NextId(), Client = Client, Epoch = epoch, Idle = false, Mappings = [Mapping(1, 5_000, epoch.Value)] });
        Assert.Single(bench.Record.Mappings);
        Assert.Single(sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamCleared>());
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void Who_claims_a_client_learns_what_others_have_reported_of_it()
    {
        var bench = new CoordinatorBench();
        bench.Tell(2, new Depart { Id = bench.NextId(), Client = Client, Epoch = new Epoch(5), Idle = false, Mappings = [Mapping(1, 5_000, 1, fam: At(2, 6_000))] });
        var sent = bench.Tell(1, bench.Announce(8) with { Full = true });
        var record = Assert.Single(sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings);
        Assert.Equal((At(1, 5_000), At(1, 5_000)), (record.Mapping.Masquerade, record.FamEndpoint));
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void A_node_hears_what_was_due_to_it_before_it_introduced_itself()
    {
        var bench = new CoordinatorBench(nodes: 1);
        bench.Tell(1, bench.Announce(8, Mapping(2, 5_000, 1, fam: At(1, 6_000))) with { Full = true });
        bench.Connect(2);
        var change = bench.Wait(1_000).Where(s => s.Session == 2).Select(s => s.Message).OfType<FamChange>().Single();
        Assert.Equal(At(2, 5_000), Assert.Single(change.Routes).Mapping.Masquerade);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_node_that_lost_the_client_before_it_had_the_answer_can_say_so()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        var id = bench.Record.ArriveId;
        bench.Tell(1, new Depart { Id = id - 1, Client = Client, Epoch = Epoch.None, Idle = false });
        Assert.Equal(Ap1, bench.Record.Fam);
        Assert.Equal(AckStatus.Ok, bench.Ask<Ack>(1, new Depart { Id = bench.NextId(), Client = Client, Epoch = Epoch.None, Idle = false }).Status);
        Assert.True(bench.Record.Fam.IsNone);
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void The_current_fam_hears_of_mappings_that_their_ham_reports_without_a_fam()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        var orphan = Mapping(3, 5_000, 1) with { FamEndpoint = TransportEndpoint.None };
        var sent = bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [orphan] });
        Assert.Equal(orphan.Mapping, Assert.Single(sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);

        var own = Mapping(1, 5_001, 1) with { FamEndpoint = TransportEndpoint.None };
        sent = bench.Tell(1, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [own] });
        Assert.Equal(own.Mapping, Assert.Single(sent.Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void A_fam_that_restarted_hears_of_what_it_served_in_its_earlier_life()
    {
        var bench = new CoordinatorBench();
        bench.Tell(2, bench.Arrive(2) with { KnownEpoch = new Epoch(7) });
        var served = Mapping(3, 5_000, 1, fam: At(2, 6_000));
        var sent = bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(7), Mappings = [served] });
        Assert.Equal(served.Mapping, Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);
    }
}
