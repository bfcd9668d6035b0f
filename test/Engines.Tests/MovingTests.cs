using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>Arrivals, moves and departures, seen from the access point that a client comes to and from those it leaves.</summary>
public sealed class MovingTests
{
    [Fact]
    [Trait("Req", "A-03")]
    [Trait("Req", "A-08")]
    public void First_packets_wait_for_the_answer_and_go_out_in_order()
    {
        var site = new Site();
        for (byte i = 1; i <= 5; i++)
        {
            Assert.Equal(VerdictKind.Held, site.FromClient(1000, mark: i).Kind);
        }

        var offers = site.Last<Arrive>().Offers;
        Assert.Contains(offers, o => o.Protocol == TransportProtocol.Udp);
        var endpoint = offers.First(o => o.Protocol == TransportProtocol.Udp).Endpoint;

        // A HAM elsewhere may hear of the move first: what it sends to the offered endpoint waits as well.
        Assert.Equal(VerdictKind.Held, site.FromServer(endpoint, mark: 9).Kind);
        site.Answer(2, complete: true, previous: Site.Other, Site.Elsewhere(1000, endpoint));
        Assert.Equal([1, 2, 3, 4, 5], site.Uplink.Select(Site.Mark));
        Assert.All(site.Uplink, p => Assert.Equal("10.1.2.10:5000", Site.Parse(p).Tuple.Source.ToString()));
        Assert.Equal([9], site.ToClient.Select(Site.Mark));
    }

    [Fact]
    [Trait("Req", "A-03")]
    public void The_queue_of_waiting_packets_is_bounded_and_what_waits_too_long_is_counted()
    {
        var site = new Site(new FamConfig { HoldPackets = 4 });
        for (var i = 0; i < 10; i++)
        {
            site.FromClient(1000);
        }

        Assert.Equal(6, site.Drops[DropReason.HoldQueueFull]);
        site.Fam.OnCoordinatorUp(false, site.Now);
        for (var i = 0; i < 40; i++)
        {
            site.Wait(100);
        }

        Assert.Equal(4, site.Drops[DropReason.HoldExpired]);
        Assert.Empty(site.Uplink);
    }

    [Fact]
    [Trait("Req", "A-03")]
    public void Without_a_coordinator_new_connections_go_on()
    {
        var site = new Site();
        site.Fam.OnCoordinatorDown(site.Now);
        site.Wait(1_000);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        site.Wait(25);
        Assert.Single(site.Uplink);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1001).Kind);
    }

    /// <summary>A datagram of a client that walked here as the coordinator died would get another masquerade endpoint; a SYN is new in any case.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void Datagrams_wait_for_another_coordinator_when_one_has_just_been_lost()
    {
        var site = new Site();
        site.Fam.OnCoordinatorUp(storeChanged: false, site.Now);
        site.Fam.OnCoordinatorDown(site.Now);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        site.Wait(25);
        Assert.Empty(site.Uplink);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Site.Tcp(new TransportEndpoint(Site.ClientAddress, 1001), Site.Server, TcpFlags.Syn), out _).Kind);

        site.Wait(200);
        site.Fam.OnCoordinatorUp(storeChanged: false, site.Now);
        site.Answer(5, mappings: Site.Elsewhere(1000, site.Said.OfType<Arrive>().Last().Offers.First(o => o.Protocol == TransportProtocol.Udp).Endpoint));
        Assert.Equal(3, site.Uplink.Count);
        Assert.Equal(TransportEndpoint.Parse("10.1.2.10:5000"), site.Seen());
    }

    /// <summary>Arrivals that come to nothing rest their offers for minutes; a storm of them leaves ports to connections.</summary>
    [Fact]
    [Trait("Req", "A-17")]
    public void Abandoned_arrivals_do_not_use_up_the_ports()
    {
        var site = new Site();
        for (ulong i = 0; i < 5_000; i++)
        {
            var mac = new MacAddress(0x02_C0_00_00_10_00 + i);
            site.Fam.OnAssociated(mac, site.Now);
            site.Fam.OnDisassociated(mac, site.Now);
            if (i % 500 == 499)
            {
                // Each is waited for a moment, for HAMs may have been sent here, and then taken leave of.
                site.Wait(250);
                foreach (var farewell in site.Said.OfType<Depart>())
                {
                    site.Outbox.Complete(farewell.Id);
                    site.Fam.OnControl(new Ack { Id = farewell.Id, Status = AckStatus.Ok }, site.Now);
                }

                site.Said.Clear();
            }
        }

        Assert.Equal(0, site.Fam.ClientCount);
        foreach (var protocol in (ReadOnlySpan<TransportProtocol>)[TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp])
        {
            Assert.InRange(site.Pool.Free(protocol, false, site.Now), site.Pool.Size(protocol, false) / 4, site.Pool.Size(protocol, false));
        }

        site.Arrive(1);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
    }

    [Fact]
    [Trait("Req", "A-11")]
    [Trait("Req", "A-12")]
    public void After_a_disassociation_packets_wait_and_follow_the_client_in_order()
    {
        var site = new Site();
        site.Arrive(1);
        site.FromClient(1000);
        var masquerade = site.Seen();
        site.Wait(3);
        site.Fam.OnDisassociated(Site.Client, site.Now);
        Assert.Equal(VerdictKind.Held, site.FromServer(masquerade, mark: 1).Kind);
        Assert.Equal(VerdictKind.Held, site.FromServer(masquerade, mark: 2).Kind);
        site.Uplink.Clear();
        var away = TransportEndpoint.Parse("10.1.2.10:6000");
        site.Tell(Moved(2, Site.Other, Site.Self, new FamRoute(new MappingId(TransportProtocol.Udp, masquerade), Site.Self, masquerade, away)));
        site.FromServer(masquerade, mark: 3);
        Assert.Equal([1, 2, 3], site.Uplink.Select(Site.Mark));
        Assert.All(site.Uplink, p => Assert.Equal(away, Site.Parse(p).Tuple.Destination));
        Assert.Equal(1u, site.Last<HandOver>().Mappings.Single().Revision);

        // An older message changes nothing.
        site.Tell(Moved(1, Site.Self, Site.Other, new FamRoute(new MappingId(TransportProtocol.Udp, masquerade), Site.Self, away, masquerade)));
        site.FromServer(masquerade, mark: 4);
        Assert.Equal(away, Site.Parse(site.Uplink[^1]).Tuple.Destination);
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void The_HAM_holds_new_packets_until_the_old_way_is_drained()
    {
        var site = new Site();
        var (masquerade, away) = AnchoredAndAway(site);
        var third = TransportEndpoint.Parse("10.1.3.10:7000");
        site.Uplink.Clear();
        site.Tell(Moved(3, new NodeId("ap3"), Site.Other, new FamRoute(masquerade, Site.Self, away, third)));
        var drain = Assert.IsType<Drain>(site.Peers.Single().Message);
        Assert.Equal(Site.OtherPeer, site.Peers.Single().Peer);
        Assert.Equal(VerdictKind.Held, site.FromServer(masquerade.Masquerade, mark: 1).Kind);
        Assert.Equal(VerdictKind.Held, site.FromServer(masquerade.Masquerade, mark: 2).Kind);

        // A wrong token is ignored.
        site.Ham.OnPeer(new Drained(drain.Client, drain.Epoch, drain.Token + 1), site.Now);
        Assert.Empty(site.Uplink);
        site.Ham.OnPeer(new Drained(drain.Client, drain.Epoch, drain.Token), site.Now);
        site.FromServer(masquerade.Masquerade, mark: 3);
        Assert.Equal([1, 2, 3], site.Uplink.Select(Site.Mark));
        Assert.All(site.Uplink, p => Assert.Equal(third, Site.Parse(p).Tuple.Destination));
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void A_drain_that_nobody_answers_ends_by_itself()
    {
        var site = new Site();
        var (masquerade, away) = AnchoredAndAway(site);
        site.Uplink.Clear();
        site.Tell(Moved(3, new NodeId("ap3"), Site.Other, new FamRoute(masquerade, Site.Self, away, TransportEndpoint.Parse("10.1.3.10:7000"))));
        site.FromServer(masquerade.Masquerade, mark: 1);
        site.Wait(21);
        Assert.Single(site.Uplink);
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void The_previous_FAM_answers_every_marker_that_came_before_the_news()
    {
        var site = new Site();
        var thirdPeer = TransportEndpoint.Parse("10.1.3.10:4747");
        site.Arrive(1);
        site.Fam.OnPeer(new Drain(Site.Client, new Epoch(2), 77), Site.OtherPeer, site.Now);
        site.Fam.OnPeer(new Drain(Site.Client, new Epoch(2), 77), thirdPeer, site.Now);
        site.Fam.OnPeer(new Drain(Site.Client, new Epoch(2), 78), TransportEndpoint.Parse("10.1.4.10:4747"), site.Now);
        Assert.Empty(site.Peers);
        site.Tell(Moved(2, Site.Other, Site.Self));
        Assert.All(site.Peers, p => Assert.Equal(new Drained(Site.Client, new Epoch(2), 77), p.Message));
        Assert.Equal([Site.OtherPeer, thirdPeer], site.Peers.Select(p => p.Peer));
    }

    [Fact]
    [Trait("Req", "A-06")]
    public void A_HAM_asks_where_the_client_is_but_not_for_every_packet()
    {
        var site = new Site();
        site.Arrive(1);
        site.FromClient(1000);
        var masquerade = new MappingId(TransportProtocol.Udp, site.Seen());
        site.Wait(3);
        site.Tell(new FamCleared { Id = 9, Client = Site.Client, Epoch = new Epoch(1), Routes = [new FamRoute(masquerade, Site.Self, masquerade.Masquerade, default)] });
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(DropReason.NoFam, site.FromServer(masquerade.Masquerade).Reason);
            site.Wait(10);
        }

        // 500 ms: at 0, 100 and 300.
        Assert.Equal(3, site.Said.OfType<FamQuery>().Count());
        var away = TransportEndpoint.Parse("10.1.2.10:6000");
        site.Tell(new FamQueryReply { Id = site.Last<FamQuery>().Id, Client = Site.Client, Epoch = new Epoch(2), Status = AckStatus.Ok, Routes = [new FamRoute(masquerade, Site.Self, default, away)] });
        Assert.Equal(VerdictKind.ForwardUplink, site.FromServer(masquerade.Masquerade).Kind);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_FAM_is_cleared_only_by_a_message_that_still_names_it()
    {
        var site = new Site();
        var (masquerade, away) = AnchoredAndAway(site);
        site.Tell(new FamCleared { Id = 9, Client = Site.Client, Epoch = new Epoch(1), Routes = [new FamRoute(masquerade, Site.Self, masquerade.Masquerade, default)] });
        Assert.Equal(VerdictKind.ForwardUplink, site.FromServer(masquerade.Masquerade).Kind);
        site.Tell(new FamCleared { Id = 9, Client = Site.Client, Epoch = new Epoch(2), Routes = [new FamRoute(masquerade, Site.Self, away, default)] });
        Assert.Equal(DropReason.NoFam, site.FromServer(masquerade.Masquerade).Reason);
    }

    private static FamChange Moved(ulong epoch, NodeId to, NodeId previous, params FamRoute[] routes) => new()
    {
        Id = 900 + epoch,
        Client = Site.Client,
        Epoch = new Epoch(epoch),
        NewFam = to,
        PreviousFam = previous,
        PreviousFamPeer = previous == Site.Other ? Site.OtherPeer : TransportEndpoint.Parse("10.1.1.10:4747"),
        Token = 77,
        Routes = routes,
    };

    private static (MappingId Mapping, TransportEndpoint Away) AnchoredAndAway(Site site)
    {
        site.Arrive(1);
        site.FromClient(1000);
        var masquerade = new MappingId(TransportProtocol.Udp, site.Seen());
        var away = TransportEndpoint.Parse("10.1.2.10:6000");
        site.Tell(Moved(2, Site.Other, Site.Self, new FamRoute(masquerade, Site.Self, masquerade.Masquerade, away)));
        return (masquerade, away);
    }
}
