using Masquerade.Core.Control;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests;

public sealed class SessionTests
{
    private readonly CoordinatorBench _bench = new();

    [Fact]
    public void The_first_message_must_be_hello()
    {
        _bench.Core.OnConnected(9, _bench.Now);
        Assert.IsType<Goodbye>(Assert.Single(_bench.Tell(9, _bench.Arrive(1))).Message);
        Assert.Equal(9UL, Assert.Single(_bench.Closed).Session);
        Assert.Equal(0, _bench.Store.ClientCount);
    }

    [Fact]
    public void Who_never_says_hello_is_closed()
    {
        _bench.Core.OnConnected(9, _bench.Now);
        _bench.Tell(1, new Heartbeat { Id = 1 });
        _bench.Wait(new CoordinatorOptions().SessionTimeout.TotalMilliseconds);
        Assert.Contains(_bench.Closed, c => c.Session == 9);
    }

    [Fact]
    public void A_session_speaks_for_one_node()
    {
        _bench.Tell(1, new Hello { Id = 1, Node = Ap2, Incarnation = 1, PeerEndpoint = At(2, 4_747), Addresses = [] });
        Assert.Equal(1UL, Assert.Single(_bench.Closed).Session);
        Assert.Equal(2UL, _bench.Core.Nodes.Find(Ap2)!.Session);
    }

    [Fact]
    public void The_newer_session_of_a_node_replaces_the_older()
    {
        _bench.Connect(1, session: 21);
        Assert.Equal(1UL, Assert.Single(_bench.Closed).Session);
        Assert.Equal(21UL, _bench.Core.Nodes.Find(Ap1)!.Session);
        _bench.Core.OnDisconnected(1, _bench.Now);
        Assert.True(_bench.Core.Nodes.IsConnected(Ap1));
        Assert.IsType<Ack>(Assert.Single(_bench.Tell(21, new Heartbeat { Id = 5 })).Message);
        Assert.Empty(_bench.Tell(1, new Heartbeat { Id = 6 }));
    }

    [Fact]
    public void An_address_that_a_connected_node_owns_is_nobody_elses()
    {
        _bench.Connect(4, session: 24, addresses: [Address(1)]);
        Assert.Equal(24UL, Assert.Single(_bench.Closed).Session);
        Assert.Equal(Ap1, _bench.Core.Nodes.OwnerOf(Address(1)));
    }

    [Fact]
    public void A_silent_session_ends()
    {
        _bench.Wait(4_000);
        _bench.Tell(2, new Heartbeat { Id = 1 });
        _bench.Wait(1_500);
        Assert.Equal([1UL, 3UL], _bench.Closed.Select(c => c.Session).Order());
        Assert.True(_bench.Core.Nodes.IsConnected(Ap2));
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void A_push_is_repeated_until_acknowledged()
    {
        var change = Moved();
        Assert.Equal(change.Id, Assert.Single(_bench.Wait(101).Select(s => s.Message).OfType<FamChange>()).Id);
        _bench.Tell(1, new Ack { Id = change.Id, Status = AckStatus.Ok });
        Assert.DoesNotContain(_bench.Wait(3_000), s => s.Message is FamChange);
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void A_push_outlives_the_session_but_not_the_node()
    {
        var change = Moved();
        _bench.Core.OnDisconnected(1, _bench.Now);
        Assert.DoesNotContain(_bench.Wait(500), s => s.Session == 1);
        _bench.Connect(1, session: 31);
        Assert.True(_bench.Core.NextDeadline < _bench.Now + TimeSpan.FromSeconds(3));
        Assert.Contains(_bench.Wait(200), s => s.Session == 31 && s.Message.Id == change.Id);
        _bench.Core.OnDisconnected(31, _bench.Now);
        _bench.Connect(1, incarnation: 2, session: 32);
        Assert.DoesNotContain(_bench.Wait(3_000), s => s.Message.Id == change.Id);
    }

    [Fact]
    public void A_newer_move_replaces_older_news()
    {
        var first = Moved();
        _bench.Tell(3, _bench.Arrive(3, 7_000));
        var repeated = _bench.Wait(101).Select(s => s.Message).OfType<FamChange>().Where(c => c.Routes.Any(r => r.Ham == Ap1 && c.NewFam == Ap2));
        Assert.DoesNotContain(repeated, c => c.Id == first.Id);
    }

    private FamChange Moved()
    {
        _bench.Tell(1, _bench.Arrive(1));
        _bench.Tell(1, _bench.Announce(1, Mapping(1, 5_000, 1)));
        return _bench.Tell(2, _bench.Arrive(2, 6_000)).Select(s => s.Message).OfType<FamChange>().Single();
    }
}
