using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld;

/// <summary>An operator drains an access point, with clients that are elsewhere and with clients that stay.</summary>
public sealed class DrainTests
{
    private static readonly NodeId Ap1 = new("ap1");

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void What_is_anchored_at_a_drained_node_moves_without_a_break_and_comes_back()
    {
        var network = World();
        var client = network.Clients[0];
        network.Attach(client, 0);
        var flows = Open(network, client);
        network.Detach(client);
        network.Attach(client, 1);
        network.Run(TimeSpan.FromMilliseconds(300));
        var seen = flows.Select(f => f.Seen).ToList();

        Drain(network, true);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.Empty(Held(network));
        Talk(network, flows);
        Assert.Equal(seen, flows.Select(f => f.Seen));
        Assert.True(network.Coordinator.Nodes.Find(Ap1)!.IsConnected);

        // It may go for good now, or come back.
        Drain(network, false);
        network.Run(TimeSpan.FromSeconds(3));
        Assert.Equal(3, Held(network).Count);
        Talk(network, flows);
        network.Detach(client);
        network.Attach(client, 0);
        network.Run(TimeSpan.FromMilliseconds(300));
        Talk(network, flows);
        Assert.Equal(seen, flows.Select(f => f.Seen));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void A_client_that_stays_at_a_drained_node_is_served_there_until_it_goes()
    {
        var network = World();
        var client = network.Clients[0];
        network.Attach(client, 0);
        var flows = Open(network, client);
        var seen = flows.Select(f => f.Seen).ToList();
        Assert.Equal(3, seen.Select(s => s.Address).Distinct().Count());

        Drain(network, true);
        network.Run(TimeSpan.FromSeconds(2));
        var kept = Held(network);
        Assert.Equal(2, kept.Count);
        Assert.Single(kept, a => a.IsIPv4);
        Talk(network, flows);

        // New connections are anchored at what is left there, and go with it.
        flows.Add(network.AddFlow(client, TransportProtocol.Tcp, ipv6: false, 0));
        Talk(network, flows);
        seen.Add(flows[^1].Seen);
        network.Detach(client);
        network.Attach(client, 2);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.Empty(Held(network));
        Talk(network, flows);
        Assert.Equal(seen, flows.Select(f => f.Seen));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_drained_node_takes_no_place_of_others_and_fails_without_harm()
    {
        var network = World();
        var client = network.Clients[0];
        network.Attach(client, 1);
        var flows = Open(network, client);
        Drain(network, true);
        network.Run(TimeSpan.FromSeconds(2));
        network.Detach(client);
        network.Attach(client, 2);
        network.Run(TimeSpan.FromMilliseconds(300));
        network.Kill(network.AccessPoints[0]);
        network.Kill(network.AccessPoints[1]);
        network.Run(TimeSpan.FromSeconds(2));
        Talk(network, flows);
        Assert.All(flows, f => Assert.True(network.AccessPoints[2].Owns(f.Seen.Address)));
    }

    private static SimNetwork World()
    {
        var network = new SimNetwork(1, new Settings { AccessPoints = 3, Clients = 2, Takeover = true, Pooling = AddressPooling.Arbitrary });
        network.Run(TimeSpan.FromMilliseconds(200));
        return network;
    }

    private static List<Flow> Open(SimNetwork network, SimClient client)
    {
        List<Flow> flows =
        [
            .. Enumerable.Range(0, 4).Select(_ => network.AddFlow(client, TransportProtocol.Tcp, ipv6: false, 0)),
            network.AddFlow(client, TransportProtocol.Tcp, ipv6: true, 0),
            network.AddFlow(client, TransportProtocol.Udp, ipv6: false, 1),
            network.AddFlow(client, TransportProtocol.Icmp, ipv6: false, 0),
        ];
        network.Run(TimeSpan.FromMilliseconds(500));
        Talk(network, flows);
        return flows;
    }

    private static void Drain(SimNetwork network, bool isDrained) =>
        Assert.True(network.Coordinator.TryDrain(Ap1, isDrained, network.Now, failure => Assert.Equal(StoreFailure.None, failure)));

    private static IReadOnlyList<IpAddress> Held(SimNetwork network) => network.AccessPoints[0].Node.HeldAddresses;

    private static void Talk(SimNetwork network, List<Flow> flows)
    {
        var before = flows.Select(f => (f.ReceivedUp, f.ReceivedDown)).ToList();
        network.Run(TimeSpan.FromMilliseconds(600));
        for (var i = 0; i < flows.Count; i++)
        {
            if (flows[i].ReceivedUp == before[i].ReceivedUp || flows[i].ReceivedDown == before[i].ReceivedDown)
            {
                throw network.Fail($"{flows[i]} is silent");
            }
        }

        if ((TableCheck.FirstDisagreement(network) ?? TableCheck.FirstStrayServer(network)) is { } what)
        {
            throw network.Fail(what);
        }
    }
}
