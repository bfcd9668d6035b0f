using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests;

/// <summary>What the coordinator says and keeps is bounded: long news go in parts, and a node that does not listen starts over.</summary>
public sealed class BoundsTests
{
    private const int Many = 10_000;

    [Fact]
    [Trait("Req", "A-10")]
    public void Long_news_of_a_move_a_departure_and_an_end_go_in_parts()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxMappingsPerClient = Many });
        bench.Tell(1, bench.Arrive(1));
        Announce(bench, 1, 1, Many);
        Assert.Equal(Many, bench.Record.Mappings.Count);

        var moved = Checked(bench.Tell(2, bench.Arrive(2, 6_000)));
        var changes = moved.OfType<FamChange>().ToList();
        Assert.Equal(3, changes.Count);
        Assert.Single(changes.Select(c => (c.Epoch, c.Token, c.PreviousFamPeer)).Distinct());
        Assert.Equal(Many, changes.SelectMany(c => c.Routes).DistinctBy(r => r.Mapping).Count());
        Assert.True(Assert.Single(moved.OfType<ArriveReply>()).Truncated);

        var left = Checked(bench.Tell(2, new Depart { Id = bench.NextId(), Client = Client, Epoch = new Epoch(2), Idle = false }));
        Assert.Equal(Many, left.OfType<FamCleared>().SelectMany(c => c.Routes).DistinctBy(r => r.Mapping).Count());

        bench.Tell(2, bench.Arrive(2));
        var all = bench.Record.Mappings.Keys.ToList();
        var ended = new List<ControlMessage>();
        foreach (var part in MessageParts.Of(all, ControlLimits.MaxBareMappings))
        {
            ended.AddRange(Checked(bench.Tell(2, bench.Announce(3) with { Ended = part })));
        }

        Assert.Equal(Many, ended.OfType<MappingsEnded>().SelectMany(m => m.Mappings).Distinct().Count());
        Assert.Empty(bench.Record.Mappings);
    }

    /// <summary>A node restarts with an empty table: it is given back each of its mappings.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void What_a_restarted_HAM_anchored_is_given_back_in_parts()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxMappingsPerClient = Many });
        bench.Tell(1, bench.Arrive(1));
        Announce(bench, 1, 1, Many);
        bench.Tell(2, bench.Arrive(2));
        bench.Wait(300);
        bench.Connect(1, incarnation: 2, session: 11);
        var parts = Checked(bench.Wait(1_000)).OfType<AdoptMappings>().DistinctBy(a => a.Id).ToList();
        Assert.True(parts.Count > 1);
        Assert.Equal(Many, parts.SelectMany(a => a.Mappings).DistinctBy(m => m.Mapping).Count());
    }

    /// <summary>A node restarts with other addresses: its mappings are gone, and the client's FAM hears of each.</summary>
    [Fact]
    public void What_a_restarted_HAM_has_lost_is_told_in_parts_and_the_last_says_that_it_was_all()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxMappingsPerClient = Many });
        bench.Tell(1, bench.Arrive(1));
        Announce(bench, 1, 1, Many);
        bench.Tell(2, bench.Arrive(2));
        bench.Wait(300);
        bench.Connect(1, incarnation: 2, session: 11, addresses: [Address(99)]);
        var updates = Checked(bench.Wait(1_000)).OfType<ArrivalUpdate>().Where(u => u.Ended.Count > 0).DistinctBy(u => u.Id).ToList();
        Assert.Equal((Many + ControlLimits.MaxBareMappings - 1) / ControlLimits.MaxBareMappings, updates.Count);
        Assert.True(updates.Count > 1 && updates[^1].Complete && updates.SkipLast(1).All(u => !u.Complete));
        Assert.Equal(Many, updates.SelectMany(u => u.Ended).Distinct().Count());
    }

    /// <summary>After a loss of the store a HAM reports mappings that the FAM was not told of.</summary>
    [Fact]
    public void What_a_HAM_reports_reaches_the_FAM_in_parts_of_what_a_message_holds()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxMappingsPerClient = Many });
        bench.Tell(2, bench.Arrive(2));
        MappingRecord[] records = [.. Enumerable.Range(0, 2_000).Select(i => Mapping(1, 10_000 + i, 1) with { Connections = Servers(8) })];
        var sent = Checked(bench.Tell(1, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), FamEpoch = new Epoch(1), Mappings = records }));
        Assert.Equal(2_000, sent.OfType<ArrivalUpdate>().SelectMany(u => u.Mappings).DistinctBy(m => m.Mapping).Count());

        // A hand-over of few mappings with many connections each.
        var bulky = Enumerable.Range(0, 12).Select(i => Mapping(1, 20_000 + i, 1) with { Connections = Servers(4_000) });
        bench.Tell(3, bench.Arrive(3));
        foreach (var part in MessageParts.OfRecords(bulky))
        {
            sent = Checked(bench.Tell(1, new HandOver { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = part, More = true }));
            Assert.Equal(part.Count, sent.OfType<ArrivalUpdate>().SelectMany(u => u.Mappings).Count());
        }

        Assert.Equal(2_012, bench.Record.Mappings.Count);
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void Only_the_last_part_of_a_hand_over_completes_an_arrival_and_parts_may_come_twice()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(2, bench.Arrive(2));
        var first = new HandOver { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1)], More = true };
        var last = first with { Id = bench.NextId(), Mappings = [Mapping(1, 5_001, 1)], More = false };
        Assert.False(Assert.Single(bench.Tell(1, first).Select(s => s.Message).OfType<ArrivalUpdate>()).Complete);
        Assert.NotNull(bench.Record.Pending);
        bench.Tell(1, first);
        Assert.NotNull(bench.Record.Pending);
        Assert.True(bench.Tell(1, last).Select(s => s.Message).OfType<ArrivalUpdate>().Last().Complete);
        bench.Tell(1, first);
        bench.Tell(1, last);
        Assert.Equal(2, bench.Record.Mappings.Count);
        Assert.Null(bench.Record.Pending);
    }

    /// <summary>The parts of "all that I have" add up: the second does not put out what only the first lists.</summary>
    [Fact]
    public void A_full_announcement_may_come_in_parts_in_any_order()
    {
        foreach (var reversed in (bool[])[false, true])
        {
            var bench = new CoordinatorBench();
            Announce[] parts =
            [
                bench.Announce(4, Mapping(1, 5_000, 1)) with { Full = true },
                bench.Announce(4, Mapping(1, 5_001, 1)) with { Full = true },
                bench.Announce(4, Mapping(1, 5_002, 1)) with { Full = true },
            ];
            foreach (var part in reversed ? parts.Reverse() : parts)
            {
                Assert.Equal(AckStatus.Ok, bench.Ask<Ack>(1, part).Status);
            }

            Assert.Equal(3, bench.Record.Mappings.Count);
            Assert.Equal((Ap1, 4UL), (bench.Record.Fam, bench.Record.Epoch.Value));
            Assert.All(bench.Record.Mappings.Values, e => Assert.Equal(Ap1, e.Fams[0].Node));
        }
    }

    /// <summary>The answer about one mapping among thousands contains that one: a HAM takes its absence for an answer.</summary>
    [Fact]
    [Trait("Req", "A-06")]
    public void The_mapping_that_was_asked_about_is_in_the_answer()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxMappingsPerClient = Many });
        bench.Tell(1, bench.Arrive(1));
        Announce(bench, 1, 1, Many);
        foreach (var port in (int[])[10_000, 14_095, 14_096, 19_999])
        {
            var asked = Mapping(1, port, 1).Mapping;
            var reply = bench.Ask<FamQueryReply>(1, new FamQuery { Id = bench.NextId(), Client = Client, Mapping = asked });
            Assert.Null(MessageSize.Excess(reply));
            Assert.Contains(reply.Routes, r => r.Mapping == asked);
        }
    }

    [Fact]
    public void Mappings_beyond_the_limit_of_a_client_are_refused_and_that_is_said()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxMappingsPerClient = 2 });
        bench.Tell(1, bench.Arrive(1));
        var refused = bench.Core.ClaimsRefused;
        Assert.Equal(AckStatus.Refused, bench.Ask<Ack>(1, bench.Announce(1, Mapping(1, 5_000, 1), Mapping(1, 5_001, 1), Mapping(1, 5_002, 1))).Status);
        Assert.Equal(2, bench.Record.Mappings.Count);
        Assert.Equal(refused + 1, bench.Core.ClaimsRefused);
        Assert.Contains(bench.Events, e => e is ClaimRefused);
    }

    /// <summary>A HAM that acknowledges nothing: what waits for it is bounded, and its next session puts it right.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_node_that_does_not_take_its_news_starts_over_and_ends_up_right(bool connected)
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { MaxPushesPerNode = 4 });
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(1, bench.Announce(1, Mapping(1, 5_000, 1), Mapping(1, 5_001, 1)));
        bench.Tell(2, bench.Arrive(2, 6_000, 6_001));
        bench.Tell(1, new HandOver { Id = bench.NextId(), Client = Client, Epoch = new Epoch(1) });
        if (!connected)
        {
            bench.Core.OnDisconnected(1, bench.Now);
        }

        // Placed at the HAM, unwanted there: one push each.
        for (var i = 0; i < 6; i++)
        {
            var port = 7_000 + i;
            bench.Tell(2, bench.Announce(2, Mapping(1, port, 2, fam: At(2, port), clientPort: 900 + i)));
        }

        Assert.Contains(bench.Events, e => e is NodeBehind { Node.Name: "ap1" });
        Assert.Equal(connected, bench.Closed.Exists(c => c.Session == 1));
        Assert.False(bench.Core.Nodes.IsConnected(Ap1));
        Assert.Equal(1UL, bench.Core.Nodes.Find(Ap1)!.Overflows);

        // The client leaves ap2 meanwhile and comes to ap3; nothing of it waits for ap1.
        bench.Tell(3, bench.Arrive(3, 8_000, 8_001));
        var welcome = Hello(bench, 21);
        Assert.NotEqual(bench.Store.Incarnation, welcome.StoreIncarnation);
        MappingRecord[] owned = [Mapping(1, 5_000, 1, fam: At(2, 6_000)), Mapping(1, 5_001, 1, fam: At(2, 6_001))];
        var sent = bench.Tell(21, new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(2), FamEpoch = new Epoch(2), Mappings = owned });
        var change = Assert.Single(sent.Where(s => s.Session == 21).Select(s => s.Message).OfType<FamChange>());
        Assert.Equal((3UL, "ap3"), (change.Epoch.Value, change.NewFam.Name));
        Assert.Equal([At(3, 8_000), At(3, 8_001)], change.Routes.OrderBy(r => r.Mapping.Masquerade).Select(r => r.NewFamEndpoint));

        // The number stays what it is: the next session is an ordinary one.
        Assert.Equal(welcome.StoreIncarnation, Hello(bench, 22).StoreIncarnation);
    }

    /// <summary>One radio pretends to be ever new clients at AP1: what is kept of them is bounded, and nobody else notices.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void A_flood_of_clients_at_one_access_point_leaves_room_for_the_others()
    {
        var store = new InMemoryClientStore(7, capacity: 320);
        var bench = new CoordinatorBench(store: store);
        bench.Tell(2, bench.Arrive(2));
        bench.Tell(2, bench.Announce(1, Mapping(2, 5_000, 1)));
        for (var i = 0; i < 10_000; i++)
        {
            var client = new MacAddress(0x0600_0000_0000 + (ulong)i);
            var epoch = bench.Ask<ArriveReply>(1, new Arrive { Id = bench.NextId(), Client = client }).Epoch;
            bench.Tell(1, new Depart { Id = bench.NextId(), Client = client, Epoch = epoch, Idle = true });
        }

        Assert.InRange(store.Count, 1, 320);
        Assert.Equal(0, bench.Core.DecisionsUnderWay);
        Assert.Equal(AckStatus.Ok, bench.Ask<ArriveReply>(3, new Arrive { Id = bench.NextId(), Client = OtherClient }).Status);
        Assert.Single(bench.Ask<ArriveReply>(3, bench.Arrive(3)).Mappings);
    }

    /// <summary>
    /// A node without a limit of its own says that ever new clients are there and that none goes. The store's room is the bound: what is beyond it is refused and counted,
    /// known clients go on and roam, and where one goes there is room again.
    /// </summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void A_flood_of_clients_that_never_go_is_refused_and_known_ones_go_on()
    {
        const int Flood = 2_000;
        var store = new InMemoryClientStore(7, capacity: 320);
        var bench = new CoordinatorBench(store: store);
        bench.Tell(2, bench.Arrive(2));
        bench.Tell(2, bench.Announce(1, Mapping(2, 5_000, 1)));
        var epochs = new Dictionary<MacAddress, Epoch>();
        var refused = 0;
        for (var i = 0; i < Flood; i++)
        {
            var client = new MacAddress(0x0600_0000_0000 + (ulong)i);
            var reply = bench.Ask<ArriveReply>(1, new Arrive { Id = bench.NextId(), Client = client });
            if (reply.Status == AckStatus.Ok)
            {
                epochs[client] = reply.Epoch;
                continue;
            }

            refused++;
            Assert.Equal(AckStatus.Refused, reply.Status);
        }

        Assert.Equal((319, Flood - 319), (epochs.Count, refused));
        Assert.Equal(320, store.Count);
        var said = bench.Events.OfType<ClaimRefused>().ToList();
        Assert.Equal(refused, said.Count);
        Assert.Equal((long)refused, bench.Core.ClaimsRefused);
        Assert.All(said, r => Assert.Equal((Ap1, RefusalKind.StoreFull, "the store is full"), (r.Node, r.Kind, r.Reason)));
        Assert.Equal(0, bench.Core.DecisionsUnderWay);

        bench.Tell(2, bench.Announce(1, Mapping(2, 5_001, 1)));
        Assert.Equal(2, bench.Ask<ArriveReply>(3, bench.Arrive(3)).Mappings.Count);
        Assert.Equal(AckStatus.Refused, bench.Ask<ArriveReply>(3, new Arrive { Id = bench.NextId(), Client = OtherClient }).Status);
        var (one, epoch) = epochs.First();
        bench.Tell(1, new Depart { Id = bench.NextId(), Client = one, Epoch = epoch, Idle = true });
        Assert.Equal(AckStatus.Ok, bench.Ask<ArriveReply>(3, new Arrive { Id = bench.NextId(), Client = OtherClient }).Status);
    }

    /// <summary>A departure that a HAM was not told of is told when the HAM reports a FAM for the client.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void A_HAM_that_missed_a_departure_is_told_when_it_reports()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(1, bench.Announce(1, Mapping(1, 5_000, 1)));
        bench.Tell(2, bench.Arrive(2, 6_000));
        bench.Tell(2, new Depart { Id = bench.NextId(), Client = Client, Epoch = new Epoch(2), Idle = false });
        var report = new AnchorReport { Id = bench.NextId(), Client = Client, Epoch = new Epoch(2), FamEpoch = new Epoch(2), Mappings = [Mapping(1, 5_000, 1, fam: At(2, 6_000))] };
        var cleared = Assert.Single(bench.Tell(1, report).Select(s => s.Message).OfType<FamCleared>());
        Assert.Equal(At(2, 6_000), Assert.Single(cleared.Routes).OldFamEndpoint);
        Assert.DoesNotContain(bench.Tell(1, report with { Id = bench.NextId(), Mappings = [Mapping(1, 5_000, 1) with { FamEndpoint = default }] }), s => s.Message is FamCleared);
    }

    private static Welcome Hello(CoordinatorBench bench, ulong session)
    {
        bench.Core.OnConnected(session, bench.Now);
        return bench.Tell(
            session, new Hello { Id = bench.NextId(), Node = Ap1, Incarnation = 1, PeerEndpoint = At(1, 4_747), Addresses = [Address(1)] })
            .Select(s => s.Message).OfType<Welcome>().Single();
    }

    private static ConnectionRecord[] Servers(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new ConnectionRecord(TransportEndpoint.Parse($"203.0.113.10:{1 + i}"), ConnectionState.Established, 1))];

    private static void Announce(CoordinatorBench bench, ulong node, ulong epoch, int count)
    {
        foreach (var part in MessageParts.OfRecords(Enumerable.Range(0, count).Select(i => Mapping(node, 10_000 + i, epoch))))
        {
            Assert.Equal(AckStatus.Ok, bench.Ask<Ack>(node, bench.Announce(epoch, [.. part])).Status);
        }
    }

    /// <summary>All that was said, each message within the limits.</summary>
    private static List<ControlMessage> Checked(IReadOnlyList<(ulong Session, ControlMessage Message)> sent)
    {
        Assert.All(sent, s => Assert.Null(MessageSize.Excess(s.Message)));
        return [.. sent.Select(s => s.Message)];
    }
}
