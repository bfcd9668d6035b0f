using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>What coordinators say to each other by way of Redis: octets that are not trusted when they are read.</summary>
internal static class PeerFrames
{
    private const byte IsAlive = 1;
    private const byte IsPresence = 2;
    private const byte IsRelay = 3;
    private const byte HasChangedAddresses = 4;
    private const byte HasChangedUsers = 5;
    private const int HeaderBytes = 9;
    private const int IsConnected = 1;
    private const int HasLoad = 2;
    private const int LoadBytes = 4;

    /// <summary>A coordinator is alive, and has said something to all this often.</summary>
    public static byte[] Alive(ulong life, ulong said)
    {
        var buffer = Begin(IsAlive, life);
        BinaryPrimitives.WriteUInt64BigEndian(buffer.GetSpan(8), said);
        buffer.Advance(8);
        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] AddressesChanged(ulong life) => Begin(HasChangedAddresses, life).WrittenSpan.ToArray();

    public static byte[] UsersChanged(ulong life) => Begin(HasChangedUsers, life).WrittenSpan.ToArray();

    /// <summary>All of a node's presence but number and connection: the coordinator's life, and the node's greeting.</summary>
    public static byte[] Rest(NodePresence presence)
    {
        var buffer = Begin(IsPresence, presence.Life);
        ControlCodec.Encode(
            new Hello
            {
                Id = presence.Number,
                Node = presence.Node,
                Incarnation = presence.Incarnation,
                PeerEndpoint = presence.PeerEndpoint,
                Addresses = presence.Addresses,
                Takes = presence.Takes,
            },
            buffer);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A presence for the other coordinators: whether it is connected stands in front, and how many mappings it anchors if that is said.</summary>
    public static byte[] Presence(NodePresence presence)
    {
        var connected = presence.IsConnected ? IsConnected : 0;
        if (presence.Mappings is not { } mappings)
        {
            return [(byte)connected, .. Rest(presence)];
        }

        var load = new byte[LoadBytes];
        BinaryPrimitives.WriteUInt32BigEndian(load, mappings);
        return [(byte)(connected | HasLoad), .. load, .. Rest(presence)];
    }

    public static byte[]? Relay(ulong from, NodeId node, ControlMessage message)
    {
        var buffer = Begin(IsRelay, from);
        var name = Encoding.ASCII.GetBytes(node.Name!);
        buffer.Write([(byte)name.Length]);
        buffer.Write(name);
        ControlCodec.Encode(message, buffer);
        return buffer.WrittenCount > ControlLimits.MaxFrameBytes ? null : buffer.WrittenSpan.ToArray();
    }

    public static bool TryReadAlive(ReadOnlySpan<byte> frame, out ulong life, out ulong said)
    {
        var isAlive = TryBegin(frame, IsAlive, out life) && frame.Length == HeaderBytes + 8;
        said = isAlive ? BinaryPrimitives.ReadUInt64BigEndian(frame[HeaderBytes..]) : 0;
        return isAlive;
    }

    public static bool TryReadAddressesChanged(ReadOnlySpan<byte> frame, out ulong life) => TryBegin(frame, HasChangedAddresses, out life) && frame.Length == HeaderBytes;

    public static bool TryReadUsersChanged(ReadOnlySpan<byte> frame, out ulong life) => TryBegin(frame, HasChangedUsers, out life) && frame.Length == HeaderBytes;

    public static NodePresence? ReadPresence(ReadOnlySpan<byte> frame)
    {
        var flags = frame.Length > 0 ? frame[0] : byte.MaxValue;
        var begin = 1 + ((flags & HasLoad) != 0 ? LoadBytes : 0);
        if (flags > (IsConnected | HasLoad) || frame.Length <= begin || ReadRest(frame[begin..], 0, (flags & IsConnected) != 0) is not { } presence)
        {
            return null;
        }

        return begin == 1 ? presence : presence with { Mappings = BinaryPrimitives.ReadUInt32BigEndian(frame[1..]) };
    }

    /// <summary>Reads a presence. The number is in the greeting if it is not known from elsewhere.</summary>
    public static NodePresence? ReadRest(ReadOnlySpan<byte> frame, ulong number, bool isConnected) =>
        TryBegin(frame, IsPresence, out var life) && ControlCodec.TryDecode(frame[HeaderBytes..], out var message, out _) && message is Hello hello && NodeId.IsValid(hello.Node.Name)
            ? new NodePresence
            {
                Node = hello.Node,
                Incarnation = hello.Incarnation,
                PeerEndpoint = hello.PeerEndpoint,
                Addresses = hello.Addresses,
                Takes = hello.Takes,
                Life = life,
                Number = number == 0 ? hello.Id : number,
                IsConnected = isConnected,
            }
            : null;

    public static bool TryReadRelay(ReadOnlySpan<byte> frame, out ulong from, out NodeId node, out ControlMessage? message)
    {
        node = default;
        message = null;
        if (!TryBegin(frame, IsRelay, out from) || frame.Length < HeaderBytes + 1 || frame.Length < HeaderBytes + 1 + frame[HeaderBytes])
        {
            return false;
        }

        var name = Encoding.ASCII.GetString(frame.Slice(HeaderBytes + 1, frame[HeaderBytes]));
        node = new NodeId(name);
        return NodeId.IsValid(name) && ControlCodec.TryDecode(frame[(HeaderBytes + 1 + frame[HeaderBytes])..], out message, out _) && message is not null;
    }

    private static ArrayBufferWriter<byte> Begin(byte kind, ulong life)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        var header = buffer.GetSpan(HeaderBytes);
        header[0] = kind;
        BinaryPrimitives.WriteUInt64BigEndian(header[1..], life);
        buffer.Advance(HeaderBytes);
        return buffer;
    }

    private static bool TryBegin(ReadOnlySpan<byte> frame, byte kind, out ulong life)
    {
        life = frame.Length >= HeaderBytes ? BinaryPrimitives.ReadUInt64BigEndian(frame[1..]) : 0;
        return frame.Length >= HeaderBytes && frame[0] == kind && life != 0;
    }
}
