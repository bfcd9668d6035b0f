using System.Buffers.Binary;

namespace Masquerade.Lab.Traffic;

/// <summary>
/// The content of the laboratory's datagrams and echo requests: 64 bytes, magic (4), flow (2), direction (1), zero (1), sequence (8), then a
/// pattern of all these. It is found again in captures whatever addresses and ports have become of the packet.
/// </summary>
internal static class DatagramPayload
{
    public const int Size = 64;
    public const int HeaderSize = 16;
    public const byte Up = 0;
    public const byte Down = 1;
    private const uint Magic = 0x4D51_4C42;

    public static void Write(Span<byte> payload, ushort flow, byte direction, long sequence)
    {
        BinaryPrimitives.WriteUInt32BigEndian(payload, Magic);
        BinaryPrimitives.WriteUInt16BigEndian(payload[4..], flow);
        payload[6] = direction;
        payload[7] = 0;
        BinaryPrimitives.WriteInt64BigEndian(payload[8..], sequence);
        Pattern.Fill(payload[HeaderSize..Size], ((ulong)flow << 8) | direction, sequence * Size);
    }

    /// <summary>Reads the header alone (captures keep no more than the beginning).</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> payload, out ushort flow, out byte direction, out long sequence)
    {
        flow = 0;
        direction = 0;
        sequence = 0;
        if (payload.Length < HeaderSize || BinaryPrimitives.ReadUInt32BigEndian(payload) != Magic)
        {
            return false;
        }

        flow = BinaryPrimitives.ReadUInt16BigEndian(payload[4..]);
        direction = payload[6];
        sequence = BinaryPrimitives.ReadInt64BigEndian(payload[8..]);
        return true;
    }

    /// <summary>Whether every byte is what the sender of this flow and direction wrote; yields the sequence number.</summary>
    public static bool Verify(ReadOnlySpan<byte> payload, ushort flow, byte direction, out long sequence) =>
        TryReadHeader(payload, out var f, out var d, out sequence) && f == flow && d == direction && payload.Length == Size
            && Pattern.Matches(payload[HeaderSize..], ((ulong)flow << 8) | direction, sequence * Size);
}
