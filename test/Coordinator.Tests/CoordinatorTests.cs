using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Coordinator.Tests;

public sealed class CoordinatorTests : ICoordinatorOutput
{
    private static readonly MacAddress Client = MacAddress.Parse("02:c0:00:00:00:01");
    private readonly List<(ulong Session, ControlMessage Message)> _sent = [];
    private readonly List<ulong> _closed = [];
    private readonly Dictionary<ulong, ulong> _ids = [];
    private CoordinatorCore _core;
    private Instant _now = Instant.FromMilliseconds(1);

    public CoordinatorTests()
    {
        _core = new CoordinatorCore(new CoordinatorOptions(), new InMemoryClientStore(7), 1, this);
        for (ulong node = 1; node <= 3; node++)
        {
            Greet(node);
        }
    }

    [Fact]
    [Trait("Req", "A-10")]
    [Trait("Req", "A-11")]
    public void One_round_trip_brings_the_mappings_and_tells_everybody()
    {
        Arrive(1);
        Announce(1, 1, 5000);
        _sent.Clear();
        var reply = Arrive(2);
        Assert.Equal(2ul, reply.Epoch.Value);
        Assert.False(reply.Complete);
        var mapping = Assert.Single(reply.Mappings);
        Assert.Equal(Address(2), mapping.FamEndpoint.Address);

        // AP1 is HAM and previous FAM: one message, with both endpoints.
        var change = Assert.IsType<FamChange>(Assert.Single(_sent, s => s.Session == 1).Message);
        var route = Assert.Single(change.Routes);
        Assert.Equal(5000, route.OldFamEndpoint.Port);
        Assert.Equal(mapping.FamEndpoint, route.NewFamEndpoint);

        Tell(1, new HandOver { Id = Next(1), Client = Client, Epoch = new Epoch(1), Mappings = [Record(1, 5000, 9)] });
        var update = _sent.Select(s => s.Message).OfType<ArrivalUpdate>().Single();
        Assert.True(update.Complete);
        Assert.Equal(9u, update.Mappings.Single().Revision);

        // The table: the most recent FAM first.
        var entry = _core.Store.Load(Client).Record!.Mappings.Values.Single();
        Assert.Equal(["ap2", "ap1"], entry.Fams.Select(f => f.Node.Name));
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void A_silent_previous_FAM_is_waited_for_200_ms_and_no_longer()
    {
        Arrive(1);
        Arrive(2);
        Pass(199);
        Assert.Empty(_sent.Select(s => s.Message).OfType<ArrivalUpdate>());
        Pass(2);
        Assert.True(_sent.Select(s => s.Message).OfType<ArrivalUpdate>().First().Complete);
    }

    [Fact]
    public void A_repeated_request_is_one_request_and_a_late_copy_fetches_nobody_back()
    {
        var first = new Arrive { Id = Next(1), Client = Client };
        Tell(1, first);
        Tell(1, first);
        Assert.Equal(1ul, _core.Store.Load(Client).Record!.Epoch.Value);
        Assert.Equal(2, _sent.Count(s => s.Message is ArriveReply { Status: AckStatus.Ok }));
        Arrive(2);
        Tell(1, first);
        Assert.Equal("ap2", _core.Store.Load(Client).Record!.Fam.Name);
        Assert.Equal(AckStatus.StaleEpoch, Assert.IsType<ArriveReply>(_sent.Last(s => s.Session == 1 && s.Message is ArriveReply).Message).Status);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void A_departure_clears_the_FAM_at_every_HAM_and_a_stale_one_does_not()
    {
        Arrive(1);
        Announce(1, 1, 5000);
        Arrive(2);
        _sent.Clear();
        Tell(1, new Depart { Id = Next(1), Client = Client, Epoch = new Epoch(1), Idle = false });
        Assert.DoesNotContain(_sent, s => s.Message is FamCleared);
        Tell(2, new Depart { Id = Next(2), Client = Client, Epoch = new Epoch(2), Idle = false });
        Assert.Equal(1ul, Assert.Single(_sent, s => s.Message is FamCleared).Session);
        Assert.True(Arrive(3).Complete);
    }

    [Fact]
    [Trait("Req", "A-06")]
    public void A_HAM_is_told_where_the_client_is_and_its_other_mappings_ride_along()
    {
        Arrive(1);
        Announce(1, 1, 5000);
        Announce(1, 1, 5001);
        Arrive(2);
        Tell(1, new FamQuery { Id = Next(1), Client = Client, Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Address(1), 5000)) });
        Assert.Equal(2, Assert.IsType<FamQueryReply>(_sent.Last(s => s.Message is FamQueryReply).Message).Routes.Count);
    }

    [Fact]
    [Trait("Req", "A-08")]
    [Trait("Req", "A-09")]
    public void An_attach_to_an_unknown_connection_establishes_it_at_the_asker()
    {
        Arrive(1);
        var attach = new Attach
        {
            Id = Next(1), Client = Client, Epoch = new Epoch(1), Protocol = TransportProtocol.Udp, ClientEndpoint = TransportEndpoint.Parse("192.168.77.10:1"),
            Server = TransportEndpoint.Parse("203.0.113.9:53"), FamEndpoint = new TransportEndpoint(Address(1), 6000), MayEstablish = true,
        };
        Tell(1, attach);
        Assert.Equal(AttachStatus.Established, Last<AttachReply>().Status);

        // The same request again gets the same answer; another one finds the connection.
        Tell(1, attach);
        Assert.Equal(AttachStatus.Established, Last<AttachReply>().Status);
        Tell(1, attach with { Id = Next(1), FamEndpoint = new TransportEndpoint(Address(1), 6001) });
        Assert.Equal(AttachStatus.Attached, Last<AttachReply>().Status);
        Assert.Single(_core.Store.Load(Client).Record!.Mappings);
        Tell(2, attach with { Id = Next(2) });
        Assert.Equal(AttachStatus.Refused, Last<AttachReply>().Status);
    }

    [Fact]
    [Trait("Req", "A-07")]
    public void Policy_places_a_connection_at_another_node()
    {
        _core = new CoordinatorCore(new CoordinatorOptions { Placement = new PlacementRules(new PlacementRule(new NodeId("ap3"))) }, new InMemoryClientStore(7), 1, this);
        for (ulong node = 1; node <= 3; node++)
        {
            Greet(node);
        }

        Arrive(1);
        Tell(1, new Attach
        {
            Id = Next(1), Client = Client, Epoch = new Epoch(1), Protocol = TransportProtocol.Udp, ClientEndpoint = TransportEndpoint.Parse("192.168.77.10:1"),
            Server = TransportEndpoint.Parse("203.0.113.9:53"), FamEndpoint = new TransportEndpoint(Address(1), 6000), MayEstablish = true,
        });
        var (session, request) = _sent.Last(s => s.Message is AnchorRequest);
        Assert.Equal(3ul, session);
        Tell(3, new AnchorReply { Id = request.Id, Status = AckStatus.Ok, Masquerade = new TransportEndpoint(Address(3), 7000) });
        var reply = Last<AttachReply>();
        Assert.Equal(AttachStatus.Attached, reply.Status);
        Assert.Equal("ap3", reply.Mapping!.Ham.Name);
        Assert.Equal(3ul, _sent.Last(s => s.Message is FamChange).Session);
    }

    [Fact]
    public void Pushes_are_repeated_until_acknowledged_and_kept_over_a_reconnect()
    {
        Arrive(1);
        Announce(1, 1, 5000);
        Arrive(2);
        var push = _sent.Last(s => s.Message is FamChange).Message;
        _sent.Clear();
        Pass(150);
        Assert.Contains(_sent, s => s.Session == 1 && s.Message == push);
        _core.OnDisconnected(1, _now);
        _sent.Clear();
        _core.OnConnected(11, _now);
        _core.OnMessage(11, Hello(1, 1), _now);
        Assert.Contains(_sent, s => s.Session == 11 && s.Message == push);
        _core.OnMessage(11, new Ack { Id = push.Id, Status = AckStatus.Ok }, _now);
        _sent.Clear();
        Pass(5_000);
        Assert.DoesNotContain(_sent, s => s.Message == push);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_node_that_has_lost_its_tables_is_given_back_what_it_anchored()
    {
        Arrive(1);
        Announce(1, 1, 5000);
        Arrive(2);
        _core.OnDisconnected(1, _now);
        _core.OnConnected(11, _now);
        _core.OnMessage(11, Hello(1, incarnation: 2), _now);
        var adopt = Assert.Single(_sent.Where(s => s.Session == 11).Select(s => s.Message).OfType<AdoptMappings>());
        var mapping = Assert.Single(_core.Store.Load(Client).Record!.Mappings.Values);
        Assert.Equal(mapping.EndpointAt(new NodeId("ap2")), Assert.Single(adopt.Mappings).FamEndpoint);
        Assert.True(_sent.FindIndex(s => s.Message is Welcome && s.Session == 11) < _sent.FindIndex(s => s.Message is AdoptMappings));
    }

    [Fact]
    public void A_session_begins_with_Hello_and_an_address_has_one_owner()
    {
        _core.OnConnected(20, _now);
        _core.OnMessage(20, new Heartbeat { Id = 1 }, _now);
        Assert.Contains(20ul, _closed);
        _core.OnConnected(21, _now);
        _core.OnMessage(21, new Hello { Id = 1, Node = new NodeId("thief"), Incarnation = 1, PeerEndpoint = new TransportEndpoint(Address(1), 4747), Addresses = [Address(1)] }, _now);
        Assert.Contains(21ul, _closed);
        Assert.True(_core.Nodes.IsConnected(new NodeId("ap1")));
    }

    [Fact]
    public void A_mapping_of_another_client_cannot_be_taken()
    {
        Arrive(1);
        Announce(1, 1, 5000);
        var other = MacAddress.Parse("02:c0:00:00:00:02");
        Tell(2, new Arrive { Id = Next(2), Client = other });
        Tell(2, new Announce { Id = Next(2), Client = other, Epoch = new Epoch(1), Mappings = [Record(1, 5000, 1)] });
        Assert.True(_core.Store.TryFindOwner(new MappingId(TransportProtocol.Udp, new TransportEndpoint(Address(1), 5000)), out var owner));
        Assert.Equal(Client, owner);
    }

    void ICoordinatorOutput.Send(ulong session, ControlMessage message) => _sent.Add((session, message));

    void ICoordinatorOutput.Close(ulong session, string reason) => _closed.Add(session);

    void ICoordinatorOutput.Report(CoordinatorEvent coordinatorEvent)
    {
        // The tests look at messages.
    }

    private static IpAddress Address(ulong node) => IpAddress.FromV4(0x0A01_000A + ((uint)node << 8));

    private static Hello Hello(ulong node, ulong incarnation) => new()
    {
        Id = 1, Node = new NodeId($"ap{node}"), Incarnation = incarnation, PeerEndpoint = new TransportEndpoint(Address(node), 4747), Addresses = [Address(node)],
    };

    private static MappingRecord Record(ulong ham, ushort port, uint revision) => new()
    {
        Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Address(ham), port)),
        ClientEndpoint = new TransportEndpoint(IpAddress.Parse("192.168.77.10"), port),
        Ham = new NodeId($"ap{ham}"),
        AnchorEpoch = new Epoch(1),
        Revision = revision,
        FamEndpoint = new TransportEndpoint(Address(ham), port),
        Connections = [new ConnectionRecord(TransportEndpoint.Parse("203.0.113.9:53"), ConnectionState.Established, 0)],
    };

    private void Greet(ulong node)
    {
        _core.OnConnected(node, _now);
        _core.OnMessage(node, Hello(node, 1), _now);
    }

    private ArriveReply Arrive(ulong node)
    {
        Tell(node, new Arrive
        {
            Id = Next(node),
            Client = Client,
            Offers = [.. Enumerable.Range(0, 8).Select(i => new FamOffer(TransportProtocol.Udp, new TransportEndpoint(Address(node), (ushort)(30_000 + i))))],
        });
        return Last<ArriveReply>();
    }

    private void Announce(ulong node, ulong epoch, ushort port) =>
        Tell(node, new Announce { Id = Next(node), Client = Client, Epoch = new Epoch(epoch), Mappings = [Record(node, port, 1)] });

    private T Last<T>()
        where T : ControlMessage => (T)_sent.Last(s => s.Message is T).Message;

    private void Tell(ulong session, ControlMessage message) => _core.OnMessage(session, message, _now);

    private ulong Next(ulong node) => _ids[node] = _ids.GetValueOrDefault(node, 1ul) + 1;

    private void Pass(double milliseconds)
    {
        for (var i = 0; i < milliseconds; i++)
        {
            _now += TimeSpan.FromMilliseconds(1);
            _core.Advance(_now);
        }
    }
}
