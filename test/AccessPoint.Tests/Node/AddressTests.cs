using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Testing;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>Addresses come to a node and leave it; and whether other nodes are alive.</summary>
public sealed class AddressTests
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");
    private static readonly IpAddress RouterAddress = IpAddress.Parse("10.1.1.1");
    private static readonly IpAddress Mine = IpAddress.Parse("10.1.1.10");
    private static readonly IpAddress Others = IpAddress.Parse("10.1.1.20");
    private static readonly TransportEndpoint Server = TransportEndpoint.Parse("203.0.113.9:80");
    private static readonly TransportEndpoint Peer = TransportEndpoint.Parse("10.1.1.30:4747");
    private readonly RecordingOutput _output = new();
    private Instant _now = Instant.FromMilliseconds(1_000);

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void An_address_that_is_taken_over_is_announced_and_its_mappings_are_served()
    {
        var node = Connected();
        Assert.False(Answers(node, Others));
        Say(node, new AddressOwners { Id = 70, Owners = [new AddressOwner(Others, new Epoch(5), new NodeId("ap1"), Settled: false)] });
        Assert.Equal(AckStatus.Ok, _output.Control.OfType<Ack>().Single(a => a.Id == 70).Status);
        Assert.Equal(Others, Assert.Single(_output.Events.OfType<AddressTaken>()).Address);
        for (var i = 0; i < 5; i++)
        {
            Step(node, 100);
        }

        Assert.Equal(4, _output.Uplink.Count(IsGratuitousFor(Others)));
        Assert.True(Answers(node, Others));

        // A packet of a mapping that has not been told yet is dropped; told, it goes to the client's FAM.
        var masquerade = new TransportEndpoint(Others, 40_000);
        var fam = TransportEndpoint.Parse("10.1.1.30:5000");
        FromServer(node, masquerade);
        Assert.Equal(1, node.Drops[DropReason.NoMapping]);
        var record = new MappingRecord
        {
            Mapping = new MappingId(TransportProtocol.Udp, masquerade), ClientEndpoint = TransportEndpoint.Parse("192.168.77.101:1"), Ham = new NodeId("ap1"), AnchorEpoch = new Epoch(1),
            Revision = 1, FamEndpoint = fam,
        };
        Say(node, new AdoptMappings { Id = 71, Client = Client, Epoch = new Epoch(3), Mappings = [record] });
        Assert.Contains(_output.Control, m => m is Ack { Id: 71 });
        _output.Uplink.Clear();
        FromServer(node, masquerade);
        Assert.Equal(fam, Frames.Read(_output.Uplink.Single(IsUdp)).Destination);

        // A route to a mapping that may still be told is not answered until all has been told; then it is disowned.
        FamChange Route(ulong id) => new()
        {
            Id = id, Client = Client, Epoch = new Epoch(4), NewFam = new NodeId("ap3"), Token = 1,
            Routes = [new FamRoute(new MappingId(TransportProtocol.Udp, new TransportEndpoint(Others, 41_000)), new NodeId("ap1"), default, fam)],
        };
        Say(node, Route(72));
        Assert.DoesNotContain(_output.Control, m => m is Ack { Id: 72 } or ReleaseMappings);
        Say(node, new AddressOwners { Id = 73, Owners = [new AddressOwner(Others, new Epoch(5), new NodeId("ap1"), Settled: true)] });
        Say(node, Route(72));
        Assert.Contains(_output.Control, m => m is Ack { Id: 72 });
        Assert.Single(_output.Control.OfType<ReleaseMappings>());
    }

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-17")]
    public void Nothing_of_a_foreign_address_is_given_out_and_what_is_given_up_is_gone()
    {
        var node = Connected();
        Say(node, new AddressOwners { Id = 70, Owners = [new AddressOwner(Others, new Epoch(5), new NodeId("ap1"), Settled: true)] });
        Arrive(node);
        for (var port = 0; port < 200; port++)
        {
            node.OnClientFrame(
                Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Udp, TransportEndpoint.Parse($"192.168.77.101:{2_000 + port}"), Server, "x"u8), OffloadInfo.None, _now);
        }

        var sources = _output.Uplink.Where(IsUdp).Select(f => Frames.Read(f).Source.Address).ToList();
        Assert.Equal(200, sources.Count);
        Assert.All(sources, s => Assert.Equal(Mine, s));

        // An older word changes nothing, a newer one does.
        Say(node, new AddressOwners { Id = 71, Owners = [new AddressOwner(Others, new Epoch(4), new NodeId("ap2"), Settled: true)] });
        Assert.True(Answers(node, Others));
        Say(node, new AddressOwners { Id = 72, Owners = [new AddressOwner(Others, new Epoch(6), new NodeId("ap2"), Settled: true)] });
        Assert.False(Answers(node, Others));
        Assert.True(Answers(node, Mine));
        FromServer(node, new TransportEndpoint(Others, 40_000));
        Assert.Equal(1, node.Drops[DropReason.NotForUs]);
        Assert.Equal(1, node.Fam.ClientCount);
    }

    /// <summary>The client is served here and was anchored at an address that goes back to its owner: it gets a FAM endpoint here, and asks for its packets to be sent there.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void What_is_served_here_goes_on_when_its_address_goes_back()
    {
        var node = Connected();
        var masquerade = new TransportEndpoint(Others, 40_000);
        var endpoint = TransportEndpoint.Parse("192.168.77.101:7");
        Say(node, new AddressOwners { Id = 70, Owners = [new AddressOwner(Others, new Epoch(5), new NodeId("ap1"), Settled: false)] });
        var record = new MappingRecord
        {
            Mapping = new MappingId(TransportProtocol.Udp, masquerade), ClientEndpoint = endpoint, Ham = new NodeId("ap1"), AnchorEpoch = new Epoch(1), Revision = 1,
            FamEndpoint = masquerade, Connections = [new ConnectionRecord(Server, ConnectionState.Established, 0)],
        };
        Arrive(node);
        Say(node, new AdoptMappings { Id = 71, Client = Client, Epoch = new Epoch(3), Mappings = [record] });
        FromServer(node, masquerade);
        Assert.Equal(endpoint, Frames.Read(Assert.Single(_output.Client, IsUdp)).Destination);

        _output.Control.Clear();
        Say(node, new AddressOwners { Id = 72, Owners = [new AddressOwner(Others, new Epoch(6), new NodeId("ap2"), Settled: false)] });
        node.Advance(_now);
        var attach = Assert.Single(Assert.Single(_output.Control.OfType<AttachKnown>()).Attachments);
        Assert.Equal((masquerade, Mine), (attach.Mapping.Masquerade, attach.FamEndpoint.Address));
        Assert.Equal(0, node.Ham.MappingCount);
        _output.Client.Clear();
        _output.Uplink.Clear();
        FromServer(node, attach.FamEndpoint);
        Assert.Equal(endpoint, Frames.Read(Assert.Single(_output.Client, IsUdp)).Destination);
        node.OnClientFrame(Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Udp, endpoint, Server, "x"u8), OffloadInfo.None, _now);
        Assert.Equal(masquerade, Frames.Read(Assert.Single(_output.Uplink, IsUdp)).Source);
    }

    /// <summary>Of addresses that are others' by now and have only passed through here, the latest word is not remembered for ever.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_through_which_many_addresses_have_passed_still_takes_one()
    {
        var node = Connected();
        for (ulong i = 0; i < 200; i++)
        {
            var address = IpAddress.Parse($"10.1.1.{i + 50}");
            Say(node, new AddressOwners { Id = 1_000 + i, Owners = [new AddressOwner(address, new Epoch(5), new NodeId("ap1"), Settled: true)] });
            Assert.Contains(_output.Control, m => m is Ack { Status: AckStatus.Ok } ack && ack.Id == 1_000 + i);
            Assert.Equal([Mine, address], node.HeldAddresses);
            Say(node, new AddressOwners { Id = 2_000 + i, Owners = [new AddressOwner(address, new Epoch(6), new NodeId("ap2"), Settled: true)] });
            Assert.Equal([Mine], node.HeldAddresses);
        }
    }

    /// <summary>A request that waits for the answer to its client's arrival shows where the client was: it does not fetch back one that has left since.</summary>
    [Fact]
    [Trait("Req", "A-02")]
    public void A_request_for_a_port_that_waits_does_not_fetch_a_client_back_that_has_left()
    {
        var node = Connected();
        node.OnAssociated(Client, _now);
        var asked = TransportEndpoint.Parse("192.168.77.101:5000");
        var request = PcpMessages.Request(PcpMessages.Map, 600, "192.168.77.101", PcpMessages.MapBody(1, PcpMessages.Udp, 9_000));
        node.OnClientFrame(Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Udp, asked, TransportEndpoint.Parse("192.168.77.1:5351"), request), OffloadInfo.None, _now);
        Step(node, 20);
        Assert.NotEmpty(_output.Control.OfType<Arrive>());
        Assert.Equal(0, node.Drops[DropReason.ClientGone]);
        node.OnDisassociated(Client, _now);
        _output.Control.Clear();
        for (var i = 0; i < 200; i++)
        {
            Step(node, 10);
        }

        Assert.Empty(_output.Control.OfType<Arrive>());
        Assert.Equal(1, node.Drops[DropReason.ClientGone]);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_whose_addresses_are_anothers_is_fenced_and_begins_anew()
    {
        var node = Connected();
        Arrive(node);
        var hello = _output.Control.OfType<Hello>().Last();
        _output.Control.Clear();
        Say(node, new AddressOwners { Id = 70, Owners = [new AddressOwner(Mine, new Epoch(5), new NodeId("ap2"), Settled: true)] });
        var again = Assert.Single(_output.Control.OfType<Hello>());
        Assert.NotEqual(hello.Incarnation, again.Incarnation);
        Assert.NotEqual(hello.Id, again.Id);
        Assert.Equal("ap2", Assert.Single(again.Owners).Node.Name);
        Assert.Contains(_output.Events, e => e is StartedOver { Clients: 1, Since.Value: 5 });
        Welcome(node);
        Assert.Empty(node.HeldAddresses);
        Assert.False(Answers(node, Mine));
        node.OnClientFrame(Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Udp, TransportEndpoint.Parse("192.168.77.101:7"), Server, "x"u8), OffloadInfo.None, _now);
        Assert.Equal(1, node.Drops[DropReason.Fenced]);

        // Not before all mappings are there is anything given out; then the client that is still associated is asked for.
        Say(node, new AddressOwners { Id = 80, Owners = [new AddressOwner(Mine, new Epoch(6), new NodeId("ap1"), Settled: false)] });
        Assert.True(Answers(node, Mine));
        Assert.False(node.Serves);
        _output.Control.Clear();
        Say(node, new AddressOwners { Id = 81, Owners = [new AddressOwner(Mine, new Epoch(6), new NodeId("ap1"), Settled: true)] });
        Assert.True(node.Serves);
        Assert.Equal(Client, Assert.Single(_output.Control.OfType<Arrive>()).Client);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-16")]
    public void After_its_start_a_node_waits_for_a_coordinators_word_but_not_for_ever(bool isWelcomed)
    {
        var node = Create(TimeSpan.FromSeconds(2));
        Step(node, 1);
        node.OnControlConnected(_now);
        Assert.Equal(["10.1.1.0/24"], _output.Control.OfType<Hello>().Single().Takes.Select(p => p.ToString()));
        Step(node, 1_000);
        Assert.False(Answers(node, Mine));
        Assert.Empty(_output.Uplink);
        if (isWelcomed)
        {
            Welcome(node);
        }
        else
        {
            Step(node, 1_100);
        }

        Assert.True(Answers(node, Mine));
        Assert.Contains(_output.Uplink, f => IsGratuitousFor(Mine)(f));
        Assert.True(node.Serves);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_that_was_replaced_while_it_was_away_never_answers()
    {
        var node = Create(TimeSpan.FromSeconds(2));
        Step(node, 1);
        node.OnControlConnected(_now);
        node.OnControl(Answer() with { Owners = [new AddressOwner(Mine, new Epoch(5), new NodeId("ap2"), Settled: true)] }, _now);
        Assert.Equal(SessionState.Up, node.Session);
        Step(node, 5_000);
        Assert.False(Answers(node, Mine));
        Assert.DoesNotContain(_output.Uplink, f => IsGratuitousFor(Mine)(f));
        Assert.False(node.Serves);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_finds_out_whether_another_one_is_alive()
    {
        var node = Connected();
        Say(node, new ProbeNode { Id = 70, Peer = Peer, Token = 77 });
        Say(node, new ProbeNode { Id = 70, Peer = Peer, Token = 77 });
        Assert.Equal(new Probe(77), Read(Assert.Single(_output.Uplink, IsUdp)));

        // Neither another token nor another sender says anything.
        FromPeer(node, Peer, new Probed(78));
        FromPeer(node, TransportEndpoint.Parse("10.1.1.31:4747"), new Probed(77));
        Assert.DoesNotContain(_output.Control, m => m is ProbeResult);
        FromPeer(node, Peer, new Probed(77));
        Assert.True(Assert.Single(_output.Control.OfType<ProbeResult>()).Alive);

        _output.Control.Clear();
        _output.Uplink.Clear();
        Say(node, new ProbeNode { Id = 71, Peer = Peer, Token = 79 });
        for (var i = 0; i < 3; i++)
        {
            Assert.Empty(_output.Control.OfType<ProbeResult>());
            Step(node, 50);
        }

        Assert.False(Assert.Single(_output.Control.OfType<ProbeResult>()).Alive);
        Assert.Equal(3, _output.Uplink.Count(IsUdp));
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_answers_for_its_own_life_only()
    {
        var node = Connected();
        FromPeer(node, Peer, new Probe(5), Mine);
        Assert.Equal(new Probed(5), Read(Assert.Single(_output.Uplink, IsUdp)));
        _output.Uplink.Clear();
        Say(node, new AddressOwners { Id = 70, Owners = [new AddressOwner(Others, new Epoch(5), new NodeId("ap1"), Settled: true)] });
        FromPeer(node, Peer, new Probe(6), Others);
        Assert.DoesNotContain(_output.Uplink, f => IsUdp(f));
    }

    /// <summary>
    /// Seed 15 of SimWorld's takeovers: an address was taken by another node and given back before this one had heard of it. It had it all the time, as far as it knew; but the network's
    /// last word was the other's.
    /// </summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void A_new_word_on_an_address_that_is_held_is_announced_as_if_it_were_taken()
    {
        var node = Connected();
        Say(node, new AddressOwners { Id = 70, Owners = [new AddressOwner(Mine, new Epoch(7), new NodeId("ap1"), Settled: false)] });
        Assert.Equal(Mine, Assert.Single(_output.Events.OfType<AddressTaken>()).Address);
        Assert.Contains(_output.Uplink, f => IsGratuitousFor(Mine)(f));
        Assert.Single(node.HeldAddresses);
        for (var i = 0; i < 5; i++)
        {
            Step(node, 100);
        }

        _output.Uplink.Clear();
        Say(node, new AddressOwners { Id = 71, Owners = [new AddressOwner(Mine, new Epoch(7), new NodeId("ap1"), Settled: true)] });
        Assert.Single(_output.Events.OfType<AddressTaken>());
        Assert.DoesNotContain(_output.Uplink, f => IsGratuitousFor(Mine)(f));
        Assert.True(Answers(node, Mine));
    }

    /// <summary>
    /// Seed 70247 of SimWorld's storms: a coordinator wrote down that a node had been given back all that it anchored, and died before it had been. The next one gave it nothing.
    /// </summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_that_was_not_given_back_everything_greets_the_next_coordinator_with_another_life()
    {
        var node = Create(TimeSpan.Zero);
        Step(node, 1);
        node.OnControlConnected(_now);
        node.OnControl(Answer() with { Restored = 2 }, _now);
        Assert.Equal(SessionState.Restoring, node.Session);
        node.OnControlDisconnected(_now);
        node.OnControlConnected(_now);
        node.OnControlDisconnected(_now);
        node.OnControlConnected(_now);
        Welcome(node);
        node.OnControlDisconnected(_now);
        node.OnControlConnected(_now);
        Assert.Equal([9UL, 10, 11, 11], _output.Control.OfType<Hello>().Select(h => h.Incarnation));
    }

    private static Func<byte[], bool> IsGratuitousFor(IpAddress address) => frame =>
        frame.Length >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && IpAddress.FromBytes(frame.AsSpan(28, 4)) == address && IpAddress.FromBytes(frame.AsSpan(38, 4)) == address;

    private static bool IsUdp(byte[] frame) => frame.Length > 34 && frame[12] == 0x08 && frame[13] == 0 && frame[23] == 17;

    private static PeerMessage? Read(byte[] frame)
    {
        _ = Frames.Read(frame);
        Assert.True(PeerCodec.TryDecode(frame.AsSpan(42), out var message));
        return message;
    }

    /// <summary>Asks who has an address, as a router does.</summary>
    private bool Answers(AccessPointNode node, IpAddress address)
    {
        var request = new byte[42];
        EthernetHeader.Write(request, MacAddress.Broadcast, Router, EtherType.Arp);
        ArpHeader.Write(request.AsSpan(14), ArpOperation.Request, Router, RouterAddress, MacAddress.None, address);
        var before = _output.Uplink.Count;
        node.OnUplinkFrame(request, OffloadInfo.None, _now);
        var answered = _output.Uplink.Skip(before).Any(f => f[13] == 6 && f[21] == 2);
        _output.Uplink.RemoveRange(before, _output.Uplink.Count - before);
        return answered;
    }

    private void FromServer(AccessPointNode node, TransportEndpoint to) =>
        node.OnUplinkFrame(Frames.Build(Own, Router, TransportProtocol.Udp, Server, to, "hello"u8), OffloadInfo.None, _now);

    private void FromPeer(AccessPointNode node, TransportEndpoint from, PeerMessage message, IpAddress to = default)
    {
        var payload = new byte[PeerCodec.Length];
        PeerCodec.Encode(message, payload);
        node.OnUplinkFrame(Frames.Build(Own, Router, TransportProtocol.Udp, from, new TransportEndpoint(to.IsNone ? Mine : to, 4_747), payload), OffloadInfo.None, _now);
    }

    private void Arrive(AccessPointNode node)
    {
        node.OnAssociated(Client, _now);
        var arrive = _output.Control.OfType<Arrive>().Last();
        Say(node, new ArriveReply { Id = arrive.Id, Client = Client, Status = AckStatus.Ok, Epoch = new Epoch(3), Complete = true });
    }

    private AccessPointNode Connected()
    {
        var node = Create(TimeSpan.Zero);
        Step(node, 1);
        node.OnControlConnected(_now);
        Welcome(node);
        _output.Uplink.Clear();
        return node;
    }

    private AccessPointNode Create(TimeSpan patience) => new(
        new AccessPointModel
        {
            Node = new NodeId("ap1"),
            Incarnation = 9,
            AddressPatience = patience,
            Uplink = new UplinkModel
            {
                Mac = Own,
                Addresses = [Mine],
                OnLink = [IpPrefix.Parse("10.1.1.0/24")],
                GatewayV4 = RouterAddress,
                StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [RouterAddress] = Router, [Peer.Address] = Router },
            },
            Clients = new ClientSideModel { GatewayAddresses = [IpAddress.Parse("192.168.77.1")], Prefixes = [IpPrefix.Parse("192.168.77.0/24")] },
        },
        42,
        _output);

    private void Say(AccessPointNode node, ControlMessage message)
    {
        _now += TimeSpan.FromMilliseconds(1);
        node.OnControl(message, _now);
        node.Advance(_now);
    }

    private void Step(AccessPointNode node, double milliseconds)
    {
        _now += TimeSpan.FromMilliseconds(milliseconds);
        node.Advance(_now);
    }

    private void Welcome(AccessPointNode node) => node.OnControl(Answer(), _now);

    private Welcome Answer() => new()
    {
        Id = _output.Control.OfType<Hello>().Last().Id, Coordinator = new NodeId("c"), StoreIncarnation = 1, HeartbeatMilliseconds = 10_000,
    };
}
