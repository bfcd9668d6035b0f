using Masquerade.AccessPoint;
using Masquerade.Core.Flow;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;
using static Masquerade.Testing.PcpMessages;

namespace Masquerade.SimWorld;

/// <summary>What a client has asked for stays its own wherever it goes and whatever fails: real nodes and a real coordinator, single moments.</summary>
[Trait("Rfc", "6888 REQ-9")]
public sealed class ExplicitMappingTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);
    private static readonly TransportEndpoint s_stranger = TransportEndpoint.Parse("203.0.113.200:4000");

    private readonly List<byte[]> _atClient = [];
    private SimNetwork _network = null!;
    private SimClient _client = null!;

    [Fact, Trait("Rfc", "6887 section 11"), Trait("Rfc", "6887 section 8.5")]
    public void It_follows_the_client_and_the_epoch_does_not_look_reset()
    {
        Begin();
        var first = Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
        var masquerade = Endpoint(first);
        var begun = _network.Now;
        foreach (var to in new[] { 1, 2, 0, 2 })
        {
            Walk(to);
            Assert.True(Reached(masquerade), $"at ap{to + 1}");
            _network.Run(TimeSpan.FromSeconds(100));
            Assert.True(Reached(masquerade), $"at ap{to + 1} later");

            // It renews where it is, and gets what it has.
            var renewed = Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
            Assert.Equal((masquerade, 3_600u), (Endpoint(renewed), renewed.Lifetime));
            Assert.Equal(2, Ask(Request(Map, 3_600, ClientAddress, MapBody(2, Udp, 8080))).Result);
            Assert.InRange(renewed.Epoch, (uint)(_network.Now - begun).TotalSeconds - 1, (uint)(_network.Now - begun).TotalSeconds + 1);
        }

        AssertAgree();
    }

    [Fact]
    public void Its_lifetime_goes_on_while_the_client_is_away()
    {
        Begin();
        var masquerade = Endpoint(Ask(Request(Map, 1_800, ClientAddress, MapBody(1, Udp, 8080))));
        Walk(1);
        _network.Detach(_client);

        // Far longer than a UDP mapping is kept for a client that is away.
        _network.Run(TimeSpan.FromSeconds(1_500));
        _network.Attach(_client, 2);
        _network.Run(Short);
        Assert.True(Reached(masquerade));
        _network.Run(TimeSpan.FromSeconds(310));
        Assert.False(Reached(masquerade));
        Assert.DoesNotContain(_network.AccessPoints, ap => ap.Node.Ham.MappingCount > 0);
        AssertAgree();
    }

    [Fact]
    public void It_ends_by_its_lifetime_though_its_client_never_comes_back()
    {
        Begin();
        Ask(Request(Map, 1_200, ClientAddress, MapBody(1, Udp, 8080)));
        Walk(1);
        Ask(Request(Map, 1_800, ClientAddress, MapBody(1, Udp, 8080)));
        _network.Detach(_client);
        _network.Run(TimeSpan.FromSeconds(1_700));
        Assert.Equal(1, _network.AccessPoints[0].Node.Ham.MappingCount);
        _network.Run(TimeSpan.FromSeconds(200));
        Assert.Equal(0, _network.AccessPoints[0].Node.Ham.MappingCount);
        AssertAgree();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_outlives_the_coordinator_s_memory(bool away)
    {
        Begin();
        var first = Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080), Filter(128, "203.0.113.200")));
        var masquerade = Endpoint(first);
        Walk(1);
        Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
        if (away)
        {
            _network.Detach(_client);
            _network.Run(TimeSpan.FromSeconds(2));
        }

        _network.RestartCoordinator();
        _network.Run(TimeSpan.FromSeconds(600));
        Walk(2);
        Assert.True(Reached(masquerade));
        Assert.False(Reached(masquerade, TransportEndpoint.Parse("203.0.113.201:4000")));
        Assert.Equal(2, Ask(Request(Map, 3_600, ClientAddress, MapBody(2, Udp, 8080))).Result);
        var renewed = Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
        Assert.Equal(masquerade, Endpoint(renewed));
        Assert.InRange(renewed.Epoch, 595u, 620u);
        AssertAgree();
    }

    [Fact, Trait("Req", "A-16")]
    public void It_outlives_the_node_that_anchors_it_and_the_one_that_serves_its_client()
    {
        Begin(takeover: true);
        var masquerade = Endpoint(Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080))));
        Walk(1);
        _network.Kill(_network.AccessPoints[0]);
        _network.Run(TimeSpan.FromSeconds(2));
        Assert.True(Reached(masquerade));
        Assert.Equal(masquerade, Endpoint(Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)))));
        _network.Kill(_network.AccessPoints[1]);
        _network.Detach(_client);
        _network.Run(TimeSpan.FromSeconds(2));
        _network.Attach(_client, 2);
        _network.Run(Short);
        Assert.True(Reached(masquerade));
        var renewed = Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
        Assert.Equal(masquerade, Endpoint(renewed));
        Assert.InRange(renewed.Epoch, 4u, 8u);
        AssertAgree();
    }

    [Fact]
    public void It_outlives_a_restart_of_its_access_point()
    {
        Begin();
        var masquerade = Endpoint(Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080))));
        _network.Detach(_client);
        _network.Kill(_network.AccessPoints[0]);
        _network.Revive(_network.AccessPoints[0]);
        _network.Run(TimeSpan.FromSeconds(600));
        _network.Attach(_client, 0);
        _network.Run(Short);
        Assert.True(Reached(masquerade));
        Assert.Equal(masquerade, Endpoint(Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)))));
        AssertAgree();
    }

    [Fact, Trait("Rfc", "6887 section 8.5")]
    public void What_was_lost_for_good_begins_a_new_epoch()
    {
        Begin();
        Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
        _network.Run(TimeSpan.FromSeconds(500));

        // The power of the whole site fails.
        _network.Detach(_client);
        foreach (var ap in _network.AccessPoints)
        {
            _network.Kill(ap);
        }

        _network.RestartCoordinator();
        foreach (var ap in _network.AccessPoints)
        {
            _network.Revive(ap);
        }

        _network.Run(TimeSpan.FromSeconds(2));
        _network.Attach(_client, 1);
        _network.Run(Short);
        Assert.InRange(Ask(Request(Announce, 0, ClientAddress)).Epoch, 0u, 2u);
    }

    [Fact]
    public void A_request_that_comes_with_the_client_s_first_frame_is_answered_once_all_is_known()
    {
        Begin();
        var masquerade = Endpoint(Ask(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080))));
        _network.Detach(_client);
        _network.Attach(_client, 1);
        _atClient.Clear();
        Send(Request(Map, 3_600, ClientAddress, MapBody(1, Udp, 8080)));
        _network.Run(TimeSpan.FromMilliseconds(50));
        Assert.Equal(masquerade, Endpoint(Read(Assert.Single(_atClient).AsSpan(28))));
    }

    private string ClientAddress => _client.V4.ToString();

    private void Begin(bool takeover = false)
    {
        _network = new SimNetwork(1, new Settings { AccessPoints = 3, Clients = 2, Takeover = takeover }) { OtherAtClient = (_, packet) => _atClient.Add(packet) };
        _network.Run(TimeSpan.FromMilliseconds(100));
        _client = _network.Clients[0];
        _network.Attach(_client, 0);
        _network.Run(Short);
    }

    private void Walk(int to)
    {
        _network.Detach(_client);
        _network.Attach(_client, to);
        _network.Run(Short);
    }

    private void Send(byte[] message) => _network.FromClient(
        _client, WireFormat.Packet(TransportProtocol.Udp, new TransportEndpoint(_client.V4, 5_000), TransportEndpoint.Parse($"192.168.77.1:{PcpMessages.Port}"), fromClient: true, message));

    private PcpAnswer Ask(byte[] message)
    {
        _atClient.Clear();
        Send(message);
        _network.Run(TimeSpan.FromMilliseconds(100));
        return Read(Assert.Single(_atClient).AsSpan(28));
    }

    private static TransportEndpoint Endpoint(PcpAnswer answer)
    {
        Assert.Equal(0, answer.Result);
        return new TransportEndpoint(IpAddress.Parse(answer.ExternalAddress), answer.ExternalPort);
    }

    private bool Reached(TransportEndpoint masquerade, TransportEndpoint? from = null)
    {
        _atClient.Clear();
        _network.FromServer(WireFormat.Packet(TransportProtocol.Udp, from ?? s_stranger, masquerade, fromClient: false, "knock knock knock"u8));
        _network.Run(TimeSpan.FromMilliseconds(20));
        return _atClient.Count == 1;
    }

    private void AssertAgree()
    {
        if ((TableCheck.FirstDisagreement(_network) ?? TableCheck.FirstStrayServer(_network)) is { } what)
        {
            throw _network.Fail(what);
        }
    }
}
