using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>Address-and-port-dependent mapping (decision 27): mappings of several clients share a masquerade endpoint, each for a server of its own.</summary>
[Trait("Req", "N-01")]
[Trait("Rfc", "7857 section 3")]
public sealed class SharedEndpointTests
{
    private static readonly MacAddress SecondMac = MacAddress.Parse("02:c0:00:00:00:02");
    private static readonly TransportEndpoint First = new(Site.ClientAddress, 1000);
    private static readonly TransportEndpoint Second = TransportEndpoint.Parse("192.168.77.11:1000");

    [Fact]
    public void Two_clients_share_a_port_towards_two_servers_and_each_gets_what_is_its_own()
    {
        var site = OnePort();
        var one = Open(site, Site.Client, First, Server(1));
        var two = Open(site, SecondMac, Second, Server(2));
        Assert.Equal(one, two);
        Assert.Equal(2, site.Ham.MappingCount);
        Assert.Equal((Site.Client, First), Deliver(site, Server(1), one));
        Assert.Equal((SecondMac, Second), Deliver(site, Server(2), one));

        // Another port of a server is another server.
        Assert.Equal(DropReason.NoMapping, site.In(Site.Udp(Server(3), one, 0)).Reason);
        Assert.Equal(DropReason.NoMapping, site.In(Site.Udp(Server(1) with { Address = IpAddress.Parse("203.0.113.77") }, one, 0)).Reason);

        // One client may share with itself, and one server with nobody.
        Assert.Equal(one, Open(site, Site.Client, First, Server(3)));
        Assert.Equal(DropReason.PairedPortsExhausted, Send(site, SecondMac, Site.Udp(Second, Server(3), 0)).Reason);
        Assert.Equal((Site.Client, First), Deliver(site, Server(3), one));
        Assert.Equal((Site.Client, First), Deliver(site, Server(1), one));
    }

    [Fact]
    public void A_client_endpoint_has_a_masquerade_endpoint_for_each_server_while_ports_abound()
    {
        var site = Node(64);
        var seen = Enumerable.Range(1, 8).Select(i => Open(site, Site.Client, First, Server(i))).ToList();
        Assert.Equal(8, seen.Distinct().Count());
        Assert.Equal(8, site.Ham.MappingCount);

        // As often as it speaks to one of them, it does so from the same.
        for (var i = 1; i <= 8; i++)
        {
            Assert.Equal(seen[i - 1], Open(site, Site.Client, First, Server(i)));
        }
    }

    [Theory]
    [InlineData(MappingPolicy.EndpointIndependent, false, false)]
    [InlineData(MappingPolicy.TcpAddressAndPortDependent, true, false)]
    [InlineData(MappingPolicy.AddressAndPortDependent, true, true)]
    public void The_policy_says_for_which_protocols(MappingPolicy policy, bool tcp, bool udp)
    {
        var site = Node(64, policy);
        Open(site, Site.Client, First, Server(1));
        Send(site, Site.Client, Segments.Make(First, Server(1), Segments.Syn));
        var mappings = site.Ham.Describe(10);
        Assert.Equal(udp, mappings.Single(m => m.Mapping.Protocol == TransportProtocol.Udp).Mapping.IsOfServer);
        Assert.Equal(tcp, mappings.Single(m => m.Mapping.Protocol == TransportProtocol.Tcp).Mapping.IsOfServer);
    }

    [Fact]
    [Trait("Req", "N-04")]
    [Trait("Rfc", "5508 REQ-4")]
    public void An_icmp_error_goes_to_whose_packet_it_is_about()
    {
        var site = OnePort();
        Open(site, Site.Client, First, Server(1));
        var mine = site.Uplink[^1];
        Open(site, SecondMac, Second, Server(2));
        var other = site.Uplink[^1];
        Assert.Equal(Site.Client, site.In(Segments.ErrorAbout(mine)).Client);
        Assert.Equal(SecondMac, site.In(Segments.ErrorAbout(other)).Client);
        Assert.Equal(Second, Site.Parse(site.ToClient[^1]).EmbeddedTuple.Source);
        var stranger = Site.Udp(Site.Parse(mine).Tuple.Source, Server(9), 0);
        Assert.Equal(DropReason.NoMapping, site.In(Segments.ErrorAbout(stranger)).Reason);

        // And back: an error of the client about what it got from its server.
        var got = Site.Udp(Server(2), Second, 0);
        Assert.Equal(VerdictKind.ForwardUplink, Send(site, SecondMac, Segments.ErrorAbout(got)).Kind);
    }

    [Fact]
    [Trait("Req", "N-03")]
    public void A_RST_ends_one_of_the_connections_and_the_port_rests_towards_its_server_alone()
    {
        var site = OnePort();
        Assert.Equal(VerdictKind.ForwardUplink, Send(site, Site.Client, Segments.Make(First, Server(1), Segments.Syn, 100)).Kind);
        Send(site, SecondMac, Segments.Make(Second, Server(2), Segments.Syn, 100));
        var masquerade = site.Seen();
        foreach (var server in new[] { Server(1), Server(2) })
        {
            Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(server, masquerade, Segments.SynAck, 500, 101)).Kind);
        }

        Send(site, Site.Client, Segments.Make(First, Server(1), Segments.Ack, 101, 501));
        Send(site, SecondMac, Segments.Make(Second, Server(2), Segments.Ack, 101, 501));
        Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(Server(1), masquerade, Segments.Rst, 501)).Kind);
        site.Wait(4.1 * 60_000);
        Assert.Equal(Server(2), Assert.Single(site.Ham.Describe(10)).Mapping.Server);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(Server(2), masquerade, Segments.Ack, 501, 101)).Kind);

        // The server that it rests towards may still remember the connection; others do not.
        Assert.Equal(VerdictKind.Drop, Send(site, SecondMac, Segments.Make(Second with { Port = 2000 }, Server(1), Segments.Syn)).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, Send(site, SecondMac, Segments.Make(Second with { Port = 2000 }, Server(4), Segments.Syn)).Kind);
        site.Wait(2 * 60_000);
        Assert.Equal(VerdictKind.ForwardUplink, Send(site, SecondMac, Segments.Make(Second with { Port = 2001 }, Server(1), Segments.Syn)).Kind);
        Assert.Equal(masquerade, site.Seen());
    }

    [Fact]
    public void Explicit_mappings_are_for_all_servers_and_a_client_endpoint_that_has_one_uses_it()
    {
        var site = Node(64);
        var before = Open(site, Site.Client, First, Server(1));
        var asked = site.Fam.Map(new MapRequest(Site.Client, TransportProtocol.Udp, First, default, TimeSpan.FromMinutes(10)), site.Now).Masquerade;
        Assert.NotEqual(before, asked);
        Assert.Equal(asked, Open(site, Site.Client, First, Server(2)));

        // What was open stays what it was.
        Assert.Equal(before, Open(site, Site.Client, First, Server(1)));
        Assert.Equal((Site.Client, First), Deliver(site, Server(77), asked));
    }

    /// <summary>A PEER request concerns the mapping that the connection to that server has.</summary>
    [Fact]
    public void Keeping_the_way_to_one_server_open_keeps_the_mapping_for_that_server()
    {
        var site = OnePort();
        var masquerade = Open(site, Site.Client, First, Server(1));
        Open(site, SecondMac, Second, Server(2));
        var answer = site.Fam.Map(new MapRequest(Site.Client, TransportProtocol.Udp, First, default, TimeSpan.FromMinutes(30)) { Server = Server(1) }, site.Now);
        Assert.Equal((MapOutcome.Granted, masquerade), (answer.Outcome, answer.Masquerade));
        site.Wait(10 * 60_000);
        Assert.Equal(Server(1), Assert.Single(site.Ham.Describe(10)).Mapping.Server);
        Assert.Equal((Site.Client, First), Deliver(site, Server(1), masquerade));
    }

    /// <summary>The client moves on: its server's packets follow it, the other client's stay.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void When_one_client_moves_the_other_one_s_packets_stay()
    {
        var site = OnePort();
        var masquerade = Open(site, Site.Client, First, Server(1));
        Open(site, SecondMac, Second, Server(2));
        var away = TransportEndpoint.Parse("10.1.2.10:6000");
        var id = new MappingId(TransportProtocol.Udp, masquerade, Server(1));
        site.Tell(new FamChange
        {
            Id = 9, Client = Site.Client, Epoch = new Epoch(2), NewFam = Site.Other, PreviousFam = Site.Self, Token = 7,
            Routes = [new FamRoute(id, Site.Self, masquerade, away)],
        });
        Assert.Equal(VerdictKind.ForwardUplink, site.In(Site.Udp(Server(1), masquerade, 1)).Kind);
        Assert.Equal((Server(1), away), (Site.Parse(site.Uplink[^1]).Tuple.Source, Site.Parse(site.Uplink[^1]).Tuple.Destination));
        Assert.Equal((SecondMac, Second), Deliver(site, Server(2), masquerade));

        // The last word on it names the server, and so does the end.
        site.Wait(20);
        Assert.Equal(id, Assert.Single(site.Last<HandOver>().Mappings).Mapping);
        site.Tell(new MappingsEnded { Id = 10, Client = Site.Client, Epoch = new Epoch(2), Mappings = [id with { Server = default }] });
        Assert.Equal(2, site.Ham.MappingCount);
        site.Tell(new MappingsEnded { Id = 11, Client = Site.Client, Epoch = new Epoch(2), Mappings = [id] });
        Assert.Equal((SecondMac, Second), Deliver(site, Server(2), masquerade));
        Assert.Equal(1, site.Ham.MappingCount);
    }

    /// <summary>Where a client comes to with more connections than there are ports, FAM endpoints are shared as well.</summary>
    [Fact]
    [Trait("Req", "A-09")]
    public void A_client_brings_more_connections_than_there_are_ports()
    {
        const int Connections = 20;
        var site = Node(4);
        var records = Enumerable.Range(1, Connections).Select(i => Elsewhere(i, new MappingId(TransportProtocol.Udp, TransportEndpoint.Parse("10.1.2.10:5000"), Server(i)))).ToArray();
        site.Fam.OnAssociated(MacAddress.Parse("02:c0:00:00:00:09"), site.Now);
        var arrive = site.Last<Arrive>();
        site.Outbox.Complete(arrive.Id);
        site.Fam.OnControl(
            new ArriveReply { Id = arrive.Id, Client = arrive.Client, Status = AckStatus.Ok, Epoch = new Epoch(3), PreviousFam = Site.Other, Complete = true, Mappings = records }, site.Now);
        site.Wait(20);
        var attached = site.Said.OfType<AttachKnown>().SelectMany(a => a.Attachments).DistinctBy(a => a.Mapping).ToList();
        Assert.Equal(Connections, attached.Count);
        Assert.InRange(attached.Select(a => a.FamEndpoint).Distinct().Count(), 1, 4);
        Assert.Equal(Connections, attached.Select(a => (a.FamEndpoint, a.Mapping.Server)).Distinct().Count());
        foreach (var (mapping, fam) in attached)
        {
            Assert.Equal(arrive.Client, site.In(Site.Udp(mapping.Server, fam, 0)).Client);
            Assert.Equal(1_000 + mapping.Server.Port - Server(0).Port, Site.Parse(site.ToClient[^1]).Tuple.Destination.Port);
        }

        // When the client has gone, the ports are free again.
        site.Tell(new FamChange
        {
            Id = 9, Client = arrive.Client, Epoch = new Epoch(4), NewFam = Site.Other, PreviousFam = Site.Self, Token = 7, Routes = [],
        });
        site.Wait(20);
        site.Outbox.Complete(site.Last<HandOver>().Id);
        site.Fam.OnControl(new Ack { Id = site.Last<HandOver>().Id, Status = AckStatus.Ok }, site.Now);
        for (var i = 0; i < 4; i++)
        {
            site.Wait(60_000);
        }

        Assert.Equal(4, site.Pool.Free(TransportProtocol.Udp, ipv6: false, site.Now));
    }

    /// <summary>A node that has lost its tables is told of mappings at one endpoint one client after the other.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void What_shared_an_endpoint_before_a_restart_shares_it_again()
    {
        var site = Node(4);
        var endpoint = new TransportEndpoint(Site.Own, 2_001);
        foreach (var (mac, client, number) in new[] { (Site.Client, First, 1), (SecondMac, Second, 2) })
        {
            site.Tell(new AdoptMappings
            {
                Id = (ulong)number, Client = mac, Epoch = new Epoch(4),
                Mappings = [Elsewhere(number, new MappingId(TransportProtocol.Udp, endpoint, Server(number))) with { Ham = Site.Self, ClientEndpoint = client, FamEndpoint = Away(number) }],
            });
        }

        foreach (var number in new[] { 1, 2 })
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.In(Site.Udp(Server(number), endpoint, 0)).Kind);
            Assert.Equal(Away(number), Site.Parse(site.Uplink[^1]).Tuple.Destination);
        }

        Assert.Empty(site.Said.OfType<ReleaseMappings>());

        // Another client cannot have what one of them has, nor all of it.
        foreach (var server in new[] { Server(1), default })
        {
            site.Tell(new AdoptMappings
            {
                Id = 7, Client = MacAddress.Parse("02:c0:00:00:00:03"), Epoch = new Epoch(4), Mappings = [Elsewhere(3, new MappingId(TransportProtocol.Udp, endpoint, server)) with { Ham = Site.Self }],
            });
            Assert.Equal(new MappingId(TransportProtocol.Udp, endpoint, server), Assert.Single(site.Last<ReleaseMappings>().Mappings));
        }
    }

    /// <summary>The coordinator knows a mapping for all servers that this node does not: what was offered to it for one server is not used for that, and another endpoint is named.</summary>
    [Theory]
    [InlineData(AnchorPolicy.AskCoordinator)]
    [InlineData(AnchorPolicy.AskCoordinatorFirst)]
    [Trait("Req", "A-09")]
    public void Whoever_is_asked_may_know_a_mapping_for_all_servers(AnchorPolicy policy)
    {
        var site = new Site(new FamConfig { Anchoring = policy }, Ports(64), MappingPolicy.AddressAndPortDependent);
        site.Arrive(1);
        site.FromClient(1000, Server(1));
        if (policy == AnchorPolicy.AskCoordinatorFirst)
        {
            site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
        }

        var attach = site.Last<Attach>();
        Assert.True(attach.ServerOnly);
        site.Tell(new AttachReply
        {
            Id = attach.Id, Client = Site.Client, Status = AttachStatus.Attached, Mapping = Site.Elsewhere(1000, TransportEndpoint.None) with { Connections = [] },
        });
        site.Wait(20);
        Assert.Equal("10.1.2.10:5000", site.Seen().ToString());
        var attached = Assert.Single(site.Last<AttachKnown>().Attachments);
        Assert.NotEqual(attach.FamEndpoint, attached.FamEndpoint);
        Assert.False(attached.Mapping.IsOfServer);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Site.Udp(Server(1), attached.FamEndpoint, 0)).Kind);
    }

    [Fact]
    [Trait("Req", "A-09")]
    public void What_the_coordinator_lets_this_node_establish_is_for_the_server_that_it_was_asked_for()
    {
        var site = new Site(new FamConfig { Anchoring = AnchorPolicy.AskCoordinator }, Ports(1), MappingPolicy.AddressAndPortDependent);
        site.Arrive(1);
        foreach (var number in new[] { 1, 2 })
        {
            site.FromClient(1000, Server(number));
            site.Tell(new AttachReply { Id = site.Last<Attach>().Id, Client = Site.Client, Status = AttachStatus.Established });
        }

        Assert.Equal([Server(1), Server(2)], site.Ham.Describe(10).Select(m => m.Mapping.Server).Order());
        Assert.Single(site.Uplink.Select(p => Site.Parse(p).Tuple.Source).Distinct());

        // Refused, the port is free for that server at once.
        site.FromClient(1001, Server(3));
        site.Tell(new AttachReply { Id = site.Last<Attach>().Id, Client = Site.Client, Status = AttachStatus.Refused });
        site.FromClient(1002, Server(3));
        Assert.Equal(site.Seen(), site.Last<Attach>().FamEndpoint);
    }

    [Fact]
    [Trait("Req", "A-07")]
    public void What_policy_places_here_is_for_the_server_that_is_named()
    {
        var site = OnePort();
        foreach (var number in new[] { 1, 2 })
        {
            site.Tell(new AnchorRequest { Id = (ulong)number, Client = SecondMac, Epoch = new Epoch(1), Protocol = TransportProtocol.Tcp, ClientEndpoint = Second, Server = Server(number) });
            Assert.Equal(AckStatus.Ok, site.Last<AnchorReply>().Status);
        }

        site.Tell(new AnchorRequest { Id = 2, Client = SecondMac, Epoch = new Epoch(1), Protocol = TransportProtocol.Tcp, ClientEndpoint = Second, Server = Server(2) });
        site.Tell(new AnchorRequest { Id = 3, Client = SecondMac, Epoch = new Epoch(1), Protocol = TransportProtocol.Tcp, ClientEndpoint = Second });
        Assert.Equal(AckStatus.Refused, site.Last<AnchorReply>().Status);
        Assert.Equal([Server(1), Server(2)], site.Ham.Describe(10).Select(m => m.Mapping.Server).Order());
    }

    [Fact]
    [Trait("Req", "A-20")]
    public void Packets_of_shared_endpoints_cost_no_memory()
    {
        var site = OnePort();
        var masquerade = Open(site, Site.Client, First, Server(1));
        Open(site, SecondMac, Second, Server(2));
        var packet = Site.Udp(Server(2), masquerade, 0);
        PacketParser.Parse(packet, out var summary);
        var copy = new byte[packet.Length];
        var before = 0L;
        for (var i = 0; i < 200; i++)
        {
            before = i == 100 ? GC.GetAllocatedBytesForCurrentThread() : before;
            packet.CopyTo(copy, 0);
            if (site.Ham.ProcessInbound(copy, summary, OffloadInfo.None, site.Now).Kind == VerdictKind.Local)
            {
                site.Fam.ProcessInbound(copy, summary, OffloadInfo.None, site.Now);
            }
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static TransportEndpoint Server(int number) => TransportEndpoint.Parse("203.0.113.9:7000") with { Port = (ushort)(7_000 + number) };

    private static TransportEndpoint Away(int number) => new(IpAddress.Parse("10.1.2.10"), (ushort)(6_000 + number));

    private static EndpointPoolOptions Ports(int count) => new() { Addresses = [Site.Own], FirstPort = 2_000, LastPort = (ushort)(1_999 + count) };

    /// <summary>Both clients are there.</summary>
    private static Site Node(int ports, MappingPolicy policy = MappingPolicy.AddressAndPortDependent)
    {
        var site = new Site(new FamConfig(), Ports(ports), policy);
        site.Arrive(1);
        site.Fam.OnAssociated(SecondMac, site.Now);
        var arrive = site.Last<Arrive>();
        site.Outbox.Complete(arrive.Id);
        site.Fam.OnControl(new ArriveReply { Id = arrive.Id, Client = SecondMac, Status = AckStatus.Ok, Epoch = new Epoch(1), Complete = true }, site.Now);
        return site;
    }

    private static Site OnePort() => Node(1);

    private static Verdict Send(Site site, MacAddress client, byte[] packet)
    {
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
        var verdict = site.Fam.ProcessOutbound(packet, summary, client, OffloadInfo.None, site.Now);
        if (verdict.Kind == VerdictKind.ForwardUplink)
        {
            site.Uplink.Add(packet);
        }

        return verdict;
    }

    /// <summary>A client sends a datagram; tells the masquerade endpoint that it has got.</summary>
    private static TransportEndpoint Open(Site site, MacAddress client, TransportEndpoint local, TransportEndpoint server)
    {
        Assert.Equal(VerdictKind.ForwardUplink, Send(site, client, Site.Udp(local, server, 0)).Kind);
        return site.Seen();
    }

    private static (MacAddress Client, TransportEndpoint Local) Deliver(Site site, TransportEndpoint server, TransportEndpoint masquerade)
    {
        var verdict = site.In(Site.Udp(server, masquerade, 0));
        Assert.Equal(VerdictKind.ForwardClient, verdict.Kind);
        return (verdict.Client, Site.Parse(site.ToClient[^1]).Tuple.Destination);
    }

    private static MappingRecord Elsewhere(int number, MappingId mapping) => new()
    {
        Mapping = mapping,
        ClientEndpoint = new TransportEndpoint(IpAddress.Parse("192.168.77.19"), (ushort)(1_000 + number)),
        Ham = Site.Other,
        AnchorEpoch = new Epoch(1),
        Revision = 1,
        FamEndpoint = TransportEndpoint.None,
        Connections = [new ConnectionRecord(mapping.IsOfServer ? mapping.Server : Server(number), ConnectionState.Established, 0)],
    };
}
