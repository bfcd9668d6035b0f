using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint;

/// <summary>
/// The payload of a datagram between nodes: magic and version, kind, client, epoch, token; 24 octets in network order. It is too short to carry anybody's packet.
/// </summary>
internal static class PeerCodec
{
    /// <summary>The length of every message.</summary>
    public const int MaxLength = 24;

    // 'm' and the version. A datagram of another version is dropped: nodes of different versions fall back to the drain's deadline.
    private const byte Magic = 0x6D;
    private const byte Version = 1;
    private const byte DrainKind = 1;
    private const byte DrainedKind = 2;

    /// <summary>Writes a message and returns its length.</summary>
    public static int Encode(PeerMessage message, Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, message.Client.Value);
        destination[0] = Magic;
        destination[1] = (byte)((Version << 4) | (message is Drain ? DrainKind : DrainedKind));
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], message.Epoch.Value);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], message.Token);
        return MaxLength;
    }

    /// <summary>Reads a message; false for anything else.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> datagram, [NotNullWhen(true)] out PeerMessage? message)
    {
        message = null;
        if (datagram.Length != MaxLength || datagram[0] != Magic || datagram[1] >> 4 != Version)
        {
            return false;
        }

        var client = MacAddress.FromBytes(datagram[2..]);
        var epoch = new Epoch(BinaryPrimitives.ReadUInt64BigEndian(datagram[8..]));
        var token = BinaryPrimitives.ReadUInt64BigEndian(datagram[16..]);
        message = (datagram[1] & 0x0F) switch
        {
            DrainKind => new Drain(client, epoch, token),
            DrainedKind => new Drained(client, epoch, token),
            _ => null,
        };
        return message is not null;
    }
}
