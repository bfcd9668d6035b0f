using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>
/// Moves make-believe clients through a throw-away core before the server listens, so that the runtime has compiled the paths of a move, the codec included, before the
/// first real client moves.
/// </summary>
internal sealed class WarmUp : ICoordinatorOutput
{
    /// <summary>Moves; the runtime compiles a method anew after 30 calls.</summary>
    private const int Moves = 64;

    private readonly ArrayBufferWriter<byte> _wire = new();
    private readonly List<(ulong Session, ControlMessage Message)> _pushes = [];
    private readonly CoordinatorCore _core;
    private Instant _now = Instant.FromMilliseconds(1);
    private ulong _id;
    private Epoch _epoch;

    private WarmUp() => _core = new CoordinatorCore(new CoordinatorOptions(), new InMemoryClientStore(1), 1, this);

    /// <summary>Does it.</summary>
    public static void Run()
    {
        var warmUp = new WarmUp();
        for (ulong node = 1; node <= 3; node++)
        {
            warmUp._core.OnConnected(node, warmUp._now);
            warmUp.Tell(node, new Hello
            {
                Id = 1, Node = Name(node), Incarnation = 1, PeerEndpoint = new TransportEndpoint(Address(node), 4_747), Addresses = [Address(node)],
            });
        }

        var client = new MacAddress(0x0200_0000_0001);
        for (var i = 0; i < Moves; i++)
        {
            warmUp.Move(client, 1 + ((ulong)i % 3), 1 + ((ulong)(i + 2) % 3), i);
        }
    }

    /// <inheritdoc/>
    public void Send(ulong session, ControlMessage message)
    {
        OverTheWire(message);
        if (message is ArriveReply reply)
        {
            _epoch = reply.Epoch;
        }
        else if (message is FamChange or FamCleared or ArrivalUpdate or MappingsEnded)
        {
            _pushes.Add((session, message));
        }
    }

    /// <inheritdoc/>
    public void Close(ulong session, string reason)
    {
        // There is no connection.
    }

    /// <inheritdoc/>
    public void Report(CoordinatorEvent coordinatorEvent)
    {
        // Nobody wants to know.
    }

    private static NodeId Name(ulong node) => new($"warm-up-{node}");

    private static IpAddress Address(ulong node) => IpAddress.FromV4(0xC000_0200 + (uint)node);

    private void Move(MacAddress client, ulong to, ulong from, int i)
    {
        var epoch = _epoch;
        var offers = Enumerable.Range(0, 16).Select(o => new FamOffer(TransportProtocol.Tcp, new TransportEndpoint(Address(to), (ushort)(1_024 + (i * 32) + o)))).ToArray();
        Tell(to, new Arrive { Id = ++_id, Client = client, Offers = offers });
        Tell(from, new HandOver { Id = ++_id, Client = client, Epoch = epoch });
        Tell(to, new Announce
        {
            Id = ++_id,
            Client = client,
            Epoch = _epoch,
            Mappings =
            [
                new MappingRecord
                {
                    Mapping = new MappingId(TransportProtocol.Tcp, new TransportEndpoint(Address(to), (ushort)(40_000 + i))),
                    ClientEndpoint = new TransportEndpoint(IpAddress.FromV4(0x0A00_0001), (ushort)(1_024 + i)),
                    Ham = Name(to),
                    AnchorEpoch = _epoch,
                    Revision = 1,
                    FamEndpoint = new TransportEndpoint(Address(to), (ushort)(40_000 + i)),
                    Connections = [new ConnectionRecord(new TransportEndpoint(IpAddress.FromV4(0xCB00_7101), 80), ConnectionState.Opening, 0)],
                },
            ],
        });
        foreach (var (session, message) in _pushes.ToArray())
        {
            Tell(session, new Ack { Id = message.Id, Status = AckStatus.Ok });
        }

        _pushes.Clear();
        _core.Advance(_now += TimeSpan.FromMilliseconds(1));
    }

    private void Tell(ulong session, ControlMessage message) => _core.OnMessage(session, OverTheWire(message), _now += TimeSpan.FromMicroseconds(10));

    private ControlMessage OverTheWire(ControlMessage message)
    {
        _wire.ResetWrittenCount();
        ControlCodec.Encode(message, _wire);
        return ControlCodec.TryDecode(_wire.WrittenSpan, out var decoded, out var error) ? decoded! : throw new InvalidOperationException(error);
    }
}
