using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;
using static Masquerade.SimWorld.World.Talk;

namespace Masquerade.SimWorld;

/// <summary>The moments of a walk one by one, in a world where nothing goes wrong but what the scenario says.</summary>
public sealed class ScenarioTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    /// <summary>An access point that has lost its coordinator looks for another one before it takes a stranger's datagrams for new ones.</summary>
    private static readonly TimeSpan AnotherCoordinator = TimeSpan.FromSeconds(1);


    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-11")]
    public void An_arrival_takes_one_round_trip(bool ipv6)
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6);
        var ap = network.AccessPoints[1];
        ap.Heard = [];
        network.Detach(client);
        network.Attach(client, 1);
        var start = network.Now;
        network.Run(TimeSpan.FromMilliseconds(50));

        var arrived = ap.Heard.Single(h => h.What is ClientArrived);
        Assert.Equal(TimeSpan.FromMicroseconds(2 * network.Settings.ControlDelay), arrived.At - start);
        Assert.Single(ap.Heard, h => h.What is Arrive);
        Assert.DoesNotContain(ap.Heard, h => h.What is Attach);
        AssertTalks(network, flow);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Trait("Req", "A-02")]
    [Trait("Req", "A-04")]
    [Trait("Req", "A-05")]
    public void A_walk_keeps_order_and_drops_nothing(ulong seed)
    {
        var network = World(seed);
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        var seen = flow.Seen;
        for (var i = 1; i <= 9; i++)
        {
            network.Detach(client);
            network.Run(TimeSpan.FromMilliseconds(20));
            network.Attach(client, i % 3);
            network.Run(Short);
        }

        Assert.Equal((0, 0), (flow.Duplicated, flow.Reordered));
        Assert.Equal(seen, flow.Seen);
        Assert.All(network.AccessPoints, ap => Assert.True(ap.Node.Drops.Total == 0, ap.Ledger.Describe(ap.Node.Drops)));
        AssertTalks(network, flow);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void Without_events_the_first_frame_is_an_arrival()
    {
        var network = World(events: false);
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        var ap = network.AccessPoints[2];
        ap.Heard = [];
        network.Detach(client);
        network.Attach(client, 2);
        network.Run(Short);

        Assert.False(Assert.IsType<ClientArriving>(ap.Heard.First(h => h.What is ClientArriving).What).ByAssociation);
        Assert.Single(ap.Heard, h => h.What is ClientArrived);
        AssertTalks(network, flow);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_departure_clears_the_FAM_everywhere_and_the_mapping_stays()
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        network.Detach(client);
        network.Run(TimeSpan.FromSeconds(1));

        var owned = Assert.Single(network.AccessPoints[0].Node.Ham.Describe(10));
        Assert.True(owned.FamEndpoint.IsNone);
        Assert.Equal(0, network.AccessPoints[0].Node.Fam.ClientCount);
        Assert.Empty(network.Coordinator.Store.Load(client.Mac).Record!.Mappings[owned.Mapping].Fams);

        var seen = flow.Seen;
        network.Attach(client, 1);
        network.Run(Short);
        Assert.Equal(seen, flow.Seen);
        AssertTalks(network, flow);
    }

    [Theory]
    [InlineData(TransportProtocol.Tcp)]
    [InlineData(TransportProtocol.Udp)]
    [InlineData(TransportProtocol.Icmp)]
    [Trait("Req", "A-07")]
    public void New_connections_work_while_the_coordinator_is_down_and_are_known_when_it_is_back(TransportProtocol protocol)
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        foreach (var ap in network.AccessPoints)
        {
            network.Disconnect(ap);
        }

        var opened = network.AddFlow(client, protocol, ipv6: true, 1);
        network.Run(Short);
        AssertTalks(network, opened);
        AssertTalks(network, flow);

        foreach (var ap in network.AccessPoints)
        {
            network.Connect(ap);
        }

        network.Run(TimeSpan.FromSeconds(1));
        Assert.Null(TableCheck.FirstDisagreement(network));
        Assert.Null(TableCheck.FirstStrayServer(network));

        network.Detach(client);
        network.Attach(client, 2);
        network.Run(Short);
        AssertTalks(network, opened);
    }

    /// <summary>
    /// The endpoints that an access point offered for a client that was gone again before the answer came may have been given to HAMs. They must not serve another client
    /// while that word is under way, or it gets the first one's packets.
    /// </summary>
    [Fact]
    [Trait("Req", "A-17")]
    public void Offers_of_an_unanswered_arrival_are_not_given_to_the_next_client()
    {
        var network = World();
        var (client, _) = Settle(network, TransportProtocol.Udp, ipv6: false);
        var other = network.Clients[1];
        var ap = network.AccessPoints[1];
        ap.Heard = [];
        network.Detach(client);
        network.Attach(client, 1);
        network.Detach(client);
        for (var i = 0; i < 20; i++)
        {
            network.Attach(other, 1);
            network.Detach(other);
        }

        var offered = ap.Heard.Select(h => h.What).OfType<Arrive>().ToList();
        Assert.Equal(21, offered.Count);
        var ofFirst = offered.Where(a => a.Client == client.Mac).SelectMany(a => a.Offers).ToHashSet();
        var ofOther = offered.Where(a => a.Client == other.Mac).SelectMany(a => a.Offers).ToHashSet();
        Assert.NotEmpty(ofOther);
        Assert.False(ofFirst.Overlaps(ofOther));
    }

    /// <summary>The client goes on before the coordinator's answer is there, or just behind it: what HAMs sent to where it was follows it all the same.</summary>
    [Theory]
    [InlineData(100)]
    [InlineData(700)]
    [InlineData(900)]
    [InlineData(2_500)]
    [Trait("Req", "A-05")]
    public void Two_moves_within_one_hand_over_lose_nothing(int microseconds)
    {
        var network = World(settings: new Settings { ControlDelay = 2_000 });
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        for (var i = 0; i < 6; i++)
        {
            network.Detach(client);
            network.Attach(client, 1);
            network.Run(TimeSpan.FromMicroseconds(microseconds));
            network.Detach(client);
            network.Run(TimeSpan.FromMicroseconds(microseconds));
            network.Attach(client, i % 3);
            network.Run(Short);
        }

        Assert.Equal((0, 0, 0), (flow.Duplicated, flow.Reordered, network.SentAstray));
        Assert.All(network.AccessPoints, ap => Assert.True(ap.Node.Drops.Total == 0, ap.Ledger.Describe(ap.Node.Drops)));
        AssertTalks(network, flow);
    }

    /// <summary>What an access point opened while it was out of reach, for a client that has gone on since, is known to everybody when it is back.</summary>
    [Fact]
    [Trait("Req", "A-29")]
    public void What_was_opened_out_of_reach_is_handed_in()
    {
        var network = World(settings: new Settings { Partitions = true });
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        network.Detach(client);
        network.Disconnect(network.AccessPoints[1]);
        network.Run(AnotherCoordinator);
        network.Attach(client, 1);
        var opened = network.AddFlow(client, TransportProtocol.Udp, ipv6: false, 1);
        network.Run(Short);
        AssertTalks(network, opened);

        network.Detach(client);
        network.Attach(client, 2);
        network.Run(Short);
        network.Connect(network.AccessPoints[1]);
        network.Run(TimeSpan.FromSeconds(1));
        Assert.Null(TableCheck.FirstDisagreement(network));
        Assert.Null(TableCheck.FirstStrayServer(network));
        AssertTalks(network, flow);
        AssertTalks(network, opened);
    }

    /// <summary>A client that arrives where the coordinator is out of reach can open connections and go on with them, not only send their first packets.</summary>
    [Theory]
    [InlineData(TransportProtocol.Tcp)]
    [InlineData(TransportProtocol.Udp)]
    [InlineData(TransportProtocol.Icmp)]
    [Trait("Req", "A-07")]
    public void A_client_that_arrives_out_of_reach_is_served(TransportProtocol protocol)
    {
        var network = World();
        network.Run(TimeSpan.FromMilliseconds(50));
        network.Disconnect(network.AccessPoints[0]);
        network.Run(AnotherCoordinator);
        network.Attach(network.Clients[0], 0);
        var flow = network.AddFlow(network.Clients[0], protocol, ipv6: false, 0);
        network.Run(Short);
        for (var i = 0; i < 10; i++)
        {
            AssertTalks(network, flow);
        }

        network.Connect(network.AccessPoints[0]);
        network.Run(TimeSpan.FromSeconds(1));
        Assert.Null(TableCheck.FirstDisagreement(network));
        AssertTalks(network, flow);
    }

    /// <summary>The seeds' lazy way: the first packet waits, the coordinator is asked (in one phase or two) and places the HAM at another access point. Afterwards it is a connection like any other.</summary>
    [Theory]
    [InlineData(AnchorPolicy.AskCoordinator, TransportProtocol.Tcp)]
    [InlineData(AnchorPolicy.AskCoordinator, TransportProtocol.Udp)]
    [InlineData(AnchorPolicy.AskCoordinatorFirst, TransportProtocol.Tcp)]
    [InlineData(AnchorPolicy.AskCoordinatorFirst, TransportProtocol.Icmp)]
    [Trait("Req", "A-03")]
    [Trait("Req", "A-07")]
    [Trait("Req", "A-09")]
    public void A_connection_can_be_attached_lazily_with_its_HAM_elsewhere(AnchorPolicy policy, TransportProtocol protocol)
    {
        var network = World(settings: new Settings { Anchoring = policy, HamAt = 2 });
        var ap = network.AccessPoints[0];
        ap.Heard = [];
        var (client, flow) = Settle(network, protocol, ipv6: false);
        Assert.Equal(policy == AnchorPolicy.AskCoordinatorFirst ? 1 : 0, ap.Heard.Count(h => h.What is Lookup));
        Assert.Single(ap.Heard, h => h.What is Attach);
        Assert.True(network.AccessPoints[2].Owns(flow.Seen.Address));
        Assert.Single(network.AccessPoints[2].Node.Ham.Describe(10));

        var seen = flow.Seen;
        network.Detach(client);
        network.Attach(client, 1);
        network.Run(Short);
        Assert.Equal(seen, flow.Seen);
        AssertTalks(network, flow);
        Assert.All(network.AccessPoints, a => Assert.True(a.Node.Drops.Total == 0, a.Ledger.Describe(a.Node.Drops)));
        Assert.Null(TableCheck.FirstDisagreement(network));
    }

    /// <summary>A TCP connection that both sides have closed is gone by the transitory timeout, wherever its client has been.</summary>
    [Fact]
    [Trait("Req", "N-03")]
    public void A_closed_connection_is_reclaimed_in_minutes_not_hours()
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Tcp, ipv6: false);
        network.Detach(client);
        network.Attach(client, 1);
        flow.Stopped = true;
        flow.ServerEnd!.Close();
        network.Run(Short);
        flow.ClientEnd!.Close();
        network.Run(Short);
        Assert.True(flow.IsFinished);
        Assert.Equal(1, network.AccessPoints[0].Node.Ham.MappingCount);
        network.Run(Limits.Fam.TcpClosingTimeout + TimeSpan.FromSeconds(5));
        Assert.Equal((0, 0), (network.AccessPoints[0].Node.Ham.MappingCount, network.AccessPoints[1].Node.Fam.MappingCount));
    }

    private static SimNetwork World(ulong seed = 1, bool events = true, Settings? settings = null) =>
        new(seed, (settings ?? new Settings()) with { AccessPoints = 3, Clients = 2, Events = events });
}
