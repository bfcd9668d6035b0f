using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Masquerade.Core.Flow;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld;

/// <summary>An FTP session in active mode goes where its client goes, whatever fails: real nodes and a real coordinator, single moments.</summary>
[Trait("Rfc", "5382 REQ-6")]
[Trait("Req", "N-03")]
public sealed class FtpTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);
    private readonly List<byte[]> _atClient = [];
    private readonly List<byte[]> _atServer = [];
    private SimNetwork _network = null!;
    private SimClient _client = null!;
    private TransportEndpoint _control;
    private TransportEndpoint _server;
    private TransportEndpoint _seen;
    private uint _said = 0xFFFF_FFE0;
    private uint _heard = 900;
    private ushort _port = 50_000;

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void The_session_goes_on_at_every_access_point_and_the_server_finds_the_client(bool ipv6, bool byAddress)
    {
        Begin(ipv6, byAddress: byAddress);
        foreach (var to in new[] { 0, 1, 2, 0, 1 })
        {
            Walk(to);
            Command("NOOP\r\n");
            Transfer();
            Connect();
            Command("NOOP\r\n");
        }

        AssertAgree();
    }

    [Fact]
    public void What_was_named_is_let_in_after_a_walk()
    {
        Begin(ipv6: false);
        var named = Name();
        Walk(1);
        Answer(named);
        named = Name();
        Walk(0);
        Answer(named);
        Command("NOOP\r\n");
        AssertAgree();
    }

    [Fact]
    public void It_outlives_the_coordinator_s_memory()
    {
        Begin(ipv6: false);
        Transfer();
        Walk(1);
        Transfer();
        _network.RestartCoordinator();
        _network.Run(TimeSpan.FromSeconds(3));
        Walk(2);
        Transfer();
        Command("NOOP\r\n");
        AssertAgree();
    }

    [Fact, Trait("Req", "A-16")]
    public void It_outlives_the_access_point_that_serves_the_client_and_the_one_that_anchors_the_connection()
    {
        Begin(ipv6: false, takeover: true);
        Walk(1);
        Transfer();
        Command("NOOP\r\n");
        _network.Run(TimeSpan.FromMilliseconds(20));
        _network.Kill(_network.AccessPoints[1]);
        _network.Detach(_client);
        _network.Run(TimeSpan.FromSeconds(2));
        _network.Attach(_client, 2);
        _network.Run(Short);
        Command("NOOP\r\n");
        Transfer();
        _network.Kill(_network.AccessPoints[0]);
        _network.Run(TimeSpan.FromSeconds(2));
        Command("NOOP\r\n");
        AssertAgree();
    }

    private void Begin(bool ipv6, bool byAddress = false, bool takeover = false)
    {
        _network = new SimNetwork(1, new Settings { AccessPoints = 3, Clients = 2, Takeover = takeover, Pooling = byAddress ? AddressPooling.Arbitrary : AddressPooling.Paired })
        {
            OtherAtClient = (_, packet) => _atClient.Add(packet), OtherAtServer = _atServer.Add,
        };
        _network.Run(TimeSpan.FromMilliseconds(100));
        _client = _network.Clients[0];
        _network.Attach(_client, 0);
        _network.Run(Short);
        _control = new TransportEndpoint(ipv6 ? _client.V6 : _client.V4, 40_000);
        _server = TransportEndpoint.Parse(ipv6 ? "[fd00:f::99]:21" : "203.0.113.99:21");
        var syn = FromClient(_control, WireFormat.Syn, _said - 1, 0, string.Empty);
        _seen = Source(syn);
        Assert.NotNull(FromServer(_server, _seen, WireFormat.Syn | WireFormat.Ack, _heard - 1, _said));
        FromClient(_control, WireFormat.Ack, _said, _heard, string.Empty);
        Command("USER somebody\r\n");
    }

    /// <summary>The server is told where to connect to, and does.</summary>
    private void Transfer() => Answer(Name());

    /// <summary>The client connects to a port of the server's, as in passive mode: the server sees the session's address.</summary>
    private void Connect()
    {
        var syn = FromClient(_control with { Port = ++_port }, WireFormat.Syn, 600, 0, string.Empty, _server with { Port = 45_000 });
        Assert.Equal(_seen.Address, Source(syn).Address);
    }

    private (TransportEndpoint Client, TransportEndpoint Masquerade) Name()
    {
        var client = _control with { Port = ++_port };
        if (client.Address.IsIPv4)
        {
            var heard = Command($"PORT {client.Address.ToString().Replace('.', ',')},{client.Port >> 8},{client.Port & 255}\r\n");
            var numbers = heard[5..].Trim().Split(',').Select(n => byte.Parse(n, CultureInfo.InvariantCulture)).ToArray();
            return (client, new TransportEndpoint(IpAddress.FromBytes(numbers.AsSpan(0, 4)), (ushort)((numbers[4] << 8) | numbers[5])));
        }

        var parts = Command($"EPRT |2|{client.Address}|{client.Port}|\r\n").Split('|');
        return (client, new TransportEndpoint(IpAddress.Parse(parts[2]), ushort.Parse(parts[3], CultureInfo.InvariantCulture)));
    }

    private void Answer((TransportEndpoint Client, TransportEndpoint Masquerade) named)
    {
        Assert.Equal(_seen.Address, named.Masquerade.Address);
        var data = _server with { Port = 20 };
        var syn = FromServer(data, named.Masquerade, WireFormat.Syn, 7_000, 0);
        Assert.NotNull(syn);
        Assert.Equal(named.Client.Port, BinaryPrimitives.ReadUInt16BigEndian(Tcp(syn)[2..]));
        Assert.Equal(named.Masquerade, Source(FromClient(named.Client, WireFormat.Syn | WireFormat.Ack, 8_000, 7_001, string.Empty, data)));
        Assert.NotNull(FromServer(data, named.Masquerade, WireFormat.Ack, 7_001, 8_001));
    }

    /// <summary>The client says a line; the server has all of it and says so in its own count.</summary>
    private string Command(string line)
    {
        var sent = FromClient(_control, WireFormat.Ack, _said, _heard, line);
        Assert.Equal(_seen, Source(sent));
        _said = unchecked(_said + (uint)line.Length);
        var tcp = Tcp(sent);
        var end = unchecked(BinaryPrimitives.ReadUInt32BigEndian(tcp[4..]) + (uint)tcp.Length - 20);
        Assert.True(_serverHas is null || _serverHas == BinaryPrimitives.ReadUInt32BigEndian(tcp[4..]));
        _serverHas = end;
        var answer = FromServer(_server, _seen, WireFormat.Ack, _heard, end, "200\r\n");
        Assert.NotNull(answer);
        Assert.Equal(_said, BinaryPrimitives.ReadUInt32BigEndian(Tcp(answer)[8..]));
        _heard += 5;
        return Encoding.ASCII.GetString(tcp[20..]);
    }

    private uint? _serverHas;

    private byte[] FromClient(TransportEndpoint from, byte flags, uint sequence, uint acknowledgment, string text, TransportEndpoint? to = null)
    {
        _atServer.Clear();
        _network.FromClient(_client, WireFormat.Packet(TransportProtocol.Tcp, from, to ?? _server, fromClient: true, Encoding.ASCII.GetBytes(text), new Segment(flags, sequence, acknowledgment), foreign: true));
        _network.Run(TimeSpan.FromMilliseconds(200));
        var sent = Assert.Single(_atServer);
        Assert.True(WireFormat.AreChecksumsRight(sent));
        return sent;
    }

    private byte[]? FromServer(TransportEndpoint from, TransportEndpoint to, byte flags, uint sequence, uint acknowledgment, string text = "")
    {
        _atClient.Clear();
        _network.FromServer(WireFormat.Packet(TransportProtocol.Tcp, from, to, fromClient: false, Encoding.ASCII.GetBytes(text), new Segment(flags, sequence, acknowledgment), foreign: true));
        _network.Run(TimeSpan.FromMilliseconds(50));
        return _atClient.Count == 1 && WireFormat.AreChecksumsRight(_atClient[0]) ? _atClient[0] : null;
    }

    private static ReadOnlySpan<byte> Tcp(byte[] packet) => packet.AsSpan(packet[0] >> 4 == 6 ? 40 : 20);

    private static TransportEndpoint Source(byte[] packet) => new(
        packet[0] >> 4 == 6 ? IpAddress.FromBytes(packet.AsSpan(8, 16)) : IpAddress.FromBytes(packet.AsSpan(12, 4)), BinaryPrimitives.ReadUInt16BigEndian(Tcp(packet)));

    private void Walk(int to)
    {
        _network.Detach(_client);
        _network.Attach(_client, to);
        _network.Run(Short);
    }

    private void AssertAgree()
    {
        if ((TableCheck.FirstDisagreement(_network) ?? TableCheck.FirstStrayServer(_network)) is { } what)
        {
            throw _network.Fail(what);
        }
    }
}
