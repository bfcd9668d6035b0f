using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

/// <summary>What has waited for a client is decided together, over one loaded record.</summary>
public sealed class RoundTests
{
    private readonly InMemoryClientStore _inner = new(7);
    private readonly SlowStore _store;
    private readonly CoordinatorBench _bench;

    public RoundTests()
    {
        _store = new SlowStore(_inner);
        _bench = new CoordinatorBench(new CoordinatorOptions(), _store);
    }

    /// <summary>A client with many connections must not cost the store a reading and a writing of its whole record for each of them.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void What_has_waited_is_decided_together_over_one_record_and_everybody_is_answered()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _store.AnswerAll(_bench);
        var first = _bench.Announce(1, Mapping(1, 5_000, 1));
        _bench.Tell(1, first);
        for (var i = 1; i <= 40; i++)
        {
            _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000 + i, 1)));
        }

        // The first alone; the others, which came meanwhile, together: twice a load and a set.
        var answers = 0;
        var sent = _bench.During(() => answers = _store.AnswerAll(_bench));
        Assert.Equal(4, answers);
        Assert.Equal(41, sent.Count(s => s is { Session: 1, Message: Ack { Status: AckStatus.Ok } }));
        Assert.Equal(41, _inner.Load(Client).Record!.Mappings.Count);
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    /// <summary>One of many claims what another client has: it is refused by itself, and the others are not.</summary>
    [Fact]
    [Trait("Req", "A-17")]
    public void A_conflict_in_a_round_concerns_only_who_has_it()
    {
        AnnounceWithConflict();

        _store.AnswerAll(_bench);
        Assert.Equal(9, _inner.Load(Client).Record!.Mappings.Count);
        Assert.Single(_inner.Load(OtherClient).Record!.Mappings);
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    /// <summary>Set, and nobody heard of it: what followed for others from each decision of the round is said when that is found.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void All_that_followed_from_a_round_of_which_nobody_heard_is_said_when_it_is_found()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, _bench.Announce(1, Mapping(3, 5_000, 1), Mapping(3, 5_001, 1)));
        _store.AnswerAll(_bench);
        _bench.Tell(1, _bench.Announce(1));
        _bench.Tell(1, Ended(5_000));
        _bench.Tell(1, Ended(5_001));
        _store.AnswerOne(_bench);
        _store.AnswerOne(_bench);
        _store.AnswerOne(_bench);
        _store.SetsSilently = true;
        _store.AnswerOne(_bench);
        _store.SetsSilently = false;
        Assert.Empty(_inner.Load(Client).Record!.Mappings);
        var sent = _bench.Tell(1, _bench.Announce(1));
        sent = [.. sent, .. _bench.During(() => _store.AnswerAll(_bench))];
        Assert.Equal(2, sent.Where(s => s.Session == 3).Select(s => s.Message).OfType<MappingsEnded>().Sum(m => m.Mappings.Count));
    }

    /// <summary>What only one of them needs may be where the store fails: the others are set without it.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void A_failure_that_concerns_one_of_a_round_does_not_fail_the_others()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _store.AnswerAll(_bench);
        _store.Fails = record => record.Mappings.Keys.Any(m => m.Masquerade.Port == 5_003) ? StoreFailure.Unreachable : StoreFailure.None;
        for (var i = 0; i < 6; i++)
        {
            _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000 + i, 1)));
        }

        var sent = _bench.During(() => _store.AnswerAll(_bench));
        Assert.Equal(5, sent.Count(s => s is { Session: 1, Message: Ack { Status: AckStatus.Ok } }));
        Assert.Equal([5_000, 5_001, 5_002, 5_004, 5_005], _inner.Load(Client).Record!.Mappings.Keys.Select(m => (int)m.Masquerade.Port).Order());
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    /// <summary>Who only asks need not wait for what the store cannot write.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void Who_only_asks_is_answered_although_nothing_can_be_written()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        _store.AnswerAll(_bench);
        _store.Fails = _ => StoreFailure.ReadOnly;
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_001, 1)));
        _bench.Tell(1, new FamQuery { Id = _bench.NextId(), Client = Client, Mapping = Mapping(1, 5_000, 1).Mapping });
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_002, 1)));
        var sent = _bench.During(() => _store.AnswerAll(_bench));
        Assert.Single(sent, s => s.Message is FamQueryReply { Status: AckStatus.Ok });
        Assert.DoesNotContain(sent, s => s.Message is Ack);
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    /// <summary>Of a store that does not answer, a round that was parted does not make everybody wait in turn.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void A_store_that_is_gone_after_a_conflict_fails_all_that_are_left_at_once()
    {
        AnnounceWithConflict();

        // The first alone, then the round of nine up to its conflict.
        for (var i = 0; i < 4; i++)
        {
            Assert.True(_store.AnswerOne(_bench, Client));
        }

        _store.Failure = StoreFailure.TimedOut;
        _store.AnswerAll(_bench);
        Assert.Equal(1, _bench.Core.StoreFailures(StoreFailure.TimedOut));
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    private Announce Ended(int port) => _bench.Announce(1) with { Ended = [Mapping(3, port, 1).Mapping] };

    /// <summary>Ten announcements of AP1, of which the sixth speaks of a mapping of AP2's that is another client's; the first is being decided.</summary>
    private void AnnounceWithConflict()
    {
        _bench.Tell(2, new Announce { Id = _bench.NextId(), Client = OtherClient, Epoch = new Epoch(1), Mappings = [Mapping(2, 7_000, 1)] });
        _bench.Tell(1, _bench.Arrive(1));
        _store.AnswerAll(_bench);
        for (var i = 0; i < 10; i++)
        {
            _bench.Tell(1, _bench.Announce(1, i == 5 ? Mapping(2, 7_000, 1) : Mapping(1, 5_000 + i, 1)));
        }
    }
}
