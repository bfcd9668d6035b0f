using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>A node answers with ICMP errors as the router that it is.</summary>
public sealed class ErrorTests
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");

    private readonly RecordingOutput _output = new();
    private Instant _now = Instant.FromMilliseconds(1);

    [Theory, Trait("Req", "N-04"), Trait("Req", "N-07"), Trait("Rfc", "5508 REQ-10")]
    [InlineData("192.168.77.101", "203.0.113.9", "192.168.77.1", IcmpType.TimeExceeded)]
    [InlineData("fd00:77::101", "2001:db8::9", "fd00:10:1:1::10", Icmpv6Type.TimeExceeded)]
    public void A_client_s_packet_without_a_hop_left_is_answered_by_the_gateway(string clientAddress, string serverAddress, string gateway, byte type)
    {
        var node = Create();
        var frame = FromClient(clientAddress, serverAddress, new byte[10], ttl: 1);
        var sent = frame[14..];
        node.OnClientFrame(frame, OffloadInfo.None, _now);
        var error = Read(Assert.Single(_output.Client), out var summary);
        Assert.Equal((gateway, type), (summary.Tuple.Source.Address.ToString(), error[summary.TransportOffset]));
        Assert.Equal(sent, error[summary.EmbeddedOffset..]);
        Assert.Empty(_output.Uplink);
        Assert.Equal((1L, 1L), (node.Drops[DropReason.TtlExpired], node.ErrorsSent));
    }

    [Theory, Trait("Req", "N-04"), Trait("Req", "N-07"), Trait("Rfc", "5508 REQ-10")]
    [InlineData("192.168.77.101", "203.0.113.9", IcmpType.TimeExceeded)]
    [InlineData("fd00:77::101", "2001:db8::9", Icmpv6Type.TimeExceeded)]
    public void A_server_s_packet_without_a_hop_left_is_answered_with_the_packet_as_the_server_sent_it(string clientAddress, string serverAddress, byte type)
    {
        var node = Create();
        var masquerade = Open(node, clientAddress, serverAddress);
        var frame = FromServer(serverAddress, masquerade, new byte[10], ttl: 1);
        var sent = frame[14..];
        _output.Uplink.Clear();
        node.OnUplinkFrame(frame, OffloadInfo.None, _now);
        var error = Read(Assert.Single(_output.Uplink), out var summary);
        Assert.Equal((masquerade.Address, type), (summary.Tuple.Source.Address, error[summary.TransportOffset]));
        Assert.Equal(sent, error[summary.EmbeddedOffset..]);
        Assert.Empty(_output.Client);
    }

    [Theory, Trait("Req", "N-04"), Trait("Rfc", "4787 REQ-13")]
    [InlineData("192.168.77.101", "203.0.113.9", IcmpType.DestinationUnreachable, 4)]
    [InlineData("fd00:77::101", "2001:db8::9", Icmpv6Type.PacketTooBig, 0)]
    public void What_is_too_big_for_the_next_link_and_must_not_be_cut_is_sent_back_with_that_link_s_size(string clientAddress, string serverAddress, byte type, byte code)
    {
        var node = Create(uplinkMtu: 1_400, clientMtu: 1_300);
        var masquerade = Open(node, clientAddress, serverAddress);
        _output.Uplink.Clear();
        node.OnClientFrame(FromClient(clientAddress, serverAddress, new byte[1_390], ttl: 64), OffloadInfo.None, _now);
        var error = Read(Assert.Single(_output.Client), out var summary);
        Assert.Equal((type, code, 1_400U), (error[summary.TransportOffset], error[summary.TransportOffset + 1], MtuOf(error, summary)));
        Assert.Empty(_output.Uplink);

        _output.Client.Clear();
        node.OnUplinkFrame(FromServer(serverAddress, masquerade, new byte[1_290], ttl: 64), OffloadInfo.None, _now);
        error = Read(Assert.Single(_output.Uplink), out summary);
        Assert.Equal((type, code, 1_300U), (error[summary.TransportOffset], error[summary.TransportOffset + 1], MtuOf(error, summary)));
        Assert.Equal(masquerade, summary.EmbeddedTuple.Destination);
        Assert.Empty(_output.Client);
        Assert.Equal(2, node.Drops[DropReason.TooBig]);
    }

    [Fact, Trait("Req", "N-04")]
    public void Of_a_super_packet_the_segments_count()
    {
        var node = Create(uplinkMtu: 1_400);
        Open(node, "192.168.77.101", "203.0.113.9");
        _output.Uplink.Clear();
        var frame = FromClient("192.168.77.101", "203.0.113.9", new byte[9_000], ttl: 64);
        node.OnClientFrame((byte[])frame.Clone(), new OffloadInfo(false, 0, 0, GsoType: 5, GsoSize: 1_372, 42), _now);
        Assert.Single(_output.Uplink);
        Assert.Empty(_output.Client);
        node.OnClientFrame(frame, new OffloadInfo(false, 0, 0, GsoType: 5, GsoSize: 1_373, 42), _now);
        Assert.Single(_output.Uplink);
        Read(Assert.Single(_output.Client), out var summary);
        Assert.Equal(PacketKind.IcmpError, summary.Kind);
    }

    [Fact, Trait("Req", "N-04"), Trait("Rfc", "5508 REQ-9")]
    public void Errors_are_limited_per_receiver_and_in_all_and_can_be_switched_off()
    {
        var node = Create(icmp: new IcmpConfig { ErrorsPerReceiver = 10, ErrorsPerSecond = 25 });
        for (var i = 0; i < 50; i++)
        {
            node.OnClientFrame(FromClient("192.168.77.101", "203.0.113.9", [], ttl: 1), OffloadInfo.None, _now);
        }

        Assert.Equal((10, 40L), (_output.Client.Count, node.ErrorsLimited));
        for (byte i = 0; i < 50; i++)
        {
            node.OnClientFrame(FromClient($"192.168.77.{150 + i}", "203.0.113.9", [], ttl: 1, MacAddress.Parse($"02:00:00:00:01:{i:x2}")), OffloadInfo.None, _now);
        }

        Assert.Equal(25, _output.Client.Count);
        _now += TimeSpan.FromMilliseconds(500);
        for (var i = 0; i < 50; i++)
        {
            node.OnClientFrame(FromClient("192.168.77.101", "203.0.113.9", [], ttl: 1), OffloadInfo.None, _now);
        }

        Assert.Equal(30, _output.Client.Count);
        _output.Client.Clear();
        node = Create(icmp: new IcmpConfig { ErrorsToClients = false });
        node.OnClientFrame(FromClient("192.168.77.101", "203.0.113.9", [], ttl: 1), OffloadInfo.None, _now);
        Assert.Empty(_output.Client);
        var masquerade = Open(node, "192.168.77.101", "203.0.113.9");
        _output.Uplink.Clear();
        node.OnUplinkFrame(FromServer("203.0.113.9", masquerade, [], ttl: 1), OffloadInfo.None, _now);
        Assert.Single(_output.Uplink);
        node = Create(icmp: new IcmpConfig { ErrorsToUplink = false });
        masquerade = Open(node, "192.168.77.101", "203.0.113.9");
        _output.Uplink.Clear();
        node.OnUplinkFrame(FromServer("203.0.113.9", masquerade, [], ttl: 1), OffloadInfo.None, _now);
        Assert.Empty(_output.Uplink);
        Assert.Equal(1, node.Drops[DropReason.TtlExpired]);
    }

    private static uint MtuOf(byte[] error, in PacketSummary summary) => BinaryPrimitives.ReadUInt32BigEndian(error.AsSpan(summary.TransportOffset + 4));

    private static byte[] Read(byte[] frame, out PacketSummary summary)
    {
        var packet = frame[14..];
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out summary));
        return packet;
    }

    /// <summary>Opens a UDP connection and tells its masquerade endpoint.</summary>
    private TransportEndpoint Open(AccessPointNode node, string client, string server)
    {
        node.OnClientFrame(FromClient(client, server, new byte[4], ttl: 64), OffloadInfo.None, _now);
        Read(_output.Uplink[^1], out var summary);
        return summary.Tuple.Source;
    }

    private static byte[] FromClient(string client, string server, byte[] payload, byte ttl, MacAddress? mac = null) => WithTtl(
        Frames.Build(
            AccessPointModel.DefaultGatewayMac, mac ?? Client, TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse(client), 40_000),
            new TransportEndpoint(IpAddress.Parse(server), 80), payload),
        ttl);

    private static byte[] FromServer(string server, TransportEndpoint masquerade, byte[] payload, byte ttl) => WithTtl(
        Frames.Build(Own, Router, TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse(server), 80), masquerade, payload), ttl);

    private static byte[] WithTtl(byte[] frame, byte ttl)
    {
        if (frame[14] >> 4 == 6)
        {
            frame[14 + 7] = ttl;
            return frame;
        }

        frame[14 + 8] = ttl;
        frame.AsSpan(24, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), InternetChecksum.Compute(frame.AsSpan(14, 20)));
        return frame;
    }

    private AccessPointNode Create(int uplinkMtu = 1_500, int clientMtu = 1_500, IcmpConfig? icmp = null)
    {
        var gatewayV4 = IpAddress.Parse("10.1.1.1");
        var gatewayV6 = IpAddress.Parse("fd00:10:1:1::1");
        return new AccessPointNode(
            new AccessPointModel
            {
                Node = new NodeId("ap1"),
                Incarnation = 9,
                Standalone = true,
                Icmp = icmp ?? new IcmpConfig(),
                Uplink = new UplinkModel
                {
                    Mac = Own,
                    Mtu = uplinkMtu,
                    Addresses = [IpAddress.Parse("10.1.1.10"), IpAddress.Parse("fd00:10:1:1::10")],
                    OnLink = [IpPrefix.Parse("10.1.1.0/24"), IpPrefix.Parse("fd00:10:1:1::/64")],
                    GatewayV4 = gatewayV4,
                    GatewayV6 = gatewayV6,
                    StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [gatewayV4] = Router, [gatewayV6] = Router },
                },
                Clients = new ClientSideModel
                {
                    Mtu = clientMtu,
                    GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
                    Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
                },
            },
            42,
            _output);
    }
}
