using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>A whole node: frames in, frames and messages out.</summary>
public sealed class NodeTests
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");
    private static readonly TransportEndpoint Server = TransportEndpoint.Parse("203.0.113.9:80");
    private static readonly TransportEndpoint ClientEndpoint = TransportEndpoint.Parse("192.168.77.101:40000");

    private readonly RecordingOutput _output = new();
    private Instant _now = Instant.FromMilliseconds(1);

    [Theory, Trait("Req", "A-02"), Trait("Req", "A-19"), Trait("Req", "A-05")]
    [InlineData(TransportProtocol.Udp, "192.168.77.101", "203.0.113.9", "10.1.1.1")]
    [InlineData(TransportProtocol.Tcp, "192.168.77.101", "203.0.113.9", "10.1.1.1")]
    [InlineData(TransportProtocol.Udp, "fd00:77::101", "2001:db8::9", "fd00:10:1:1::10")]
    [InlineData(TransportProtocol.Tcp, "fd00:77::101", "2001:db8::9", "fd00:10:1:1::10")]
    public void A_connection_goes_out_with_the_masquerade_endpoint_and_its_answers_come_back(
        TransportProtocol protocol, string clientAddress, string serverAddress, string masqueradeAddress)
    {
        var node = Create(standalone: true);
        var client = new TransportEndpoint(IpAddress.Parse(clientAddress), 40000);
        var server = new TransportEndpoint(IpAddress.Parse(serverAddress), 80);
        node.OnClientFrame(Frames.Build(AccessPointModel.DefaultGatewayMac, Client, protocol, client, server, "hello"u8), OffloadInfo.None, _now);
        var sent = Assert.Single(_output.Uplink);
        Assert.Equal(Router.ToString(), MacAddress.FromBytes(sent).ToString());
        var outside = Frames.Read(sent);
        Assert.Equal(server, outside.Destination);
        Assert.StartsWith(masqueradeAddress, outside.Source.Address.ToString(), StringComparison.Ordinal);
        node.OnUplinkFrame(Frames.Build(Own, Router, protocol, server, outside.Source, "world"u8, TcpFlags.Syn | TcpFlags.Ack), OffloadInfo.None, _now);
        var back = Assert.Single(_output.Client);
        Assert.Equal(Client.ToString(), MacAddress.FromBytes(back).ToString());
        Assert.Equal(AccessPointModel.DefaultGatewayMac.ToString(), MacAddress.FromBytes(back.AsSpan(6)).ToString());
        Assert.Equal(new FlowTuple(server, client, protocol), Frames.Read(back));
        Assert.Equal(0, node.Drops.Total);
    }

    [Fact, Trait("Req", "A-04"), Trait("Req", "A-29")]
    public void What_nobody_asked_for_is_dropped_and_counted()
    {
        var node = Create(standalone: true);
        node.OnUplinkFrame(Frames.Build(Own, Router, TransportProtocol.Udp, Server, TransportEndpoint.Parse("10.1.1.10:5000"), []), OffloadInfo.None, _now);
        node.OnUplinkFrame(Frames.Build(Own, Router, TransportProtocol.Udp, Server, TransportEndpoint.Parse("10.1.1.99:5000"), []), OffloadInfo.None, _now);
        node.OnUplinkFrame(Frames.Build(Own, Router, TransportProtocol.Udp, TransportEndpoint.Parse("10.1.1.10:9"), TransportEndpoint.Parse("10.1.1.11:5000"), []), OffloadInfo.None, _now);
        Assert.Equal(1, node.Drops[DropReason.NoMapping]);
        Assert.Equal(1, node.Drops[DropReason.NotForUs]);
        Assert.Equal(1, node.Drops[DropReason.Martian]);
        Assert.Empty(_output.Client);
    }

    [Fact]
    public void The_gateway_answers_a_ping()
    {
        var node = Create(standalone: true);
        var frame = new byte[14 + 20 + 8 + 4];
        EthernetHeader.Write(frame, AccessPointModel.DefaultGatewayMac, Client, EtherType.IPv4);
        Ipv4Header.Write(frame.AsSpan(14), 32, 1, ClientEndpoint.Address, IpAddress.Parse("192.168.77.1"));
        "\x08\x00\x00\x00\x12\x34\x00\x01ping"u8.CopyTo(frame.AsSpan(34));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(36), InternetChecksum.Compute(frame.AsSpan(34)));
        node.OnClientFrame(frame, OffloadInfo.None, _now);
        var answer = Assert.Single(_output.Client);
        Assert.Equal(0, answer[34]);
        Assert.Equal(0, InternetChecksum.Compute(answer.AsSpan(34)));
        Assert.Equal(0, InternetChecksum.Compute(answer.AsSpan(14, 20)));
        Assert.Equal(ClientEndpoint.Address, IpAddress.FromBytes(answer.AsSpan(30, 4)));
        Assert.Equal("ping"u8, answer.AsSpan(42));
    }

    [Fact]
    public void The_session_says_hello_until_welcome_beats_and_starts_over_when_nobody_answers()
    {
        var node = Create(standalone: false);
        node.OnControlConnected(_now);
        var hello = Assert.IsType<Hello>(Assert.Single(_output.Control));
        Assert.Equal("10.1.1.10:4747", hello.PeerEndpoint.ToString());
        Step(node, 500);
        Assert.Equal(hello.Id, Assert.IsType<Hello>(_output.Control[^1]).Id);
        Welcome(node);
        Assert.Equal(SessionState.Up, node.Session);
        Step(node, 100);
        var beat = Assert.IsType<Heartbeat>(_output.Control[^1]);
        Assert.Equal(node.HeldAddresses.Select(a => new AddressLoad(a, 0)), beat.Loads);
        node.OnControl(new Ack { Id = beat.Id, Status = AckStatus.Ok }, _now);
        for (var i = 0; i < 12 && node.Session == SessionState.Up; i++)
        {
            Step(node, 100);
        }

        Assert.Equal(SessionState.Greeting, node.Session);
        Assert.NotEqual(hello.Id, Assert.IsType<Hello>(_output.Control[^1]).Id);
    }

    [Fact, Trait("Req", "A-03")]
    public void An_arrival_is_asked_for_and_repeated_after_a_new_session()
    {
        var node = Create(standalone: false);
        node.OnControlConnected(_now);
        Welcome(node);
        node.OnAssociated(Client, _now);
        var arrive = Assert.IsType<Arrive>(_output.Control[^1]);
        Assert.Equal(Client, arrive.Client);
        node.OnControlDisconnected(_now);
        _output.Control.Clear();
        Step(node, 1000);
        Assert.Empty(_output.Control);
        node.OnControlConnected(_now);
        Welcome(node);
        Assert.Contains(_output.Control, m => m is Arrive again && again.Id == arrive.Id);
    }

    [Fact, Trait("Req", "A-16")]
    public void A_store_that_forgets_while_the_session_goes_on_is_told_everything()
    {
        var node = Create(standalone: false);
        node.OnControlConnected(_now);
        Welcome(node);
        node.OnAssociated(Client, _now);
        var arrive = _output.Control.OfType<Arrive>().Last();
        node.OnControl(new ArriveReply { Id = arrive.Id, Client = Client, Status = AckStatus.Ok, Epoch = new Epoch(5), Complete = true }, _now);
        var welcome = new Welcome { Id = _output.Control.OfType<Hello>().Last().Id, Coordinator = new NodeId("c"), StoreIncarnation = 1, HeartbeatMilliseconds = 100 };
        _output.Control.Clear();
        node.OnControl(welcome, _now);
        Step(node, 20);
        Assert.DoesNotContain(_output.Control, m => m is Announce { Full: true });
        node.OnControl(welcome with { StoreIncarnation = 2 }, _now);
        Step(node, 20);
        Assert.Contains(_output.Control, m => m is Announce { Full: true } announce && announce.Client == Client && announce.Epoch == new Epoch(5));
        Assert.Equal(SessionState.Up, node.Session);
    }

    [Fact, Trait("Req", "A-11")]
    public void A_push_is_acknowledged_once_after_both_engines_have_had_it()
    {
        var node = Create(standalone: false);
        node.OnControlConnected(_now);
        Welcome(node);
        _output.Control.Clear();
        node.OnControl(new FamChange { Id = 77, Client = Client, Epoch = new Epoch(3), NewFam = new NodeId("ap2"), Token = 5 }, _now);
        node.OnControl(new FamCleared { Id = 78, Client = Client, Epoch = new Epoch(3) }, _now);
        node.OnControl(new MappingsEnded { Id = 79, Client = Client, Epoch = new Epoch(3), Mappings = [] }, _now);
        Assert.Equal([77UL, 78UL, 79UL], _output.Control.OfType<Ack>().Select(a => a.Id));
    }

    [Fact]
    public void Peer_messages_survive_the_wire_and_damaged_ones_are_counted()
    {
        var node = Create(standalone: true);
        var payload = new byte[PeerCodec.Length];
        PeerMessage message = new Drain(Client, new Epoch(7), 0x1122334455667788);
        Assert.Equal(payload.Length, PeerCodec.Encode(message, payload));
        Assert.True(PeerCodec.TryDecode(payload, out var read));
        Assert.Equal(message, read);
        for (var length = 0; length < payload.Length; length++)
        {
            Assert.False(PeerCodec.TryDecode(payload.AsSpan(0, length), out _));
        }

        var from = TransportEndpoint.Parse("10.1.2.10:4747");
        var frame = Frames.Build(Own, Router, TransportProtocol.Udp, from, TransportEndpoint.Parse("10.1.1.10:4747"), payload);
        frame[^1] ^= 1;
        node.OnUplinkFrame(frame, OffloadInfo.None, _now);
        Assert.Equal(1, node.Drops[DropReason.BadTransportChecksum]);
    }

    [Fact, Trait("Req", "A-29")]
    public void Hostile_frames_never_throw()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var node = Create(standalone: true);
        byte[][] samples =
        [
            Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Tcp, ClientEndpoint, Server, "hello"u8),
            Frames.Build(Own, Router, TransportProtocol.Udp, Server, TransportEndpoint.Parse("10.1.1.10:4747"), "hello"u8),
            Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Udp, TransportEndpoint.Parse("[fd00:77::101]:5"), TransportEndpoint.Parse("[2001:db8::9]:53"), "x"u8),
        ];
        foreach (var sample in samples)
        {
            for (var length = 0; length <= sample.Length; length++)
            {
                Feed(sample[..length]);
            }
        }

        for (var i = 0; i < 50_000; i++)
        {
            var frame = (byte[])samples[i % samples.Length].Clone();
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                frame[random.Next(frame.Length)] = (byte)random.Next(256);
            }

            Feed(frame[..random.Next(frame.Length + 1)]);
        }

        void Feed(byte[] frame)
        {
            try
            {
                node.OnClientFrame((byte[])frame.Clone(), OffloadInfo.None, _now);
                node.OnUplinkFrame(frame, OffloadInfo.None, _now);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {Convert.ToHexString(frame)}", e);
            }
        }
    }

    private AccessPointNode Create(bool standalone)
    {
        var gatewayV4 = IpAddress.Parse("10.1.1.1");
        var gatewayV6 = IpAddress.Parse("fd00:10:1:1::1");
        return new AccessPointNode(
            new AccessPointModel
            {
                Node = new NodeId("ap1"),
                Incarnation = 9,
                Standalone = standalone,
                Uplink = new UplinkModel
                {
                    Mac = Own,
                    Addresses = [IpAddress.Parse("10.1.1.10"), IpAddress.Parse("10.1.1.11"), IpAddress.Parse("fd00:10:1:1::10")],
                    OnLink = [IpPrefix.Parse("10.1.1.0/24"), IpPrefix.Parse("fd00:10:1:1::/64")],
                    GatewayV4 = gatewayV4,
                    GatewayV6 = gatewayV6,
                    StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [gatewayV4] = Router, [gatewayV6] = Router },
                },
                Clients = new ClientSideModel
                {
                    GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
                    Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
                },
            },
            42,
            _output);
    }

    private void Step(AccessPointNode node, double milliseconds)
    {
        _now += TimeSpan.FromMilliseconds(milliseconds);
        node.Advance(_now);
    }

    private void Welcome(AccessPointNode node) => node.OnControl(
        new Welcome { Id = _output.Control.OfType<Hello>().Last().Id, Coordinator = new NodeId("c"), StoreIncarnation = 1, HeartbeatMilliseconds = 100 }, _now);
}
