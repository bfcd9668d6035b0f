using System.Globalization;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.Scenarios;
using Masquerade.SimWorld.World;
using Xunit.Abstractions;
using static Masquerade.SimWorld.World.Talk;

namespace Masquerade.SimWorld;

/// <summary>Access points fail, for good or for a while, and their addresses are taken over.</summary>
public sealed class TakeoverTests(ITestOutputHelper output)
{
    private const ulong SeedsPerKind = 6;

    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    [Theory]
    [InlineData(TransportProtocol.Tcp, false, false)]
    [InlineData(TransportProtocol.Tcp, true, true)]
    [InlineData(TransportProtocol.Udp, true, false)]
    [InlineData(TransportProtocol.Icmp, false, true)]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void Connections_outlive_the_access_point_that_anchors_them(TransportProtocol protocol, bool ipv6, bool silently)
    {
        var network = World();
        var (client, flow) = Settle(network, protocol, ipv6);
        var seen = flow.Seen;
        network.Detach(client);
        network.Attach(client, 1);
        network.Run(Short);
        network.Kill(network.AccessPoints[0], silently);
        network.Run(TimeSpan.FromMilliseconds(700));

        AssertTalks(network, flow);
        Assert.Equal(seen, flow.Seen);
        Assert.Contains(network.AccessPoints, ap => ap.Owns(seen.Address));
        AssertAgree(network);

        // A walk goes on as if nothing had been, at the node that took over as well.
        foreach (var to in new[] { 2, 1, 2 })
        {
            network.Detach(client);
            network.Attach(client, to);
            network.Run(Short);
            AssertTalks(network, flow);
            AssertAgree(network);
        }

        Assert.Equal(seen, flow.Seen);
    }

    [Theory]
    [InlineData(TransportProtocol.Tcp, 20)]
    [InlineData(TransportProtocol.Tcp, 2_000)]
    [InlineData(TransportProtocol.Udp, 20)]
    [InlineData(TransportProtocol.Udp, 2_000)]
    [Trait("Req", "A-16")]
    public void A_client_and_its_access_point_vanish_together(TransportProtocol protocol, int milliseconds)
    {
        var network = World();
        var (client, flow) = Settle(network, protocol, ipv6: false);
        var seen = flow.Seen;
        network.Kill(network.AccessPoints[0]);
        network.Detach(client);
        network.Run(TimeSpan.FromMilliseconds(milliseconds));
        network.Attach(client, 1);
        network.Run(TimeSpan.FromMilliseconds(700));

        AssertTalks(network, flow);
        Assert.Equal(seen, flow.Seen);
        AssertAgree(network);
    }

    [Theory]
    [InlineData(TransportProtocol.Tcp, 1)]
    [InlineData(TransportProtocol.Tcp, 2)]
    [InlineData(TransportProtocol.Udp, 1)]
    [InlineData(TransportProtocol.Udp, 2)]
    [Trait("Req", "A-15")]
    public void A_node_that_comes_back_is_fenced_and_gets_its_addresses_back(TransportProtocol protocol, int at)
    {
        var network = World();
        var (client, flow) = Settle(network, protocol, ipv6: false);
        var seen = flow.Seen;
        network.Detach(client);
        network.Attach(client, at);
        network.Run(Short);
        var ap = network.AccessPoints[0];
        network.Kill(ap);
        network.Run(TimeSpan.FromSeconds(2));
        network.Revive(ap);
        network.Run(TimeSpan.FromMilliseconds(500));

        // It answers for nothing, and gives nothing out.
        Assert.Empty(ap.Node.HeldAddresses);
        Assert.False(ap.Node.Serves);
        AssertTalks(network, flow);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.True(ap.Owns(seen.Address));
        Assert.True(ap.Node.Serves);
        Assert.DoesNotContain(network.AccessPoints, other => other != ap && other.Owns(seen.Address));
        AssertTalks(network, flow);
        Assert.Equal(seen, flow.Seen);
        AssertAgree(network);

        network.Detach(client);
        network.Attach(client, 0);
        network.Run(Short);
        AssertTalks(network, flow);
        var opened = network.AddFlow(client, protocol, ipv6: true, 1);
        network.Run(Short);
        AssertTalks(network, opened);
        AssertAgree(network);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_client_that_waits_at_a_fenced_access_point_is_served_when_the_addresses_are_back()
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Tcp, ipv6: false);
        var ap = network.AccessPoints[0];
        network.Kill(ap);
        network.Detach(client);
        network.Run(TimeSpan.FromSeconds(2));
        network.Revive(ap);
        network.Run(Short);
        network.Attach(client, 0);
        network.Run(TimeSpan.FromSeconds(3));
        AssertTalks(network, flow);
        AssertAgree(network);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_lost_session_alone_takes_nothing_from_a_living_node()
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Tcp, ipv6: false);
        var ap = network.AccessPoints[0];
        network.Disconnect(ap);
        for (var i = 0; i < 10; i++)
        {
            network.Run(TimeSpan.FromMilliseconds(500));
            Assert.True(ap.Owns(flow.Seen.Address));
            AssertTalks(network, flow);
        }

        Assert.Equal(0, network.Coordinator.NodesFailed);
        network.Connect(ap);
        network.Run(Short);
        AssertAgree(network);
        _ = client;
    }

    /// <summary>A node that only the network has forgotten: it is alive, and so are its clients. When it hears of the takeover it begins anew.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void A_node_that_was_only_cut_off_starts_over()
    {
        var network = World();
        var (client, flow) = Settle(network, TransportProtocol.Tcp, ipv6: false);
        var seen = flow.Seen;
        var ap = network.AccessPoints[0];
        network.CutOff = ap;
        network.Disconnect(ap);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.Contains(network.AccessPoints, other => other != ap && other.Owns(seen.Address));
        ap.Heard = [];
        network.CutOff = null;
        network.Connect(ap);
        network.Run(TimeSpan.FromMilliseconds(500));
        Assert.Contains(ap.Heard, h => h.What is StartedOver);
        Assert.Empty(ap.Node.HeldAddresses);
        network.Run(TimeSpan.FromSeconds(3));
        Assert.True(ap.Owns(seen.Address));
        AssertTalks(network, flow);
        Assert.Equal(seen, flow.Seen);
        AssertAgree(network);
        _ = client;
    }

    /// <summary>The node that took over fails as well, and the coordinator forgets everything: what agents say about addresses puts it right.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void Takeovers_survive_another_failure_and_the_coordinators_memory()
    {
        var network = World(accessPoints: 4);
        var (client, flow) = Settle(network, TransportProtocol.Tcp, ipv6: false);
        var seen = flow.Seen;
        network.Detach(client);
        network.Attach(client, 3);
        network.Run(Short);
        network.Kill(network.AccessPoints[0]);
        network.Run(TimeSpan.FromSeconds(1));
        var second = network.AccessPoints.Single(ap => ap.Owns(seen.Address));
        Assert.NotEqual(3, second.Index);
        network.Kill(second);
        network.Run(TimeSpan.FromSeconds(1));
        var third = network.AccessPoints.Single(ap => ap.Owns(seen.Address));
        AssertTalks(network, flow);

        network.RestartCoordinator();
        network.Run(TimeSpan.FromSeconds(2));
        Assert.True(third.Owns(seen.Address));
        Assert.Equal(new NodeId(third.Name), network.Coordinator.Nodes.OwnerOf(seen.Address));
        AssertTalks(network, flow);
        AssertAgree(network);

        network.Revive(network.AccessPoints[0]);
        network.Run(TimeSpan.FromSeconds(3));
        Assert.True(network.AccessPoints[0].Owns(seen.Address));
        AssertTalks(network, flow);
        Assert.Equal(seen, flow.Seen);
        AssertAgree(network);
    }

    /// <summary>Worlds in which access points fail now and then while everything else goes wrong as well. MASQ_SIM_DEATHS=n takes n of each kind.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void Worlds_in_which_access_points_die_hold(int kind)
    {
        var count = Environment.GetEnvironmentVariable("MASQ_SIM_DEATHS") is { Length: > 0 } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : SeedsPerKind;
        var problems = new List<string>();
        var (failures, moves, flows, lost) = (0, 0, 0, 0);
        for (ulong i = 0; i < count; i++)
        {
            var seed = (i * 4) + (ulong)kind;
            try
            {
                var network = Walk.Run(seed, Settings.From(seed) with { AccessPoints = 3 + (int)(seed % 3), Takeover = true, Deaths = true });
                failures += network.Failures;
                moves += network.AddressMoves;
                flows += network.Flows.Count;
                lost += network.Flows.Count(network.IsDead);
            }
            catch (SimFailure e)
            {
                problems.Add(e.Message);
            }
        }

        output.WriteLine($"{count} worlds: {failures} access points failed, {moves} times an address moved; of {flows} connections {lost} were lost with an anchor that nobody knew of");
        Assert.True(problems.Count == 0, $"{problems.Count} of {count} failed:\n{string.Join("\n\n", problems)}");
        Assert.InRange(failures, 1, int.MaxValue);
        Assert.InRange(moves, failures, int.MaxValue);
    }

    private static SimNetwork World(int accessPoints = 3)
    {
        var network = new SimNetwork(1, new Settings { AccessPoints = accessPoints, Clients = 2, Takeover = true });
        network.Run(TimeSpan.FromMilliseconds(100));
        return network;
    }

    private static void AssertAgree(SimNetwork network)
    {
        if ((TableCheck.FirstDisagreement(network) ?? TableCheck.FirstStrayServer(network)) is { } what)
        {
            throw network.Fail(what);
        }
    }
}
