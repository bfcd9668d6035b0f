using Masquerade.Coordinator.Tests.Store;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
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
        bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(8), FamEpoch = new Epoch(8), Mappings = [Mapping(3, 5_000, 1, fam: At(1, 6_000))] });
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
    [Trait("Req", "A-15")]
    public void What_was_at_an_address_that_came_home_unseen_is_asked_of_its_home()
    {
        // Node 3 had failed, node 1 had its address and failed as well, node 3 is back, and the coordinator has forgotten all of it. Node 2 has heard of nothing since.
        var bench = new CoordinatorBench();
        var believed = Mapping(3, 5_000, 1, fam: At(2, 6_000)) with { Ham = Ap1 };
        var sent = bench.Tell(2, bench.Announce(8, believed) with { Full = true });
        Assert.Equal(AckStatus.Ok, sent.Select(s => s.Message).OfType<Ack>().Single().Status);
        Assert.Equal(Ap3, Assert.Single(bench.Record.Mappings.Values).Record.Ham);
        Assert.Equal(Ap3, Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Ham);
        Assert.Equal(believed.Mapping, Assert.Single(sent.Where(s => s.Session == 3).Select(s => s.Message).OfType<FamChange>().Single().Routes).Mapping);

        var ended = bench.Tell(3, new ReleaseMappings { Id = bench.NextId(), Client = Client, Mappings = [believed.Mapping] });
        Assert.Equal([believed.Mapping], ended.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Ended);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void An_address_is_not_thought_to_be_at_home_while_who_had_it_is_out_of_reach()
    {
        var bench = new CoordinatorBench();
        bench.Core.OnDisconnected(1, bench.Now);
        var sent = bench.Tell(2, bench.Announce(8, Mapping(3, 5_000, 1, fam: At(2, 6_000)) with { Ham = Ap1 }) with { Full = true });
        Assert.Equal(AckStatus.Refused, sent.Select(s => s.Message).OfType<Ack>().Single().Status);
        Assert.Empty(bench.Record.Mappings);
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
        var sent = bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), FamEpoch = new Epoch(1), Mappings = [orphan] });
        Assert.Equal(orphan.Mapping, Assert.Single(sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);

        var own = Mapping(1, 5_001, 1) with { FamEndpoint = TransportEndpoint.None };
        sent = bench.Tell(1, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), FamEpoch = new Epoch(1), Mappings = [own] });
        Assert.Equal(own.Mapping, Assert.Single(sent.Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void A_fam_that_restarted_hears_of_what_it_served_in_its_earlier_life()
    {
        var bench = new CoordinatorBench();
        bench.Tell(2, bench.Arrive(2) with { KnownEpoch = new Epoch(7) });
        var served = Mapping(3, 5_000, 1, fam: At(2, 6_000));
        var sent = bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(7), FamEpoch = new Epoch(7), Mappings = [served] });
        Assert.Equal(served.Mapping, Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);
    }

    /// <summary>
    /// Seed 5039 of the fail-overs: a restarted FAM arrived while the store knew one of the client's mappings at a HAM only. The HAM was told of that one, reported all of them under its
    /// epoch, and the coordinator took the FAM's endpoints of its earlier life for those of this one.
    /// </summary>
    [Fact]
    [Trait("Req", "A-29")]
    public void What_a_ham_was_told_of_in_an_older_epoch_is_news_to_the_fam()
    {
        var bench = new CoordinatorBench();
        bench.Tell(2, bench.Arrive(2) with { KnownEpoch = new Epoch(7) });
        var epoch = bench.Record.Epoch;
        var served = Mapping(3, 5_000, 1, fam: At(2, 6_000));
        var sent = bench.Tell(3, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = epoch, FamEpoch = new Epoch(7), Mappings = [served] });
        Assert.Equal(served.Mapping, Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>().Single().Mappings).Mapping);
        Assert.Equal(epoch, bench.Record.HighestReported);
    }

    /// <summary>
    /// Seed 70066 of the takeovers: an attach was repeated after its node had given the address up, and the coordinator took it for the client's FAM endpoint in the place of the right one.
    /// </summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void An_attach_at_an_address_that_has_gone_since_changes_nothing()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(1, bench.Announce(1, Mapping(3, 5_000, 1, fam: At(1, 6_000))));
        bench.Connect(2, session: 12, owners: [new AddressOwner(Address(9), new Epoch(5), Ap2, Settled: true)]);
        var late = bench.Attach(9, 1, 5_000, 7_000, mayEstablish: false);
        Assert.DoesNotContain(bench.Tell(1, late), s => s.Message is AttachReply or FamChange);
        var known = new AttachKnown { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), Attachments = [new Attachment(Mapping(3, 5_000, 1).Mapping, At(9, 7_000))] };
        Assert.DoesNotContain(bench.Tell(1, known), s => s.Message is Ack or FamChange);
        Assert.Equal(At(1, 6_000), bench.Record.Mappings.Single().Value.EndpointAt(Ap1));
        Assert.Equal(AttachStatus.Attached, bench.Ask<AttachReply>(1, bench.Attach(1, 1, 5_000, 6_001, mayEstablish: false)).Status);
    }

    /// <summary>
    /// Seed 530012 of the takeovers: a node came back and was told first that an address is its own and then that it is another's. It announced it in between, and the network believed that.
    /// </summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void A_node_that_was_away_is_told_the_latest_word_on_an_address_only()
    {
        var bench = new CoordinatorBench();
        bench.Core.OnDisconnected(3, bench.Now);
        bench.Connect(2, session: 12, owners: [new AddressOwner(Address(8), new Epoch(5), Ap3, Settled: true), new AddressOwner(Address(9), new Epoch(5), Ap3, Settled: true)]);
        bench.Connect(1, session: 11, owners: [new AddressOwner(Address(9), new Epoch(7), Ap3, Settled: true)]);
        bench.Connect(3, session: 13);
        var told = bench.Wait(1_000).Where(s => s.Session == 13).Select(s => s.Message).OfType<AddressOwners>().DistinctBy(m => m.Id).SelectMany(m => m.Owners).ToList();
        Assert.Equal([(Address(8), new Epoch(5)), (Address(9), new Epoch(7))], told.Select(o => (o.Address, o.Epoch)).Order());
    }

    /// <summary>Seed 500065 of the takeovers: who is told with the answer to an arrival that it anchors a mapping must have been given it.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void What_the_new_fam_is_given_as_a_ham_comes_before_the_answer_to_its_arrival()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(1, bench.Announce(1, Mapping(3, 5_000, 1, fam: At(1, 6_000))));
        bench.Core.OnDisconnected(3, bench.Now);
        bench.Connect(2, session: 12, owners: [new AddressOwner(Address(3), new Epoch(5), Ap2, Settled: true)]);
        var said = bench.Tell(12, bench.Arrive(2)).Where(s => s.Session == 12).Select(s => s.Message.GetType()).ToList();
        Assert.InRange(said.IndexOf(typeof(AdoptMappings)), 0, said.IndexOf(typeof(ArriveReply)) - 1);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void After_a_loss_of_the_store_an_unknown_client_is_not_new_before_others_could_speak_of_it()
    {
        var store = new SlowStore(new InMemoryClientStore(7));
        var bench = new CoordinatorBench(new CoordinatorOptions(), store);
        void Answer()
        {
            while (store.AnswerOne(bench))
            {
            }
        }

        bench.Wait(1);
        store.Incarnation = 8;
        bench.Wait(1);
        bench.Tell(2, bench.Arrive(2, 6_000));
        var reply = default(ArriveReply);
        var update = default(ArrivalUpdate);
        bench.Heard = m => (reply, update) = (m as ArriveReply ?? reply, m as ArrivalUpdate ?? update);
        Answer();
        Assert.False(reply!.Complete);

        // The FAM of before the loss is heard: what it knows is not new.
        bench.Tell(1, bench.Announce(0, Mapping(1, 5_000, 1)) with { Full = true });
        Answer();
        Assert.Equal(5_000, Assert.Single(update!.Mappings).Mapping.Masquerade.Port);
        Assert.False(update.Complete);
        bench.Wait(250);
        Answer();
        bench.Wait(0);
        Assert.True(update.Complete);

        // Later an unknown client is a new one.
        bench.Wait(3_000);
        bench.Tell(2, new Arrive { Id = bench.NextId(), Client = OtherClient });
        Answer();
        Assert.True(reply.Complete);
    }
}
