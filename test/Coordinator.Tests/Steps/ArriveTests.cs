using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

public sealed class ArriveTests
{
    private readonly CoordinatorBench _bench = new();

    [Fact]
    [Trait("Req", "A-28")]
    public void The_first_arrival_gets_epoch_one_and_is_complete()
    {
        var reply = _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        Assert.Equal((AckStatus.Ok, new Epoch(1), true, NodeId.None), (reply.Status, reply.Epoch, reply.Complete, reply.PreviousFam));
        Assert.Empty(reply.Mappings);
        Assert.Equal(Ap1, _bench.Record.Fam);
    }

    /// <summary>
    /// ap1, out of reach, holds the client in an epoch of before; the store forgets, and the client moves at other access points as often as it did before. Without the clock
    /// those moves would get ap1's epoch again, and its claim would count when it is back.
    /// </summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void A_store_that_has_forgotten_gives_no_epoch_again()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { EpochClock = 1_000_000 });
        var held = bench.Ask<ArriveReply>(1, bench.Arrive(1)).Epoch;
        Assert.Equal(1_001_000UL, held.Value);

        var after = new CoordinatorBench(new CoordinatorOptions { EpochClock = 1_000_002 });
        var given = after.Ask<ArriveReply>(2, after.Arrive(2)).Epoch;
        Assert.True(given > held);

        var status = after.Ask<Ack>(1, new Announce { Id = after.NextId(), Client = Client, Epoch = held, Mappings = [], Full = true }).Status;
        Assert.Equal((AckStatus.StaleEpoch, Ap2), (status, after.Record.Fam));
    }

    /// <summary>A client that moves more often than the clock ticks, or a clock that was set back: epochs go on from the last.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void Epochs_grow_even_where_the_clock_does_not()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { EpochClock = 1_000_000 });
        var first = bench.Ask<ArriveReply>(1, bench.Arrive(1)).Epoch;
        var second = bench.Ask<ArriveReply>(2, bench.Arrive(2)).Epoch;
        Assert.Equal(first.Value + 1, second.Value);

        var behind = new CoordinatorBench(new CoordinatorOptions { EpochClock = 0 });
        var known = behind.Arrive(1) with { KnownEpoch = second };
        Assert.Equal(second.Value + 1, behind.Ask<ArriveReply>(1, known).Epoch.Value);
    }

    /// <summary>ap1 → ap2 with a mapping anchored at ap1: one round trip brings the mapping; ap1, HAM and previous FAM in one, hears of it once.</summary>
    [Fact]
    [Trait("Req", "A-11")]
    [Trait("Req", "A-10")]
    public void A_move_brings_all_mappings_and_tells_the_ham()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        var sent = _bench.Tell(2, _bench.Arrive(2, 6_000, 6_001));

        Assert.Equal(2, sent.Count);
        var reply = Assert.IsType<ArriveReply>(sent[0].Message);
        Assert.Equal((2UL, new Epoch(2), Ap1, false), (sent[0].Session, reply.Epoch, reply.PreviousFam, reply.Complete));
        Assert.Equal(At(2, 6_000), Assert.Single(reply.Mappings).FamEndpoint);
        var change = Assert.IsType<FamChange>(sent[1].Message);
        Assert.Equal((1UL, Ap2, Ap1, At(1, 4_747)), (sent[1].Session, change.NewFam, change.PreviousFam, change.PreviousFamPeer));
        Assert.Equal(new FamRoute(new MappingId(TransportProtocol.Udp, At(1, 5_000)), Ap1, At(1, 5_000), At(2, 6_000)), Assert.Single(change.Routes));
        Assert.NotEqual(0UL, change.Token);
        Assert.Equal([Ap2, Ap1], _bench.Record.Mappings.Values.Single().Fams.Select(f => f.Node));
    }

    [Fact]
    public void The_hand_over_completes_the_arrival_and_brings_what_was_unknown()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        var sent = _bench.Tell(1, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1)] });

        Assert.Equal(AckStatus.Ok, Assert.IsType<Ack>(sent[0].Message).Status);
        var change = Assert.Single(sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>());
        Assert.Equal(At(2, 6_000), Assert.Single(change.Routes).NewFamEndpoint);
        var update = Assert.Single(sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<ArrivalUpdate>());
        Assert.True(update.Complete);
        Assert.Equal(At(2, 6_000), Assert.Single(update.Mappings).FamEndpoint);
    }

    [Fact]
    public void A_silent_previous_fam_is_not_awaited_for_ever()
    {
        _bench.Tell(1, _bench.Arrive(1));
        Assert.False(_bench.Ask<ArriveReply>(2, _bench.Arrive(2)).Complete);
        Assert.DoesNotContain(_bench.Wait(199), s => s.Message is ArrivalUpdate);
        Assert.True(Assert.Single(_bench.Wait(2).Select(s => s.Message).OfType<ArrivalUpdate>()).Complete);
        Assert.Null(_bench.Record.Pending);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void After_a_departure_or_a_lost_session_nobody_is_awaited()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, new Depart { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Idle = false });
        Assert.True(_bench.Ask<ArriveReply>(2, _bench.Arrive(2)).Complete);
        _bench.Core.OnDisconnected(2, _bench.Now);
        Assert.True(_bench.Ask<ArriveReply>(3, _bench.Arrive(3)).Complete);
    }

    [Fact]
    public void A_repeated_request_gets_the_same_answer_and_moves_nobody()
    {
        var arrive = _bench.Arrive(1);
        var first = _bench.Ask<ArriveReply>(1, arrive);
        var again = _bench.Ask<ArriveReply>(1, arrive);
        Assert.Equal(first.Mappings, again.Mappings);
        Assert.Equal(first.Addresses, again.Addresses);
        Assert.Equal(first, again with { Mappings = first.Mappings, Addresses = first.Addresses });
        Assert.Equal(new Epoch(1), _bench.Record.Epoch);
    }

    /// <summary>ap1 repeats a request whose answer got lost; meanwhile the client has moved on. It must stay where it is.</summary>
    [Fact]
    public void An_echo_of_an_old_arrival_does_not_fetch_the_client_back()
    {
        var old = _bench.Arrive(1);
        _bench.Tell(1, old);
        _bench.Tell(2, _bench.Arrive(2));
        Assert.Equal(AckStatus.StaleEpoch, _bench.Ask<ArriveReply>(1, old).Status);
        Assert.Equal((Ap2, new Epoch(2)), (_bench.Record.Fam, _bench.Record.Epoch));
    }

    /// <summary>ap1 → ap2 → ap3 within one hand-over window: ap3 knows all only when both have handed over.</summary>
    [Fact]
    public void Three_access_points_in_one_window_all_hand_over()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(2, _bench.Arrive(2));
        _bench.Tell(3, _bench.Arrive(3, 7_000));
        var fromSecond = _bench.Tell(2, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(2) });
        Assert.DoesNotContain(fromSecond, s => s.Message is ArrivalUpdate { Complete: true });
        var fromFirst = _bench.Tell(1, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1)] });
        var update = Assert.Single(fromFirst.Where(s => s.Session == 3).Select(s => s.Message).OfType<ArrivalUpdate>());
        Assert.True(update.Complete);
        Assert.Equal(At(3, 7_000), Assert.Single(update.Mappings).FamEndpoint);
    }

    /// <summary>ap1 → ap2 → ap1 → ap2: the hand-over of ap1's first stay, repeated late, is not the one of its second.</summary>
    [Fact]
    public void The_hand_over_of_an_earlier_stay_completes_nothing()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(2, _bench.Arrive(2));
        var early = new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1) };
        _bench.Tell(1, early);
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(2, new HandOver { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(2) });
        _bench.Tell(2, _bench.Arrive(2));
        Assert.DoesNotContain(_bench.Tell(1, early), s => s.Message is ArrivalUpdate { Complete: true });
        Assert.NotNull(_bench.Record.Pending);
    }

    [Fact]
    public void A_client_with_more_than_a_message_holds_is_told_in_part()
    {
        _bench.Tell(1, _bench.Arrive(1));
        var connections = Enumerable.Range(1, 4_000).Select(p => new ConnectionRecord(At(9, p), ConnectionState.Established, 0)).ToArray();
        for (var i = 0; i < 12; i++)
        {
            _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000 + i, 1) with { Connections = connections }));
        }

        var reply = _bench.Ask<ArriveReply>(2, _bench.Arrive(2, [.. Enumerable.Range(6_000, 12)]));
        Assert.True(reply.Truncated);
        Assert.NotEmpty(reply.Mappings);
        var body = new System.Buffers.ArrayBufferWriter<byte>();
        ControlCodec.Encode(reply, body);
        Assert.InRange(body.WrittenCount, 1, ControlLimits.MaxFrameBytes);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(0x0100_0000_0001UL)]
    public void What_is_no_client_is_refused(ulong mac)
    {
        Assert.Equal(AckStatus.Refused, _bench.Ask<ArriveReply>(1, new Arrive { Id = _bench.NextId(), Client = new MacAddress(mac) }).Status);
        Assert.Equal(0, _bench.Store.ClientCount);
    }
}
