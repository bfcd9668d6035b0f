using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

/// <summary>What the coordinator does while its store takes its time.</summary>
public sealed class SlowStoreTests
{
    private readonly InMemoryClientStore _inner = new(7);
    private readonly SlowStore _store;
    private readonly CoordinatorBench _bench;

    public SlowStoreTests()
    {
        _store = new SlowStore(_inner);
        _bench = new CoordinatorBench(new CoordinatorOptions { MaxWaitingPerClient = 3, MaxWaiting = 64 }, _store);
    }

    [Fact]
    public void Requests_about_one_client_are_decided_one_after_the_other_in_their_order()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        _bench.Tell(3, _bench.Arrive(3, 6_000));
        Assert.Equal(1, _store.Waiting);
        while (_store.AnswerOne(_bench))
        {
            Assert.InRange(_store.Waiting, 0, 1);
        }

        Assert.Equal((Ap3, new Epoch(3)), (_inner.Load(Client).Record!.Fam, _inner.Load(Client).Record!.Epoch));
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    [Fact]
    public void Requests_about_different_clients_do_not_wait_for_each_other()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, new Arrive { Id = _bench.NextId(), Client = OtherClient });
        Assert.Equal([Client, OtherClient], _store.WaitingClients);
        Assert.True(_store.AnswerOne(_bench, OtherClient));
        Assert.True(_store.AnswerOne(_bench, OtherClient));
        Assert.NotNull(_inner.Load(OtherClient).Record);
        Assert.Null(_inner.Load(Client).Record);
    }

    [Fact]
    public void A_request_that_comes_again_while_it_waits_is_one_request()
    {
        var arrive = _bench.Arrive(1);
        for (var i = 0; i < 5; i++)
        {
            _bench.Tell(1, arrive);
        }

        Assert.Equal(1, _bench.Core.DecisionsUnderWay);
        Assert.Equal(0, _bench.Core.RequestsRefused);
    }

    [Fact]
    public void What_is_too_much_is_refused_counted_and_comes_again()
    {
        for (var i = 0; i < 10; i++)
        {
            _bench.Tell(1, _bench.Announce(1));
        }

        // One is being decided, three wait.
        Assert.Equal(6, _bench.Core.RequestsRefused);
        _store.AnswerAll(_bench);

        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
    }

    [Fact]
    public void One_node_cannot_take_the_room_of_all()
    {
        for (var i = 0; i < 40; i++)
        {
            var client = new MacAddress(0x0200_0000_0100 + (ulong)(i / 4));
            _bench.Tell(1, new Announce { Id = _bench.NextId(), Client = client, Epoch = new Epoch(1) });
        }

        // An eighth of 64 may wait for one node; the rest of what is under way does not wait.
        Assert.Equal(10 + 8, _bench.Core.DecisionsUnderWay);
        _bench.Tell(2, new Announce { Id = _bench.NextId(), Client = new MacAddress(0x0200_0000_0109), Epoch = new Epoch(1) });
        Assert.Equal(10 + 9, _bench.Core.DecisionsUnderWay);
    }

    [Fact]
    public void A_store_that_fails_costs_a_counted_reason_and_the_request_comes_again()
    {
        _store.Failure = StoreFailure.Unreachable;
        var arrive = _bench.Arrive(1);
        Assert.Empty(_bench.Tell(1, arrive));
        Assert.True(_store.AnswerOne(_bench));
        Assert.Equal(1, _bench.Core.StoreFailures(StoreFailure.Unreachable));
        Assert.Single(_bench.Events.OfType<StoreTrouble>());
        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
        _store.Failure = StoreFailure.None;
        _bench.Tell(1, arrive);
        _store.AnswerAll(_bench);

        Assert.Equal(Ap1, _inner.Load(Client).Record!.Fam);
    }

    /// <summary>The agent's request comes again and is answered as one that has been decided; the HAMs and the FAM before must hear of it all the same.</summary>
    [Fact]
    public void What_follows_from_a_set_of_which_nobody_heard_is_said_when_it_is_found()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _store.AnswerAll(_bench);
        var epoch = _inner.Load(Client).Record!.Epoch;
        var arrive = _bench.Arrive(2, 6_000);
        _store.SetsSilently = true;
        _bench.Tell(2, arrive);
        _store.AnswerAll(_bench);
        Assert.Equal(Ap2, _inner.Load(Client).Record!.Fam);
        _store.SetsSilently = false;
        _bench.Tell(2, arrive);
        _store.AnswerAll(_bench);
        var said = _bench.Wait(100);
        Assert.Contains(said, m => m.Session == 1 && m.Message is FamChange change && change.NewFam == Ap2 && change.Epoch > epoch);
        Assert.Equal(Ap2, _inner.Load(Client).Record!.Fam);
    }

    [Fact]
    public void What_nobody_asks_for_again_is_tried_again_until_the_store_is_back()
    {
        _bench.Tell(1, _bench.Arrive(1));
        Answer();
        _bench.Tell(2, _bench.Arrive(2, 6_000));
        Answer();
        Assert.NotNull(_inner.Load(Client).Record!.Pending);
        _store.Failure = StoreFailure.TimedOut;
        _bench.Wait(300);
        Answer();
        Assert.NotNull(_inner.Load(Client).Record!.Pending);
        _store.Failure = StoreFailure.None;
        _bench.Wait(600);
        Answer();
        Assert.Null(_inner.Load(Client).Record!.Pending);

        void Answer()
        {
            while (_store.AnswerOne(_bench))
            {
            }
        }
    }

    [Fact]
    public void What_the_nodes_here_are_concerned_with_is_renewed_and_the_rest_is_left_to_expire()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { Lease = TimeSpan.FromSeconds(9), SessionTimeout = TimeSpan.FromHours(1) }, _store, nodes: 1);
        for (var i = 0; i < 200; i++)
        {
            bench.Tell(1, new Arrive { Id = bench.NextId(), Client = new MacAddress(0x0200_0000_0100 + (ulong)i) });
        }

        _store.AnswerAll(bench);
        _inner.CompareAndSet(new ClientRecord { Client = OtherClient, Fam = Ap3 }, 0);
        var versions = _inner.Clients().Select(c => _inner.Load(c).Version).ToArray();
        bench.Wait(3_100);
        _store.AnswerAll(bench);
        Assert.Equal(201, bench.Core.RecordsRenewed);
        Assert.Equal([(Ap1, OtherClient)], _store.Forgotten);
        Assert.Equal(versions.Select((v, i) => i == 0 ? v : v + 1), _inner.Clients().Select(c => _inner.Load(c).Version));
    }

    [Fact]
    public void When_the_store_has_forgotten_the_nodes_are_told_in_the_same_session()
    {
        _bench.Wait(1);
        _store.Incarnation++;
        var said = new List<(ulong Session, ControlMessage Message)>();
        for (var i = 0; i < 10; i++)
        {
            said.AddRange(_bench.Wait(1));
        }

        Assert.Equal([1UL, 2UL, 3UL], said.Where(s => s.Message is Welcome).Select(s => s.Session).Order());
        Assert.Single(_bench.Events.OfType<StoreReborn>());
    }

    /// <summary>Nobody answers a word in mid-session: whether it was heard is seen by what the node says of itself.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void A_node_that_has_not_heard_that_the_store_has_forgotten_is_told_again()
    {
        _bench.Wait(1);
        var before = _inner.Incarnation;
        _store.Incarnation++;
        var told = Assert.IsType<Welcome>(Enumerable.Range(0, 10).SelectMany(_ => _bench.Wait(1)).First(s => s.Session == 1).Message);
        Heartbeat Beat(ulong store) => new() { Id = _bench.NextId(), Store = store };
        Assert.DoesNotContain(_bench.Tell(1, Beat(before)), s => s.Message is Welcome);
        _bench.Wait(300);
        Assert.DoesNotContain(_bench.Tell(1, Beat(0)), s => s.Message is Welcome);
        var again = _bench.Tell(1, Beat(before)).Select(s => s.Message).OfType<Welcome>().Single();
        Assert.Equal(told.StoreIncarnation, again.StoreIncarnation);
        _bench.Wait(300);
        Assert.DoesNotContain(_bench.Tell(1, Beat(again.StoreIncarnation)), s => s.Message is Welcome);
    }

    /// <summary>Two clients of which each wants the other's endpoint wait for nobody: the second step stands in no queue.</summary>
    [Fact]
    public void Two_clients_that_swap_endpoints_do_not_wait_for_each_other()
    {
        foreach (var (client, port) in new[] { (Client, 5_000), (OtherClient, 5_001) })
        {
            _bench.Tell(1, new Arrive { Id = _bench.NextId(), Client = client });
            _bench.Tell(1, new Announce { Id = _bench.NextId(), Client = client, Epoch = new Epoch(1), Mappings = [Mapping(1, port, 1)] });
        }

        _store.AnswerAll(_bench);

        _bench.Tell(1, new Announce { Id = _bench.NextId(), Client = Client, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_001, 1)] });
        _bench.Tell(1, new Announce { Id = _bench.NextId(), Client = OtherClient, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1)] });
        for (var turn = 0; _store.Waiting > 0; turn++)
        {
            Assert.True(turn < 200, "they go round in circles");
            Assert.True(_store.AnswerOne(_bench, turn % 2 == 0 ? Client : OtherClient) || _store.AnswerOne(_bench));
        }

        Assert.Equal(0, _bench.Core.DecisionsUnderWay);
        Assert.Equal([5_001], _inner.Load(Client).Record!.Mappings.Keys.Select(m => (int)m.Masquerade.Port));
        Assert.Equal([5_000], _inner.Load(OtherClient).Record!.Mappings.Keys.Select(m => (int)m.Masquerade.Port));
    }
}
