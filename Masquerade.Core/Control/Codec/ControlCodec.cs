using System.Buffers;

namespace Masquerade.Core.Control;

/// <summary>
/// Control messages as MessagePack arrays: [protocol version, message type, id, fields …]. What is at the end of an array and not known is passed over, so that a later
/// minor version may add fields; what is missing is an error. <c>docs/protocol.md</c> lists every message.
/// </summary>
public static partial class ControlCodec
{
    /// <summary>The version that this codec speaks.</summary>
    public const int ProtocolVersion = 1;

    /// <summary>Elements in front of a message's own fields.</summary>
    private const int HeaderFields = 3;

    /// <summary>The type numbers on the wire.</summary>
    public static IReadOnlyDictionary<Type, int> TypeNumbers { get; } = new Dictionary<Type, int>
    {
        [typeof(Hello)] = 1,
        [typeof(Welcome)] = 2,
        [typeof(Goodbye)] = 3,
        [typeof(Heartbeat)] = 4,
        [typeof(Ack)] = 5,
        [typeof(Arrive)] = 10,
        [typeof(ArriveReply)] = 11,
        [typeof(ArrivalUpdate)] = 12,
        [typeof(Announce)] = 20,
        [typeof(HandOver)] = 21,
        [typeof(Depart)] = 22,
        [typeof(Attach)] = 30,
        [typeof(AttachReply)] = 31,
        [typeof(Lookup)] = 32,
        [typeof(LookupReply)] = 33,
        [typeof(AnchorRequest)] = 34,
        [typeof(AnchorReply)] = 35,
        [typeof(AttachKnown)] = 36,
        [typeof(FamChange)] = 40,
        [typeof(FamCleared)] = 41,
        [typeof(MappingsEnded)] = 42,
        [typeof(FamQuery)] = 43,
        [typeof(FamQueryReply)] = 44,
        [typeof(ReleaseMappings)] = 45,
        [typeof(AnchorReport)] = 46,
        [typeof(AdoptMappings)] = 47,
        [typeof(AddressOwners)] = 48,
        [typeof(ProbeNode)] = 49,
        [typeof(ProbeResult)] = 50,
        [typeof(LeaseRequest)] = 51,
        [typeof(LeaseReply)] = 52,
        [typeof(NeighbourHere)] = 70,
        [typeof(NeighbourNoted)] = 71,
        [typeof(NeighbourQuery)] = 72,
        [typeof(NeighbourAt)] = 73,
        [typeof(LinkLost)] = 75,
        [typeof(Summon)] = 76,
        [typeof(EapFromClient)] = 80,
        [typeof(EapToClient)] = 81,
        [typeof(UserSessionQuery)] = 82,
        [typeof(UserSessionReply)] = 83,
        [typeof(PolicyQuery)] = 84,
        [typeof(PolicyReply)] = 85,
        [typeof(UserSessionChange)] = 86,
        [typeof(UserSessionUsed)] = 87,
        [typeof(UserDenied)] = 88,
        [typeof(RoamingKeyQuery)] = 89,
        [typeof(RoamingKeyReply)] = 90,
    };

    /// <summary>Encodes a message as the body of a frame. Whether it fits one is for <see cref="FrameCodec.WriteFrame"/> to say.</summary>
    /// <exception cref="ArgumentException">The type of the message is not one of this protocol's.</exception>
    public static void Encode(ControlMessage message, IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        switch (message)
        {
            case Hello or Welcome or Goodbye or Heartbeat or Ack:
                WriteSession(writer, message);
                break;
            case Arrive or ArriveReply or ArrivalUpdate or Announce or HandOver or Depart:
                WriteClient(writer, message);
                break;
            case Attach or AttachReply or AttachKnown or Lookup or LookupReply or AnchorRequest or AnchorReply:
                WriteConnection(writer, message);
                break;
            case AddressOwners or ProbeNode or ProbeResult:
                WriteAddress(writer, message);
                break;
            case LeaseRequest or LeaseReply:
                WriteLease(writer, message);
                break;
            case NeighbourHere or NeighbourNoted or NeighbourQuery or NeighbourAt:
                WriteNeighbour(writer, message);
                break;
            case LinkLost or Summon:
                WriteFurther(writer, message);
                break;
            case EapFromClient or EapToClient or UserSessionQuery or UserSessionReply or PolicyQuery or PolicyReply or UserSessionChange or UserSessionUsed or UserDenied or RoamingKeyQuery
                or RoamingKeyReply:
                WriteUser(writer, message);
                break;
            default:
                WriteHam(writer, message);
                break;
        }
    }

    /// <summary>Decodes the body of a frame. False: <paramref name="error"/> says what is wrong with it, for the log and for the other side's Goodbye.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> body, out ControlMessage? message, out string error)
    {
        message = null;
        var reader = new MessagePackReader(body);
        if (!reader.TryReadArrayHeader(out var count) || count < HeaderFields || !reader.TryReadUInt64(out var version))
        {
            error = "not a control message";
            return false;
        }

        if (version != ProtocolVersion)
        {
            error = $"protocol version {version} is not spoken here, only {ProtocolVersion}";
            return false;
        }

        if (!reader.TryReadUInt64(out var type) || !reader.TryReadUInt64(out var id))
        {
            error = "not a control message";
            return false;
        }

        var fields = new FieldReader(reader, count - HeaderFields);
        message = type switch
        {
            < 10 => ReadSession(type, id, ref fields),
            < 30 => ReadClient(type, id, ref fields),
            < 40 => ReadConnection(type, id, ref fields),
            < 48 => ReadHam(type, id, ref fields),
            < 51 => ReadAddress(type, id, ref fields),
            >= 70 and < 75 => ReadNeighbour(type, id, ref fields),
            >= 75 and < 80 => ReadFurther(type, id, ref fields),
            >= 80 and < 100 => ReadUser(type, id, ref fields),
            _ => ReadLease(type, id, ref fields),
        };
        if (message is null)
        {
            error = $"message type {type} is not known";
            return false;
        }

        if (!fields.TryFinish())
        {
            error = $"{message.GetType().Name} (message type {type}) is not well-formed{fields.Where}";
            message = null;
            return false;
        }

        error = string.Empty;
        return true;
    }

    private static void Begin(MessagePackWriter writer, ControlMessage message, int fields)
    {
        writer.WriteArrayHeader(HeaderFields + fields);
        writer.Write((ulong)ProtocolVersion);
        writer.Write((ulong)TypeNumbers[message.GetType()]);
        writer.Write(message.Id);
    }
}
