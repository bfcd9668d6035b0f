using Masquerade.Coordinator.Tests.Store;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>Where a node is connected must stand in the store for as long as it is, or nobody else finds it. Each of these was found by a seed of SimWorld.</summary>
public sealed class PresenceTests
{
    private readonly PlayedPeers _peers = new();
    private readonly InMemoryClientStore _inner = new(7);
    private readonly SlowStore _store;
    private readonly CoordinatorBench _bench;

    public PresenceTests()
    {
        _store = new SlowStore(_inner);
        _bench = new CoordinatorBench(new CoordinatorOptions { Life = 5 }, _store, nodes: 0, _peers);
        _bench.Wait(1);
    }

    /// <summary>Seed 70047: the store failed over between a node's registration and the end of what was prepared for its session.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_that_joins_when_the_store_has_forgotten_it_is_registered_anew()
    {
        _peers.Waits = true;
        _bench.Connect(1);
        _store.Incarnation = 8;
        _bench.Wait(1);
        _peers.Answer();
        Assert.True(_bench.Core.Nodes.Find(Ap1)!.IsHere);
        _peers.Answer();
        Assert.Equal(2, _peers.Registered.Count);
        Assert.Equal(2UL, _bench.Core.Nodes.Find(Ap1)!.Number);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_of_which_the_store_knows_only_an_older_session_is_registered_anew()
    {
        _bench.Connect(1);
        _bench.Connect(1, session: 11);
        _peers.Registered.Clear();
        _bench.Core.OnPresence(Presence(1, life: 6, isConnected: false), _bench.Now);
        Assert.Equal(5UL, Assert.Single(_peers.Registered).Life);
        Assert.True(_bench.Core.Nodes.Find(Ap1)!.IsHere);

        // What is newer still counts.
        _bench.Core.OnPresence(Presence(9, life: 6, isConnected: true), _bench.Now);
        Assert.False(_bench.Core.Nodes.Find(Ap1)!.IsHere);
        Assert.Single(_peers.Registered);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_that_goes_while_it_is_registered_anew_is_not_left_registered()
    {
        _bench.Connect(1);
        _bench.Connect(1, session: 11);
        _peers.Waits = true;
        _bench.Core.OnPresence(Presence(1, life: 6, isConnected: false), _bench.Now);
        _bench.Core.OnDisconnected(11, _bench.Now);
        _peers.Unregistered.Clear();
        _peers.Answer();
        Assert.Equal((3UL, false), (Assert.Single(_peers.Unregistered).Number, _peers.Unregistered[0].IsConnected));
    }

    /// <summary>
    /// A session ended while a node was given back what it had anchored. That it had it all must not be written down, and what a later session was given must not be taken away by it.
    /// </summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void What_is_given_back_to_a_node_is_given_by_its_latest_session()
    {
        _bench.Connect(1);
        _bench.Tell(1, _bench.Arrive(1));
        Answer();
        Assert.Equal(Ap1, _inner.Load(Client).Record!.Fam);
        _peers.MustForget = true;
        _bench.Connect(1, incarnation: 2, session: 11);
        Assert.Equal(1, _store.Waiting);
        _bench.Core.OnDisconnected(11, _bench.Now);
        Answer();
        Assert.Equal(Ap1, _inner.Load(Client).Record!.Fam);
        Assert.Empty(_peers.Settled);

        _bench.Connect(1, incarnation: 3, session: 12);
        Answer();
        Assert.True(_inner.Load(Client).Record!.Fam.IsNone);
        Assert.Equal(3UL, Assert.Single(_peers.Settled));
        Assert.True(_bench.Core.Nodes.Find(Ap1)!.IsHere);
    }

    /// <summary>Seed 15 of the takeovers: a coordinator did not hear where a node had gone, and its push waited for ten seconds.</summary>
    [Fact]
    [Trait("Req", "A-13")]
    public void What_was_said_and_not_heard_is_noticed()
    {
        var news = new NewsCount();
        Assert.False(news.HasMissed(1, 0));
        news.Hear(1);
        news.Hear(2);
        news.Hear(1);
        Assert.False(news.HasMissed(1, 2));
        Assert.False(news.HasMissed(1, 2));
        news.Hear(1);
        Assert.True(news.HasMissed(1, 4));
        Assert.False(news.HasMissed(1, 4));
        Assert.False(news.HasMissed(2, 1));
        Assert.True(news.HasMissed(3, 1));
    }

    private void Answer()
    {
        while (_store.AnswerOne(_bench))
        {
        }
    }

    private static NodePresence Presence(ulong number, ulong life, bool isConnected) => new()
    {
        Node = Ap1, Incarnation = 1, PeerEndpoint = At(1, 4_747), Addresses = [Address(1)], Life = life, Number = number, IsConnected = isConnected,
    };
}
