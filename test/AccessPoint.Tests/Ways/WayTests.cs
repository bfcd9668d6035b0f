using System.Buffers.Binary;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Checksum;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Ways.WayCases;

namespace Masquerade.AccessPoint.Tests.Ways;

/// <summary>
/// A network that drops what has another node's address, or a server's, as its source: packets go by the HAM from the moment that this has been found out, and neither end sees a
/// difference. Whole nodes with a router between them that looks at sources.
/// </summary>
[Trait("Req", "N-09")]
public sealed class WayTests
{
    public static TheoryData<TransportProtocol, bool> Protocols { get; } = new()
    {
        { TransportProtocol.Udp, false }, { TransportProtocol.Udp, true },
        { TransportProtocol.Tcp, false }, { TransportProtocol.Tcp, true },
        { TransportProtocol.Icmp, false }, { TransportProtocol.Icmp, true },
    };

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Where_foreign_sources_are_dropped_packets_go_by_the_HAM_and_nobody_sees_it(TransportProtocol protocol, bool v6)
    {
        var (pair, client, server, masquerade) = Begin(protocol, v6, filters: true);
        pair.Roam();
        FindOut(pair, protocol, client, server, masquerade);
        Assert.All([true, false], way => Assert.Contains(pair.Events(way ? 1 : 0), e => e is WayChanged { Rewritten: true } changed && changed.ToServers == way));
        var (filtered, before) = (pair.Filtered, pair.Node(0).RelayedForFam);
        for (var i = 0; i < 20; i++)
        {
            Exchange(pair, protocol, client, server, masquerade, i);
            pair.Wait(20);
        }

        Assert.Equal(filtered, pair.Filtered);
        Assert.Equal(20, pair.Node(0).RelayedForFam - before);
        Assert.Contains(pair.Node(1).DescribeWays(10), w => w is { ToServers: true, State: WayState.Rewritten } && w.Peer == masquerade.Address);
        Assert.Contains(pair.Node(0).DescribeWays(10), w => w is { ToServers: false, State: WayState.Rewritten });
    }

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Where_nobody_looks_at_sources_packets_go_straight(TransportProtocol protocol, bool v6)
    {
        var (pair, client, server, masquerade) = Begin(protocol, v6, filters: false);
        pair.Roam();
        for (var i = 0; i < 40; i++)
        {
            Exchange(pair, protocol, client, server, masquerade, i);
            pair.Wait(50);
        }

        Assert.Contains(pair.Node(1).DescribeWays(10), w => w is { ToServers: true, State: WayState.Direct } && w.Peer == masquerade.Address);
        Assert.Contains(pair.Node(0).DescribeWays(10), w => w is { ToServers: false, State: WayState.Direct });
        Assert.All([0, 1], n => Assert.Equal((0, 0, 0), (pair.Node(n).SentByHam, pair.Node(n).RelayedForFam, pair.Node(n).StandInCount)));
    }

    /// <summary>Each end may be filtered alone: what gets through goes straight.</summary>
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Only_the_direction_that_is_dropped_is_rewritten(bool atHam, bool atFam)
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: false);
        (pair.Filters[0], pair.Filters[1]) = (atHam, atFam);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        pair.Wait(1_000);
        for (var i = 0; i < 5; i++)
        {
            Exchange(pair, TransportProtocol.Udp, client, server, masquerade, i);
        }

        Assert.Equal((atFam, atHam), (pair.Node(1).SentByHam > 0, pair.Node(0).SentForServer > 0));
    }

    [Fact]
    public void A_mapping_with_many_servers_keeps_them_apart()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        var servers = Enumerable.Range(0, 30).Select(i => server with { Port = (ushort)(1_000 + i) }).ToList();
        foreach (var other in servers.Concat(servers))
        {
            Exchange(pair, TransportProtocol.Udp, client, other, masquerade, other.Port);
        }

        // One stranger's packet is still a stranger's.
        pair.AtClient.Clear();
        pair.FromServer(RoamingPair.Datagram(server with { Port = 99 }, masquerade, "?"u8));
        Assert.Empty(pair.AtClient);
        Assert.Equal(1, pair.Node(1).Drops[DropReason.FilteredServer]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Errors_come_to_who_sent_the_packet_about_that_packet(bool v6)
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        var router = IpAddress.Parse(v6 ? "2001:db8:7::7" : "198.51.100.7");

        // A router behind the HAM to the client: about the packet as the client sent it.
        pair.AtClient.Clear();
        pair.FromServer(Error(IcmpError.HostUnreachable, router, RoamingPair.Datagram(masquerade, server, new byte[20])));
        var error = Assert.Single(pair.AtClient).Packet;
        var summary = RoamingPair.Read(error);
        Assert.Equal(RoamingPair.Datagram(client, server, new byte[20]), error[summary.EmbeddedOffset..]);
        Assert.Equal(client.Address, summary.Tuple.Destination.Address);

        // The client to the server.
        pair.FromServer(RoamingPair.Datagram(server, masquerade, new byte[20]));
        var received = pair.AtClient[^1].Packet;
        pair.AtServer.Clear();
        pair.FromClient(Error(IcmpError.PortUnreachable, client.Address, received));
        error = Assert.Single(pair.AtServer);
        summary = RoamingPair.Read(error);
        Assert.Equal((masquerade.Address, server.Address), (summary.Tuple.Source.Address, summary.Tuple.Destination.Address));
        Assert.Equal(new FlowTuple(server, masquerade, TransportProtocol.Udp), summary.EmbeddedTuple);

        // The HAM is a hop, behind FAM and router. What it says comes to the client about the client's packet, too.
        pair.AtClient.Clear();
        var last = RoamingPair.Datagram(client, server, "last hop"u8);
        SetHops(last, 3);
        pair.RouterCounts = true;
        pair.FromClient(last);
        error = Assert.Single(pair.AtClient).Packet;
        summary = RoamingPair.Read(error);
        Assert.Equal((client.Address, new FlowTuple(client, server, TransportProtocol.Udp)), (summary.Tuple.Destination.Address, summary.EmbeddedTuple));
        Assert.Equal(RoamingPair.Address(0, v6), summary.Tuple.Source.Address);

        // A router between FAM and HAM: it sees other endpoints.
        var wire = new List<byte[]>();
        pair.Watch = wire.Add;
        pair.FromClient(RoamingPair.Datagram(client, server, new byte[400]));
        pair.AtClient.Clear();
        pair.FromServer(Error(IcmpError.TooBig(1_280), router, wire[0]));
        error = Assert.Single(pair.AtClient).Packet;
        summary = RoamingPair.Read(error);
        Assert.Equal((router, new FlowTuple(client, server, TransportProtocol.Udp)), (summary.Tuple.Source.Address, summary.EmbeddedTuple));
    }

    [Fact]
    public void Fragments_take_the_same_way_in_any_order()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        var payload = new byte[4_000];
        payload.AsSpan().Fill(7);
        pair.AtServer.Clear();
        var there = Cut(RoamingPair.Datagram(client, server, payload));
        Assert.Equal(3, there.Count);
        foreach (var piece in there.AsEnumerable().Reverse())
        {
            pair.FromClient(piece);
        }

        Assert.Equal(3, pair.AtServer.Count);
        Assert.All(pair.AtServer, p => Assert.Equal((masquerade.Address, server.Address), (IpAddress.FromBytes(p.AsSpan(12, 4)), IpAddress.FromBytes(p.AsSpan(16, 4)))));
        Assert.Equal(payload, Join(pair.AtServer));
        pair.AtClient.Clear();
        foreach (var piece in Cut(RoamingPair.Datagram(server, masquerade, payload)))
        {
            pair.FromServer(piece);
        }

        Assert.All(pair.AtClient, p => Assert.Equal((server.Address, client.Address), (IpAddress.FromBytes(p.Packet.AsSpan(12, 4)), IpAddress.FromBytes(p.Packet.AsSpan(16, 4)))));
        Assert.Equal(payload, Join([.. pair.AtClient.Select(p => p.Packet)]));
    }

    [Theory]
    [MemberData(nameof(Protocols))]
    public void It_goes_on_home_and_away_again_and_nothing_is_left_behind(TransportProtocol protocol, bool v6)
    {
        var (pair, client, server, masquerade) = Begin(protocol, v6, filters: true);
        for (var walk = 0; walk < 6; walk++)
        {
            pair.Roam();
            if (walk == 0)
            {
                FindOut(pair, protocol, client, server, masquerade);
            }

            for (var i = 0; i < 3; i++)
            {
                Exchange(pair, protocol, client, server, masquerade, i);
                pair.Wait(10);
            }
        }

        Assert.NotEqual(0, pair.Node(0).StandInCount);
        for (var minute = 0; minute < 8; minute++)
        {
            pair.Wait(60_000);
        }

        Assert.All([0, 1], n => Assert.Equal(0, pair.Node(n).StandInCount));
    }

    /// <summary>What the previous FAM holds for a client that has left goes to the next one, though neither knows the other: by the HAM.</summary>
    [Fact]
    public void What_was_held_at_the_previous_FAM_follows_the_client_home()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        pair.Leave();
        pair.AtClient.Clear();
        pair.FromServer(RoamingPair.Datagram(server, masquerade, "held"u8));
        Assert.Empty(pair.AtClient);
        var filtered = pair.Filtered;
        pair.Roam();
        var (node, _, packet) = Assert.Single(pair.AtClient);
        Assert.Equal((0, filtered), (node, pair.Filtered));
        Assert.Equal(RoamingPair.Read(packet).Tuple, new FlowTuple(server, client, TransportProtocol.Udp));
    }

    /// <summary>The new FAM may have the coordinator's answer, and send, before the HAM has heard that it is one.</summary>
    [Fact]
    public void What_a_FAM_sends_before_its_HAM_knows_it_waits_there()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);

        // At home for longer than what comes late from the FAM before is taken for what it is.
        pair.Roam();
        pair.Wait(6_000);
        pair.Roam(hamHears: false);
        pair.AtServer.Clear();
        pair.FromClient(RoamingPair.Datagram(client, server, "one"u8));
        pair.FromClient(RoamingPair.Datagram(client, server, "two"u8));
        Assert.Empty(pair.AtServer);
        pair.TellHam();
        Assert.Equal(["one", "two"], pair.AtServer.Select(p => System.Text.Encoding.ASCII.GetString(p.AsSpan(28))));

        // Nobody waits for ever.
        pair.Roam();
        pair.Wait(6_000);
        pair.Roam(hamHears: false);
        pair.AtServer.Clear();
        var expired = pair.Node(0).Drops[DropReason.HoldExpired];
        pair.FromClient(RoamingPair.Datagram(client, server, "late"u8));
        pair.Wait(250);
        pair.TellHam();
        Assert.Empty(pair.AtServer);
        Assert.Equal(expired + 1, pair.Node(0).Drops[DropReason.HoldExpired]);
    }
}
