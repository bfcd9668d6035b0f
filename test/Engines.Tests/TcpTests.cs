using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Testing;

namespace Masquerade.Engines.Tests;

/// <summary>The state machine of RFC 7857 figure 1 at the FAM, with its timers, and who may move it.</summary>
[Trait("Req", "N-03")]
public sealed class TcpTests
{
    private const double Minute = 60_000;

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 2")]
    [Trait("Rfc", "5382 REQ-2")]
    public void Sessions_go_the_ways_of_figure_1(bool ipv6)
    {
        foreach (var clientFirst in new[] { true, false })
        {
            var site = Conversation.NewSite();
            var tcp = new Conversation(site, ipv6);
            Assert.Equal(DropReason.NotEstablished, tcp.FromClient(Segments.Ack).Reason);
            tcp.FromClient(Segments.Syn);
            Assert.Equal(ConnectionState.Opening, tcp.State);
            tcp.FromServer(Segments.SynAck);
            Assert.Equal(ConnectionState.Established, tcp.State);
            tcp.FromClient(Segments.Ack, payload: 10);
            End(tcp, clientFirst);
            Assert.Equal(clientFirst ? ConnectionState.ClientClosed : ConnectionState.ServerClosed, tcp.State);

            // Half closed it is as good as open: the other side may go on for hours.
            site.Wait(120 * Minute);
            End(tcp, !clientFirst);
            Assert.Equal(ConnectionState.Closing, tcp.State);
            tcp.FromClient(Segments.Ack);
            site.Wait((4 * Minute) - 1_000);
            Assert.True(tcp.Exists);
            site.Wait(2_000);
            Assert.False(tcp.Exists);
            Assert.Equal(0, site.Ham.MappingCount);
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "5382 REQ-2")]
    [Trait("Rfc", "5382 REQ-2a")]
    public void Both_sides_may_open_at_once(bool ipv6)
    {
        var site = Conversation.NewSite();
        var tcp = new Conversation(site, ipv6);
        tcp.FromClient(Segments.Syn);
        Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.Syn).Kind);
        Assert.Equal(ConnectionState.Established, tcp.State);
        Assert.Equal(VerdictKind.ForwardUplink, tcp.FromClient(Segments.SynAck).Kind);
        Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.SynAck).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, tcp.FromClient(Segments.Ack, payload: 5).Kind);
        Assert.Equal(ConnectionState.Established, tcp.State);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "5382 REQ-2a")]
    [Trait("Req", "A-19")]
    public void Both_sides_may_open_at_once_while_the_client_moves(bool ipv6)
    {
        // The client's SYN went out elsewhere; the server's comes here, and so does what follows.
        var (site, tcp) = MovedHere(ipv6, ConnectionState.Opening);
        Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.Syn).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, tcp.FromClient(Segments.SynAck).Kind);
        Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.SynAck).Kind);
        Assert.Equal(ConnectionState.Established, tcp.State);
        Assert.Equal(0, site.Drops.Total);
    }

    [Fact]
    [Trait("Rfc", "7857 section 2.1")]
    [Trait("Rfc", "5382 REQ-5")]
    [Trait("Rfc", "5382 REQ-5a")]
    public void Opening_and_closing_have_timers_of_their_own()
    {
        var defaults = new FamConfig();
        Assert.Equal((TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(124)), (defaults.TcpOpeningTimeout, defaults.TcpClosingTimeout, defaults.TcpEstablishedTimeout));

        var site = Conversation.NewSite(new FamConfig { TcpOpeningTimeout = TimeSpan.FromSeconds(10), TcpClosingTimeout = TimeSpan.FromSeconds(30) });
        var opening = new Conversation(site, ipv6: false, port: 1000);
        var closing = new Conversation(site, ipv6: false, port: 1001);
        closing.Open();
        opening.FromClient(Segments.Syn);
        closing.FromClient(Segments.FinAck);
        closing.FromServer(Segments.FinAck);
        site.Wait(9_000);
        Assert.True(opening.Exists);
        site.Wait(2_000);
        Assert.False(opening.Exists);
        Assert.True(closing.Exists);
        site.Wait(18_000);
        Assert.True(closing.Exists);
        site.Wait(2_000);
        Assert.False(closing.Exists);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "5382 REQ-5")]
    [Trait("Rfc", "7857 section 2")]
    public void An_idle_session_rests_for_four_minutes_before_it_is_forgotten(bool ipv6)
    {
        var site = Conversation.NewSite();
        var tcp = new Conversation(site, ipv6);
        tcp.Open();
        site.Wait((124 * Minute) - 1_000);
        Assert.Equal(ConnectionState.Established, tcp.State);
        site.Wait(2_000);
        Assert.Equal(ConnectionState.Reset, tcp.State);

        // Anything of either side takes it up again.
        tcp.FromServer(Segments.Ack, payload: 1);
        Assert.Equal(ConnectionState.Established, tcp.State);
        site.Wait((124 * Minute) + 1_000);
        site.Wait((4 * Minute) + 1_000);
        Assert.False(tcp.Exists);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 2.2")]
    [Trait("Req", "N-11")]
    public void After_a_RST_a_session_rests_for_four_minutes_and_data_takes_it_up_again(bool ipv6)
    {
        foreach (var fromClient in new[] { true, false })
        {
            var site = Conversation.NewSite();
            var tcp = new Conversation(site, ipv6);
            tcp.Open();
            Assert.Equal(
                fromClient ? VerdictKind.ForwardUplink : VerdictKind.ForwardClient,
                (fromClient ? tcp.FromClient(Segments.Rst) : tcp.FromServer(Segments.Rst)).Kind);
            Assert.Equal(ConnectionState.Reset, tcp.State);
            site.Wait((4 * Minute) - 1_000);
            tcp.FromServer(Segments.Ack, payload: 10);
            Assert.Equal(ConnectionState.Established, tcp.State);

            // More RSTs do not make it rest longer.
            tcp.FromServer(Segments.Rst);
            site.Wait(3 * Minute);
            Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.Rst).Kind);
            site.Wait(Minute + 1_000);
            Assert.False(tcp.Exists);
        }
    }

    /// <summary>ReDAN's attack: 65,536 RSTs, one per 65,536 numbers, are enough to hit any window of that size. They are passed on, and nothing is lost for them.</summary>
    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 2.2")]
    [Trait("Req", "N-11")]
    public void RSTs_that_the_client_will_not_believe_change_nothing(bool ipv6)
    {
        var site = Conversation.NewSite();
        var tcp = new Conversation(site, ipv6);
        tcp.Open();
        const uint Edge = Conversation.Window << Conversation.Scale;
        var believed = 0;
        for (uint i = 0; i < 65_536; i++)
        {
            var sequence = i << 16;
            var isInWindow = sequence - tcp.ServerNext <= Edge;
            Assert.Equal(VerdictKind.ForwardClient, tcp.Forged(Segments.Rst, sequence).Kind);
            Assert.Equal(isInWindow ? ConnectionState.Reset : ConnectionState.Established, tcp.State);
            site.ToClient.Clear();
            if (isInWindow)
            {
                believed++;
                tcp.FromClient(Segments.Ack, payload: 1);
            }
        }

        Assert.InRange(believed, 0, 1);
        Assert.Equal(65_536 - believed, site.Fam.UnbelievedResets);

        // The edges: what the client has acknowledged, and the last that it would take.
        foreach (var (sequence, state) in new[] { (tcp.ServerNext - 1, ConnectionState.Established), (tcp.ServerNext + Edge + 1, ConnectionState.Established), (tcp.ServerNext + Edge, ConnectionState.Reset) })
        {
            tcp.Forged(Segments.Rst, sequence);
            Assert.Equal(state, tcp.State);
        }

        tcp.FromClient(Segments.Ack, payload: 1);
        tcp.Forged(Segments.Rst, tcp.ServerNext);
        Assert.Equal(ConnectionState.Reset, tcp.State);
    }

    [Fact]
    [Trait("Req", "N-11")]
    public void What_somebody_says_in_the_servers_name_does_not_make_their_RST_believable()
    {
        var site = Conversation.NewSite();
        var tcp = new Conversation(site, ipv6: false);
        tcp.Open();
        site.In(Segments.Make(tcp.Server, tcp.WayIn, Segments.Ack, 0x4000_0000, tcp.ClientNext, ushort.MaxValue, 10));
        site.In(Segments.Make(tcp.Server, tcp.WayIn, Segments.SynAck, 0x4000_0000, tcp.ClientNext, ushort.MaxValue));
        site.In(Segments.Make(tcp.Server, tcp.WayIn, Segments.Syn, 0x4000_0000));
        tcp.Forged(Segments.Rst, 0x4000_0001);
        tcp.Forged(Segments.RstAck, 0x4000_0001, tcp.ClientNext);
        Assert.Equal(ConnectionState.Established, tcp.State);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 2.2")]
    [Trait("Req", "N-11")]
    public void A_refusal_is_believed_if_it_is_of_this_SYN(bool ipv6)
    {
        var site = Conversation.NewSite();
        var tcp = new Conversation(site, ipv6);
        tcp.FromClient(Segments.Syn);
        tcp.Forged(Segments.RstAck, 0, tcp.ClientNext + 1);
        tcp.Forged(Segments.RstAck, 0, 0);
        tcp.Forged(Segments.Rst, 0, tcp.ClientNext);
        Assert.Equal(ConnectionState.Opening, tcp.State);
        tcp.Forged(Segments.RstAck, 0, tcp.ClientNext);
        Assert.Equal(ConnectionState.Reset, tcp.State);

        // The client tries again from the same port (RFC 6191) and gets through.
        tcp.FromClient(Segments.Syn);
        Assert.Equal(ConnectionState.Opening, tcp.State);
        tcp.FromServer(Segments.SynAck);
        Assert.Equal(ConnectionState.Established, tcp.State);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 2.2")]
    [Trait("Req", "N-11")]
    [Trait("Req", "A-19")]
    public void After_a_move_a_RST_is_believed_once_the_client_has_said_what_it_takes(bool ipv6)
    {
        var (site, tcp) = MovedHere(ipv6, ConnectionState.Established);
        Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.Rst).Kind);
        Assert.Equal(ConnectionState.Established, tcp.State);
        tcp.FromClient(Segments.Ack);
        tcp.Forged(Segments.Rst, tcp.ServerNext + 0x1000_0000);
        Assert.Equal(ConnectionState.Established, tcp.State);
        tcp.FromServer(Segments.Rst);
        Assert.Equal(ConnectionState.Reset, tcp.State);
        Assert.Equal(2, site.Fam.UnbelievedResets);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 7.1")]
    [Trait("Rfc", "4787 REQ-12")]
    [Trait("Rfc", "5382 REQ-10")]
    [Trait("Rfc", "5508 REQ-6")]
    [Trait("Req", "N-11")]
    public void RSTs_and_ICMP_errors_keep_nothing_alive_and_end_nothing(bool ipv6)
    {
        var site = Conversation.NewSite(new FamConfig { TcpOpeningTimeout = TimeSpan.FromMinutes(4) });
        var tcp = new Conversation(site, ipv6);
        tcp.FromClient(Segments.Syn);
        var sent = site.Uplink[^1];
        for (var i = 0; i < 3; i++)
        {
            site.Wait(Minute);
            Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.ErrorAbout(sent)).Kind);
            tcp.Forged(Segments.Rst, 77);
            Assert.Equal(ConnectionState.Opening, tcp.State);
        }

        site.Wait(Minute + 1_000);
        Assert.False(tcp.Exists);
    }

    /// <summary>Data, acknowledgments, RSTs of whatever origin and SYNs with options: following a session costs no memory.</summary>
    [Theory, InlineData(false), InlineData(true)]
    [Trait("Req", "A-20")]
    public void Following_a_session_allocates_nothing(bool ipv6)
    {
        var site = new Site(new FamConfig(), new LinkMtu(1_400, 1_400), Site.Own, Conversation.OwnV6);
        site.Arrive(1);
        var tcp = new Conversation(site, ipv6);
        tcp.Open();
        byte[][] outbound = [Segments.Make(tcp.Client, tcp.Server, Segments.Ack, tcp.ClientNext, tcp.ServerNext, payload: 100), Segments.Make(tcp.Client, tcp.Server, Segments.Syn, 1, options: [2, 4, 5, 0xB4, 1, 3, 3, 7])];
        byte[][] inbound = [Segments.Make(tcp.Server, tcp.WayIn, Segments.Ack, tcp.ServerNext, tcp.ClientNext, payload: 100), Segments.Make(tcp.Server, tcp.WayIn, Segments.Rst, 5), Segments.Make(tcp.Server with { Port = 9 }, tcp.WayIn, Segments.Syn, 5)];
        var buffer = new byte[200];
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 2_000; i++)
            {
                foreach (var packet in outbound)
                {
                    packet.CopyTo(buffer, 0);
                    PacketParser.Parse(buffer.AsSpan(0, packet.Length), out var summary);
                    site.Fam.ProcessOutbound(buffer.AsSpan(0, packet.Length), summary, Site.Client, OffloadInfo.None, site.Now);
                }

                foreach (var packet in inbound)
                {
                    packet.CopyTo(buffer, 0);
                    PacketParser.Parse(buffer.AsSpan(0, packet.Length), out var summary);
                    site.Fam.ProcessInbound(buffer.AsSpan(0, packet.Length), summary, OffloadInfo.None, site.Now);
                }
            }
        }));
    }

    /// <summary>A client that came from elsewhere with a connection whose HAM is elsewhere: its way in is an endpoint of this node.</summary>
    private static (Site Site, Conversation Tcp) MovedHere(bool ipv6, ConnectionState state)
    {
        var site = new Site(null, null, Site.Own, Conversation.OwnV6);
        site.Fam.OnAssociated(Site.Client, site.Now);
        var offer = site.Last<Arrive>().Offers.First(o => o.Protocol == TransportProtocol.Tcp && o.Endpoint.Address.IsIPv4 != ipv6).Endpoint;
        var tcp = new Conversation(site, ipv6) { FamEndpoint = offer };
        site.Answer(7, complete: true, Site.Other, new MappingRecord
        {
            Mapping = new MappingId(TransportProtocol.Tcp, TransportEndpoint.Parse(ipv6 ? "[fd00:10:1:2::10]:5000" : "10.1.2.10:5000")),
            ClientEndpoint = tcp.Client,
            Ham = Site.Other,
            AnchorEpoch = new Epoch(1),
            Revision = 1,
            FamEndpoint = offer,
            Connections = [new ConnectionRecord(tcp.Server, state, 0)],
        });
        return (site, tcp);
    }

    private static void End(Conversation tcp, bool client)
    {
        if (client)
        {
            tcp.FromClient(Segments.FinAck);
        }
        else
        {
            tcp.FromServer(Segments.FinAck);
        }
    }
}
