using Masquerade.AccessPoint.Tests.Ways;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>Two clients have one masquerade endpoint, each towards a server of its own (decision 27), through whole nodes: while one of them roams, and whatever way its packets go.</summary>
[Trait("Req", "N-01")]
[Trait("Rfc", "7857 section 3")]
public sealed class SharedEndpointTests(ITestOutputHelper output)
{
    private static readonly MacAddress OtherClient = MacAddress.Parse("02:00:00:00:00:22");

    public static TheoryData<TransportProtocol, bool, bool> Cases { get; } = new()
    {
        { TransportProtocol.Udp, false, false }, { TransportProtocol.Udp, true, false }, { TransportProtocol.Udp, false, true }, { TransportProtocol.Udp, true, true },
        { TransportProtocol.Tcp, false, false }, { TransportProtocol.Tcp, true, false }, { TransportProtocol.Tcp, false, true }, { TransportProtocol.Tcp, true, true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    [Trait("Req", "A-10")]
    [Trait("Req", "N-09")]
    public void Each_client_speaks_to_its_server_while_one_of_them_roams(TransportProtocol protocol, bool v6, bool filters)
    {
        var (pair, one, two, masquerade) = Begin(protocol, v6, OutboundWay.Probe);
        (pair.Filters[0], pair.Filters[1]) = (filters, filters);
        Exchange(pair, protocol, one, masquerade, RoamingPair.Client, 0);
        Exchange(pair, protocol, two, masquerade, OtherClient, 0);
        pair.Roam();
        WayCases.FindOut(pair, protocol, one.Client, one.Server, masquerade);
        for (var i = 0; i < 3; i++)
        {
            Exchange(pair, protocol, one, masquerade, RoamingPair.Client, 1);
            Exchange(pair, protocol, two, masquerade, OtherClient, 0);
            pair.Wait(20);
        }

        Assert.Equal(filters, pair.Node(0).RelayedForFam > 0);

        // And home again, where what is under way and what comes straight come to different endpoints.
        pair.Roam();
        pair.Wait(100);
        Exchange(pair, protocol, one, masquerade, RoamingPair.Client, 0);
        Exchange(pair, protocol, two, masquerade, OtherClient, 0);
        Assert.Equal(2, pair.Node(0).Ham.MappingCount);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [Trait("Req", "N-05")]
    public void Fragments_go_to_whose_first_one_names_its_server(bool v6, bool roamed)
    {
        var random = Seed.Fresh(output);
        var (pair, one, two, masquerade) = Begin(TransportProtocol.Udp, v6, OutboundWay.Direct);
        if (roamed)
        {
            pair.Roam();
            pair.Wait(100);
        }

        foreach (var order in new[] { "forward", "backward", "shuffled" })
        {
            pair.AtClient.Clear();
            var payloads = new[] { Payload(5_000, 1), Payload(5_000, 2) };
            var pieces = Pieces.Cut(RoamingPair.Datagram(one.Server, masquerade, payloads[0]), 1_208, 0x1111)
                .Concat(Pieces.Cut(RoamingPair.Datagram(two.Server, masquerade, payloads[1]), 1_208, 0x2222)).ToList();
            foreach (var piece in Ordered(pieces, order, random))
            {
                pair.FromServer(piece);
            }

            foreach (var (client, mac, payload) in new[] { (one, RoamingPair.Client, payloads[0]), (two, OtherClient, payloads[1]) })
            {
                var whole = Assert.Single(Pieces.Reassemble([.. pair.AtClient.Where(p => p.Client == mac).Select(p => p.Packet)]));
                Assert.Equal(Comparable(RoamingPair.Datagram(client.Server, client.Client, payload)), Comparable(whole));
            }
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [Trait("Req", "N-04")]
    public void A_router_s_error_goes_to_whose_packet_it_is_about(bool v6, bool roamed)
    {
        var (pair, one, two, masquerade) = Begin(TransportProtocol.Udp, v6, OutboundWay.Direct);
        if (roamed)
        {
            pair.Roam();
            pair.Wait(100);
        }

        var router = IpAddress.Parse(v6 ? "2001:db8:ff::1" : "198.51.100.1");
        foreach (var ((client, server), mac) in new[] { (one, RoamingPair.Client), (two, OtherClient) })
        {
            pair.AtClient.Clear();
            pair.FromServer(WayCases.Error(IcmpError.TooBig(1_300), router, RoamingPair.Datagram(masquerade, server, new byte[1_400])));
            var error = Assert.Single(pair.AtClient);
            Assert.Equal(mac, error.Client);
            Assert.Equal(new FlowTuple(client, server, TransportProtocol.Udp), RoamingPair.Read(error.Packet).EmbeddedTuple);
        }
    }

    /// <summary>What is explicit is for all, so also for clients of the same node (RFC 4787 REQ-9).</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [Trait("Req", "N-06")]
    public void A_client_reaches_another_one_s_explicit_mapping_by_its_masquerade_endpoint(bool v6, bool roamed)
    {
        var pair = new RoamingPair(change: model => model with { Mapping = MappingPolicy.AddressAndPortDependent });
        pair.Arrive(OtherClient, 0);
        var (a, b) = (Endpoint(v6, 101), Endpoint(v6, 102));
        var explicitly = pair.Node(0).Fam.Map(new MapRequest(OtherClient, TransportProtocol.Udp, b, default, TimeSpan.FromMinutes(10)), pair.Now).Masquerade;
        var server = Server(v6, 1);
        pair.Open(a, server);
        if (roamed)
        {
            pair.Roam();
            pair.Wait(100);
        }

        pair.AtClient.Clear();
        pair.FromClient(RoamingPair.Datagram(a, explicitly, [1]));
        var atB = Assert.Single(pair.AtClient);
        Assert.Equal(OtherClient, atB.Client);
        var face = RoamingPair.Read(atB.Packet).Tuple.Source;
        Assert.Contains(face.Address, new[] { RoamingPair.Address(0, v6), RoamingPair.Address(1, v6) });
        pair.AtClient.Clear();
        pair.FromClient(RoamingPair.Datagram(b, face, [2]), OtherClient, side: 0);
        var atA = Assert.Single(pair.AtClient);
        Assert.Equal((RoamingPair.Client, new FlowTuple(explicitly, a, TransportProtocol.Udp)), (atA.Client, RoamingPair.Read(atA.Packet).Tuple));
    }

    /// <summary>An access point takes over the address of another one: mappings that share an endpoint there come one by one, and it is their HAM and their FAM from then on.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-18")]
    public void What_shares_an_endpoint_is_taken_over_with_it(bool v6)
    {
        var (pair, one, two, masquerade) = Begin(TransportProtocol.Udp, v6, OutboundWay.Direct);
        pair.Roam();
        pair.Wait(100);
        var node = pair.Node(1);
        var address = masquerade.Address;
        foreach (var side in new[] { 0, 1 })
        {
            pair.Node(side).OnControl(new AddressOwners { Id = (ulong)(500 + side), Owners = [new AddressOwner(address, new Epoch(9), new NodeId("ap2"), Settled: true)] }, pair.Now);
        }

        pair.Wait(3_000);
        Assert.Contains(address, node.HeldAddresses);
        foreach (var ((client, server), mac, epoch) in new[] { (one, RoamingPair.Client, 2UL), (two, OtherClient, 1UL) })
        {
            node.OnControl(
                new AdoptMappings
                {
                    Id = 600 + epoch,
                    Client = mac,
                    Epoch = new Epoch(epoch),
                    Mappings =
                    [
                        new MappingRecord
                        {
                            Mapping = new MappingId(TransportProtocol.Udp, masquerade, server), ClientEndpoint = client, Ham = new NodeId("ap2"), AnchorEpoch = new Epoch(1), Revision = 5,
                            FamEndpoint = mac == RoamingPair.Client ? masquerade : TransportEndpoint.None, Connections = [new ConnectionRecord(server, ConnectionState.Established, 0)],
                        },
                    ],
                },
                pair.Now);
        }

        Assert.Equal(2, node.Ham.MappingCount);
        Exchange(pair, TransportProtocol.Udp, one, masquerade, RoamingPair.Client, 1);

        // The other one is nowhere: its HAM asks for it, by its whole name.
        var asked = pair.Control(1).OfType<FamQuery>().Count();
        pair.FromServer(WayCases.Inbound(TransportProtocol.Udp, two.Server, masquerade, "x"u8));
        Assert.Equal(asked + 1, pair.Control(1).OfType<FamQuery>().Count());
        Assert.Equal(new MappingId(TransportProtocol.Udp, masquerade, two.Server), pair.Control(1).OfType<FamQuery>().Last().Mapping);
    }

    /// <summary>Two clients at the first node, which has but one port; the second has all.</summary>
    private static (RoamingPair Pair, (TransportEndpoint Client, TransportEndpoint Server) One, (TransportEndpoint Client, TransportEndpoint Server) Two, TransportEndpoint Masquerade) Begin(
        TransportProtocol protocol, bool v6, OutboundWay way)
    {
        var pair = new RoamingPair(
            way: way,
            change: model => (model.Node == new NodeId("ap1") ? model with { Mapping = MappingPolicy.AddressAndPortDependent, FirstPort = 40_000, LastPort = 40_000 } : model) with
            {
                Uplink = model.Uplink with { AnnouncesRoutes = true },
            });
        pair.Arrive(OtherClient, 0);
        var (one, two) = ((Endpoint(v6, 101), Server(v6, 1)), (Endpoint(v6, 102), Server(v6, 2)));
        var masquerade = pair.Open(WayCases.Outbound(protocol, one.Item1, one.Item2, "open"u8, isFirst: true));
        Assert.Equal(masquerade, pair.Open(WayCases.Outbound(protocol, two.Item1, two.Item2, "open"u8, isFirst: true), OtherClient));
        pair.FromServer(WayCases.Inbound(protocol, one.Item2, masquerade, "welcome"u8, isFirst: true));
        pair.FromServer(WayCases.Inbound(protocol, two.Item2, masquerade, "welcome"u8, isFirst: true));
        Assert.Equal([RoamingPair.Client, OtherClient], pair.AtClient.Select(p => p.Client));
        return (pair, one, two, masquerade);
    }

    private static TransportEndpoint Endpoint(bool v6, int host) => TransportEndpoint.Parse(v6 ? $"[fd00:77::{host}]:5000" : $"192.168.77.{host}:5000");

    private static TransportEndpoint Server(bool v6, int number) => TransportEndpoint.Parse(v6 ? $"[2001:db8:5::5]:{80 + number}" : $"203.0.113.5:{80 + number}");

    /// <summary>A packet there and one back, each exactly as if nobody had been between but one translator.</summary>
    private static void Exchange(
        RoamingPair pair, TransportProtocol protocol, (TransportEndpoint Client, TransportEndpoint Server) flow, TransportEndpoint masquerade, MacAddress mac, int side)
    {
        byte[] payload = [(byte)side, 7, 7, 7];
        pair.AtServer.Clear();
        pair.FromClient(WayCases.Outbound(protocol, flow.Client, flow.Server, payload), mac, side);
        Assert.Equal(WayCases.Bare(WayCases.Outbound(protocol, masquerade, flow.Server, payload)), WayCases.Bare(Assert.Single(pair.AtServer)));
        pair.AtClient.Clear();
        pair.FromServer(WayCases.Inbound(protocol, flow.Server, masquerade, payload));
        var (node, client, packet) = Assert.Single(pair.AtClient);
        Assert.Equal((side, mac), (node, client));
        Assert.Equal(WayCases.Bare(WayCases.Inbound(protocol, flow.Server, flow.Client, payload)), WayCases.Bare(packet));
    }
}
