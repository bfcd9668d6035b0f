using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld;

/// <summary>The moments of a walk one by one, in a world where nothing goes wrong but what the scenario says.</summary>
public sealed class ScenarioTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

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
        var all = offered.SelectMany(a => a.Offers).ToList();
        Assert.Equal(all.Count, all.Distinct().Count());
    }

    private static SimNetwork World(ulong seed = 1, bool events = true) => new(seed, new Settings { AccessPoints = 3, Clients = 2, Events = events });

    /// <summary>The first client at the first access point, with one flow that is on its way.</summary>
    private static (SimClient Client, Flow Flow) Settle(SimNetwork network, TransportProtocol protocol, bool ipv6)
    {
        network.Run(TimeSpan.FromMilliseconds(50));
        var client = network.Clients[0];
        network.Attach(client, 0);
        var flow = network.AddFlow(client, protocol, ipv6, 0);
        network.Run(TimeSpan.FromMilliseconds(500));
        AssertTalks(network, flow);
        return (client, flow);
    }

    private static void AssertTalks(SimNetwork network, Flow flow)
    {
        var (up, down) = (flow.ReceivedUp, flow.ReceivedDown);
        network.Run(Short);
        Assert.True(flow.ReceivedUp > up && flow.ReceivedDown > down, $"{flow}: up {flow.ReceivedUp - up}, down {flow.ReceivedDown - down} in {Short}");
    }
}
