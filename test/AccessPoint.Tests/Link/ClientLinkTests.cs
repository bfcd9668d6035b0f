using Masquerade.AccessPoint.Link;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Link;

/// <summary>The virtual gateway's ARP and ND, frame by literal frame.</summary>
public sealed class ClientLinkTests
{
    private const string Client = "020000000011";
    private const string Gateway = "026d71000001";
    private const string Other = "020000000099";

    private readonly RecordingOutput _output = new();
    private readonly DropCounters _drops = new();
    private readonly ClientLink _link;

    public ClientLinkTests()
    {
        var model = new ClientSideModel
        {
            GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
            Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
        };
        _link = new ClientLink(model, _output, _drops, new IdentificationSource(new SeededRandom(1)));
    }

    [Fact, Trait("Req", "A-01")]
    public void The_gateway_answers_arp_with_the_virtual_mac()
    {
        Assert.False(Accept("ffffffffffff" + Client + "0806" + "0001080006040001" + Client + "c0a84d65" + "000000000000" + "c0a84d01", out var seen));
        Assert.Equal(MacAddress.Parse("02:00:00:00:00:11"), seen);
        Assert.Equal([Client + Gateway + "0806" + "0001080006040002" + Gateway + "c0a84d01" + Client + "c0a84d65"], Sent());
        Assert.Equal(0, _drops.Total);
    }

    [Theory, Trait("Req", "A-01")]
    [InlineData("another client's address", "c0a84d65", "c0a84d66", true)]
    [InlineData("a probe of another client's address (RFC 5227)", "00000000", "c0a84d66", false)]
    [InlineData("a probe of the gateway's address", "00000000", "c0a84d01", true)]
    [InlineData("an announcement of the own address", "c0a84d65", "c0a84d65", false)]
    [InlineData("an announcement of the gateway's address", "c0a84d01", "c0a84d01", true)]
    [InlineData("the network address", "c0a84d65", "c0a84d00", false)]
    [InlineData("the broadcast address", "c0a84d65", "c0a84dff", false)]
    [InlineData("an address elsewhere", "c0a84d65", "c0a84e01", false)]
    public void Arp_is_answered_only_where_the_asker_must_go_through_the_gateway(string what, string sender, string target, bool answered)
    {
        Accept("ffffffffffff" + Client + "0806" + "0001080006040001" + Client + sender + "000000000000" + target, out _);
        Assert.True(answered == (_output.Client.Count == 1), what);
        Assert.Equal(answered ? 0 : 1, _drops[DropReason.NotForUs]);
    }

    [Fact]
    public void An_arp_sender_that_is_not_the_frames_source_is_refused()
    {
        Accept("ffffffffffff" + Client + "0806" + "0001080006040001" + Other + "c0a84d65" + "000000000000" + "c0a84d01", out _);
        Assert.Empty(_output.Client);
        Assert.Equal(1, _drops[DropReason.Malformed]);
    }

    [Theory]
    [InlineData("fe80::1", 0xE0)]
    [InlineData("fd00:77::102", 0x40)]
    public void Neighbour_solicitations_are_answered_for_the_gateway_and_for_other_clients(string target, int flags)
    {
        var frame = new byte[LinkFrames.MaxLength];
        var client = MacAddress.Parse("02:00:00:00:00:11");
        var source = IpAddress.Parse("fd00:77::101");
        var length = LinkFrames.NeighbourSolicitation(frame, client, source, IpAddress.Parse(target), MacAddress.None);
        Assert.False(_link.Accept(frame.AsSpan(0, length), out _, out _));
        var answer = Assert.Single(_output.Client);
        Assert.True(EthernetHeader.TryParse(answer, out var ethernet));
        Assert.Equal(client, ethernet.Destination);
        Assert.Equal(AccessPointModel.DefaultGatewayMac, ethernet.Source);
        Assert.True(NdMessage.TryParse(ethernet.Payload, out var advertisement));
        Assert.Equal(Icmpv6Type.NeighbourAdvertisement, advertisement.Type);
        Assert.Equal(IpAddress.Parse(target), advertisement.Source);
        Assert.Equal(source, advertisement.Destination);
        Assert.Equal(IpAddress.Parse(target), advertisement.Target);
        Assert.Equal(AccessPointModel.DefaultGatewayMac, advertisement.LinkLayer);
        Assert.Equal((NdFlags)flags, advertisement.Flags);
    }

    [Theory]
    [InlineData("fd00:77::102", 0)]
    [InlineData("fe80::1", 1)]
    public void Duplicate_address_detection_fails_only_for_the_gateways_address(string target, int answers)
    {
        var frame = new byte[LinkFrames.MaxLength];
        EthernetHeader.Write(frame, NdMessage.GroupMac(NdMessage.SolicitedNode(IpAddress.Parse(target))), MacAddress.Parse("02:00:00:00:00:11"), EtherType.IPv6);
        var probe = NdWriter.NeighbourSolicitation(frame.AsSpan(14), IpAddress.None, NdMessage.SolicitedNode(IpAddress.Parse(target)), IpAddress.Parse(target));
        var length = 14 + probe.Finish();
        _link.Accept(frame.AsSpan(0, length), out _, out _);
        Assert.Equal(answers, _output.Client.Count);
        Assert.Equal(0, _drops[DropReason.Malformed]);
    }

    [Fact]
    public void Router_advertisements_make_addresses_but_no_link()
    {
        Assert.Equal(Instant.Zero, _link.NextDeadline);
        _link.Advance(Instant.FromMilliseconds(5));
        var frame = Assert.Single(_output.Client);
        Assert.True(EthernetHeader.TryParse(frame, out var ethernet));
        Assert.Equal("33:33:00:00:00:01", ethernet.Destination.ToString());
        Assert.True(NdMessage.TryParse(ethernet.Payload, out var advertisement));
        Assert.Equal(Icmpv6Type.RouterAdvertisement, advertisement.Type);
        Assert.Equal(IpAddress.Parse("fe80::1"), advertisement.Source);
        Assert.Equal(1_800, advertisement.RouterLifetime);
        Assert.Equal(AccessPointModel.DefaultGatewayMac, advertisement.LinkLayer);
        var prefixes = new List<NdPrefix>();
        var options = advertisement.Options;
        while (options.TryNext(out var option))
        {
            if (option.TryGetPrefix(out var prefix))
            {
                prefixes.Add(prefix);
            }
        }

        Assert.Equal([new NdPrefix(IpAddress.Parse("fd00:77::"), 64, NdPrefixFlags.Autonomous, 86_400, 14_400)], prefixes);
        Assert.Equal(Instant.FromMilliseconds(5) + TimeSpan.FromSeconds(200), _link.NextDeadline);
    }

    /// <summary>RFC 4942 section 2.2: ::ffff:a.b.c.d in an IPv6 packet must not pass for the IPv4 address.</summary>
    [Fact]
    public void Nobody_asks_for_an_ipv4_address_by_nd()
    {
        var frame = new byte[LinkFrames.MaxLength];
        EthernetHeader.Write(frame, NdMessage.GroupMac(NdMessage.AllNodes), MacAddress.Parse("02:00:00:00:00:11"), EtherType.IPv6);
        var solicitation = NdWriter.NeighbourSolicitation(frame.AsSpan(14), IpAddress.Parse("fd00:77::101"), NdMessage.AllNodes, IpAddress.None);
        Convert.FromHexString("00000000000000000000ffffc0a84d01").CopyTo(frame, 14 + 40 + 8);
        _link.Accept(frame.AsSpan(0, 14 + solicitation.Finish()), out _, out _);
        Assert.Empty(_output.Client);
        Assert.Equal(1, _drops[DropReason.Malformed]);
    }

    [Theory, Trait("Req", "A-29")]
    [InlineData("another station's frame", Other + Client + "0800" + "45", DropReason.NotForUs, false)]
    [InlineData("a frame from the virtual address: another access point's", Gateway + Gateway + "0800" + "45", DropReason.NotForUs, false)]
    [InlineData("a group as source", Gateway + "010000000001" + "0800" + "45", DropReason.Malformed, false)]
    [InlineData("a multicast packet", "01005e000001" + Client + "0800" + "45", DropReason.Multicast, true)]
    [InlineData("a VLAN tag", Gateway + Client + "8100" + "00010800", DropReason.NotForUs, true)]
    [InlineData("half a header", Gateway + Client + "08", DropReason.Truncated, false)]
    [InlineData("half an ARP packet", Gateway + Client + "0806" + "000108000604", DropReason.Truncated, true)]
    public void Every_refused_frame_has_a_reason(string what, string frame, DropReason reason, bool provesPresence)
    {
        Assert.False(Accept(frame, out var seen), what);
        Assert.Equal(1, _drops[reason]);
        Assert.Equal(1, _drops.Total);
        Assert.Equal(provesPresence, !seen.IsNone);
        Assert.Empty(_output.Client);
    }

    private bool Accept(string hex, out MacAddress seen) => _link.Accept(Convert.FromHexString(hex), out seen, out _);

    private List<string> Sent() => _output.Client.ConvertAll(Convert.ToHexStringLower);
}
