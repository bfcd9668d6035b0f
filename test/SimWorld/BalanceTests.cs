using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld;

/// <summary>An access point has too much to do, and gives one of its addresses away while everything there is in use.</summary>
[Trait("Req", "A-15")]
public sealed class BalanceTests
{
    private static readonly NodeId Ap1 = new("ap1");

    [Fact]
    public void Connections_do_not_notice_that_their_address_moves_because_of_load_and_comes_home()
    {
        var network = World();
        var flows = Open(network);
        var seen = flows.Select(f => f.Seen).ToList();
        var first = network.AccessPoints[0].Node.HeldAddresses[0];
        network.AccessPoints[0].Heard = [];
        network.Run(TimeSpan.FromSeconds(6));
        Assert.Equal((1, 1), (network.LoadMoves, network.AddressMoves));
        var moved = Assert.Single(network.Coordinator.Nodes.Elsewhere);
        Assert.True(moved is { ByLoad: true } && moved.Home == Ap1 && moved.Address != first && moved.Address.IsIPv4);
        Assert.Contains(flows, f => f.Seen.Address == moved.Address);
        Assert.DoesNotContain(network.AccessPoints[0].Heard!, h => h.What is StartedOver);
        Talk(network, flows);

        // A walk goes on as if nothing had been, to the node that has the address as well.
        foreach (var to in new[] { 1, 2, 0 })
        {
            foreach (var client in network.Clients.Where(c => c.Index % 2 == 0))
            {
                network.Detach(client);
                network.Attach(client, to);
            }

            network.Run(TimeSpan.FromMilliseconds(500));
            Talk(network, flows);
        }

        Assert.Equal(seen, flows.Select(f => f.Seen));

        // Most of it ends; one that is anchored at the address goes on, and goes home with it.
        var stays = flows.Last(f => f.Protocol == TransportProtocol.Tcp && f.Seen.Address == moved.Address);
        foreach (var flow in flows.Where(f => f != stays))
        {
            flow.Stopped = true;
            flow.ClientEnd?.Close();
            flow.ServerEnd?.Close();
        }

        network.Run(TimeSpan.FromMinutes(12));
        Assert.Empty(network.Coordinator.Nodes.Elsewhere);
        Assert.Equal((1, 2), (network.LoadMoves, network.AddressMoves));
        Talk(network, [stays]);
        Assert.Equal(Assert.Single(stays.Faces), stays.Seen);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void The_node_that_an_address_has_moved_to_because_of_load_may_fail()
    {
        var network = World();
        var flows = Open(network);
        network.Run(TimeSpan.FromSeconds(6));
        var moved = Assert.Single(network.Coordinator.Nodes.Elsewhere);
        network.Kill(network.AccessPoints.Single(ap => ap.Owns(moved.Address)));
        network.Run(TimeSpan.FromSeconds(12));
        Talk(network, flows);
        Assert.Equal(Ap1, network.Coordinator.Nodes.OwnerOf(moved.Address));
    }

    [Fact]
    public void Nothing_moves_unless_it_is_asked_for()
    {
        var network = World(new BalanceOptions());
        Open(network);
        network.Run(TimeSpan.FromSeconds(6));
        Assert.Equal(0, network.AddressMoves);
    }

    private static SimNetwork World(BalanceOptions? balance = null)
    {
        balance ??= new BalanceOptions
        {
            Enabled = true, BusyMappings = 12, CalmMappings = 6, After = TimeSpan.FromSeconds(1), Interval = TimeSpan.FromSeconds(2), AddressInterval = TimeSpan.FromSeconds(30),
        };
        var network = new SimNetwork(2, new Settings { AccessPoints = 3, Clients = 8, Takeover = true, Balance = balance });
        network.Run(TimeSpan.FromMilliseconds(200));
        return network;
    }

    /// <summary>Everybody is at the first access point; connections are anchored at all its addresses.</summary>
    private static List<Flow> Open(SimNetwork network)
    {
        var flows = new List<Flow>();
        foreach (var client in network.Clients)
        {
            network.Attach(client, 0);
            flows.Add(network.AddFlow(client, TransportProtocol.Tcp, ipv6: false, 0));
            flows.Add(network.AddFlow(client, TransportProtocol.Tcp, ipv6: true, 0));
            flows.Add(network.AddFlow(client, client.Index % 2 == 0 ? TransportProtocol.Udp : TransportProtocol.Icmp, ipv6: false, 0));
        }

        network.Run(TimeSpan.FromMilliseconds(500));
        Talk(network, flows);
        Assert.Equal(3, flows.Select(f => f.Seen.Address).Distinct().Count());
        return flows;
    }

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
