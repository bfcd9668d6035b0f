using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>
/// Servers that see clients' own addresses (RFC 6888 REQ-6), through whole nodes, before and after the client walks. The router knows the client's address to be wherever a node has last said
/// that it is.
/// </summary>
[Trait("Rfc", "6888 REQ-6")]
public sealed class UntranslatedTests
{
    private static readonly IpPrefix[] s_prefixes = [IpPrefix.Parse("198.51.100.0/24"), IpPrefix.Parse("2001:db8:77::/48")];

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_listed_server_and_a_client_see_each_other_s_own_addresses_wherever_the_client_is(bool v6, bool fragmented)
    {
        var (pair, client, server) = Begin(v6);
        for (var stay = 0; stay < 3; stay++)
        {
            var payload = Payload(fragmented ? 4_000 : 400, (byte)stay);
            foreach (var piece in Cut(RoamingPair.Datagram(client, server, payload), fragmented))
            {
                pair.FromClient(piece);
            }

            AssertSame(RoamingPair.Datagram(client, server, payload), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
            Assert.Equal(pair.At, pair.Said[client.Address]);
            foreach (var piece in Cut(RoamingPair.Datagram(server, client, payload), fragmented))
            {
                pair.FromServer(piece);
            }

            Assert.All(pair.AtClient, p => Assert.Equal((pair.At, RoamingPair.Client), (p.Node, p.Client)));
            AssertSame(RoamingPair.Datagram(server, client, payload), Assert.Single(Pieces.Reassemble(AtClient(pair))), hops: 1);

            // Beside it, the same client endpoint is translated for everybody else.
            pair.AtServer.Clear();
            pair.AtClient.Clear();
            var other = TransportEndpoint.Parse(v6 ? "[2001:db8:1::9]:80" : "203.0.113.9:80");
            if (stay == 0)
            {
                var masquerade = pair.Open(client, other);
                Assert.Equal(RoamingPair.Address(0, v6), masquerade.Address);
            }

            pair.FromClient(RoamingPair.Datagram(client, other, payload.AsSpan(0, 10)));
            var seen = RoamingPair.Read(Assert.Single(pair.AtServer)).Tuple.Source;
            Assert.Equal(RoamingPair.Address(0, v6), seen.Address);
            pair.FromServer(RoamingPair.Datagram(other, seen, payload.AsSpan(0, 10)));
            Assert.Single(pair.AtClient);
            Assert.Equal(1, pair.Node(pair.At).Fam.UntranslatedCount);
            Assert.Equal(0, pair.Node(1 - pair.At).Fam.UntranslatedCount);
            pair.AtServer.Clear();
            pair.AtClient.Clear();
            pair.Roam();
            pair.Wait(100);
        }

        Assert.Equal(0, pair.Node(0).Drops.Total + pair.Node(1).Drops.Total);
    }

    /// <summary>The filter is the same as for everybody: who has not been spoken to does not get through, and never anybody who is not on the list.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_filter_holds_for_them_as_for_everybody(bool v6)
    {
        var (pair, client, server) = Begin(v6);
        pair.FromClient(RoamingPair.Datagram(client, server, [1]));
        var stranger = server with { Port = 81 };
        pair.FromServer(RoamingPair.Datagram(stranger, client, [2]));
        pair.FromServer(RoamingPair.Datagram(server, client with { Port = 4 }, [2]));
        Assert.Equal(2, pair.Node(0).Drops[DropReason.FilteredServer]);
        pair.FromServer(RoamingPair.Datagram(TransportEndpoint.Parse(v6 ? "[2001:db8:1::9]:80" : "203.0.113.9:80"), client, [2]));
        pair.FromServer(RoamingPair.Datagram(server, client with { Address = IpAddress.Parse(v6 ? "fd00:77::aa" : "192.168.77.170") }, [2]));
        Assert.Empty(pair.AtClient);
        pair.FromServer(RoamingPair.Datagram(server, client, [3]));
        Assert.Single(pair.AtClient);
    }

    /// <summary>A TCP connection that was opened at the first access point: whoever speaks first at the next one, it goes on. A SYN of the server does not get through there either.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_TCP_connection_goes_on_at_the_next_access_point_whoever_speaks_first(bool v6, bool serverFirst)
    {
        var (pair, client, server) = Begin(v6);
        pair.FromClient(Segment(client, server, TcpFlags.Syn));
        pair.FromServer(Segment(server, client, TcpFlags.Syn | TcpFlags.Ack));
        pair.FromClient(Segment(client, server, TcpFlags.Ack));
        Assert.Equal((2, 1), (pair.AtServer.Count, pair.AtClient.Count));
        pair.Roam();
        pair.Wait(100);
        if (serverFirst)
        {
            pair.FromServer(Segment(server, client, TcpFlags.Ack));
            Assert.Equal((1, 2), (pair.AtClient[^1].Node, pair.AtClient.Count));
            Assert.Equal(0, pair.Node(1).Fam.UntranslatedCount);
        }

        pair.FromClient(Segment(client, server, TcpFlags.Ack));
        Assert.Equal(3, pair.AtServer.Count);
        Assert.Equal(client, RoamingPair.Read(pair.AtServer[^1]).Tuple.Source);
        pair.FromServer(Segment(server with { Port = 81 }, client, TcpFlags.Syn));
        Assert.Equal(1, pair.Node(1).Drops[DropReason.FilteredServer]);
    }

    /// <summary>Who has a client answers for its address, and nobody else does; nobody does for what is not a client's here, or without a list.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_access_point_that_has_the_client_answers_for_its_address(bool v6)
    {
        var (pair, client, server) = Begin(v6);
        pair.FromClient(RoamingPair.Datagram(client, server, [1]));
        foreach (var stay in new[] { 0, 1, 0 })
        {
            Assert.Equal(stay, pair.At);
            pair.Said.Clear();
            pair.Ask(1 - stay, client.Address);
            Assert.Empty(pair.Said);
            pair.Ask(stay, IpAddress.Parse(v6 ? "fd00:77::aa" : "192.168.77.170"));
            Assert.Empty(pair.Said);
            pair.Ask(stay, client.Address);
            Assert.Equal(stay, pair.Said[client.Address]);

            // When it comes to the next one, that says so unasked, and again in case it was not heard.
            pair.Said.Clear();
            pair.Roam();
            Assert.Equal(1 - stay, pair.Said[client.Address]);
            pair.Said.Clear();
            pair.Wait(150);
            Assert.Equal(1 - stay, pair.Said[client.Address]);
            pair.Wait(200);
        }

        var without = new RoamingPair();
        without.Wait(1);
        without.FromClient(RoamingPair.Datagram(client, server, [1]));
        Assert.NotEqual(client, RoamingPair.Read(without.AtServer[^1]).Tuple.Source);
        without.Said.Clear();
        without.Ask(0, client.Address);
        Assert.Empty(without.Said);
        without.FromServer(RoamingPair.Datagram(server, client, [1]));
        Assert.Empty(without.AtClient);
    }

    /// <summary>ICMP errors about such packets have both addresses right, inside and outside, in both directions, and the access point is a hop like any.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Errors_and_hops_are_as_without_a_translator(bool v6)
    {
        var (pair, client, server) = Begin(v6);
        pair.FromClient(RoamingPair.Datagram(client, server, [1]));
        pair.Roam();
        pair.Wait(100);
        pair.FromClient(RoamingPair.Datagram(client, server, [1]));
        var router = IpAddress.Parse(v6 ? "2001:db8:5::1" : "203.0.113.77");
        var error = new byte[IcmpError.MaxIPv6];
        var about = RoamingPair.Datagram(client, server, new byte[20]);
        pair.FromServer(error[..IcmpError.HostUnreachable.Write(error, router, about)]);
        var came = Assert.Single(pair.AtClient).Packet;
        var summary = RoamingPair.Read(came);
        Assert.Equal((router, client.Address), (summary.Tuple.Source.Address, summary.Tuple.Destination.Address));
        Assert.Equal(about, came[summary.EmbeddedOffset..]);

        pair.AtServer.Clear();
        pair.FromClient(error[..IcmpError.PortUnreachable.Write(error, client.Address, RoamingPair.Datagram(server, client, new byte[20]))]);
        summary = RoamingPair.Read(Assert.Single(pair.AtServer));
        Assert.Equal((client.Address, server.Address), (summary.Tuple.Source.Address, summary.Tuple.Destination.Address));
        Assert.Equal(new FlowTuple(server, client, TransportProtocol.Udp), summary.EmbeddedTuple);

        pair.AtClient.Clear();
        var last = RoamingPair.Datagram(client, server, [1]);
        last[v6 ? 7 : 8] = 1;
        if (!v6)
        {
            last.AsSpan(10, 2).Clear();
            var sum = Core.Checksum.InternetChecksum.Compute(last.AsSpan(0, 20));
            (last[10], last[11]) = ((byte)(sum >> 8), (byte)sum);
        }

        pair.FromClient(last);
        Assert.Equal(1, pair.Node(1).Drops[DropReason.TtlExpired]);
        Assert.Equal(PacketKind.IcmpError, RoamingPair.Read(Assert.Single(pair.AtClient).Packet).Kind);
    }

    /// <summary>What clients of the subnets send each other, what is sent to a masquerade address, and what comes from an address that is nobody's is translated, list or no list.</summary>
    [Fact]
    public void A_prefix_that_holds_more_than_servers_does_no_harm()
    {
        IpPrefix[] everything = [IpPrefix.Parse("0.0.0.0/0"), IpPrefix.Parse("::/0")];
        var pair = new RoamingPair(change: model => model with { Uplink = model.Uplink with { Untranslated = everything } });
        pair.Wait(1);
        var (client, _) = Endpoints(v6: false);
        pair.FromClient(RoamingPair.Datagram(client, TransportEndpoint.Parse("192.168.77.200:9"), [1]));
        Assert.Equal(RoamingPair.Address(0, v6: false), RoamingPair.Read(pair.AtServer[^1]).Tuple.Source.Address);
        pair.FromClient(RoamingPair.Datagram(client with { Address = IpAddress.Parse("172.16.5.5") }, TransportEndpoint.Parse("203.0.113.9:80"), [1]));
        Assert.Equal(RoamingPair.Address(0, v6: false), RoamingPair.Read(pair.AtServer[^1]).Tuple.Source.Address);
        var sent = pair.AtServer.Count;
        pair.FromClient(RoamingPair.Datagram(client, new TransportEndpoint(RoamingPair.Address(0, v6: false), 5_000), [1]));
        Assert.Equal(sent, pair.AtServer.Count);
        Assert.Equal(1, pair.Node(0).Drops[DropReason.NoMapping]);
    }

    private static (RoamingPair Pair, TransportEndpoint Client, TransportEndpoint Server) Begin(bool v6)
    {
        var pair = new RoamingPair(change: model => model with { Uplink = model.Uplink with { Untranslated = s_prefixes } });
        pair.Wait(1);
        var client = Endpoints(v6).Client;
        pair.ClientAddresses.Add(client.Address);
        return (pair, client, TransportEndpoint.Parse(v6 ? "[2001:db8:77::9]:80" : "198.51.100.9:80"));
    }

    private static List<byte[]> Cut(byte[] packet, bool fragmented) => fragmented ? Pieces.Cut(packet, 1_208, 0x1234) : [packet];

    private static byte[] Segment(TransportEndpoint from, TransportEndpoint to, TcpFlags flags) =>
        RoamingPair.Packet(Frames.Build(default, default, TransportProtocol.Tcp, from, to, [], flags));
}
