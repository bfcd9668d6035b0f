using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Coordinator.Tests;

/// <summary>
/// A coordinator with three access points ap1, ap2 and ap3, played by the test. Node n owns 192.0.2.n and 2001:db8::n; its session is n. What the coordinator says is
/// collected per session until a test takes it.
/// </summary>
internal sealed class CoordinatorBench : ICoordinatorOutput
{
    public static readonly MacAddress Client = new(0x0200_0000_0001);
    public static readonly MacAddress OtherClient = new(0x0200_0000_0002);
    public static readonly NodeId Ap1 = new("ap1");
    public static readonly NodeId Ap2 = new("ap2");
    public static readonly NodeId Ap3 = new("ap3");

    private readonly List<(ulong Session, ControlMessage Message)> _sent = [];
    private ulong _id = 100;

    public CoordinatorBench(CoordinatorOptions? options = null, IClientStore? store = null, int nodes = 3, ICoordinatorPeers? peers = null)
    {
        Store = store ?? new InMemoryClientStore(7);
        Core = new CoordinatorCore(options ?? new CoordinatorOptions(), Store, 1, this, peers);
        for (ulong node = 1; node <= (ulong)nodes; node++)
        {
            Connect(node);
        }

        _sent.Clear();
    }

    public CoordinatorCore Core { get; }

    public IClientStore Store { get; }

    public Instant Now { get; set; } = Instant.FromMilliseconds(1_000);

    public List<(ulong Session, string Reason)> Closed { get; } = [];

    public List<CoordinatorEvent> Events { get; } = [];

    public ClientRecord Record => Store.Load(Client).Record!;

    public static NodeId Name(ulong node) => new($"ap{node}");

    public static IpAddress Address(ulong node) => IpAddress.FromV4(0xC000_0200 + (uint)node);

    public static TransportEndpoint At(ulong node, int port) => new(Address(node), (ushort)port);

    public static TransportEndpoint Own(int port) => TransportEndpoint.Parse($"192.168.77.10:{port}");

    /// <summary>A UDP mapping of the client's port, anchored at a node with the masquerade port equal to the client's.</summary>
    public static MappingRecord Mapping(ulong ham, int port, ulong epoch, uint revision = 1, TransportEndpoint fam = default, int clientPort = 0) => new()
    {
        Mapping = new MappingId(TransportProtocol.Udp, At(ham, port)),
        ClientEndpoint = Own(clientPort == 0 ? port : clientPort),
        Ham = Name(ham),
        AnchorEpoch = new Epoch(epoch),
        Revision = revision,
        FamEndpoint = fam.IsNone ? At(ham, port) : fam,
        Connections = [new ConnectionRecord(TransportEndpoint.Parse("203.0.113.10:53"), ConnectionState.Established, revision)],
    };

    public ulong NextId() => ++_id;

    public IReadOnlyList<(ulong Session, ControlMessage Message)> Connect(
        ulong node, ulong incarnation = 1, ulong session = 0, IReadOnlyList<IpAddress>? addresses = null, IReadOnlyList<IpPrefix>? takes = null,
        IReadOnlyList<AddressOwner>? owners = null)
    {
        session = session == 0 ? node : session;
        _sent.Clear();
        Core.OnConnected(session, Now);
        Core.OnMessage(
            session,
            new Hello
            {
                Id = NextId(), Node = Name(node), Incarnation = incarnation, PeerEndpoint = At(node, 4_747), Addresses = addresses ?? [Address(node)], Takes = takes ?? [],
                Owners = owners ?? [],
            },
            Now);
        return [.. _sent];
    }

    /// <summary>Says something to the coordinator and returns all that it says to anybody because of it.</summary>
    public IReadOnlyList<(ulong Session, ControlMessage Message)> Tell(ulong session, ControlMessage message)
    {
        Now += TimeSpan.FromMicroseconds(50);
        _sent.Clear();
        Core.OnMessage(session, message, Now);
        return [.. _sent];
    }

    /// <summary>Says something, and gives back the answer to it.</summary>
    public T Ask<T>(ulong session, ControlMessage message)
        where T : ControlMessage =>
        Assert.Single(Tell(session, message).Where(s => s.Session == session && s.Message.Id == message.Id).Select(s => s.Message).OfType<T>());

    /// <summary>All that the coordinator says to anybody because of what the test does, such as to let its store answer.</summary>
    public IReadOnlyList<(ulong Session, ControlMessage Message)> During(Action action)
    {
        _sent.Clear();
        action();
        return [.. _sent];
    }

    public IReadOnlyList<(ulong Session, ControlMessage Message)> Wait(double milliseconds)
    {
        _sent.Clear();
        Now += TimeSpan.FromMilliseconds(milliseconds);
        Core.Advance(Now);
        return [.. _sent];
    }

    public Arrive Arrive(ulong node, params int[] offers) => new()
    {
        Id = NextId(), Client = Client, Offers = [.. offers.Select(p => new FamOffer(TransportProtocol.Udp, At(node, p)))],
    };

    public Announce Announce(ulong epoch, params MappingRecord[] mappings) => new() { Id = NextId(), Client = Client, Epoch = new Epoch(epoch), Mappings = mappings };

    public Attach Attach(ulong node, ulong epoch, int clientPort, int famPort, bool mayEstablish = true, int serverPort = 443) => new()
    {
        Id = NextId(),
        Client = Client,
        Epoch = new Epoch(epoch),
        Protocol = TransportProtocol.Udp,
        ClientEndpoint = Own(clientPort),
        Server = TransportEndpoint.Parse($"203.0.113.10:{serverPort}"),
        FamEndpoint = At(node, famPort),
        MayEstablish = mayEstablish,
    };

    /// <summary>Called for each message that the coordinator sends.</summary>
    public Action<ControlMessage>? Heard { get; set; }

    void ICoordinatorOutput.Send(ulong session, ControlMessage message)
    {
        Heard?.Invoke(message);
        _sent.Add((session, message));
    }

    void ICoordinatorOutput.Close(ulong session, string reason) => Closed.Add((session, reason));

    void ICoordinatorOutput.Report(CoordinatorEvent coordinatorEvent) => Events.Add(coordinatorEvent);
}
