using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Publishing;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;
using static Masquerade.Testing.PcpMessages;

namespace Masquerade.SimWorld;

/// <summary>A mobile server: it is found at the endpoint that the operator has published, wherever it is and whatever fails; its clients may be mobile too.</summary>
[Trait("Req", "A-21")]
public sealed class PublishedServiceTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);
    private static readonly TransportEndpoint s_stranger = TransportEndpoint.Parse("203.0.113.200:4000");

    /// <summary>At the first access point, below the ports that it gives out and among them.</summary>
    private static readonly TransportEndpoint s_public = TransportEndpoint.Parse("10.1.1.10:443");
    private static readonly TransportEndpoint s_high = TransportEndpoint.Parse("10.1.1.11:20000");

    private readonly List<(SimClient Client, byte[] Packet)> _atClients = [];
    private readonly List<byte[]> _atServer = [];
    private SimNetwork _network = null!;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_is_reached_wherever_it_is_and_answers_from_there(bool byAddress)
    {
        Begin(byAddress);
        var server = _network.Clients[0];
        for (var at = 0; at < 3; at++)
        {
            Walk(server, at);
            foreach (var endpoint in new[] { s_public, s_high })
            {
                Assert.True(Reached(endpoint), $"{endpoint} at ap{at + 1}");
                Say(server, new TransportEndpoint(server.V4, PortOf(endpoint)), s_stranger);
                Assert.Equal(endpoint, SourceOf(_atServer[^1]));
            }
        }

        // It says nothing for hours, and goes away for hours: nobody else gets its endpoints.
        _network.Run(TimeSpan.FromHours(3));
        Assert.True(Reached(s_public));
        _network.Detach(server);
        _network.Run(TimeSpan.FromHours(3));
        Walk(server, 1);
        Assert.True(Reached(s_public));
        Assert.True(Reached(s_high));
        AssertAgree();
    }

    [Fact, Trait("Req", "A-16")]
    public void It_outlives_the_nodes_and_the_coordinator()
    {
        Begin(byAddress: false, takeover: true);
        var server = _network.Clients[0];
        Walk(server, 1);
        Assert.True(Reached(s_public));
        _network.RestartCoordinator();
        _network.Run(TimeSpan.FromSeconds(5));
        Walk(server, 2);
        Assert.True(Reached(s_public));
        _network.Kill(_network.AccessPoints[0]);
        _network.Run(TimeSpan.FromSeconds(2));
        Assert.True(Reached(s_public));
        Walk(server, 1);
        Assert.True(Reached(s_high));
        _network.Revive(_network.AccessPoints[0]);
        _network.Run(TimeSpan.FromSeconds(5));
        Assert.True(_network.AccessPoints[0].Owns(s_public.Address));
        Assert.True(Reached(s_public));
        Walk(server, 0);
        Assert.True(Reached(s_high));
        AssertAgree();
    }

    [Fact, Trait("Req", "N-06")]
    public void Both_ends_may_be_mobile()
    {
        Begin(byAddress: false);
        var (server, client) = (_network.Clients[0], _network.Clients[1]);
        var (inside, from) = (new TransportEndpoint(server.V4, 8443), new TransportEndpoint(client.V4, 7_000));
        TransportEndpoint? seen = null;
        foreach (var (serverAt, clientAt) in new[] { (0, 0), (0, 1), (1, 1), (2, 1), (2, 2), (1, 0), (0, 2) })
        {
            Walk(server, serverAt);
            Walk(client, clientAt);
            _atClients.Clear();
            Say(client, from, s_public);
            var request = Assert.Single(_atClients);
            Assert.Equal(server, request.Client);
            var masquerade = SourceOf(request.Packet);
            Assert.Equal(seen ?? masquerade, masquerade);
            Assert.NotEqual(client.V4, masquerade.Address);
            seen = masquerade;
            _atClients.Clear();
            Say(server, inside, masquerade);
            var answer = Assert.Single(_atClients);
            Assert.Equal((client, s_public), (answer.Client, SourceOf(answer.Packet)));
        }

        AssertAgree();
    }

    [Fact, Trait("Rfc", "6887 section 15.1")]
    public void It_is_not_its_client_s_to_end_or_to_change()
    {
        Begin(byAddress: false);
        var server = _network.Clients[0];
        var granted = Ask(server, Request(Map, 600, server.V4.ToString(), MapBody(1, Udp, 8443), Filter(128, "192.0.2.1")));
        Assert.Equal((0, 443, "10.1.1.10"), (granted.Result, granted.ExternalPort, granted.ExternalAddress));
        Assert.Equal(2, Ask(server, Request(Map, 0, server.V4.ToString(), MapBody(1, Udp, 8443))).Result);
        Assert.Equal(0, Ask(server, Request(Map, 0, server.V4.ToString(), MapBody(1, 0, 0))).Result);
        Assert.True(Reached(s_public));
    }

    private static ushort PortOf(TransportEndpoint endpoint) => endpoint == s_public ? (ushort)8443 : endpoint.Port;

    private void Begin(bool byAddress, bool takeover = false)
    {
        var (mac, address) = (new MacAddress(0x02C0_0000_0001), IpAddress.Parse("192.168.77.10"));
        var services = new PublishedServices(
        [
            .. new[] { s_public, s_high }.Select(e => new PublishedService(new MappingId(TransportProtocol.Udp, e), byAddress ? MacAddress.None : mac, byAddress ? address : IpAddress.None, PortOf(e))),
        ]);
        _network = new SimNetwork(1, new Settings { AccessPoints = 3, Clients = 2, Takeover = takeover, Services = services })
        {
            OtherAtClient = (client, packet) => _atClients.Add((client, packet)),
            OtherAtServer = _atServer.Add,
        };
        _network.Run(TimeSpan.FromMilliseconds(100));
        Walk(_network.Clients[0], 0);

        // A client's address is known once it has said something.
        Say(_network.Clients[0], new TransportEndpoint(_network.Clients[0].V4, 6_000), s_stranger);
        _network.Run(Short);
    }

    private void Walk(SimClient client, int to)
    {
        if (client.At != to)
        {
            _network.Detach(client);
            _network.Attach(client, to);
            _network.Run(Short);
        }
    }

    private void Say(SimClient client, TransportEndpoint from, TransportEndpoint to)
    {
        _network.FromClient(client, WireFormat.Packet(TransportProtocol.Udp, from, to, fromClient: true, "hello hello hello"u8));
        _network.Run(TimeSpan.FromMilliseconds(50));
    }

    private bool Reached(TransportEndpoint endpoint)
    {
        _atClients.Clear();
        _network.FromServer(WireFormat.Packet(TransportProtocol.Udp, s_stranger, endpoint, fromClient: false, "knock knock knock"u8));
        _network.Run(TimeSpan.FromMilliseconds(20));
        return _atClients.Count == 1 && _atClients[0].Client == _network.Clients[0];
    }

    private PcpAnswer Ask(SimClient client, byte[] message)
    {
        _atClients.Clear();
        _network.FromClient(
            client, WireFormat.Packet(TransportProtocol.Udp, new TransportEndpoint(client.V4, 5_000), TransportEndpoint.Parse($"192.168.77.1:{PcpMessages.Port}"), fromClient: true, message));
        _network.Run(TimeSpan.FromMilliseconds(100));
        return Read(Assert.Single(_atClients).Packet.AsSpan(28));
    }

    private static TransportEndpoint SourceOf(byte[] packet) =>
        new(IpAddress.FromBytes(packet.AsSpan(12, 4)), (ushort)((packet[20] << 8) | packet[21]));

    private void AssertAgree()
    {
        if ((TableCheck.FirstDisagreement(_network) ?? TableCheck.FirstStrayServer(_network)) is { } what)
        {
            throw _network.Fail(what);
        }
    }
}
