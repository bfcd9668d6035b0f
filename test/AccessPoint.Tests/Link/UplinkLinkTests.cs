using Masquerade.AccessPoint.Link;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Link;

/// <summary>The uplink's ARP and ND, next hops and neighbour resolution.</summary>
public sealed class UplinkLinkTests
{
    private const string Own = "02aa00000001";
    private const string Router = "02bb00000001";

    private readonly RecordingOutput _output = new();
    private readonly DropCounters _drops = new();
    private readonly NeighbourConfig _config = new() { PendingPackets = 3, MaxUnresolved = 4, MaxNeighbours = 8 };
    private Instant _now = Instant.FromMilliseconds(1);

    [Fact]
    public void Own_addresses_are_announced_and_gateways_asked_for_at_the_start()
    {
        var link = Create();
        Assert.Equal(Instant.Zero, link.NextDeadline);
        link.Advance(_now);
        Assert.Equal("ffffffffffff" + Own + "0806" + "0001080006040001" + Own + "0a01010a" + "000000000000" + "0a01010a", Hex(0));
        Assert.True(NdMessage.TryParse(_output.Uplink[1].AsSpan(14), out var announcement));
        Assert.Equal(NdMessage.AllNodes, announcement.Destination);
        Assert.Equal(NdFlags.Router | NdFlags.Override, announcement.Flags);
        Assert.Equal("ffffffffffff" + Own + "0806" + "0001080006040001" + Own + "0a01010a" + "000000000000" + "0a010101", Hex(2));
        Assert.True(NdMessage.TryParse(_output.Uplink[3].AsSpan(14), out var question));
        Assert.Equal("ff02::1:ff00:1", question.Destination.ToString());
        Assert.Equal("33:33:ff:00:00:01", MacAddress.FromBytes(_output.Uplink[3]).ToString());
        Assert.Equal(4, _output.Uplink.Count);
        Assert.Equal(_now + _config.RetryInterval, link.NextDeadline);
    }

    [Fact, Trait("Req", "A-15")]
    public void Arp_for_own_addresses_is_answered_and_for_others_not()
    {
        var link = Create();
        link.Accept(Convert.FromHexString("ffffffffffff" + Router + "0806" + "0001080006040001" + Router + "0a010101" + "000000000000" + "0a01010a"), _now);
        Assert.Equal(Router + Own + "0806" + "0001080006040002" + Own + "0a01010a" + Router + "0a010101", Hex(0));
        link.Accept(Convert.FromHexString("ffffffffffff" + Router + "0806" + "0001080006040001" + Router + "0a010101" + "000000000000" + "0a01010b"), _now);
        Assert.Single(_output.Uplink);
        Assert.Equal(0, link.NeighbourCount);
    }

    [Fact]
    public void Packets_wait_in_order_for_the_gateways_answer()
    {
        var link = Create();
        for (var i = 1; i <= 4; i++)
        {
            link.SendCopy(Packet("203.0.113.9", i), OffloadInfo.None, _now);
        }

        // One question for four packets; three fit the queue and the oldest gives way.
        Assert.Single(_output.Uplink);
        Assert.Equal(1, _drops[DropReason.NoNeighbour]);
        AnswerArp(link, "0a010101");
        Assert.Equal([2, 3, 4], _output.Uplink.Skip(1).Select(f => (int)f[14 + 4]));
        Assert.All(_output.Uplink.Skip(1), f => Assert.Equal(Router + Own + "0800", Convert.ToHexStringLower(f.AsSpan(0, 14))));
        link.SendCopy(Packet("203.0.113.77", 5), OffloadInfo.None, _now);
        Assert.Equal(5, _output.Uplink[^1][14 + 4]);
    }

    [Fact]
    public void Destinations_on_the_link_are_asked_for_themselves()
    {
        var link = Create();
        link.SendCopy(Packet("10.1.1.77", 1), OffloadInfo.None, _now);
        Assert.EndsWith("0a01014d", Hex(0), StringComparison.Ordinal);
    }

    [Fact, Trait("Req", "A-29")]
    public void A_neighbour_that_never_answers_is_given_up_and_its_packets_counted()
    {
        var link = Create();
        link.Advance(_now);
        AnswerArp(link, "0a010101");
        _output.Uplink.Clear();
        link.SendCopy(Packet("10.1.1.77", 1), OffloadInfo.None, _now);
        link.SendCopy(Packet("10.1.1.77", 2), OffloadInfo.None, _now);
        for (var i = 0; i < 5; i++)
        {
            _now += _config.RetryInterval;
            link.Advance(_now);
        }

        Assert.Equal(_config.MaxRequests, _output.Uplink.Count(f => Convert.ToHexStringLower(f).EndsWith("0a01014d", StringComparison.Ordinal)));
        Assert.Equal(2, _drops[DropReason.NoNeighbour]);
        Assert.Equal(1, link.NeighbourCount);
    }

    [Fact, Trait("Req", "A-29")]
    public void Clients_cannot_make_the_node_ask_for_everybody()
    {
        var link = Create();
        for (var i = 10; i < 200; i++)
        {
            link.SendCopy(Packet($"10.1.1.{i}", 1), OffloadInfo.None, _now);
        }

        Assert.Equal(_config.MaxUnresolved, link.NeighbourCount);
        Assert.Equal(_config.MaxUnresolved, _output.Uplink.Count);
        Assert.Equal(190 - _config.MaxUnresolved, _drops[DropReason.NoNeighbour]);
    }

    [Fact]
    public void Nothing_is_learnt_about_who_was_not_asked_for_and_static_neighbours_stay()
    {
        var link = Create(new Dictionary<IpAddress, MacAddress> { [IpAddress.Parse("10.1.1.1")] = MacAddress.Parse("02:bb:00:00:00:02") });
        AnswerArp(link, "0a01014d");
        AnswerArp(link, "0a010101");
        Assert.Equal(1, link.NeighbourCount);
        link.SendCopy(Packet("203.0.113.9", 1), OffloadInfo.None, _now);
        Assert.Equal("02bb00000002" + Own + "0800", Convert.ToHexStringLower(_output.Uplink[0].AsSpan(0, 14)));
    }

    [Fact]
    public void A_known_neighbour_is_verified_in_the_background_and_may_move()
    {
        var link = Create();
        link.SendCopy(Packet("203.0.113.9", 1), OffloadInfo.None, _now);
        AnswerArp(link, "0a010101");
        _now += _config.ReachableTime;
        _output.Uplink.Clear();
        link.SendCopy(Packet("203.0.113.9", 2), OffloadInfo.None, _now);
        Assert.Equal(2, _output.Uplink.Count);
        Assert.Equal(Router, Hex(0)[..12]);
        Assert.Equal("0806", Hex(0)[24..28]);
        link.Accept(Convert.FromHexString(Own + "02bb00000009" + "0806" + "0001080006040002" + "02bb00000009" + "0a010101" + Own + "0a01010a"), _now);
        link.SendCopy(Packet("203.0.113.9", 3), OffloadInfo.None, _now);
        Assert.Equal("02bb00000009", Convert.ToHexStringLower(_output.Uplink[^1].AsSpan(0, 6)));
    }

    [Fact]
    public void Ipv6_neighbours_are_found_by_nd()
    {
        var link = Create();
        var packet = new byte[48];
        packet[0] = 0x60;
        packet[6] = 17;
        IpAddress.Parse("fd00:10:1:1::10").WriteTo(packet.AsSpan(8));
        IpAddress.Parse("2001:db8::1").WriteTo(packet.AsSpan(24));
        link.SendCopy(packet, OffloadInfo.None, _now);
        var frame = new byte[LinkFrames.MaxLength];
        EthernetHeader.Write(frame, MacAddress.Parse("02:aa:00:00:00:01"), MacAddress.Parse("02:bb:00:00:00:01"), EtherType.IPv6);
        var gateway = IpAddress.Parse("fd00:10:1:1::1");
        var answer = NdWriter.NeighbourAdvertisement(frame.AsSpan(14), gateway, IpAddress.Parse("fd00:10:1:1::10"), gateway, NdFlags.Solicited);
        answer.AddLinkLayer(NdOptionType.TargetLinkLayer, MacAddress.Parse("02:bb:00:00:00:01"));
        link.Accept(frame.AsSpan(0, 14 + answer.Finish()), _now);
        Assert.Equal(Router + Own + "86dd", Convert.ToHexStringLower(_output.Uplink[^1].AsSpan(0, 14)));
        Assert.Equal(packet, _output.Uplink[^1][14..]);
    }

    [Fact, Trait("Req", "A-29")]
    public void Other_routers_advertisements_are_not_for_this_node()
    {
        var link = Create();
        var frame = new byte[LinkFrames.MaxLength];
        var length = LinkFrames.RouterAdvertisement(
            frame, NdMessage.GroupMac(NdMessage.AllNodes), MacAddress.Parse("02:bb:00:00:00:01"), IpAddress.Parse("fe80::1"), NdMessage.AllNodes, 1_500, []);
        Assert.False(link.Accept(frame.AsSpan(0, length), _now));
        Assert.Equal((1, 1), (_drops[DropReason.NotForUs], _drops.Total));
        Assert.Empty(_output.Uplink);
    }

    [Fact, Trait("Req", "A-29")]
    public void A_packet_larger_than_the_link_is_dropped_unless_hardware_cuts_it()
    {
        var link = Create(new Dictionary<IpAddress, MacAddress> { [IpAddress.Parse("10.1.1.1")] = MacAddress.Parse("02:bb:00:00:00:02") });
        var big = new byte[1501];
        Packet("203.0.113.9", 1).CopyTo(big, 0);
        big[6] = 0x40;
        link.SendCopy(big, OffloadInfo.None, _now);
        Assert.Equal(1, _drops[DropReason.TooBig]);
        link.SendCopy(big, new OffloadInfo(true, 34, 16, 1, 1448, 54), _now);
        Assert.Single(_output.Uplink);
    }

    private UplinkLink Create(Dictionary<IpAddress, MacAddress>? known = null) => new(
        new UplinkModel
        {
            Mac = MacAddress.Parse("02:aa:00:00:00:01"),
            Addresses = [IpAddress.Parse("10.1.1.10"), IpAddress.Parse("fd00:10:1:1::10")],
            OnLink = [IpPrefix.Parse("10.1.1.0/24"), IpPrefix.Parse("fd00:10:1:1::/64")],
            GatewayV4 = IpAddress.Parse("10.1.1.1"),
            GatewayV6 = IpAddress.Parse("fd00:10:1:1::1"),
            Neighbours = _config,
            StaticNeighbours = known ?? [],
        },
        _output,
        _drops,
        new IdentificationSource(new SeededRandom(1)));

    private static byte[] Packet(string destination, int number)
    {
        var packet = new byte[28];
        packet[0] = 0x45;
        packet[4] = (byte)number;
        IpAddress.Parse(destination).WriteTo(packet.AsSpan(16));
        return packet;
    }

    private void AnswerArp(UplinkLink link, string address) =>
        link.Accept(Convert.FromHexString(Own + Router + "0806" + "0001080006040002" + Router + address + Own + "0a01010a"), _now);

    private string Hex(int i) => Convert.ToHexStringLower(_output.Uplink[i]);
}
