using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>RFC 5508 through whole nodes: at the node that is HAM and FAM, through a HAM and a FAM apart after a roam, and through a HAM that has taken over.</summary>
[Trait("Req", "N-04")]
public sealed class IcmpThroughNodesTests
{
    private static readonly MacAddress OtherClient = MacAddress.Parse("02:00:00:00:00:22");

    [Theory, Trait("Rfc", "5508 REQ-4"), Trait("Rfc", "4787 REQ-12"), Trait("Rfc", "5382 REQ-9"), Trait("Req", "N-08")]
    [InlineData(false, Phase.AtRest)]
    [InlineData(false, Phase.Roamed)]
    [InlineData(false, Phase.TakenOver)]
    [InlineData(true, Phase.AtRest)]
    [InlineData(true, Phase.Roamed)]
    [InlineData(true, Phase.TakenOver)]
    public void An_error_from_outside_comes_to_the_client_about_the_packet_as_the_client_sent_it(bool v6, Phase phase)
    {
        var (pair, client, server, masquerade) = Begin(v6, phase);
        var router = IpAddress.Parse(v6 ? "2001:db8:5::1" : "198.51.100.7");
        foreach (var kind in Enum.GetValues<IcmpErrorKind>())
        {
            pair.AtClient.Clear();
            pair.FromServer(Error(kind, router, RoamingPair.Datagram(masquerade, server, new byte[20])));
            var error = Assert.Single(pair.AtClient).Packet;
            var summary = RoamingPair.Read(error);
            Assert.Equal((router, client.Address), (summary.Tuple.Source.Address, summary.Tuple.Destination.Address));
            Assert.Equal(RoamingPair.Datagram(client, server, new byte[20]), error[summary.EmbeddedOffset..]);
            var wanted = Error(kind, router, RoamingPair.Datagram(masquerade, server, new byte[20]));
            Assert.Equal(wanted.AsSpan(summary.TransportOffset, 2), error.AsSpan(summary.TransportOffset, 2));
        }
    }

    [Theory, Trait("Rfc", "5508 REQ-5"), Trait("Req", "N-08")]
    [InlineData(false, Phase.AtRest)]
    [InlineData(false, Phase.Roamed)]
    [InlineData(false, Phase.TakenOver)]
    [InlineData(true, Phase.AtRest)]
    [InlineData(true, Phase.Roamed)]
    [InlineData(true, Phase.TakenOver)]
    public void An_error_of_the_client_comes_to_the_server_about_the_packet_as_the_server_sent_it(bool v6, Phase phase)
    {
        var (pair, client, server, masquerade) = Begin(v6, phase);
        pair.FromServer(RoamingPair.Datagram(server, masquerade, new byte[20]));
        var received = pair.AtClient[^1].Packet;
        pair.FromClient(Error(IcmpErrorKind.PortUnreachable, client.Address, received));
        var error = Assert.Single(pair.AtServer);
        var summary = RoamingPair.Read(error);
        Assert.Equal((masquerade.Address, server.Address), (summary.Tuple.Source.Address, summary.Tuple.Destination.Address));
        Assert.Equal(new FlowTuple(server, masquerade, TransportProtocol.Udp), summary.EmbeddedTuple);
    }

    [Theory, Trait("Rfc", "5508 REQ-4"), Trait("Rfc", "5508 REQ-5"), Trait("Req", "N-11")]
    [InlineData(Phase.AtRest)]
    [InlineData(Phase.Roamed)]
    [InlineData(Phase.TakenOver)]
    public void Errors_about_what_nobody_has_sent_are_dropped(Phase phase)
    {
        var (pair, client, server, masquerade) = Begin(v6: false, phase);
        var router = IpAddress.Parse("198.51.100.7");
        pair.FromServer(Error(IcmpErrorKind.HostUnreachable, router, RoamingPair.Datagram(masquerade with { Port = (ushort)(masquerade.Port ^ 1) }, server, [])));
        Assert.Equal(1, pair.Ham.Drops[DropReason.NoMapping]);
        pair.FromServer(Error(IcmpErrorKind.HostUnreachable, router, RoamingPair.Datagram(masquerade, server with { Port = 81 }, [])));
        Assert.Equal(1, pair.Fam.Drops[DropReason.UnrelatedIcmpError]);
        pair.FromClient(Error(IcmpErrorKind.PortUnreachable, client.Address, RoamingPair.Datagram(server with { Port = 81 }, client, [])));
        Assert.Equal(2, pair.Fam.Drops[DropReason.UnrelatedIcmpError]);
        Assert.Empty(pair.AtClient);
        Assert.Empty(pair.AtServer);
    }

    [Theory, Trait("Rfc", "5508 REQ-6"), Trait("Rfc", "4787 REQ-12"), Trait("Rfc", "5382 REQ-10")]
    [InlineData(Phase.AtRest)]
    [InlineData(Phase.Roamed)]
    [InlineData(Phase.TakenOver)]
    public void An_error_neither_refreshes_nor_ends_what_it_is_about(Phase phase)
    {
        var (pair, client, server, masquerade) = Begin(v6: false, phase);
        var node = pair.Fam;
        var router = IpAddress.Parse("198.51.100.7");
        pair.FromClient(RoamingPair.Datagram(client, server, []));
        for (var minute = 1; minute < 5; minute++)
        {
            pair.Wait(60_000);
            pair.FromServer(Error(IcmpErrorKind.PortUnreachable, router, RoamingPair.Datagram(masquerade, server, [])));
            pair.FromClient(Error(IcmpErrorKind.PortUnreachable, client.Address, RoamingPair.Datagram(server, client, [])));
            Assert.Equal(1, node.Fam.ConnectionCount);
        }

        Assert.Equal(4, pair.AtClient.Count);
        pair.FromServer(RoamingPair.Datagram(server, masquerade, []));
        Assert.Equal(5, pair.AtClient.Count);

        // Another five minutes from the last packet that counts, whatever errors come meanwhile.
        for (var minute = 0; minute < 6; minute++)
        {
            pair.Wait(61_000);
            pair.FromServer(Error(IcmpErrorKind.PortUnreachable, router, RoamingPair.Datagram(masquerade, server, [])));
        }

        Assert.Equal(0, node.Fam.ConnectionCount);
    }

    /// <summary>Two clients talk through one masquerade address, and errors between them are translated on both sides.</summary>
    [Theory, Trait("Rfc", "5508 REQ-7"), Trait("Rfc", "4787 REQ-9"), Trait("Req", "N-06")]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Hairpinned_packets_and_errors_have_outside_addresses_on_both_sides(bool v6, bool roamed)
    {
        var server = TransportEndpoint.Parse(v6 ? "[2001:db8::9]:80" : "203.0.113.9:80");
        var a = TransportEndpoint.Parse(v6 ? "[fd00:77::101]:40000" : "192.168.77.101:40000");
        var b = TransportEndpoint.Parse(v6 ? "[fd00:77::102]:50000" : "192.168.77.102:50000");
        var pair = new RoamingPair();
        pair.Arrive(OtherClient, 0);
        var (masqueradeA, masqueradeB) = (pair.Open(a, server), pair.Open(b, server, OtherClient));
        Assert.Equal(masqueradeA.Address, masqueradeB.Address);
        pair.FromClient(RoamingPair.Datagram(a, masqueradeB, [1]));
        Assert.Empty(pair.AtClient);
        if (roamed)
        {
            pair.Roam();
            pair.Wait(100);
            pair.FromClient(RoamingPair.Datagram(a, masqueradeB, [1]));
        }

        pair.AtClient.Clear();
        pair.FromClient(RoamingPair.Datagram(b, masqueradeA, [2]), OtherClient, side: 0);
        var atA = Assert.Single(pair.AtClient);
        Assert.Equal((RoamingPair.Client, roamed ? 1 : 0), (atA.Client, atA.Node));
        Assert.Equal(new FlowTuple(masqueradeB, a, TransportProtocol.Udp), RoamingPair.Read(atA.Packet).Tuple);
        pair.FromClient(RoamingPair.Datagram(a, masqueradeB, [3]));
        var atB = pair.AtClient[^1];
        Assert.Equal(OtherClient, atB.Client);
        Assert.Equal(new FlowTuple(masqueradeA, b, TransportProtocol.Udp), RoamingPair.Read(atB.Packet).Tuple);

        pair.FromClient(Error(IcmpErrorKind.PortUnreachable, b.Address, atB.Packet), OtherClient, side: 0);
        var error = pair.AtClient[^1];
        var summary = RoamingPair.Read(error.Packet);
        Assert.Equal((RoamingPair.Client, masqueradeB.Address), (error.Client, summary.Tuple.Source.Address));
        Assert.Equal(new FlowTuple(a, masqueradeB, TransportProtocol.Udp), summary.EmbeddedTuple);

        // A packet to oneself goes nowhere.
        var count = pair.AtClient.Count;
        pair.FromClient(RoamingPair.Datagram(a, masqueradeA, [4]));
        Assert.Equal(count, pair.AtClient.Count);
    }

    /// <summary>Both clients are at one access point, and one of them has its endpoint at another: what they send each other comes back from there under the access point's own address.</summary>
    [Theory, Trait("Rfc", "4787 REQ-9"), Trait("Req", "N-06")]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Hairpinned_packets_come_back_by_the_HAM_of_the_other_client(bool v6, bool takenOver)
    {
        var server = TransportEndpoint.Parse(v6 ? "[2001:db8::9]:80" : "203.0.113.9:80");
        var a = TransportEndpoint.Parse(v6 ? "[fd00:77::102]:50000" : "192.168.77.102:50000");
        var b = TransportEndpoint.Parse(v6 ? "[fd00:77::101]:40000" : "192.168.77.101:40000");
        var pair = new RoamingPair();
        var masqueradeB = pair.Open(b, server);
        pair.Roam();
        pair.Wait(100);
        pair.Arrive(OtherClient, 1);
        var masqueradeA = pair.Open(a, server, OtherClient);
        Assert.NotEqual(masqueradeA.Address, masqueradeB.Address);
        if (takenOver)
        {
            pair.TakeOver();
        }

        pair.FromClient(RoamingPair.Datagram(a, masqueradeB, [1]), OtherClient);
        pair.AtClient.Clear();
        pair.FromClient(RoamingPair.Datagram(b, masqueradeA, [2]));
        Assert.Equal(new FlowTuple(masqueradeB, a, TransportProtocol.Udp), RoamingPair.Read(Assert.Single(pair.AtClient).Packet).Tuple);
        pair.FromClient(RoamingPair.Datagram(a, masqueradeB, [3]), OtherClient);
        var (node, client, packet) = pair.AtClient[^1];
        Assert.Equal((1, RoamingPair.Client, new FlowTuple(masqueradeA, b, TransportProtocol.Udp)), (node, client, RoamingPair.Read(packet).Tuple));

        // So does an error about it.
        pair.FromClient(Error(IcmpErrorKind.PortUnreachable, b.Address, packet));
        var error = RoamingPair.Read(pair.AtClient[^1].Packet);
        Assert.Equal((OtherClient, masqueradeB.Address), (pair.AtClient[^1].Client, error.Tuple.Source.Address));
        Assert.Equal(new FlowTuple(a, masqueradeB, TransportProtocol.Udp), error.EmbeddedTuple);
        Assert.Equal(0L, pair.Node(1).Drops[DropReason.Martian]);
    }

    /// <summary>Two clients behind one address, of which one may be at another access point: what they send each other in fragments arrives whole, whichever way the fragments go.</summary>
    [Theory, Trait("Rfc", "4787 REQ-9"), Trait("Rfc", "4787 REQ-14"), Trait("Req", "N-06")]
    [InlineData(false, false, "forward")]
    [InlineData(false, true, "forward")]
    [InlineData(false, true, "backward")]
    [InlineData(true, false, "forward")]
    [InlineData(true, true, "forward")]
    [InlineData(true, true, "backward")]
    public void Hairpinned_fragments_arrive_whole(bool v6, bool roamed, string order)
    {
        var (pair, a, b, masqueradeA, masqueradeB) = Neighbours(v6, roamed);
        var payload = FragmentCases.Payload(4_000, 3);
        foreach (var piece in FragmentCases.Ordered(Pieces.Cut(RoamingPair.Datagram(a, masqueradeB, payload), 1_208, 0x55), order, new SeededRandom(1)))
        {
            pair.FromClient(piece);
        }

        Assert.All(pair.AtClient, p => Assert.Equal(OtherClient, p.Client));
        FragmentCases.AssertSame(RoamingPair.Datagram(masqueradeA, b, payload), Assert.Single(Pieces.Reassemble(FragmentCases.AtClient(pair))), hops: null);
        pair.AtClient.Clear();
        foreach (var piece in FragmentCases.Ordered(Pieces.Cut(RoamingPair.Datagram(b, masqueradeA, payload), 1_208, 0x56), order, new SeededRandom(1)))
        {
            pair.FromClient(piece, OtherClient, side: 0);
        }

        FragmentCases.AssertSame(RoamingPair.Datagram(masqueradeB, a, payload), Assert.Single(Pieces.Reassemble(FragmentCases.AtClient(pair))), hops: null);
        Assert.Equal((0L, 0L), (pair.Node(0).Drops[DropReason.Martian], pair.Node(1).Drops[DropReason.Martian]));

        // Who pretends to be one of this node's own addresses is still a Martian, in fragments as well, unless a client elsewhere has the endpoint.
        var count = pair.AtClient.Count;
        foreach (var piece in Pieces.Cut(RoamingPair.Datagram(masqueradeB, masqueradeA, payload), 1_208, 0x57))
        {
            pair.FromServer(piece);
        }

        Assert.Equal(count, pair.AtClient.Count);
        Assert.True(pair.Node(0).Drops[DropReason.Martian] >= 1);
    }

    /// <summary>The three steps of a TCP connection between two clients behind one address, in whose whole each sees the other by its masquerade endpoint.</summary>
    [Theory, Trait("Rfc", "5382 REQ-8"), Trait("Req", "N-06")]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void TCP_is_hairpinned(bool v6, bool roamed)
    {
        var (pair, a, b, _, _) = Neighbours(v6, roamed);
        var far = TransportEndpoint.Parse(v6 ? "[2001:db8::9]:443" : "203.0.113.9:443");

        // B listens on a port from which it has spoken before, so that it has a masquerade endpoint, and opens at the same time: a filter lets through whom B has sent to.
        var masqueradeA = Syn(a, far, null);
        var masqueradeB = Syn(b, far, OtherClient);
        Send(a, masqueradeB, TcpFlags.Syn, null);
        pair.AtClient.Clear();
        Send(b, masqueradeA, TcpFlags.Syn, OtherClient);
        Came(RoamingPair.Client, masqueradeB, a, TcpFlags.Syn);
        Send(a, masqueradeB, TcpFlags.Syn | TcpFlags.Ack, null);
        Came(OtherClient, masqueradeA, b, TcpFlags.Syn | TcpFlags.Ack);
        Send(b, masqueradeA, TcpFlags.Ack, OtherClient);
        Came(RoamingPair.Client, masqueradeB, a, TcpFlags.Ack);
        Assert.Contains(pair.Node(roamed ? 1 : 0).Fam.DescribeConnections(100), c => c.Tuple == new FlowTuple(a, masqueradeB, TransportProtocol.Tcp) && c.State == ConnectionState.Established);

        TransportEndpoint Syn(TransportEndpoint from, TransportEndpoint to, MacAddress? mac)
        {
            pair.AtServer.Clear();
            Send(from, to, TcpFlags.Syn, mac);
            return RoamingPair.Read(Assert.Single(pair.AtServer)).Tuple.Source;
        }

        void Send(TransportEndpoint from, TransportEndpoint to, TcpFlags flags, MacAddress? mac) =>
            pair.FromClient(RoamingPair.Packet(Frames.Build(default, default, TransportProtocol.Tcp, from, to, [], flags)), mac, mac is null ? null : 0);

        void Came(MacAddress client, TransportEndpoint from, TransportEndpoint to, TcpFlags flags)
        {
            var (_, mac, packet) = pair.AtClient[^1];
            var summary = RoamingPair.Read(packet);
            Assert.Equal((client, new FlowTuple(from, to, TransportProtocol.Tcp), flags), (mac, summary.Tuple, summary.TcpFlags));
        }
    }

    /// <summary>Whomever a client asks with one identifier, the same identifier is seen outside, and the answers of all come back under the client's (RFC 5508 REQ-1 and 1a).</summary>
    [Theory, Trait("Rfc", "5508 REQ-1"), Trait("Req", "N-01")]
    [InlineData(false)]
    [InlineData(true)]
    public void A_query_s_identifier_is_seen_alike_by_every_host(bool v6)
    {
        var pair = new RoamingPair();
        var client = TransportEndpoint.Parse(v6 ? "[fd00:77::101]:4711" : "192.168.77.101:4711");
        var hosts = Enumerable.Range(1, 5).Select(i => new TransportEndpoint(IpAddress.Parse(v6 ? $"2001:db8:{i}::9" : $"203.0.113.{i}"), 0)).ToList();
        foreach (var host in hosts)
        {
            pair.FromClient(FragmentCases.Echo(client, host, request: true, length: 40));
        }

        var seen = Assert.Single(pair.AtServer.Select(p => RoamingPair.Read(p).Tuple.Source).Distinct());
        Assert.Equal(RoamingPair.Address(0, v6), seen.Address);
        pair.FromClient(FragmentCases.Echo(client with { Port = 4712 }, hosts[0], request: true, length: 40));
        Assert.NotEqual(seen, RoamingPair.Read(pair.AtServer[^1]).Tuple.Source);
        foreach (var host in hosts)
        {
            pair.AtClient.Clear();
            pair.FromServer(FragmentCases.Echo(host, seen, request: false, length: 40));
            var answer = Assert.Single(pair.AtClient).Packet;
            var summary = RoamingPair.Read(answer);
            Assert.Equal((host.Address, client), (summary.Tuple.Source.Address, summary.Tuple.Destination));
            Assert.True(FragmentCases.IsIcmpRight(answer, summary));
        }
    }

    /// <summary>An answer may take 60 s, and longer if it is configured so; then the query is forgotten (RFC 5508 REQ-2 and 2a).</summary>
    [Theory, Trait("Rfc", "5508 REQ-2")]
    [InlineData(false, null)]
    [InlineData(true, null)]
    [InlineData(false, 300)]
    [InlineData(true, 300)]
    public void A_query_is_remembered_for_its_time_and_no_longer(bool v6, int? seconds)
    {
        var pair = new RoamingPair(change: model => seconds is { } s ? model with { Fam = model.Fam with { IcmpTimeout = TimeSpan.FromSeconds(s) } } : model);
        var client = TransportEndpoint.Parse(v6 ? "[fd00:77::101]:4711" : "192.168.77.101:4711");
        var host = TransportEndpoint.Parse(v6 ? "[2001:db8::9]:0" : "203.0.113.9:0");
        foreach (var (after, comes) in new[] { ((seconds ?? 60) - 0.5, true), ((seconds ?? 60) + 2.0, false) })
        {
            pair.AtServer.Clear();
            pair.AtClient.Clear();
            pair.FromClient(FragmentCases.Echo(client, host, request: true, length: 40));
            var seen = RoamingPair.Read(Assert.Single(pair.AtServer)).Tuple.Source;
            for (var waited = 0.0; waited < after; waited += 0.5)
            {
                pair.Wait(500);
            }

            pair.FromServer(FragmentCases.Echo(host, seen, request: false, length: 40));
            Assert.Equal(comes ? 1 : 0, pair.AtClient.Count);
        }
    }

    /// <summary>What a traceroute of the server's sees: the HAM, then the FAM, each by an address of its own, about the packet as the server sent it.</summary>
    [Theory, Trait("Rfc", "5508 REQ-10"), Trait("Req", "N-07")]
    [InlineData(false, Phase.Roamed)]
    [InlineData(false, Phase.TakenOver)]
    [InlineData(true, Phase.Roamed)]
    [InlineData(true, Phase.TakenOver)]
    public void On_the_way_back_HAM_and_FAM_are_a_hop_each(bool v6, Phase phase)
    {
        var (pair, _, server, masquerade) = Begin(v6, phase);
        for (var ttl = 1; ttl <= 3; ttl++)
        {
            pair.AtServer.Clear();
            pair.AtClient.Clear();
            pair.FromServer(WithTtl(RoamingPair.Datagram(server, masquerade, new byte[20]), (byte)ttl));
            Assert.Equal(ttl == 3 ? 1 : 0, pair.AtClient.Count);
            if (ttl == 3)
            {
                break;
            }

            var error = Assert.Single(pair.AtServer);
            var summary = RoamingPair.Read(error);
            Assert.Equal(RoamingPair.Address(ttl - 1, v6), summary.Tuple.Source.Address);
            Assert.Equal(v6 ? Icmpv6Type.TimeExceeded : IcmpType.TimeExceeded, error[summary.TransportOffset]);
            Assert.Equal(new FlowTuple(server, masquerade, TransportProtocol.Udp), summary.EmbeddedTuple);
        }
    }

    /// <summary>The small link is between HAM and FAM; its router tells the HAM, which tells the server, or says nothing at all.</summary>
    [Theory, Trait("Rfc", "4787 REQ-13"), Trait("Rfc", "8899"), Trait("Req", "N-07")]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public void The_HAM_finds_out_what_the_way_to_the_FAM_carries(bool v6, bool routerSays)
    {
        var small = routerSays ? 1_350 : 1_340;
        var (pair, client, server, masquerade) = Begin(v6, Phase.AtRest);
        (pair.WayMtu[1], pair.RouterSays) = (1_350, routerSays);
        pair.Roam();
        for (var i = 0; i < 40; i++)
        {
            pair.Wait(100);
        }

        pair.AtServer.Clear();
        pair.AtClient.Clear();
        var headers = v6 ? 48 : 28;
        pair.FromServer(RoamingPair.Datagram(server, masquerade, new byte[small - headers + 1]));
        var error = Assert.Single(pair.AtServer);
        var summary = RoamingPair.Read(error);
        Assert.Equal((masquerade.Address, (uint)small), (summary.Tuple.Source.Address, BinaryPrimitives.ReadUInt32BigEndian(error.AsSpan(summary.TransportOffset + 4))));
        Assert.Equal(new FlowTuple(server, masquerade, TransportProtocol.Udp), summary.EmbeddedTuple);
        pair.FromServer(RoamingPair.Datagram(server, masquerade, new byte[small - headers]));
        Assert.Equal(client, RoamingPair.Read(Assert.Single(pair.AtClient).Packet).Tuple.Destination);

        // The link has grown; that is found out, too.
        pair.WayMtu[1] = int.MaxValue;
        for (var i = 0; i < 70; i++)
        {
            pair.Wait(1_000);
        }

        pair.FromServer(RoamingPair.Datagram(server, masquerade, new byte[1_500 - headers]));
        Assert.Equal(2, pair.AtClient.Count);
    }

    /// <summary>Who cannot see what the HAM sends cannot make it believe in a small way.</summary>
    [Fact, Trait("Req", "N-11"), Trait("Req", "A-29")]
    public void A_forged_report_about_the_way_is_not_believed()
    {
        var (pair, _, server, masquerade) = Begin(v6: false, Phase.AtRest);
        pair.WayMtu[1] = 100;
        pair.RouterSays = false;
        pair.Roam();
        pair.Wait(1);
        var guess = new byte[100];
        "MQP1"u8.CopyTo(guess);
        guess[4] = 5;
        var from = new TransportEndpoint(RoamingPair.Address(0, v6: false), AccessPointModel.DefaultPeerPort);
        var to = new TransportEndpoint(RoamingPair.Address(1, v6: false), AccessPointModel.DefaultPeerPort);
        var about = RoamingPair.Datagram(from, to, guess);
        var error = new byte[IcmpError.MaxIPv6];
        var length = IcmpError.TooBig(600).Write(error, IpAddress.Parse("198.51.100.1"), about);
        pair.FromServer(error[..length]);
        pair.WayMtu[1] = int.MaxValue;
        pair.Wait(250);
        pair.FromServer(RoamingPair.Datagram(server, masquerade, new byte[1_400]));
        Assert.Single(pair.AtClient);
    }

    /// <summary>Two clients that are anchored at the first node and have sent to each other, the first of which may have walked.</summary>
    private static (RoamingPair Pair, TransportEndpoint A, TransportEndpoint B, TransportEndpoint MasqueradeA, TransportEndpoint MasqueradeB) Neighbours(bool v6, bool roamed)
    {
        var server = TransportEndpoint.Parse(v6 ? "[2001:db8::9]:80" : "203.0.113.9:80");
        var a = TransportEndpoint.Parse(v6 ? "[fd00:77::101]:40000" : "192.168.77.101:40000");
        var b = TransportEndpoint.Parse(v6 ? "[fd00:77::102]:50000" : "192.168.77.102:50000");
        var pair = new RoamingPair();
        pair.Arrive(OtherClient, 0);
        var (masqueradeA, masqueradeB) = (pair.Open(a, server), pair.Open(b, server, OtherClient));
        if (roamed)
        {
            pair.Roam();
            pair.Wait(100);
        }

        pair.FromClient(RoamingPair.Datagram(a, masqueradeB, [1]));
        pair.FromClient(RoamingPair.Datagram(b, masqueradeA, [2]), OtherClient, side: 0);
        pair.AtClient.Clear();
        return (pair, a, b, masqueradeA, masqueradeB);
    }

    private static (RoamingPair Pair, TransportEndpoint Client, TransportEndpoint Server, TransportEndpoint Masquerade) Begin(bool v6, Phase phase)
    {
        var client = TransportEndpoint.Parse(v6 ? "[fd00:77::101]:40000" : "192.168.77.101:40000");
        var server = TransportEndpoint.Parse(v6 ? "[2001:db8::9]:80" : "203.0.113.9:80");
        var pair = new RoamingPair();
        var masquerade = pair.Open(client, server);
        pair.GoTo(phase);
        return (pair, client, server, masquerade);
    }

    private static byte[] Error(IcmpErrorKind kind, IpAddress from, byte[] about)
    {
        var error = new byte[IcmpError.MaxIPv6];
        var length = new IcmpError(kind, 1_280).Write(error, from, about);
        return error[..length];
    }

    private static byte[] WithTtl(byte[] packet, byte ttl)
    {
        if (packet[0] >> 4 == 6)
        {
            packet[7] = ttl;
            return packet;
        }

        packet[8] = ttl;
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Core.Checksum.InternetChecksum.Compute(packet.AsSpan(0, 20)));
        return packet;
    }
}
