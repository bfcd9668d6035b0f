using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>What one client may take, and that it is nobody else's loss (N-10).</summary>
[Trait("Req", "N-10")]
public sealed class QuotaTests
{
    private static readonly MacAddress Neighbour = MacAddress.Parse("02:c0:00:00:00:02");
    private static readonly IpAddress NeighbourAddress = IpAddress.Parse("192.168.77.20");

    [Fact]
    [Trait("Rfc", "6888 REQ-4")]
    [Trait("Rfc", "6888 REQ-11")]
    [Trait("Rfc", "5508 REQ-8")]
    public void Each_protocol_has_a_limit_and_what_exists_stays()
    {
        var site = new Site(new FamConfig { UdpMappingsPerClient = 5, TcpMappingsPerClient = 3 });
        site.Arrive(1);
        for (ushort port = 1000; port < 1005; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port).Kind);
        }

        var free = site.Pool.Free(TransportProtocol.Udp, false, site.Now);
        for (ushort port = 1005; port < 1010; port++)
        {
            Assert.Equal(DropReason.ClientQuota, site.FromClient(port).Reason);
        }

        Assert.Equal(5, site.Drops[DropReason.ClientQuota]);
        Assert.Equal(5, site.Errors.Count);
        Assert.All(site.Errors, e => Assert.Equal((IcmpError.HostUnreachable, Site.Client), (e.Error, e.Client)));
        Assert.Equal(1005, Site.Parse(site.Errors[0].About).Tuple.Source.Port);
        Assert.Equal(5, site.Fam.MappingCount);
        Assert.Equal(free, site.Pool.Free(TransportProtocol.Udp, false, site.Now));

        // Its mappings go on, also to servers that are new; other protocols have limits of their own.
        for (ushort port = 1000; port < 1005; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port, TransportEndpoint.Parse("198.51.100.7:53")).Kind);
        }

        for (ushort port = 1000; port < 1004; port++)
        {
            var verdict = site.Out(Segments.Make(new TransportEndpoint(Site.ClientAddress, port), Site.Server, Segments.Syn), out _);
            Assert.Equal(port < 1003 ? DropReason.None : DropReason.ClientQuota, verdict.Reason);
        }

        // Operators hear of it once, and later how often it was.
        var told = Assert.Single(site.Events.OfType<QuotaReached>());
        Assert.Equal((Site.Client, DropReason.ClientQuota, TransportProtocol.Udp, 1L), (told.Client, told.Limit, told.Protocol, told.Refused));
        site.Wait(61_000);
        site.FromClient(2000);
        Assert.Equal(6, site.Events.OfType<QuotaReached>().Last().Refused);
    }

    [Fact]
    [Trait("Rfc", "6888 REQ-4")]
    public void What_has_ended_makes_room()
    {
        var site = new Site(new FamConfig { UdpMappingsPerClient = 1 });
        site.Arrive(1);
        site.FromClient(1000);
        Assert.Equal(DropReason.ClientQuota, site.FromClient(1001).Reason);
        site.Wait(301_000);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1001).Kind);
    }

    /// <summary>One radio pretends to be ever new clients, which never go: the coordinator is asked about as many as the table holds, and who was there first notices nothing.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-10")]
    public void A_flood_of_clients_that_never_go_ends_at_the_table(bool byAssociation)
    {
        const int Flood = 1_000;
        var site = new Site(new FamConfig { MaxClients = 8 });
        site.Arrive(1);
        for (var i = 0; i < Flood; i++)
        {
            var stranger = new MacAddress(0x0600_0000_0000 + (ulong)i);
            if (byAssociation)
            {
                site.Fam.OnAssociated(stranger, site.Now);
                continue;
            }

            var packet = Site.Udp(new TransportEndpoint(IpAddress.FromV4(0xC0A8_5000 + (uint)i), 1000), Site.Server, 0);
            var verdict = site.Fam.ProcessOutbound(packet, Site.Parse(packet), stranger, OffloadInfo.None, site.Now);
            Assert.Equal(i < 7 ? DropReason.None : DropReason.TableFull, verdict.Reason);
        }

        site.Wait(1_000);
        Assert.Equal(8, site.Fam.ClientCount);
        Assert.Equal(8, site.Said.OfType<Arrive>().Select(a => a.Client).Distinct().Count());
        Assert.Equal(byAssociation ? 0 : Flood - 7, site.Drops[DropReason.TableFull]);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1001).Kind);

        // Where one goes, another may come.
        var gone = new MacAddress(0x0600_0000_0000);
        var asked = site.Said.OfType<Arrive>().Last(a => a.Client == gone);
        site.Tell(new ArriveReply { Id = asked.Id, Client = gone, Status = AckStatus.Ok, Epoch = new Epoch(1), Complete = true });
        site.Fam.OnDisassociated(gone, site.Now);
        site.Wait(1_000);
        site.Tell(new Ack { Id = site.Last<Depart>().Id, Status = AckStatus.Ok });
        Assert.Equal(7, site.Fam.ClientCount);
        site.Fam.OnAssociated(Neighbour, site.Now);
        Assert.Equal(Neighbour, site.Last<Arrive>().Client);
        Assert.Equal(8, site.Fam.ClientCount);
    }

    [Fact]
    [Trait("Rfc", "6888 REQ-4")]
    [Trait("Rfc", "6888 REQ-5")]
    public void Connections_are_opened_at_a_rate()
    {
        var site = new Site(new FamConfig { ConnectionRatePerClient = 10, ConnectionBurstPerClient = 20 });
        site.Arrive(1);
        ushort port = 1000;
        Assert.Equal(20, Try(100));
        Assert.Equal(80, site.Drops[DropReason.ClientRate]);
        site.Wait(1_000);
        Assert.Equal(10, Try(100));

        // New servers of one endpoint count as well, or a single socket could fill the tables.
        site.Wait(1_000);
        var opened = Enumerable.Range(0, 100).Count(i => site.FromClient(1000, new TransportEndpoint(IpAddress.FromV4(0xC633_6401), (ushort)(100 + i))).Kind == VerdictKind.ForwardUplink);
        Assert.Equal(10, opened);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);

        // Rest fills no more than the burst.
        site.Wait(60_000);
        Assert.Equal(20, Try(100));

        int Try(int count) => Enumerable.Range(0, count).Count(_ => site.FromClient(port++).Kind == VerdictKind.ForwardUplink);
    }

    /// <summary>The flood stops at the client's own limit, and the room that is left is the others'.</summary>
    [Fact]
    [Trait("Rfc", "6888 REQ-5")]
    [Trait("Rfc", "6888 REQ-11")]
    public void A_SYN_flood_of_one_client_costs_the_others_nothing()
    {
        var site = new Site(new FamConfig { OpeningPerClient = 50, MaxConnections = 100 });
        site.Arrive(1);
        var tcp = new Conversation(site, ipv6: false, port: 999);
        tcp.Open();
        Enter(site, Neighbour);
        Assert.Equal(VerdictKind.ForwardUplink, FromNeighbour(site, 1).Kind);
        for (ushort port = 1000; port < 3000; port++)
        {
            site.Out(Segments.Make(new TransportEndpoint(Site.ClientAddress, port), Site.Server, Segments.Syn, port), out _);
        }

        Assert.Equal(52, site.Fam.ConnectionCount);
        Assert.Equal(1_950, site.Drops[DropReason.ClientQuota]);
        for (ushort port = 2; port < 40; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, FromNeighbour(site, port).Kind);
        }

        Assert.Equal(VerdictKind.ForwardUplink, FromNeighbour(site, 1).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, tcp.FromClient(Segments.Ack, payload: 9).Kind);
        Assert.Equal(VerdictKind.ForwardClient, tcp.FromServer(Segments.Ack, payload: 9).Kind);

        // Whatever becomes of one that was opening, it makes room for the next.
        var refused = new Conversation(site, ipv6: false, port: 4000);
        Assert.Equal(DropReason.ClientQuota, refused.FromClient(Segments.Syn).Reason);
        site.Wait(241_000);
        Assert.Equal(VerdictKind.ForwardUplink, refused.FromClient(Segments.Syn).Kind);
        for (ushort port = 5000; port < 5049; port++)
        {
            new Conversation(site, ipv6: false, port).FromClient(Segments.Syn);
        }

        Assert.Equal(DropReason.ClientQuota, new Conversation(site, ipv6: false, 6000).FromClient(Segments.Syn).Reason);
        refused.FromServer(Segments.SynAck);
        Assert.Equal(VerdictKind.ForwardUplink, new Conversation(site, ipv6: false, 6000).FromClient(Segments.Syn).Kind);
    }

    [Theory]
    [InlineData(AnchorPolicy.AskCoordinator)]
    [InlineData(AnchorPolicy.AskCoordinatorFirst)]
    [Trait("Rfc", "6888 REQ-4")]
    public void The_coordinator_is_not_asked_beyond_the_limit(AnchorPolicy policy)
    {
        var site = new Site(new FamConfig { Anchoring = policy, UdpMappingsPerClient = 1 });
        site.Arrive(1);
        site.FromClient(1000);
        if (policy == AnchorPolicy.AskCoordinatorFirst)
        {
            site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
        }

        site.Tell(new AttachReply { Id = site.Last<Attach>().Id, Status = AttachStatus.Established, Client = Site.Client });
        var asked = site.Said.Count;
        Assert.Equal(DropReason.ClientQuota, site.FromClient(1001).Reason);
        Assert.Equal(asked, site.Said.Count);
    }

    /// <summary>Not all of a client's mappings fitted into the answer to its arrival: those that are asked for one by one are not new.</summary>
    [Fact]
    [Trait("Rfc", "6888 REQ-11")]
    [Trait("Req", "A-19")]
    public void What_a_client_has_elsewhere_is_asked_for_beyond_the_limit_but_nothing_new_comes_of_it()
    {
        var site = new Site(new FamConfig { UdpMappingsPerClient = 1 });
        site.Fam.OnAssociated(Site.Client, site.Now);
        var arrive = site.Last<Arrive>();
        site.Outbox.Complete(arrive.Id);
        var offer = arrive.Offers.First(o => o.Protocol == TransportProtocol.Udp).Endpoint;
        site.Fam.OnControl(
            new ArriveReply { Id = arrive.Id, Client = Site.Client, Status = AckStatus.Ok, Epoch = new Epoch(2), PreviousFam = Site.Other, Complete = true, Truncated = true, Mappings = [Site.Elsewhere(1000, offer)] },
            site.Now);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(VerdictKind.Held, site.FromClient(1001).Kind);
        Assert.False(site.Last<Attach>().MayEstablish);
    }

    /// <summary>After a crash the coordinator's last word may be "opening" for all that a client has; that is no flood.</summary>
    [Fact]
    [Trait("Rfc", "6888 REQ-11")]
    [Trait("Req", "A-15")]
    public void What_was_opening_elsewhere_does_not_count_as_a_flood_here()
    {
        var site = new Site(new FamConfig { OpeningPerClient = 2 });
        site.Fam.OnAssociated(Site.Client, site.Now);
        var offers = site.Last<Arrive>().Offers.Where(o => o.Protocol == TransportProtocol.Tcp).Take(5).ToList();
        site.Answer(2, complete: true, Site.Other, [.. offers.Select((o, i) => Site.Elsewhere((ushort)(1000 + i), o.Endpoint) with
        {
            Mapping = new MappingId(TransportProtocol.Tcp, new TransportEndpoint(IpAddress.Parse("10.1.2.10"), (ushort)(5000 + i))),
            Connections = [new ConnectionRecord(Site.Server, ConnectionState.Opening, 0)],
        })]);
        Assert.Equal(5, site.Fam.ConnectionCount);
        for (ushort port = 2000; port < 2004; port++)
        {
            Assert.Equal(port < 2002 ? DropReason.None : DropReason.ClientQuota, new Conversation(site, ipv6: false, port).FromClient(Segments.Syn).Reason);
        }

        // One of those that came along is opened anew and answered; the count stays right.
        var again = new Conversation(site, ipv6: false, port: 1000) { FamEndpoint = offers[0].Endpoint };
        again.FromClient(Segments.Syn);
        again.FromServer(Segments.SynAck);
        Assert.Equal(DropReason.ClientQuota, new Conversation(site, ipv6: false, port: 2004).FromClient(Segments.Syn).Reason);
        site.Wait(241_000);
        Assert.Equal(VerdictKind.ForwardUplink, new Conversation(site, ipv6: false, port: 2004).FromClient(Segments.Syn).Kind);
    }

    [Fact]
    public void One_client_does_not_take_all_questions_to_the_coordinator()
    {
        var site = new Site(new FamConfig { Anchoring = AnchorPolicy.AskCoordinator, ConnectionRatePerClient = 0 }, null, new OutboxOptions { Capacity = 10_000 });
        site.Arrive(1);
        Enter(site, Neighbour);
        for (ushort port = 1; port < 5_000; port++)
        {
            site.FromClient(port);
        }

        var asked = site.Said.OfType<Attach>().Count();
        Assert.InRange(asked, 1, 512);
        Assert.Equal(VerdictKind.Held, FromNeighbour(site, 1).Kind);

        // An answer makes room for the next question.
        Assert.Equal(DropReason.HoldQueueFull, site.FromClient(6_000).Reason);
        site.Tell(new AttachReply { Id = site.Said.OfType<Attach>().First().Id, Status = AttachStatus.Refused, Client = Site.Client });
        Assert.Equal(VerdictKind.Held, site.FromClient(6_000).Kind);
    }

    [Fact]
    [Trait("Rfc", "6888 REQ-11")]
    [Trait("Req", "A-19")]
    public void What_a_client_brings_along_is_taken_in_whatever_the_limits()
    {
        var site = new Site(new FamConfig { UdpMappingsPerClient = 1, ConnectionsPerClient = 1, ConnectionRatePerClient = 1, ConnectionBurstPerClient = 1 });
        site.Fam.OnAssociated(Site.Client, site.Now);
        var offers = site.Last<Arrive>().Offers.Where(o => o.Protocol == TransportProtocol.Udp).Take(3).ToList();
        site.Answer(2, complete: true, Site.Other, [.. offers.Select((o, i) => Site.Elsewhere((ushort)(1000 + i), o.Endpoint) with { Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse("10.1.2.10"), (ushort)(5000 + i))) })]);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient((ushort)(1000 + i)).Kind);
            Assert.Equal(VerdictKind.ForwardClient, site.FromServer(offers[i].Endpoint).Kind);
        }

        Assert.Equal(DropReason.ClientQuota, site.FromClient(2000).Reason);
    }

    private static void Enter(Site site, MacAddress client)
    {
        site.Fam.OnAssociated(client, site.Now);
        var arrive = site.Last<Arrive>();
        site.Outbox.Complete(arrive.Id);
        site.Fam.OnControl(new ArriveReply { Id = arrive.Id, Client = client, Status = AckStatus.Ok, Epoch = new Epoch(1), PreviousFam = default, Complete = true, Mappings = [] }, site.Now);
    }

    private static Verdict FromNeighbour(Site site, ushort port)
    {
        var packet = Site.Udp(new TransportEndpoint(NeighbourAddress, port), Site.Server, 0);
        return site.Fam.ProcessOutbound(packet, Site.Parse(packet), Neighbour, OffloadInfo.None, site.Now);
    }
}
