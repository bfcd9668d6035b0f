using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Ham;
using Masquerade.Testing;

namespace Masquerade.Engines.Tests;

/// <summary>Connections of a client that stays where it is.</summary>
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
            var site = new Site(new FamConfig { UdpFiltering = policy });
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
        Assert.Equal(0, Allocations.Least(() =>
        {
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
        }));
    }

    private static ConnectionState State(Site site) => site.Fam.DescribeConnections(1).Single().State;
}
