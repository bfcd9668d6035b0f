using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>Which servers may send to a mapping (RFC 4787 section 5), and whose packets keep it alive.</summary>
[Trait("Req", "N-02")]
public sealed class FilteringTests
{
    public static TheoryData<FilteringPolicy, bool> Policies => new()
    {
        { FilteringPolicy.AddressAndPortDependent, false }, { FilteringPolicy.AddressDependent, false }, { FilteringPolicy.EndpointIndependent, false },
        { FilteringPolicy.AddressAndPortDependent, true }, { FilteringPolicy.AddressDependent, true }, { FilteringPolicy.EndpointIndependent, true },
    };

    /// <summary>The same three servers are asked where the client was and, with what that access point hands over, where it is now: each decides alike.</summary>
    [Theory, MemberData(nameof(Policies))]
    [Trait("Rfc", "4787 REQ-8")]
    [Trait("Rfc", "4787 REQ-11")]
    [Trait("Rfc", "5382 REQ-3")]
    [Trait("Rfc", "6888 REQ-7")]
    [Trait("Req", "A-19")]
    public void The_filter_decides_alike_before_and_after_a_move(FilteringPolicy policy, bool tcp)
    {
        var config = tcp ? new FamConfig { TcpFiltering = policy } : new FamConfig { UdpFiltering = policy };
        var client = new TransportEndpoint(Site.ClientAddress, 1000);
        var known = Site.Server;
        var second = TransportEndpoint.Parse("198.51.100.7:53");
        (TransportEndpoint Server, bool Admitted)[] expected =
        [
            (known, true),
            (second, true),
            (known with { Port = 7001 }, policy != FilteringPolicy.AddressAndPortDependent),
            (second with { Port = 54 }, policy != FilteringPolicy.AddressAndPortDependent),
            (TransportEndpoint.Parse("198.51.100.8:53"), policy == FilteringPolicy.EndpointIndependent),
        ];

        var before = new Site(config);
        before.Arrive(1);
        before.Out(Packet(tcp, client, known, Segments.Syn), out _);
        before.Out(Packet(tcp, client, second, Segments.Syn), out _);
        var masquerade = before.Seen();
        Expect(before, masquerade);
        before.Wait(5);
        var handedOver = before.Said.OfType<Announce>().SelectMany(a => a.Mappings).Last();
        Assert.Equal([second, known], handedOver.Connections.Select(c => c.Server));

        var after = new Site(config);
        after.Fam.OnAssociated(Site.Client, after.Now);
        var offer = after.Last<Arrive>().Offers.First(o => o.Protocol == handedOver.Mapping.Protocol).Endpoint;
        after.Answer(2, complete: true, Site.Other, handedOver with { Ham = Site.Other, FamEndpoint = offer, Mapping = new MappingId(handedOver.Mapping.Protocol, TransportEndpoint.Parse("10.1.2.10:5000")) });
        Expect(after, offer);

        void Expect(Site site, TransportEndpoint wayIn)
        {
            foreach (var (server, admitted) in expected)
            {
                var verdict = site.In(Packet(tcp, server, wayIn, Segments.Syn));
                Assert.True(admitted ? verdict.Kind == VerdictKind.ForwardClient : verdict.Reason == DropReason.FilteredServer, $"{policy} {server}: {verdict}");
            }
        }
    }

    [Fact]
    [Trait("Rfc", "5382 REQ-3b")]
    public void Each_protocol_has_a_filter_of_its_own()
    {
        var site = new Site(new FamConfig { TcpFiltering = FilteringPolicy.AddressAndPortDependent, UdpFiltering = FilteringPolicy.EndpointIndependent });
        site.Arrive(1);
        var client = new TransportEndpoint(Site.ClientAddress, 1000);
        var stranger = TransportEndpoint.Parse("198.51.100.8:53");
        site.Out(Packet(tcp: true, client, Site.Server, Segments.Syn), out _);
        var tcp = site.Seen();
        site.FromClient(1000);
        Assert.Equal(DropReason.FilteredServer, site.In(Packet(tcp: true, stranger, tcp, Segments.Syn)).Reason);
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(site.Seen(), stranger).Kind);
    }

    /// <summary>A stranger whom the filter lets through is not the client's doing: it takes no room, and the mapping ends when it would have ended.</summary>
    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 7")]
    [Trait("Req", "N-10")]
    public void Strangers_take_no_room_and_keep_nothing_alive(bool tcp)
    {
        var site = new Site(new FamConfig { TcpFiltering = FilteringPolicy.EndpointIndependent, UdpFiltering = FilteringPolicy.EndpointIndependent, TcpOpeningTimeout = TimeSpan.FromMinutes(5) });
        site.Arrive(1);
        site.Out(Packet(tcp, new TransportEndpoint(Site.ClientAddress, 1000), Site.Server, Segments.Syn), out _);
        var masquerade = site.Seen();
        for (var i = 0; i < 299; i++)
        {
            for (ushort port = 1; port < 20; port++)
            {
                var stranger = new TransportEndpoint(IpAddress.FromV4(0xC633_6400 + (uint)(i & 0x7F)), port);
                Assert.Equal(VerdictKind.ForwardClient, site.In(Packet(tcp, stranger, masquerade, port < 10 ? Segments.Syn : Segments.Ack)).Kind);
            }

            site.Wait(1_000);
        }

        Assert.Equal(1, site.Fam.ConnectionCount);
        site.Wait(2_000);
        Assert.Equal(0, site.Fam.MappingCount + site.Ham.MappingCount);
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "4787 REQ-8")]
    [Trait("Rfc", "5382 REQ-3")]
    public void The_client_makes_a_connection_of_a_stranger_by_an_answer_and_not_by_a_refusal(bool ipv6)
    {
        var site = Conversation.NewSite(new FamConfig { TcpFiltering = FilteringPolicy.EndpointIndependent });
        var first = new Conversation(site, ipv6);
        first.Open();
        var stranger = first.Server with { Port = 9 };
        Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(stranger, first.WayIn, Segments.Syn, 100)).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(first.Client, stranger, Segments.RstAck, 0, 101), out var refusal).Kind);
        Assert.True(Segments.IsRight(refusal));
        Assert.Equal(first.Seen, Site.Parse(refusal).Tuple.Source);
        Assert.Equal(1, site.Fam.ConnectionCount);

        site.In(Segments.Make(stranger, first.WayIn, Segments.Syn, 100));
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(first.Client, stranger, Segments.SynAck, 500, 101), out _).Kind);
        Assert.Equal(ConnectionState.Opening, State());
        site.In(Segments.Make(stranger, first.WayIn, Segments.Ack, 101, 501));
        Assert.Equal(ConnectionState.Established, State());

        ConnectionState State() => site.Fam.DescribeConnections(10).Single(c => c.Tuple.Destination == stranger).State;
    }

    [Theory]
    [InlineData(InboundRefresh.Never, false, false)]
    [InlineData(InboundRefresh.Connections, true, false)]
    [InlineData(InboundRefresh.Always, true, true)]
    [Trait("Rfc", "4787 REQ-6")]
    [Trait("Rfc", "4787 REQ-6a")]
    [Trait("Rfc", "7857 section 7")]
    public void Whose_packets_keep_a_mapping_alive_is_configured(InboundRefresh refresh, bool byServer, bool byStranger)
    {
        foreach (var (server, alive) in new[] { (Site.Server, byServer), (TransportEndpoint.Parse("198.51.100.8:53"), byStranger) })
        {
            var site = new Site(new FamConfig { UdpFiltering = FilteringPolicy.EndpointIndependent, InboundRefresh = refresh });
            site.Arrive(1);
            site.FromClient(1000);
            for (var i = 0; i < 3; i++)
            {
                site.Wait(2 * 60_000);
                site.FromServer(site.Seen(), server);
            }

            Assert.Equal(alive ? 1 : 0, site.Fam.MappingCount);

            // What the client sends always does.
            site = new Site(new FamConfig { InboundRefresh = refresh });
            site.Arrive(1);
            for (var i = 0; i < 3; i++)
            {
                site.FromClient(1000);
                site.Wait(4 * 60_000);
            }

            Assert.Equal(1, site.Fam.MappingCount);
        }
    }

    [Theory, MemberData(nameof(Policies))]
    [Trait("Rfc", "4787 REQ-12a")]
    public void An_ICMP_error_may_come_from_anybody(FilteringPolicy policy, bool tcp)
    {
        var site = new Site(new FamConfig { TcpFiltering = policy, UdpFiltering = policy });
        site.Arrive(1);
        site.Out(Packet(tcp, new TransportEndpoint(Site.ClientAddress, 1000), Site.Server, Segments.Syn), out var sent);
        var error = new byte[IcmpError.MaxIPv6];
        var length = IcmpError.HostUnreachable.Write(error, IpAddress.Parse("192.0.2.77"), sent);
        Assert.Equal(VerdictKind.ForwardClient, site.In(error[..length]).Kind);
    }

    private static byte[] Packet(bool tcp, TransportEndpoint from, TransportEndpoint to, TcpFlags flags) => tcp ? Segments.Make(from, to, flags, 100) : Site.Udp(from, to, 0);
}
