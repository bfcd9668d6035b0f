using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

public sealed class ReportTests
{
    private readonly CoordinatorBench _bench = new();

    public ReportTests() => _bench.Tell(1, _bench.Arrive(1));

    [Fact]
    [Trait("Req", "A-10")]
    public void What_the_current_fam_announces_is_in_the_table()
    {
        Assert.Equal(AckStatus.Ok, _bench.Ask<Ack>(1, _bench.Announce(1, Mapping(1, 5_000, 1))).Status);
        var entry = Assert.Single(_bench.Record.Mappings.Values);
        Assert.Equal((Ap1, At(1, 5_000)), (entry.Record.Ham, entry.EndpointAt(Ap1)));
        Assert.Equal("203.0.113.10:53", Assert.Single(entry.Record.Connections).Server.ToString());
    }

    [Fact]
    public void The_higher_revision_stays()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1, revision: 3)));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1, revision: 2)));
        Assert.Equal(3U, Assert.Single(_bench.Record.Mappings.Values).Record.Revision);
    }

    [Fact]
    [Trait("Req", "N-12")]
    public void When_a_mapping_was_opened_does_not_change_and_goes_where_the_client_goes()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1) with { Opened = 1_000 }));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1, revision: 2)));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1, revision: 3) with { Opened = 2_000 }));
        Assert.Equal((3U, 1_000), (Assert.Single(_bench.Record.Mappings.Values).Record.Revision, Assert.Single(_bench.Record.Mappings.Values).Record.Opened));
        Assert.Equal(1_000, Assert.Single(_bench.Ask<ArriveReply>(2, _bench.Arrive(2, 6_000)).Mappings).Opened);

        // Who did not know it at first hears of it.
        _bench.Tell(2, _bench.Announce(2, Mapping(1, 5_001, 1, fam: At(2, 6_001))));
        _bench.Tell(1, new AnchorReport { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(2), FamEpoch = new Epoch(2), Mappings = [Mapping(1, 5_001, 1) with { Opened = 3_000 }] });
        Assert.Equal(3_000, _bench.Record.Mappings.Values.Single(e => e.Record.Mapping.Masquerade.Port == 5_001).Record.Opened);
    }

    [Fact]
    public void A_mapping_that_ended_does_not_come_back_with_an_echo()
    {
        var born = _bench.Announce(1, Mapping(1, 5_000, 1));
        _bench.Tell(1, born);
        _bench.Tell(1, _bench.Announce(1) with { Ended = [born.Mappings[0].Mapping] });
        _bench.Tell(1, born);
        Assert.Empty(_bench.Record.Mappings);

        // Born again, it is new.
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        Assert.Single(_bench.Record.Mappings);
        Assert.Empty(_bench.Record.Ended);
    }

    [Fact]
    public void An_end_tells_the_ham_and_a_late_hand_over_does_not_undo_it()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        var sent = _bench.Tell(2, _bench.Announce(2) with { Ended = [Mapping(1, 5_000, 1).Mapping] });
        Assert.Equal(1UL, Assert.Single(sent, s => s.Message is MappingsEnded).Session);
        _bench.Tell(1, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1, revision: 9)] });
        Assert.Empty(_bench.Record.Mappings);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_departure_clears_the_fam_and_tells_every_ham()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        var depart = new Depart { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(2), Idle = false };
        var sent = _bench.Tell(2, depart);
        var cleared = Assert.Single(sent, s => s.Message is FamCleared);
        Assert.Equal(1UL, cleared.Session);
        Assert.Equal(At(2, 6_000), Assert.Single(((FamCleared)cleared.Message).Routes).OldFamEndpoint);
        Assert.True(_bench.Record.Fam.IsNone);
        Assert.Equal(TransportEndpoint.None, _bench.Record.Mappings.Values.Single().EndpointAt(Ap2));
        Assert.Equal(AckStatus.Ok, _bench.Ask<Ack>(2, depart).Status);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_stale_departure_clears_nothing()
    {
        _bench.Tell(2, _bench.Arrive(2));
        Assert.Equal(AckStatus.StaleEpoch, _bench.Ask<Ack>(1, new Depart { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Idle = true }).Status);
        Assert.Equal(Ap2, _bench.Record.Fam);
    }

    [Fact]
    public void A_stale_fam_learns_that_it_is_stale_and_its_news_is_not_lost()
    {
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        var announce = _bench.Announce(1, Mapping(1, 5_000, 1));
        var sent = _bench.Tell(1, announce);
        Assert.Equal(AckStatus.StaleEpoch, sent.Select(s => s.Message).OfType<Ack>().Single().Status);
        Assert.Equal(Ap2, sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>().Single().NewFam);
        Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings);
        Assert.Single(_bench.Record.Mappings);
    }

    /// <summary>Only what is new in it is passed on: neither what was said before nor what the current FAM was told when the client came.</summary>
    [Fact]
    public void What_is_said_again_is_told_to_nobody_again()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1), Mapping(1, 5_001, 1)));
        _bench.Tell(2, _bench.Arrive(2, 6_000, 6_001));
        var sent = _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1), Mapping(1, 5_001, 1, revision: 2)) with { Full = true });
        var told = sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single();
        Assert.Equal(At(1, 5_001), Assert.Single(told.Mappings).Mapping.Masquerade);

        // A connection that has aged is news: its timer goes on from there.
        var aged = Mapping(1, 5_000, 1);
        aged = aged with { Connections = [aged.Connections[0] with { IdleMilliseconds = 9_000 }] };
        sent = _bench.Tell(1, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [aged, Mapping(1, 5_001, 1, revision: 2)] });
        told = sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single();
        Assert.Equal(At(1, 5_000), Assert.Single(told.Mappings).Mapping.Masquerade);
        Assert.True(told.Complete);
    }

    /// <summary>A report in many parts is not answered by telling everything with each of them.</summary>
    [Fact]
    public void A_fam_that_comes_from_another_coordinator_has_everything_told_once()
    {
        var store = new InMemoryClientStore(7);
        var before = new CoordinatorBench(new CoordinatorOptions { Life = 5 }, store);
        before.Tell(2, before.Arrive(2));
        before.Tell(2, before.Announce(1, Mapping(1, 5_000, 1, fam: At(2, 6_000)), Mapping(3, 5_001, 1, fam: At(2, 6_001))));
        var after = new CoordinatorBench(new CoordinatorOptions { Life = 6 }, store);
        var sent = after.Tell(2, after.Announce(1, Mapping(1, 5_000, 1, fam: At(2, 6_000))) with { Full = true });
        Assert.Equal([1UL, 3UL], sent.Where(s => s.Message is FamChange).Select(s => s.Session));
        sent = after.Tell(2, after.Announce(1, Mapping(3, 5_001, 1, fam: At(2, 6_001))) with { Full = true });
        Assert.DoesNotContain(sent, s => s.Message is FamChange);
    }

    [Fact]
    public void A_hand_over_never_outranks_the_current_fam_whatever_epoch_it_claims()
    {
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        _bench.Tell(2, _bench.Announce(2, Mapping(2, 6_500, 2, revision: 1)));
        _bench.Tell(1, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(9), Mappings = [Mapping(2, 6_500, 2, revision: 50)] });
        _bench.Tell(2, _bench.Announce(2, Mapping(2, 6_500, 2, revision: 2)));
        Assert.Equal(2U, Assert.Single(_bench.Record.Mappings.Values).Record.Revision);
    }

    [Fact]
    public void One_mapping_of_another_client_is_refused_the_rest_of_the_report_is_not()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        _bench.Tell(2, new Arrive { Id = _bench.NextId(), Client = OtherClient });
        var announce = new Announce
        {
            Id = _bench.NextId(), Client = OtherClient, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1), Mapping(2, 6_000, 1)],
        };
        Assert.Single(_bench.Tell(2, announce), s => s.Message is Ack);
        Assert.True(_bench.Store.TryFindOwner(Mapping(1, 5_000, 1).Mapping, out var owner));
        Assert.Equal(Client, owner);
        Assert.Equal(At(2, 6_000), Assert.Single(_bench.Store.Load(OtherClient).Record!.Mappings.Keys).Masquerade);
        Assert.Equal(1, _bench.Core.ClaimsRefused);
    }

    [Fact]
    public void A_masquerade_endpoint_that_is_used_again_goes_to_whom_its_ham_says()
    {
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        _bench.Tell(1, new Arrive { Id = _bench.NextId(), Client = OtherClient });
        _bench.Tell(1, new Announce { Id = _bench.NextId(), Client = OtherClient, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1)] });
        Assert.Empty(_bench.Record.Mappings);
        Assert.Single(_bench.Store.Load(OtherClient).Record!.Mappings);
    }

    [Fact]
    public void A_masquerade_endpoint_at_an_address_of_another_node_is_refused()
    {
        var forged = Mapping(2, 6_000, 1) with { Ham = Ap1 };
        Assert.Equal(AckStatus.Refused, _bench.Ask<Ack>(1, _bench.Announce(1, forged)).Status);
        Assert.Empty(_bench.Record.Mappings);
    }

    /// <summary>The store has forgotten. The node with the higher epoch is right, in whatever order they report; the other one is told.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_a_loss_of_the_store_the_highest_epoch_wins(bool staleFirst)
    {
        var bench = new CoordinatorBench();
        (ulong Session, Announce Message)[] reports =
            [(1, bench.Announce(4, Mapping(1, 5_000, 3)) with { Full = true }), (2, bench.Announce(5, Mapping(2, 6_000, 5)) with { Full = true })];
        var told = new List<(ulong Session, ControlMessage Message)>();
        foreach (var (session, message) in staleFirst ? reports : reports.Reverse())
        {
            told.AddRange(bench.Tell(session, message));
        }

        Assert.Equal((Ap2, new Epoch(5)), (bench.Record.Fam, bench.Record.Epoch));
        Assert.Equal(2, bench.Record.Mappings.Count);
        Assert.Contains(told, s => s is { Session: 1, Message: FamChange { NewFam.Name: "ap2" } });
    }

    [Fact]
    public void An_epoch_that_nobody_can_have_reached_is_refused()
    {
        Assert.Equal(AckStatus.Refused, _bench.Ask<Ack>(1, _bench.Announce(ulong.MaxValue, Mapping(1, 5_000, 1))).Status);
        Assert.Equal(new Epoch(1), _bench.Record.Epoch);
    }

    [Fact]
    public void A_full_store_answers_and_keeps_what_it_has()
    {
        var bench = new CoordinatorBench(store: new InMemoryClientStore(1, capacity: 1));
        bench.Tell(1, bench.Arrive(1));
        Assert.Equal(AckStatus.Refused, bench.Ask<ArriveReply>(2, new Arrive { Id = bench.NextId(), Client = OtherClient }).Status);
        Assert.Equal(AckStatus.Ok, bench.Ask<Ack>(1, bench.Announce(1, Mapping(1, 5_000, 1))).Status);
    }
}
