using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.Engines.Tests;

public sealed class EngineTests
{
    [Fact]
    [Trait("Req", "A-02")]
    [Trait("Req", "A-05")]
    [Trait("Req", "A-09")]
    public void After_a_complete_arrival_a_new_connection_waits_for_nobody()
    {
        var site = new Site();
        site.Arrive(1);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        var masquerade = site.Seen();
        Assert.Equal(Site.Own, masquerade.Address);
        Assert.Equal(63, Site.Parse(site.Uplink[^1]).Ttl);

        // The same endpoint to another server keeps its face; another endpoint gets its own.
        site.FromClient(1000, TransportEndpoint.Parse("198.51.100.7:53"));
        Assert.Equal(masquerade, site.Seen());
        site.FromClient(1001);
        Assert.NotEqual(masquerade, site.Seen());

        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(masquerade).Kind);
        Assert.Equal(new TransportEndpoint(Site.ClientAddress, 1000), Site.Parse(site.ToClient[^1]).Tuple.Destination);

        // Announced within milliseconds.
        site.Wait(3);
        Assert.Equal(2, site.Last<Announce>().Mappings.Count);
    }

    [Fact]
    [Trait("Req", "A-05")]
    [Trait("Req", "N-03")]
    [Trait("Req", "A-29")]
    public void A_server_that_the_client_has_not_spoken_to_is_refused_by_policy()
    {
        var stranger = TransportEndpoint.Parse("203.0.113.9:7001");
        foreach (var (policy, admitted) in new[] { (FilteringPolicy.AddressAndPortDependent, false), (FilteringPolicy.AddressDependent, true), (FilteringPolicy.EndpointIndependent, true) })
        {
            var site = new Site(new FamConfig { Filtering = policy });
            site.Arrive(1);
            site.FromClient(1000);
            var verdict = site.FromServer(site.Seen(), stranger);
            Assert.Equal(admitted ? VerdictKind.ForwardClient : VerdictKind.Drop, verdict.Kind);
            Assert.Equal(admitted ? 0 : 1, site.Drops[DropReason.FilteredServer]);
        }
    }

    [Fact]
    [Trait("Req", "A-04")]
    [Trait("Req", "A-29")]
    public void A_packet_to_nobodys_masquerade_endpoint_is_dropped_and_counted()
    {
        var site = new Site();
        Assert.Equal(DropReason.NoMapping, site.FromServer(new TransportEndpoint(Site.Own, 9999)).Reason);
        Assert.Equal(1, site.Drops[DropReason.NoMapping]);
    }

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
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        site.Wait(25);
        Assert.Single(site.Uplink);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1001).Kind);
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

    [Fact]
    [Trait("Req", "A-07")]
    public void A_mapping_can_be_placed_here_for_an_access_point_elsewhere()
    {
        var site = new Site();
        var request = new AnchorRequest { Id = 5, Client = Site.Client, Epoch = new Epoch(1), Protocol = TransportProtocol.Udp, ClientEndpoint = new TransportEndpoint(Site.ClientAddress, 1000) };
        site.Tell(request);
        var first = site.Last<AnchorReply>();
        Assert.Equal(AckStatus.Ok, first.Status);

        // Asked again, it answers the same and makes no second mapping.
        site.Tell(request);
        Assert.Equal(first.Masquerade, site.Last<AnchorReply>().Masquerade);
        Assert.Equal(1, site.Ham.MappingCount);
    }

    [Fact]
    [Trait("Req", "A-09")]
    [Trait("Req", "A-03")]
    [Trait("Req", "A-08")]
    public void The_lazy_way_holds_asks_and_establishes_or_gives_the_endpoint_back()
    {
        var site = new Site(new FamConfig { Anchoring = AnchorPolicy.AskCoordinatorFirst });
        site.Arrive(1);
        var free = site.Pool.Free(TransportProtocol.Udp, false, site.Now);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
        var attach = site.Last<Attach>();
        Assert.True(attach.MayEstablish);
        site.Tell(new AttachReply { Id = attach.Id, Status = AttachStatus.Established, Client = Site.Client });
        Assert.Single(site.Uplink);
        Assert.Equal(attach.FamEndpoint, site.Seen());
        Assert.Equal(1, site.Ham.MappingCount);

        site.FromClient(1001);
        site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
        site.Tell(new AttachReply { Id = site.Last<Attach>().Id, Status = AttachStatus.Refused, Client = Site.Client });
        Assert.Equal(1, site.Drops[DropReason.Refused]);
        Assert.Equal(free - 1, site.Pool.Free(TransportProtocol.Udp, false, site.Now));
    }

    [Fact]
    [Trait("Req", "A-19")]
    [Trait("Req", "A-17")]
    [Trait("Req", "N-03")]
    public void Connections_end_by_their_timers_and_their_ports_rest()
    {
        var site = new Site();
        site.Arrive(1);
        site.FromClient(1000);
        var masquerade = site.Seen();
        for (var i = 0; i < 299; i++)
        {
            site.Wait(1_000);
        }

        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(masquerade).Kind);
        for (var i = 0; i < 302; i++)
        {
            site.Wait(1_000);
        }

        Assert.Equal(0, site.Fam.MappingCount + site.Ham.MappingCount);
        Assert.Equal(DropReason.NoMapping, site.FromServer(masquerade).Reason);
        Assert.Contains(new MappingId(TransportProtocol.Udp, masquerade), site.Said.OfType<Announce>().SelectMany(a => a.Ended).Concat(site.Said.OfType<Depart>().SelectMany(d => d.Ended)));
        Assert.False(site.Pool.TryTake(TransportProtocol.Udp, masquerade, site.Now));
        Assert.True(site.Pool.TryTake(TransportProtocol.Udp, masquerade, site.Now + TimeSpan.FromSeconds(121)));
    }

    [Fact]
    [Trait("Req", "N-03")]
    public void TCP_states_follow_both_directions()
    {
        var site = new Site();
        site.Arrive(1);
        var client = new TransportEndpoint(Site.ClientAddress, 1000);
        Assert.Equal(DropReason.NotEstablished, site.Out(Site.Tcp(client, Site.Server, TcpFlags.Ack), out _).Reason);
        site.Out(Site.Tcp(client, Site.Server, TcpFlags.Syn), out _);
        Assert.Equal(ConnectionState.Opening, State(site));
        var masquerade = site.Seen();
        site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Syn | TcpFlags.Ack));
        Assert.Equal(ConnectionState.Established, State(site));
        site.Out(Site.Tcp(client, Site.Server, TcpFlags.Fin | TcpFlags.Ack), out _);
        Assert.Equal(ConnectionState.ClientClosed, State(site));
        site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Fin | TcpFlags.Ack));
        Assert.Equal(ConnectionState.Closing, State(site));
        for (var i = 0; i < 250; i++)
        {
            site.Wait(1_000);
        }

        Assert.Equal(0, site.Fam.ConnectionCount);
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void A_full_table_refuses_the_newcomer_and_leaves_the_others_alone()
    {
        var site = new Site(new FamConfig { MaxConnections = 3 });
        site.Arrive(1);
        for (ushort port = 1000; port < 1003; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port).Kind);
        }

        Assert.Equal(DropReason.TableFull, site.FromClient(1003).Reason);
        Assert.Equal(3, site.Ham.MappingCount);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void Another_clients_address_cannot_be_used()
    {
        var site = new Site();
        site.Arrive(1);
        site.FromClient(1000);
        var packet = Site.Udp(new TransportEndpoint(Site.ClientAddress, 1000), Site.Server, 0);
        Assert.Equal(DropReason.SpoofedSource, site.Fam.ProcessOutbound(packet, Site.Parse(packet), MacAddress.Parse("02:c0:00:00:00:02"), OffloadInfo.None, site.Now).Reason);
    }

    [Fact]
    [Trait("Req", "A-20")]
    public void The_packet_path_allocates_nothing()
    {
        var site = new Site();
        site.Arrive(1);
        site.FromClient(1000);
        var masquerade = site.Seen();
        var original = Site.Udp(new TransportEndpoint(Site.ClientAddress, 1000), Site.Server, 0);
        var back = Site.Udp(Site.Server, masquerade, 0);
        var buffer = new byte[original.Length];
        var allocated = long.MaxValue;

        // Some windows also compile; a packet that allocated would show in every one.
        for (var window = 0; window < 5; window++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 2_000; i++)
            {
                original.CopyTo(buffer, 0);
                PacketParser.Parse(buffer, out var summary);
                site.Fam.ProcessOutbound(buffer, summary, Site.Client, OffloadInfo.None, site.Now);
                back.CopyTo(buffer, 0);
                PacketParser.Parse(buffer, out summary);
                site.Ham.ProcessInbound(buffer, summary, OffloadInfo.None, site.Now);
                site.Fam.ProcessInbound(buffer, summary, OffloadInfo.None, site.Now);
            }

            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, allocated);
    }

    private static ConnectionState State(Site site) => site.Fam.DescribeConnections(1).Single().State;

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
