using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Neighbours.NeighbourSite;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Neighbours;

/// <summary>What clients say to groups is counted and not forwarded; mDNS and SSDP are told the clients of other access points if that is switched on.</summary>
[Trait("Req", "N-13")]
public sealed class RelayTests
{
    private static NeighbourSite Site(bool mdns = true, bool ssdp = true)
    {
        var site = new NeighbourSite(model => model with { Neighbourhood = new NeighbourhoodConfig { RelayMdns = mdns, RelaySsdp = ssdp } });
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        site.Appear(Cora, 2);
        return site;
    }

    private static void Say(NeighbourSite site, MacAddress client, TransportEndpoint from, string group, byte[] payload, int node = 0)
    {
        var packet = RoamingPair.Datagram(from, TransportEndpoint.Parse(group), payload);
        site[node].OnClientFrame(Frame(MacAddress.Parse(from.Address.IsIPv4 ? "01:00:5e:00:00:fb" : "33:33:00:00:00:fb"), client, packet), OffloadInfo.None, site.Now);
        site.Settle();
    }

    [Theory]
    [InlineData("224.0.0.251:5353", 255, "01:00:5e:00:00:fb")]
    [InlineData("[ff02::fb]:5353", 255, "33:33:00:00:00:fb")]
    [InlineData("239.255.255.250:1900", 1, "01:00:5e:7f:ff:fa")]
    [InlineData("[ff02::c]:1900", 1, "33:33:00:00:00:0c")]
    [InlineData("[ff05::c]:1900", 1, "33:33:00:00:00:0c")]
    public void Other_access_points_clients_hear_it_once_as_it_was_said(string group, int hops, string mac)
    {
        var site = Site();
        var from = Of(Anna, group[0] == '[', 5_353);
        var payload = Payload(300, 1);
        Say(site, Anna, from, group, payload);
        Assert.Equal([(1, mac), (2, mac)], site.AtClient.Select(p => (p.Node, p.Client.ToString())).Order());
        var wanted = RoamingPair.Datagram(from, TransportEndpoint.Parse(group), payload);
        Assert.All(site.AtClient, p => Assert.Equal(Comparable(wanted), Comparable(p.Packet)));
        Assert.All(site.AtClient, p => Assert.Equal(hops, p.Packet[p.Packet[0] >> 4 == 6 ? 7 : 8]));
        Assert.All(site.AtClient.Where(p => p.Packet[0] >> 4 == 4), p => Assert.Equal(0, Core.Checksum.InternetChecksum.Compute(p.Packet.AsSpan(0, 20))));
        Assert.Equal((2, 0), ((int)site[0].RelayedToNodes, (int)site[0].RelayedToClients));
        site.AssertNoDrops();
    }

    /// <summary>Who has heard a question of a neighbour's answers it at its own address.</summary>
    [Fact]
    public void A_search_is_answered_at_the_searcher_s_own_address()
    {
        var site = Site();
        var (searcher, device) = (Of(Anna, false, 50_000), Of(Bert, false, 1_900));
        Say(site, Anna, searcher, "239.255.255.250:1900", "M-SEARCH"u8.ToArray());
        site.AtClient.Clear();
        var answer = RoamingPair.Datagram(device, searcher, "HTTP/1.1 200 OK"u8);
        site.Send(Bert, answer);
        AssertSame(answer, Assert.Single(site.AtClient).Packet, 2);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Only_what_is_switched_on_is_relayed_and_all_is_counted_by_kind(bool mdns, bool ssdp)
    {
        var site = Site(mdns, ssdp);
        Say(site, Anna, Of(Anna, false, 5_353), "224.0.0.251:5353", [1]);
        Say(site, Anna, Of(Anna, false, 1_900), "239.255.255.250:1900", [1]);
        Say(site, Anna, Of(Anna, false, 1_900), "255.255.255.255:9", [1]);
        Say(site, Anna, Of(Anna, false, 1_900), "192.168.77.255:9", [1]);
        Say(site, Anna, Of(Anna, false, 1_900), "239.1.2.3:9", [1]);
        Assert.Equal((mdns ? 2 : 0) + (ssdp ? 2 : 0), site.AtClient.Count);
        Assert.Equal([1, 2, 1, 1], Enum.GetValues<GroupKind>().Select(site[0].GroupPackets));
        Assert.Equal(5 - (mdns ? 1 : 0) - (ssdp ? 1 : 0), site.Drops(DropReason.Multicast));
        Assert.Empty(site.Astray);
    }

    [Fact]
    public void Who_is_kept_apart_hears_nothing_and_what_is_too_long_nobody()
    {
        var apart = new NeighbourSite(model => model with { Neighbourhood = new NeighbourhoodConfig { RelayMdns = true, Isolate = true } });
        apart.Appear(Anna, 0);
        apart.Appear(Bert, 1);
        Say(apart, Anna, TransportEndpoint.Parse("[fe80::11]:5353"), "[ff02::fb]:5353", [1]);
        Assert.Empty(apart.AtClient);
        Assert.Equal(0, apart[0].RelayedToNodes);

        var site = Site();
        Say(site, Anna, Of(Anna, false, 5_353), "224.0.0.251:5353", Payload(1_472, 1));
        Assert.Empty(site.AtClient);
        Assert.Equal(1, site.Drops(DropReason.TooBig));
    }

    [Fact]
    public void A_link_local_address_is_its_first_client_s()
    {
        var site = Site();
        var dora = MacAddress.Parse("02:00:00:00:00:44");
        site.Appear(dora, 0);
        Say(site, Anna, TransportEndpoint.Parse("[fe80::11]:5353"), "[ff02::fb]:5353", [1]);
        Assert.Equal(2, site.AtClient.Count);
        site.AtClient.Clear();
        Say(site, dora, TransportEndpoint.Parse("[fe80::11]:5353"), "[ff02::fb]:5353", [1]);
        Assert.Empty(site.AtClient);
        Assert.Equal(1, site.Drops(DropReason.SpoofedSource));
    }

    /// <summary>A client that floods has its share; forged sources, and words of who is no relay, come to nothing.</summary>
    [Fact]
    public void Floods_forgeries_and_strangers_are_kept_in_bounds()
    {
        var site = Site();
        for (var i = 0; i < 1_000; i++)
        {
            Say(site, Anna, Of(Anna, false, 5_353), "224.0.0.251:5353", [1]);
        }

        Assert.InRange(site.AtClient.Count(p => p.Node == 1), 1, 25);
        Assert.True(site.Drops(DropReason.TooOften) > 900);

        // Others at her access point are heard all the same.
        var dora = MacAddress.Parse("02:00:00:00:00:44");
        site.Appear(dora, 0);
        site.AtClient.Clear();
        Say(site, dora, Of(dora, false, 5_353), "224.0.0.251:5353", [9]);
        Assert.Equal(2, site.AtClient.Count);
        site.Wait(5_000);
        site.AtClient.Clear();
        Say(site, Cora, Of(Anna, false, 5_353), "224.0.0.251:5353", [1], node: 2);
        Say(site, Cora, TransportEndpoint.Parse("203.0.113.1:5353"), "224.0.0.251:5353", [1], node: 2);
        Assert.Empty(site.AtClient);
        Assert.Equal(1, site.Drops(DropReason.SpoofedSource));

        var message = new byte[100];
        foreach (var (from, key, service) in new[] { ("203.0.113.9:4747", 0UL, (byte)0), ("10.1.1.10:4747", 7UL, (byte)0), ("10.1.1.10:4747", 7UL, (byte)200), ("10.1.1.10:4748", 7UL, (byte)1) })
        {
            var length = NeighbourCodec.WriteMessage(message, key, service, Of(Anna, false, 5_353), [1, 2, 3]);
            site.FromOutside(RoamingPair.Datagram(TransportEndpoint.Parse(from), new TransportEndpoint(Own(1, false), 4_747), message.AsSpan(0, length)), 1);
        }

        Assert.Empty(site.AtClient);
        Say(site, Cora, Of(Cora, false, 5_353), "224.0.0.251:5353", [1], node: 2);
        Assert.Equal(2, site.AtClient.Count);
    }
}
