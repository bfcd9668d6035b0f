using System.Buffers.Binary;
using Masquerade.Core.Checksum;

namespace Masquerade.Core.Wire;

/// <summary>
/// The options of a SYN that matter to a translator (RFC 9293 section 3.1, RFC 7323 section 2). What is cut off or contradicts itself ends the search: it is the receiver's business.
/// </summary>
public static class TcpOptions
{
    /// <summary>The least size to which segments are clamped: every path carries it, and less would only serve to make a connection crawl.</summary>
    public const int LeastSegment = 88;

    private const byte End = 0;
    private const byte NoOperation = 1;
    private const byte MaximumSegmentSize = 2;
    private const byte WindowScaleKind = 3;

    /// <summary>RFC 7323 section 2.3: more counts as 14.</summary>
    private const byte MostScale = 14;

    /// <summary>By how many bits the sender's windows are shifted, at most 14; null if the segment does not say so.</summary>
    /// <param name="packet">The IP packet.</param>
    /// <param name="summary">What the parser found in it: a TCP segment.</param>
    public static byte? WindowScale(ReadOnlySpan<byte> packet, in PacketSummary summary)
    {
        var at = Find(packet, summary, WindowScaleKind, 3);
        return at < 0 ? null : Math.Min(packet[at + 2], MostScale);
    }

    /// <summary>The largest segment that the sender says it takes; null if the segment does not say so.</summary>
    /// <param name="packet">The IP packet.</param>
    /// <param name="summary">What the parser found in it: a TCP segment.</param>
    public static int? SegmentSize(ReadOnlySpan<byte> packet, in PacketSummary summary)
    {
        var at = Find(packet, summary, MaximumSegmentSize, 4);
        return at < 0 ? null : BinaryPrimitives.ReadUInt16BigEndian(packet[(at + 2)..]);
    }

    /// <summary>
    /// Lowers the maximum segment size that a SYN announces to what a path carries. It is never raised, and a SYN without the option is left alone: its sender takes 536 octets
    /// (1,220 over IPv6), which every path does.
    /// </summary>
    /// <param name="packet">The IP packet.</param>
    /// <param name="summary">What the parser found in it: a TCP segment.</param>
    /// <param name="mtu">The largest IP packet that the path carries, in octets.</param>
    /// <param name="checksumPartial">Whether the segment's checksum is still to be finished by a device.</param>
    /// <returns>Whether it was lowered.</returns>
    public static bool ClampSegmentSize(Span<byte> packet, in PacketSummary summary, int mtu, bool checksumPartial)
    {
        var at = Find(packet, summary, MaximumSegmentSize, 4);
        if (at < 0)
        {
            return false;
        }

        // The option counts no options of either header (RFC 6691).
        var most = (ushort)Math.Clamp(mtu - (summary.IsIPv6 ? Ipv6Header.Length : Ipv4Header.MinimumLength) - TcpHeader.MinimumLength, LeastSegment, ushort.MaxValue);
        var value = packet[(at + 2)..];
        var present = BinaryPrimitives.ReadUInt16BigEndian(value);
        if (present <= most)
        {
            return false;
        }

        BinaryPrimitives.WriteUInt16BigEndian(value, most);
        if (!checksumPartial)
        {
            // Words of the sum begin at even offsets of the segment; a value across two of them counts with its octets swapped (RFC 1071 section 2 (B)).
            var isAcross = ((at + 2 - summary.TransportOffset) & 1) != 0;
            var delta = isAcross
                ? ChecksumDelta.Between(BinaryPrimitives.ReverseEndianness(present), BinaryPrimitives.ReverseEndianness(most))
                : ChecksumDelta.Between(present, most);
            var checksum = packet[(summary.TransportOffset + TcpHeader.ChecksumOffset)..];
            BinaryPrimitives.WriteUInt16BigEndian(checksum, delta.ApplyTo(BinaryPrimitives.ReadUInt16BigEndian(checksum)));
        }

        return true;
    }

    /// <summary>Where in the packet an option of this kind and length begins; -1 if there is none.</summary>
    private static int Find(ReadOnlySpan<byte> packet, in PacketSummary summary, byte kind, int length)
    {
        // The parser has seen to it that the header is all there.
        var end = summary.TransportOffset + summary.TransportLength - summary.PayloadLength;
        for (var at = summary.TransportOffset + TcpHeader.MinimumLength; at < end;)
        {
            switch (packet[at])
            {
                case End:
                    return -1;
                case NoOperation:
                    at++;
                    continue;
            }

            if (at + 2 > end || packet[at + 1] < 2 || at + packet[at + 1] > end)
            {
                return -1;
            }

            if (packet[at] == kind)
            {
                return packet[at + 1] == length ? at : -1;
            }

            at += packet[at + 1];
        }

        return -1;
    }
}
