using System.Buffers.Binary;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;
using static Masquerade.Testing.PcpMessages;

namespace Masquerade.AccessPoint.Tests.Pcp;

/// <summary>The Port Control Protocol at a node: what a client is told, and what becomes of packets.</summary>
[Trait("Rfc", "6888 REQ-9")]
public sealed class PcpTests(ITestOutputHelper output)
{
    private const string Client4 = "192.168.77.10";
    private const string Client6 = "fd00:77::10";
    private const byte Success = 0, UnsupportedVersion = 1, NotAuthorized = 2, Malformed = 3, UnsupportedOpcode = 4, UnsupportedOption = 5, MalformedOption = 6, UnsupportedProtocol = 9,
        Quota = 10, CannotProvide = 11, Mismatch = 12, TooManyPeers = 13;

    private static readonly TransportEndpoint s_stranger = TransportEndpoint.Parse("203.0.113.77:4000");

    private readonly RoamingPair _pair = new();

    [Theory, Trait("Rfc", "6887 section 11"), Trait("Req", "N-08")]
    [InlineData(false, Udp)]
    [InlineData(true, Udp)]
    [InlineData(false, Tcp)]
    [InlineData(true, Tcp)]
    public void A_mapping_lets_strangers_in_and_lives_by_its_lifetime(bool v6, byte protocol)
    {
        var answer = Ask(v6, Request(Map, 600, v6 ? Client6 : Client4, MapBody(1, protocol, 8080)));
        Assert.Equal((2, Map | 0x80, Success, 600u, 8080, 60), (answer.Version, answer.Opcode, answer.Result, answer.Lifetime, answer.InternalPort, answer.Length));
        Assert.Equal(RoamingPair.Address(0, v6).ToString(), answer.ExternalAddress);
        var (masquerade, stranger) = (new TransportEndpoint(IpAddress.Parse(answer.ExternalAddress), answer.ExternalPort), v6 ? TransportEndpoint.Parse("[2001:db8::77]:4000") : s_stranger);
        Assert.True(Reaches(masquerade, stranger, protocol));

        // Nobody has said anything for most of the lifetime.
        _pair.Wait(590_000);
        Assert.True(Reaches(masquerade, stranger, protocol));
        _pair.Wait(12_000);
        Assert.False(Reaches(masquerade, stranger, protocol));
        Assert.Equal(0, _pair.Node(0).Ham.MappingCount);
    }

    [Fact, Trait("Rfc", "6887 section 11.3")]
    public void What_the_client_answers_a_stranger_comes_from_the_mapping_and_so_does_what_it_opens()
    {
        var masquerade = Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000))));
        var client = TransportEndpoint.Parse(Client4 + ":9000");
        Assert.True(Reaches(masquerade, s_stranger, Udp));
        _pair.FromClient(RoamingPair.Datagram(client, s_stranger, "hello"u8));
        Assert.Equal(masquerade, RoamingPair.Read(_pair.AtServer[^1]).Tuple.Source);
        _pair.FromClient(RoamingPair.Datagram(client, TransportEndpoint.Parse("198.51.100.9:53"), "hello"u8));
        Assert.Equal(masquerade, RoamingPair.Read(_pair.AtServer[^1]).Tuple.Source);
    }

    [Fact, Trait("Rfc", "6887 section 11.3")]
    public void A_mapping_that_is_there_by_use_becomes_the_one_that_is_asked_for_and_is_one_by_use_again_when_it_is_given_up()
    {
        var client = TransportEndpoint.Parse(Client4 + ":9000");
        var server = TransportEndpoint.Parse("198.51.100.9:53");
        var masquerade = _pair.Open(client, server);
        Assert.False(Reaches(masquerade, s_stranger, Udp));
        Assert.Equal(masquerade, Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000)))));
        Assert.True(Reaches(masquerade, s_stranger, Udp));
        var ended = Ask(Request(Map, 0, Client4, MapBody(1, Udp, 9000)));
        Assert.Equal((Success, 0u), (ended.Result, ended.Lifetime));
        Assert.False(Reaches(masquerade, s_stranger, Udp));
        Assert.True(Reaches(masquerade, server, Udp));
    }

    [Fact, Trait("Rfc", "6887 section 15")]
    public void Lifetimes_are_bounded_and_renewed_and_a_deletion_ends_them()
    {
        Assert.Equal(120u, Ask(Request(Map, 1, Client4, MapBody(1, Udp, 9000))).Lifetime);
        Assert.Equal(86_400u, Ask(Request(Map, uint.MaxValue, Client4, MapBody(1, Udp, 9000))).Lifetime);
        var masquerade = Granted(Ask(Request(Map, 300, Client4, MapBody(1, Udp, 9000))));
        for (var renewals = 0; renewals < 5; renewals++)
        {
            _pair.Wait(200_000);
            Assert.Equal(masquerade, Granted(Ask(Request(Map, 300, Client4, MapBody(1, Udp, 9000)))));
        }

        // Twice is once, and what is not there is as good as deleted.
        for (var times = 0; times < 2; times++)
        {
            var ended = Ask(Request(Map, 0, Client4, MapBody(1, Udp, 9000)));
            Assert.Equal((Success, 0u), (ended.Result, ended.Lifetime));
        }

        Assert.False(Reaches(masquerade, s_stranger, Udp));
        Assert.Equal(0, _pair.Node(0).Ham.MappingCount);
    }

    [Fact, Trait("Rfc", "6887 section 15.1")]
    public void All_mappings_of_a_protocol_or_of_all_are_given_up_at_once_by_who_has_the_nonce()
    {
        foreach (var (nonce, protocol, port) in new (byte, byte, ushort)[] { (1, Udp, 1), (1, Udp, 2), (1, Tcp, 1), (2, Tcp, 2) })
        {
            Granted(Ask(Request(Map, 600, Client4, MapBody(nonce, protocol, port))));
        }

        Assert.Equal(Success, Ask(Request(Map, 0, Client4, MapBody(1, Udp, 0))).Result);
        Assert.Equal(2, _pair.Node(0).Ham.MappingCount);
        Assert.Equal(Success, Ask(Request(Map, 0, Client4, MapBody(1, 0, 0))).Result);
        Assert.Equal(1, _pair.Node(0).Ham.MappingCount);
    }

    [Fact, Trait("Rfc", "6887 section 11.3")]
    public void Another_nonce_opens_nothing_and_ends_nothing()
    {
        var masquerade = Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000))));
        Assert.Equal(NotAuthorized, Ask(Request(Map, 600, Client4, MapBody(2, Udp, 9000))).Result);
        Assert.Equal(NotAuthorized, Ask(Request(Map, 0, Client4, MapBody(2, Udp, 9000))).Result);
        Assert.True(Reaches(masquerade, s_stranger, Udp));
    }

    [Fact, Trait("Rfc", "6887 section 13.2")]
    public void The_suggested_endpoint_is_given_if_it_is_free_and_with_PREFER_FAILURE_no_other()
    {
        var own = RoamingPair.Address(0, v6: false).ToString();
        var suggested = new TransportEndpoint(IpAddress.Parse(own), 20_000);
        Assert.Equal(suggested, Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000, 20_000, own), PreferFailure()))));
        Assert.Equal(CannotProvide, Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9001, 20_000, own), PreferFailure())).Result);
        Assert.NotEqual(suggested, Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9001, 20_000, own)))));
        Assert.Equal(CannotProvide, Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9002, 20_001, "192.0.2.1"), PreferFailure())).Result);
        Assert.Equal(CannotProvide, Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000, 20_001, own), PreferFailure())).Result);
        Assert.Equal(20_002, Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9003, 20_002)))).Port);
    }

    [Fact, Trait("Rfc", "6887 section 13.3")]
    public void A_filter_lets_in_whom_it_names_until_it_is_taken_away()
    {
        var masquerade = Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000), Filter(96 + 24, "203.0.113.0", 4000))));
        Assert.True(Reaches(masquerade, s_stranger, Udp));
        Assert.False(Reaches(masquerade, s_stranger with { Port = 4001 }, Udp));
        var other = TransportEndpoint.Parse("198.51.100.1:1");
        Assert.False(Reaches(masquerade, other, Udp));

        // A renewal adds to what was said before.
        Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000), Filter(128, "198.51.100.1"))));
        Assert.True(Reaches(masquerade, other, Udp));
        Assert.True(Reaches(masquerade, s_stranger, Udp));
        Assert.Equal(TooManyPeers, Ask(Request(Map, 600, Client4, [MapBody(1, Udp, 9000), .. Enumerable.Range(1, 15).Select(i => Filter(128, $"198.51.100.{i + 1}"))])).Result);
        Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000), Filter(0, "::"))));
        Assert.True(Reaches(masquerade, TransportEndpoint.Parse("198.51.100.200:1"), Udp));
    }

    [Fact, Trait("Rfc", "6887 section 12")]
    public void PEER_keeps_the_way_back_from_one_server_and_lets_nobody_else_in()
    {
        var server = TransportEndpoint.Parse("198.51.100.9:53");
        var answer = Ask(Request(Peer, 3_000, Client4, PeerBody(1, Udp, 9000, "198.51.100.9", 53)));
        Assert.Equal((Peer | 0x80, Success, 3_000u, 80), (answer.Opcode, answer.Result, answer.Lifetime, answer.Length));
        var masquerade = Granted(answer);
        _pair.FromClient(RoamingPair.Datagram(TransportEndpoint.Parse(Client4 + ":9000"), server, "hello"u8));
        Assert.Equal(masquerade, RoamingPair.Read(_pair.AtServer[^1]).Tuple.Source);

        // Far longer than the idle time of UDP.
        _pair.Wait(2_900_000);
        Assert.True(Reaches(masquerade, server, Udp));
        Assert.False(Reaches(masquerade, s_stranger, Udp));
        _pair.Wait(200_000);
        Assert.False(Reaches(masquerade, server, Udp));
    }

    [Fact, Trait("Rfc", "6887 section 7.4"), Trait("Rfc", "6887 section 8.2")]
    public void What_is_wrong_with_a_request_is_said_by_its_result()
    {
        var map = MapBody(1, Udp, 9000);
        Assert.Equal(UnsupportedOpcode, Ask(Request(3, 600, Client4, map)).Result);
        Assert.Equal(Malformed, Ask(Request(Map, 600, Client4, map[..32])).Result);
        Assert.Equal(Malformed, Ask([.. Request(Map, 600, Client4, map), 0, 0]).Result);
        Assert.Equal(Malformed, Ask(Request(Map, 600, Client4, map, new byte[1_100])).Result);
        Assert.Equal(Malformed, Ask([2, 1, 0, 0]).Result);
        Assert.Equal(Mismatch, Ask(Request(Map, 600, "192.168.77.99", map)).Result);
        Assert.Equal(UnsupportedProtocol, Ask(Request(Map, 600, Client4, MapBody(1, 132, 9000))).Result);
        Assert.Equal(UnsupportedProtocol, Ask(Request(Map, 600, Client4, MapBody(1, 0, 0))).Result);
        Assert.Equal(UnsupportedProtocol, Ask(Request(Map, 600, Client4, MapBody(1, Udp, 0))).Result);
        Assert.Equal(UnsupportedOption, Ask(Request(Map, 600, Client4, map, Option(1, new byte[16]))).Result);
        Assert.Equal(UnsupportedOption, Ask(Request(Map, 600, Client4, map, Option(77))).Result);
        Assert.Equal(UnsupportedOption, Ask(Request(Peer, 600, Client4, PeerBody(1, Udp, 9000, "198.51.100.9", 53), PreferFailure())).Result);
        Assert.Equal(MalformedOption, Ask(Request(Map, 600, Client4, map, Option(2, 1, 2, 3, 4))).Result);
        Assert.Equal(MalformedOption, Ask(Request(Map, 600, Client4, map, PreferFailure(), PreferFailure())).Result);
        Assert.Equal(MalformedOption, Ask(Request(Map, 600, Client4, map, Filter(95, "198.51.100.1"))).Result);
        Assert.Equal(MalformedOption, Ask(Request(Map, 600, Client4, map, Filter(64, "2001:db8::"))).Result);
        Assert.Equal(MalformedOption, Ask(Request(Map, 600, Client4, map, [3, 0, 0, 21])).Result);
        Assert.Equal(0, _pair.Node(0).Ham.MappingCount);

        // What may be passed over is, and is not in the answer (section 7.3).
        var answer = Ask(Request(Map, 600, Client4, map, Option(200, 1, 2, 3), PreferFailure()));
        Assert.Equal((Success, 64), (answer.Result, answer.Length));
    }

    [Fact, Trait("Rfc", "6887 section 9"), Trait("Rfc", "6887 appendix A")]
    public void Other_versions_are_told_which_one_is_spoken()
    {
        // NAT-PMP's question for the address is two octets.
        var answer = Ask([0, 0]);
        Assert.Equal((2, 0x80, UnsupportedVersion, 24), (answer.Version, answer.Opcode, answer.Result, answer.Length));
        Assert.Equal(UnsupportedVersion, Ask([1, 1, .. new byte[58]]).Result);
        Assert.Equal(UnsupportedVersion, Ask([3, 1, .. new byte[58]]).Result);
    }

    [Fact, Trait("Rfc", "6887 section 8.5"), Trait("Rfc", "6887 section 14.1")]
    public void The_epoch_counts_seconds_in_every_answer()
    {
        var first = Ask(Request(Announce, 0, Client4));
        Assert.Equal((Announce | 0x80, Success, 24), (first.Opcode, first.Result, first.Length));
        _pair.Wait(100_000);
        Assert.Equal(first.Epoch + 100, Ask(Request(Announce, 0, Client4)).Epoch);
        Assert.Equal(first.Epoch + 100, Ask(Request(9, 0, Client4)).Epoch);
        Assert.Equal(first.Epoch + 100, Ask(Request(Map, 600, Client4, MapBody(1, Udp, 9000))).Epoch);
    }

    [Fact, Trait("Rfc", "6887 section 17.2"), Trait("Req", "N-10")]
    public void The_client_s_limits_hold_for_what_it_asks_for_too()
    {
        var limit = new Fam.FamConfig().ExplicitMappingsPerClient;
        for (var port = 1; port <= limit; port++)
        {
            Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, (ushort)port))));
            _pair.Wait(25);
        }

        Assert.Equal(Quota, Ask(Request(Map, 600, Client4, MapBody(1, Udp, 60_000))).Result);
        Granted(Ask(Request(Map, 600, Client4, MapBody(1, Udp, 7))));
        Assert.Equal(limit, _pair.Node(0).Ham.MappingCount);
    }

    [Fact]
    public void Who_asks_too_often_or_in_another_s_name_is_not_answered()
    {
        for (var i = 0; i < 50; i++)
        {
            Ask(Request(Announce, 0, Client4));
        }

        Send(v6: false, Request(Announce, 0, Client4));
        Assert.Empty(_pair.AtClient);
        Assert.Equal(1, _pair.Node(0).Drops[DropReason.TooOften]);

        var other = MacAddress.Parse("02:00:00:00:00:22");
        _pair.Arrive(other, 0);
        Send(v6: false, Request(Map, 600, Client4, MapBody(1, Udp, 9000)), other);
        Assert.Empty(_pair.AtClient);
        Assert.Equal(1, _pair.Node(0).Drops[DropReason.SpoofedSource]);
    }

    [Fact]
    public void Responses_and_scraps_are_dropped_and_the_uplink_is_not_answered()
    {
        foreach (var message in new byte[][] { [], [2], [2, 0x81], [.. Request(Map | 0x80, 0, Client4, MapBody(1, Udp, 1))] })
        {
            Send(v6: false, message);
        }

        Assert.Equal(4, _pair.Node(0).Drops[DropReason.Malformed]);
        _pair.FromServer(RoamingPair.Datagram(s_stranger, new TransportEndpoint(RoamingPair.Address(0, v6: false), PcpMessages.Port), Request(Announce, 0, "203.0.113.77")));
        Assert.Empty(_pair.AtClient);
        Assert.Empty(_pair.AtServer);
        Assert.Equal(1, _pair.Node(0).Drops[DropReason.NoMapping]);
    }

    [Fact]
    public void Nothing_that_is_sent_breaks_it_and_every_answer_is_one()
    {
        var random = Seed.Fresh(output);
        var answers = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var message = Spoilt(random);
            if (i % 40 == 0)
            {
                _pair.Wait(1_000);
            }

            _pair.AtClient.Clear();
            var v6 = random.Chance(0.3);
            Send(v6, message);
            if (_pair.AtClient.Count == 0)
            {
                continue;
            }

            var payload = Payload(Assert.Single(_pair.AtClient).Packet, v6);
            Assert.True(payload.Length is >= 24 and <= 1_100 && payload.Length % 4 == 0, $"an answer of {payload.Length} octets");
            var answer = Read(payload);
            Assert.True(answer.Version == 2 && answer.Opcode == (message[1] | 0x80) && answer.Result <= 13, $"{answer}");
            answers++;
        }

        Assert.True(answers > 5_000, $"{answers} answers");
        Assert.True(_pair.Node(0).Ham.MappingCount < 4_000);
    }

    /// <summary>A request that is nearly right.</summary>
    private static byte[] Spoilt(SeededRandom random)
    {
        var client = random.Chance(0.7) ? Client4 : Client6;
        var parts = new List<byte[]>();
        for (var options = random.NextInt(4); options > 0; options--)
        {
            parts.Add(random.NextInt(4) switch
            {
                0 => PreferFailure(),
                1 => Filter((byte)random.NextInt(140), "203.0.113.5", (ushort)random.NextInt(65_536)),
                2 => Option((byte)random.NextInt(256), new byte[random.NextInt(30)]),
                _ => Option(3, new byte[random.NextInt(24)]),
            });
        }

        var (lifetime, port) = ((uint)random.NextInt(3) * 300, (ushort)random.NextInt(100));
        byte[] body = random.Chance(0.5) ? MapBody((byte)random.NextInt(2), random.Chance(0.5) ? Udp : Tcp, port) : PeerBody((byte)random.NextInt(2), Udp, port, "198.51.100.9", (ushort)random.NextInt(20));
        var message = Request((byte)random.NextInt(4), lifetime, client, [body, .. parts]);
        for (var flips = random.NextInt(3); flips > 0; flips--)
        {
            message[random.NextInt(message.Length)] ^= (byte)(1 << random.NextInt(8));
        }

        return random.Chance(0.2) ? message[..random.NextInt(message.Length)] : message;
    }

    private PcpAnswer Ask(byte[] message) => Ask(v6: false, message);

    private PcpAnswer Ask(bool v6, byte[] message)
    {
        Send(v6, message);
        var packet = Assert.Single(_pair.AtClient).Packet;
        _pair.AtClient.Clear();
        return Read(Payload(packet, v6));
    }

    /// <summary>The payload of an answer, which comes from the gateway, to the client, with right checksums. The parser has no use for what comes from a link-local address.</summary>
    private static byte[] Payload(byte[] packet, bool v6)
    {
        var (source, client) = (Gateway(v6), new TransportEndpoint(IpAddress.Parse(v6 ? Client6 : Client4), 5_000));
        Assert.Equal(v6 ? 6 : 4, packet[0] >> 4);
        var addresses = packet.AsSpan(v6 ? 8 : 12);
        var octets = v6 ? 16 : 4;
        Assert.Equal((source.Address, client.Address), (IpAddress.FromBytes(addresses[..octets]), IpAddress.FromBytes(addresses.Slice(octets, octets))));
        var datagram = packet.AsSpan(v6 ? 40 : 20);
        Assert.Equal((source.Port, client.Port), (BinaryPrimitives.ReadUInt16BigEndian(datagram), BinaryPrimitives.ReadUInt16BigEndian(datagram[2..])));
        Assert.Equal(0, InternetChecksum.Finish(InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeaderSum(source.Address, client.Address, Udp, datagram.Length))));
        Assert.True(v6 || InternetChecksum.Compute(packet.AsSpan(0, 20)) == 0);
        return datagram[8..].ToArray();
    }

    private void Send(bool v6, byte[] message, MacAddress? from = null) =>
        _pair.FromClient(RoamingPair.Datagram(new TransportEndpoint(IpAddress.Parse(v6 ? Client6 : Client4), 5_000), Gateway(v6), message), from);

    private static TransportEndpoint Gateway(bool v6) => new(IpAddress.Parse(v6 ? "fe80::1" : "192.168.77.1"), PcpMessages.Port);

    private static TransportEndpoint Granted(PcpAnswer answer)
    {
        Assert.Equal(Success, answer.Result);
        return new TransportEndpoint(IpAddress.Parse(answer.ExternalAddress), answer.ExternalPort);
    }

    /// <summary>Whether somebody gets through to the client.</summary>
    private bool Reaches(TransportEndpoint masquerade, TransportEndpoint from, byte protocol)
    {
        _pair.AtClient.Clear();
        _pair.FromServer(RoamingPair.Packet(Frames.Build(default, default, (TransportProtocol)protocol, from, masquerade, "knock"u8, TcpFlags.Syn)));
        var reached = _pair.AtClient.Count == 1;
        _pair.AtClient.Clear();
        return reached;
    }
}
