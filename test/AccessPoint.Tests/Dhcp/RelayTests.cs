using Masquerade.AccessPoint.Dhcp;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Tests.Dhcp;

/// <summary>The relay agent in a whole node.</summary>
[Trait("Req", "A-28")]
public sealed class RelayTests
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");
    private static readonly byte[] Gateway = [192, 168, 77, 1];
    private readonly RecordingOutput _output = new();
    private Instant _now = Instant.FromMilliseconds(1_000);

    [Fact]
    public void A_request_goes_to_the_server_with_the_nodes_own_address_and_the_clients_subnet()
    {
        var node = Create("10.1.100.2");
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client, options: (12, "host"u8.ToArray())));
        var (source, destination, to, message) = DhcpMessages.Read(Assert.Single(_output.Uplink));
        Assert.Equal(("10.1.1.10:67", "10.1.100.2:67", Router), (source.ToString(), destination.ToString(), to));
        Assert.Equal("10.1.1.10", DhcpMessages.AddressIn(message, 24));
        Assert.Equal(1, message[3]);
        Assert.Equal(Client, MacAddress.FromBytes(message.AsSpan(28)));
        Assert.True(message.Length >= 300);
        var options = DhcpMessages.Options(message);
        Assert.Equal("host"u8, options[12]);

        // Golden: circuit and remote "ap1", link selection and server identifier override with the gateway's address.
        Assert.Equal("0103617031" + "0203617031" + "0504C0A84D01" + "0B04C0A84D01", Convert.ToHexString(options[82]));
        Assert.Equal(0, node.Drops.Total);
    }

    [Fact]
    public void An_answer_goes_to_the_client_without_option_82()
    {
        var node = Create("10.1.100.2");
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client));
        var echo = DhcpMessages.Options(DhcpMessages.Read(_output.Uplink[0]).Message)[82];
        FromServer(node, DhcpMessages.Build(2, DhcpMessageType.Offer, Client, yourAddress: "192.168.77.50", relay: "10.1.1.10", options: [(54, Gateway), (82, echo)]));
        var (source, destination, to, message) = DhcpMessages.Read(Assert.Single(_output.Client));
        Assert.Equal(("192.168.77.1:67", "192.168.77.50:68", Client), (source.ToString(), destination.ToString(), to));
        Assert.Equal([53, 54], DhcpMessages.Options(message).Keys.Select(k => (int)k));
        Assert.Equal("192.168.77.50", DhcpMessages.AddressIn(message, 16));
        Assert.Equal(0, node.Drops.Total);
    }

    [Theory]
    [InlineData(5, true, "192.168.77.50", "0.0.0.0", true)]
    [InlineData(5, false, "0.0.0.0", "192.168.77.50", false)]
    [InlineData(5, false, "0.0.0.0", "0.0.0.0", true)]
    [InlineData(6, false, "0.0.0.0", "192.168.77.50", true)]
    public void The_client_says_whether_it_takes_unicasts(byte type, bool flag, string yourAddress, string clientAddress, bool isBroadcast)
    {
        var node = Create("10.1.100.2");
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Request, Client, broadcast: flag));
        FromServer(node, DhcpMessages.Build(2, (DhcpMessageType)type, Client, clientAddress: clientAddress, yourAddress: yourAddress, relay: "10.1.1.10", broadcast: flag));
        var (_, destination, to, _) = DhcpMessages.Read(Assert.Single(_output.Client));
        Assert.Equal(isBroadcast ? "255.255.255.255:68" : "192.168.77.50:68", destination.ToString());
        Assert.Equal(isBroadcast ? MacAddress.Broadcast : Client, to);
    }

    [Theory]
    [InlineData("192.168.77.1", new[] { "10.1.100.2", "10.1.100.3" })]
    [InlineData("10.1.100.3", new[] { "10.1.100.3" })]
    [InlineData("203.0.113.67", new[] { "10.1.100.2", "10.1.100.3" })]
    public void A_renewal_is_relayed_and_becomes_no_connection(string destination, string[] servers)
    {
        var node = Create("10.1.100.2", "10.1.100.3");
        var renewal = DhcpMessages.Build(1, DhcpMessageType.Request, Client, clientAddress: "192.168.77.50");
        node.OnClientFrame(DhcpMessages.FromClient(Client, renewal, "192.168.77.50", destination), OffloadInfo.None, _now);
        Assert.Equal(servers, _output.Uplink.Select(f => DhcpMessages.Read(f).Destination.Address.ToString()));
        Assert.All(_output.Uplink, f => Assert.DoesNotContain("0B04", Convert.ToHexString(DhcpMessages.Options(DhcpMessages.Read(f).Message)[82]), StringComparison.Ordinal));
        Assert.Equal(0, node.Fam.ConnectionCount);
        Assert.Equal(0, node.Drops.Total);
    }

    [Fact]
    public void A_client_that_asks_for_an_address_is_noticed()
    {
        var node = Create("10.1.100.2");
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client));
        Assert.Equal(1, node.Fam.ClientCount);
    }

    [Fact]
    public void What_clients_may_not_say_is_dropped_and_counted()
    {
        var node = Create("10.1.100.2");
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, new MacAddress(0x0200_0000_0099)));
        Assert.Equal(1, node.Drops[DropReason.SpoofedSource]);
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client, relay: "192.0.2.1"));
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client, options: (82, [1, 1, 65])));
        FromClient(node, DhcpMessages.Build(2, DhcpMessageType.Discover, Client));
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Acknowledge, Client));
        FromClient(node, new byte[300]);
        FromClient(node, []);
        Assert.Equal(6, node.Drops[DropReason.Malformed]);
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client, hops: 4));
        Assert.Equal(1, node.Drops[DropReason.TtlExpired]);
        var wrong = DhcpMessages.FromClient(Client, DhcpMessages.Build(1, DhcpMessageType.Discover, Client));
        wrong[^1] ^= 1;
        node.OnClientFrame(wrong, OffloadInfo.None, _now);
        Assert.Equal(1, node.Drops[DropReason.BadTransportChecksum]);
        for (var i = 0; i < 20; i++)
        {
            FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client));
        }

        Assert.Equal(20 - (DhcpClients.ClientBurst - 1), node.Drops[DropReason.TooOften]);
        Assert.Equal(DhcpClients.ClientBurst - 1, _output.Uplink.Count);
    }

    [Fact]
    public void What_servers_may_not_say_is_dropped_and_counted()
    {
        var node = Create("10.1.100.2");
        byte[] Offer(uint transaction = DhcpMessages.Transaction, string relay = "10.1.1.10", params (byte, byte[])[] options) =>
            DhcpMessages.Build(2, DhcpMessageType.Offer, Client, transaction, yourAddress: "192.168.77.50", relay: relay, options: options);
        FromServer(node, Offer());
        Assert.Equal(1, node.Drops[DropReason.UnexpectedAnswer]);
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client));
        FromServer(node, Offer(transaction: 1));
        FromServer(node, Offer(relay: "192.168.77.1"));
        FromServer(node, Offer(options: (82, [1, 1, 65])));
        FromServer(node, Offer(), from: "10.1.100.9");
        Assert.Equal(5, node.Drops[DropReason.UnexpectedAnswer]);
        FromServer(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client, relay: "10.1.1.10"));
        FromServer(node, new byte[400]);
        Assert.Equal(2, node.Drops[DropReason.Malformed]);
        Assert.Empty(_output.Client);
        FromServer(node, Offer());
        Assert.Single(_output.Client);
    }

    [Fact]
    public void Without_addressing_what_clients_say_to_servers_is_a_packet_like_any_other()
    {
        var node = new AccessPointNode(Model(ClientAddressing.None), 7, _output);
        FromClient(node, DhcpMessages.Build(1, DhcpMessageType.Discover, Client));
        Assert.Equal(1, node.Drops[DropReason.Multicast]);
        var renewal = DhcpMessages.Build(1, DhcpMessageType.Request, Client, clientAddress: "192.168.77.50");
        node.OnClientFrame(DhcpMessages.FromClient(Client, renewal, "192.168.77.50", "203.0.113.67"), OffloadInfo.None, _now);
        Assert.Equal(1, node.Fam.ConnectionCount);
    }

    internal static AccessPointModel Model(ClientAddressing addressing, params string[] servers) => new()
    {
        Node = new NodeId("ap1"),
        Incarnation = 1,
        Standalone = true,
        Uplink = new UplinkModel
        {
            Mac = Own,
            Addresses = [IpAddress.Parse("fd00:10:1:1::10"), IpAddress.Parse("10.1.1.10")],
            OnLink = [IpPrefix.Parse("10.1.1.0/24")],
            GatewayV4 = IpAddress.Parse("10.1.1.1"),
            StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [IpAddress.Parse("10.1.1.1")] = Router },
        },
        Clients = new ClientSideModel
        {
            GatewayAddresses = [IpAddress.Parse("fe80::1"), IpAddress.Parse("192.168.77.1")],
            Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
            Addressing = addressing,
            DhcpServers = [.. servers.Select(IpAddress.Parse)],
        },
    };

    private AccessPointNode Create(params string[] servers) => new(Model(ClientAddressing.Relay, servers), 7, _output);

    private void FromClient(AccessPointNode node, byte[] message) => node.OnClientFrame(DhcpMessages.FromClient(Client, message), OffloadInfo.None, _now);

    private void FromServer(AccessPointNode node, byte[] message, string from = "10.1.100.2")
    {
        _now += TimeSpan.FromMilliseconds(1);
        node.OnUplinkFrame(
            Frames.Build(Own, Router, TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse(from), 67), TransportEndpoint.Parse("10.1.1.10:67"), message), OffloadInfo.None, _now);
    }
}
