using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

public sealed class AttachTests
{
    [Fact]
    [Trait("Req", "A-09")]
    public void An_unknown_connection_is_established_at_the_asker_in_one_round_trip()
    {
        var bench = Served();
        var attach = bench.Attach(1, 1, 9_000, 5_000);
        var reply = bench.Ask<AttachReply>(1, attach);
        Assert.Equal((AttachStatus.Established, Ap1, At(1, 5_000)), (reply.Status, reply.Mapping!.Ham, reply.Mapping.Mapping.Masquerade));
        Assert.Equal(AttachStatus.Established, bench.Ask<AttachReply>(1, attach).Status);
        Assert.Single(bench.Record.Mappings);
    }

    [Fact]
    [Trait("Req", "A-08")]
    public void A_known_connection_gets_the_asker_as_fam_and_its_ham_is_told()
    {
        var bench = Served();
        bench.Tell(1, bench.Announce(1, Mapping(1, 5_000, 1)));
        bench.Tell(2, bench.Arrive(2));
        var sent = bench.Tell(2, bench.Attach(2, 2, 5_000, 6_000, mayEstablish: false));
        var reply = sent.Select(s => s.Message).OfType<AttachReply>().Single();
        Assert.Equal((AttachStatus.Attached, Ap1, At(2, 6_000)), (reply.Status, reply.Mapping!.Ham, reply.Mapping.FamEndpoint));
        Assert.Equal(At(2, 6_000), sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>().Single().Routes.Single().NewFamEndpoint);
    }

    [Fact]
    [Trait("Req", "A-08")]
    public void Who_is_not_the_current_fam_is_refused()
    {
        var bench = Served();
        Assert.Equal(AttachStatus.Refused, bench.Ask<AttachReply>(2, bench.Attach(2, 1, 9_000, 6_000)).Status);
        Assert.Equal(AttachStatus.Refused, bench.Ask<AttachReply>(1, bench.Attach(1, 7, 9_000, 5_000)).Status);
        Assert.Equal(AttachStatus.Refused, bench.Ask<AttachReply>(1, bench.Attach(1, 1, 9_000, 5_000, mayEstablish: false)).Status);
        Assert.Empty(bench.Record.Mappings);
    }

    [Fact]
    [Trait("Req", "A-03")]
    public void A_lookup_answers_without_changing_anything()
    {
        var bench = Served();
        bench.Tell(1, bench.Announce(1, Mapping(1, 5_000, 1)));
        var before = bench.Record;
        Lookup Ask(int port) => new()
        {
            Id = bench.NextId(), Client = Client, Protocol = TransportProtocol.Udp, ClientEndpoint = Own(port), Server = At(9, 1),
        };
        Assert.Equal(At(1, 5_000), bench.Ask<LookupReply>(1, Ask(5_000)).Mapping!.Mapping.Masquerade);
        Assert.Null(bench.Ask<LookupReply>(1, Ask(5_001)).Mapping);
        Assert.Same(before, bench.Record);
    }

    /// <summary>Mappings for one server each: one client endpoint has several, and the masquerade endpoint may be another client's too.</summary>
    [Fact]
    [Trait("Req", "N-01")]
    public void A_mapping_for_one_server_is_known_by_it()
    {
        var bench = Served();
        foreach (ushort server in new ushort[] { 80, 443 })
        {
            var reply = bench.Ask<AttachReply>(1, bench.Attach(1, 1, 9_000, 5_000, serverPort: server) with { ServerOnly = true });
            Assert.Equal((AttachStatus.Established, true), (reply.Status, reply.Mapping!.Mapping.IsOfServer));
        }

        Assert.Equal(2, bench.Record.Mappings.Count);
        var asked = bench.Attach(1, 1, 9_000, 5_001, serverPort: 443) with { ServerOnly = true };
        Assert.Equal(asked.Server, bench.Record.FindByClientEndpoint(TransportProtocol.Udp, Own(9_000), asked.Server)!.Record.Mapping.Server);
        Assert.Null(bench.Record.FindByClientEndpoint(TransportProtocol.Udp, Own(9_000)));
        Assert.Equal(AttachStatus.Attached, bench.Ask<AttachReply>(1, asked).Status);
    }

    /// <summary>What other servers send may not go to an endpoint that is for one: the asker is told of the mapping, and nobody of the endpoint.</summary>
    [Fact]
    [Trait("Req", "N-01")]
    public void Whoever_asks_for_one_server_and_finds_a_mapping_for_all_has_to_name_another_endpoint()
    {
        var bench = Served();
        bench.Tell(1, bench.Announce(1, Mapping(3, 5_000, 1, clientPort: 9_000)));
        var sent = bench.Tell(1, bench.Attach(1, 1, 9_000, 5_001) with { ServerOnly = true });
        var reply = Assert.IsType<AttachReply>(Assert.Single(sent).Message);
        Assert.Equal((AttachStatus.Attached, Ap3), (reply.Status, reply.Mapping!.Ham));
        Assert.NotEqual(At(1, 5_001), bench.Record.Mappings.Values.Single().EndpointAt(Ap1));
    }

    [Fact]
    [Trait("Req", "N-01")]
    [Trait("Req", "A-07")]
    public void Policy_has_a_mapping_for_one_server_anchored_as_such()
    {
        var bench = Served(new PlacementRules(new PlacementRule(Ap3)));
        var attach = bench.Attach(1, 1, 9_000, 5_000) with { ServerOnly = true };
        var request = Assert.IsType<AnchorRequest>(Assert.Single(bench.Tell(1, attach)).Message);
        Assert.Equal(attach.Server, request.Server);
        bench.Tell(3, new AnchorReply { Id = request.Id, Status = AckStatus.Ok, Masquerade = At(3, 7_000) });
        Assert.Equal(new MappingId(TransportProtocol.Udp, At(3, 7_000), attach.Server), bench.Record.Mappings.Keys.Single());
    }

    /// <summary>Both sides of a partition anchored the same client endpoint: both mappings stay, one is used for what is new.</summary>
    [Fact]
    [Trait("Req", "N-01")]
    public void Of_two_mappings_of_one_client_endpoint_the_higher_anchor_epoch_is_used_then_the_smaller_name()
    {
        var bench = Served();
        bench.Tell(1, bench.Announce(1, Mapping(1, 5_000, 1, clientPort: 9_000), Mapping(2, 5_000, 1, clientPort: 9_000)));
        Assert.Equal(Ap1, bench.Record.FindByClientEndpoint(TransportProtocol.Udp, Own(9_000))!.Record.Ham);
        bench.Tell(1, bench.Announce(1, Mapping(3, 5_000, 2, clientPort: 9_000)));
        Assert.Equal(Ap3, bench.Record.FindByClientEndpoint(TransportProtocol.Udp, Own(9_000))!.Record.Ham);
        Assert.Equal(3, bench.Record.Mappings.Count);
    }

    [Fact]
    [Trait("Req", "A-07")]
    [Trait("Req", "A-14")]
    [Trait("Req", "A-22")]
    public void Policy_places_the_ham_at_another_node()
    {
        var bench = Served(new PlacementRules(new PlacementRule(Ap3)));
        var sent = bench.Tell(1, bench.Attach(1, 1, 9_000, 5_000));
        var (session, message) = Assert.Single(sent);
        var request = Assert.IsType<AnchorRequest>(message);
        Assert.Equal(3UL, session);

        var answered = bench.Tell(3, new AnchorReply { Id = request.Id, Status = AckStatus.Ok, Masquerade = At(3, 7_000) });
        var reply = answered.Where(s => s.Session == 1).Select(s => s.Message).OfType<AttachReply>().Single();
        Assert.Equal((AttachStatus.Attached, Ap3, At(3, 7_000), At(1, 5_000)), (reply.Status, reply.Mapping!.Ham, reply.Mapping.Mapping.Masquerade, reply.Mapping.FamEndpoint));
        Assert.Equal(At(1, 5_000), answered.Where(s => s.Session == 3).Select(s => s.Message).OfType<FamChange>().Single().Routes.Single().NewFamEndpoint);
    }

    [Fact]
    [Trait("Req", "A-14")]
    public void Long_lived_services_go_to_a_central_ham_and_others_do_not()
    {
        var bench = Served(new PlacementRules(new PlacementRule(Ap3) { Protocol = TransportProtocol.Udp, Ports = new HashSet<ushort> { 22 } }));
        Assert.IsType<AnchorRequest>(Assert.Single(bench.Tell(1, bench.Attach(1, 1, 9_000, 5_000, serverPort: 22))).Message);
        Assert.Equal(AttachStatus.Established, bench.Ask<AttachReply>(1, bench.Attach(1, 1, 9_001, 5_001)).Status);
    }

    [Fact]
    [Trait("Req", "A-14")]
    public void The_first_rule_that_matches_decides()
    {
        var rules = new PlacementRules(
            new PlacementRule(Ap3) { Clients = new HashSet<MacAddress> { Client } },
            new PlacementRule(NodeId.None) { Protocol = TransportProtocol.Icmp },
            new PlacementRule(Ap2) { Ports = new HashSet<ushort> { 22 } },
            new PlacementRule(Ap1));
        NodeId At(MacAddress client, TransportProtocol protocol, ushort port) =>
            rules.Choose(new NodeId("asker"), client, protocol, new TransportEndpoint(IpAddress.FromV4(0xCB00_710A), port));
        Assert.Equal(Ap3, At(Client, TransportProtocol.Tcp, 22));
        Assert.Equal(new NodeId("asker"), At(OtherClient, TransportProtocol.Icmp, 22));
        Assert.Equal(Ap2, At(OtherClient, TransportProtocol.Tcp, 22));
        Assert.Equal(Ap1, At(OtherClient, TransportProtocol.Udp, 53));
        Assert.Equal(new NodeId("asker"), new PlacementRules().Choose(new NodeId("asker"), Client, TransportProtocol.Tcp, default));
    }

    [Fact]
    [Trait("Req", "A-14")]
    public void A_ham_that_does_not_answer_is_replaced_by_the_asker_and_its_late_anchor_is_ended()
    {
        var bench = Served(new PlacementRules(new PlacementRule(Ap3)));
        var attach = bench.Attach(1, 1, 9_000, 5_000);
        var request = Assert.IsType<AnchorRequest>(Assert.Single(bench.Tell(1, attach)).Message);
        Assert.Empty(bench.Tell(1, attach));
        var reply = bench.Wait(151).Select(s => s.Message).OfType<AttachReply>().Single();
        Assert.Equal((AttachStatus.Established, Ap1), (reply.Status, reply.Mapping!.Ham));

        var late = bench.Tell(3, new AnchorReply { Id = request.Id, Status = AckStatus.Ok, Masquerade = At(3, 7_000) });
        Assert.Equal(At(3, 7_000), Assert.IsType<MappingsEnded>(Assert.Single(late, s => s.Session == 3).Message).Mappings.Single().Masquerade);
        Assert.Equal(Ap1, Assert.Single(bench.Record.Mappings.Values).Record.Ham);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-14")]
    public void A_ham_that_is_away_or_refuses_is_replaced_by_the_asker(bool refuses)
    {
        var bench = Served(new PlacementRules(new PlacementRule(Ap3)));
        var attach = bench.Attach(1, 1, 9_000, 5_000);
        if (!refuses)
        {
            bench.Core.OnDisconnected(3, bench.Now);
            Assert.Equal(AttachStatus.Established, bench.Ask<AttachReply>(1, attach).Status);
            return;
        }

        var request = Assert.Single(bench.Tell(1, attach)).Message;
        var sent = bench.Tell(3, new AnchorReply { Id = request.Id, Status = AckStatus.Refused });
        Assert.Equal(AttachStatus.Established, sent.Select(s => s.Message).OfType<AttachReply>().Single().Status);
    }

    private static CoordinatorBench Served(IHamPlacement? placement = null)
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { Placement = placement ?? new ThisAccessPoint() });
        bench.Tell(1, bench.Arrive(1));
        return bench;
    }
}
