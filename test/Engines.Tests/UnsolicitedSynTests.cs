using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>SYNs that the filter refuses, and segment sizes: what the FAM does with SYNs besides passing them on.</summary>
public sealed class UnsolicitedSynTests
{
    [Theory, InlineData(false), InlineData(true)]
    [Trait("Req", "N-02")]
    [Trait("Rfc", "5382 REQ-4")]
    public void A_SYN_that_nobody_asked_for_is_answered_after_six_seconds(bool ipv6)
    {
        var (site, tcp, stranger) = Stage(ipv6, new FamConfig());
        var syn = Segments.Make(stranger, tcp.WayIn, Segments.Syn, 100);
        Assert.Equal(DropReason.FilteredServer, site.In((byte[])syn.Clone()).Reason);
        site.Wait(5_900);
        Assert.Empty(site.Errors);
        site.Wait(200);
        var (error, about, client) = Assert.Single(site.Errors);
        Assert.Equal((IcmpError.PortUnreachable, MacAddress.None), (error, client));
        Assert.Equal(syn, about);
        site.Wait(60_000);
        Assert.Single(site.Errors);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "5382 REQ-4")]
    public void A_SYN_of_the_client_meanwhile_takes_it_back(bool ipv6)
    {
        var (site, tcp, stranger) = Stage(ipv6, new FamConfig());
        site.In(Segments.Make(stranger, tcp.WayIn, Segments.Syn, 100));
        site.Wait(5_000);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(tcp.Client, stranger, Segments.Syn, 900), out _).Kind);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(stranger, tcp.WayIn, Segments.Syn, 100)).Kind);
        site.Wait(10_000);
        Assert.Empty(site.Errors);
    }

    [Fact]
    [Trait("Rfc", "5382 REQ-4")]
    [Trait("Req", "A-19")]
    public void A_client_that_has_left_meanwhile_may_have_asked_for_it_where_it_is_now()
    {
        var (site, tcp, stranger) = Stage(ipv6: false, new FamConfig());
        site.In(Segments.Make(stranger, tcp.WayIn, Segments.Syn, 100));
        site.Fam.OnDisassociated(Site.Client, site.Now);
        site.Wait(7_000);
        Assert.Empty(site.Errors);
    }

    [Fact]
    [Trait("Rfc", "5382 REQ-4")]
    [Trait("Req", "A-29")]
    public void A_flood_of_SYNs_makes_no_flood_of_answers_nor_of_memory()
    {
        var (site, tcp, _) = Stage(ipv6: false, new FamConfig { MaxUnsolicitedSyns = 10 });
        for (var i = 0; i < 120; i++)
        {
            for (ushort port = 1; port < 100; port++)
            {
                site.In(Segments.Make(new TransportEndpoint(IpAddress.FromV4(0xC633_6401 + (uint)i), port), tcp.WayIn, Segments.Syn));
            }

            site.Wait(500);
        }

        Assert.Equal(120 * 99, site.Drops[DropReason.FilteredServer]);
        Assert.InRange(site.Errors.Count, 80, 100);
        Assert.Equal(1, site.Fam.ConnectionCount);
    }

    [Theory]
    [InlineData(0, Segments.Syn, 0)]
    [InlineData(256, Segments.SynAck, 0)]
    [InlineData(256, Segments.Ack, 0)]
    [InlineData(256, Segments.Rst, 0)]
    [InlineData(256, Segments.Syn, 500)]
    [Trait("Rfc", "5382 REQ-4a")]
    public void Policy_may_forbid_the_answer_and_nothing_but_a_SYN_gets_one(int places, TcpFlags flags, int payload)
    {
        var (site, tcp, stranger) = Stage(ipv6: false, new FamConfig { MaxUnsolicitedSyns = places });
        site.In(Segments.Make(stranger, tcp.WayIn, flags, 100, payload: payload));
        site.Wait(7_000);
        Assert.Empty(site.Errors);
        Assert.Equal(1, site.Drops[DropReason.FilteredServer]);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Req", "N-07")]
    [Trait("Rfc", "9293 section 3.7.1")]
    public void SYNs_of_both_sides_are_told_of_the_smaller_link(bool ipv6)
    {
        foreach (var (clamp, client, uplink, expected) in new[] { (true, 1_400, 1_500, 1_400), (true, 1_500, 1_300, 1_300), (false, 1_400, 1_400, 1_500), (true, 1_500, 1_500, 1_500) })
        {
            var site = new Site(new FamConfig { ClampMss = clamp }, new LinkMtu(uplink, client), Site.Own, Conversation.OwnV6);
            site.Arrive(1);
            var tcp = new Conversation(site, ipv6);
            var overhead = ipv6 ? 60 : 40;
            var announced = 1_500 - overhead;
            byte[] option = [2, 4, (byte)(announced >> 8), (byte)announced];
            site.Out(Segments.Make(tcp.Client, tcp.Server, Segments.Syn, 1, options: option), out var syn);
            Assert.Equal(expected - overhead, TcpOptions.SegmentSize(syn, Site.Parse(syn)));
            Assert.True(Segments.IsRight(syn));
            site.In(Segments.Make(tcp.Server, Site.Parse(syn).Tuple.Source, Segments.SynAck, 1, 2, options: option));
            var answer = site.ToClient[^1];
            Assert.Equal(expected - overhead, TcpOptions.SegmentSize(answer, Site.Parse(answer)));
            Assert.True(Segments.IsRight(answer));
        }
    }

    private static (Site Site, Conversation Tcp, TransportEndpoint Stranger) Stage(bool ipv6, FamConfig config)
    {
        var site = Conversation.NewSite(config);
        var tcp = new Conversation(site, ipv6);
        tcp.Open();
        return (site, tcp, tcp.Server with { Port = 9 });
    }
}
