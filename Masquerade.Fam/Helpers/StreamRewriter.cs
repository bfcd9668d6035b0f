using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>Makes the segments of a connection agree with what has been changed in its client's stream. Checksums follow what is changed, so that what came broken stays so.</summary>
internal static class StreamRewriter
{
    private const byte SackKind = 5;
    private const byte NoOperation = 1;

    /// <summary>The least payload that a segment may have however short the client's was: every path carries it (RFC 9293 section 3.7.1).</summary>
    private const int LeastSegment = 512;

    /// <summary>Whether a segment is as its sender sent it, so far as its checksum tells; one that a device has yet to finish is.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        var (source, destination) = (summary.Tuple.Source.Address, summary.Tuple.Destination.Address);
        return offload.ChecksumPartial
            || InternetChecksum.Sum(
                packet.Slice(summary.TransportOffset, summary.TransportLength),
                InternetChecksum.PseudoHeaderSum(source, destination, IpProtocolNumber.Tcp, summary.TransportLength)) == 0xFFFF;
    }

    /// <summary>Where a segment of the client is for the other end.</summary>
    public static void Sequence(Span<byte> packet, in PacketSummary summary, StreamEdits edits, bool checksumPartial)
    {
        var header = HeaderOf(packet, summary);
        var before = (ushort)InternetChecksum.Sum(header);
        BinaryPrimitives.WriteUInt32BigEndian(header[4..], edits.Forward(summary.TcpSequence));
        Follow(header, TcpHeader.ChecksumOffset, before, checksumPartial);
    }

    /// <summary>What the other end says that it has, in what the client takes for its stream; tells the acknowledgment as the client gets it.</summary>
    public static uint Acknowledgment(Span<byte> packet, in PacketSummary summary, StreamEdits edits, bool checksumPartial)
    {
        var header = HeaderOf(packet, summary);
        var before = (ushort)InternetChecksum.Sum(header);
        var acknowledgment = edits.Back(summary.TcpAcknowledgment);
        BinaryPrimitives.WriteUInt32BigEndian(header[8..], acknowledgment);
        SelectiveAcknowledgments(header[TcpHeader.MinimumLength..], edits);
        Follow(header, TcpHeader.ChecksumOffset, before, checksumPartial);
        return acknowledgment;
    }

    /// <summary>The segment that an ICMP error is about, which the client looks for among those that it has sent (RFC 5927 section 4).</summary>
    public static void Embedded(Span<byte> packet, in PacketSummary summary, StreamEdits edits)
    {
        var message = packet[summary.TransportOffset..];
        var quoted = packet.Slice(summary.EmbeddedTransportOffset + 4, 4);
        var before = (ushort)InternetChecksum.Sum(quoted);
        BinaryPrimitives.WriteUInt32BigEndian(quoted, edits.Back(BinaryPrimitives.ReadUInt32BigEndian(quoted)));
        var delta = ChecksumDelta.Between(before, (ushort)InternetChecksum.Sum(quoted));
        var checksum = message[IcmpHeader.ChecksumOffset..];
        BinaryPrimitives.WriteUInt16BigEndian(checksum, delta.ApplyTo(BinaryPrimitives.ReadUInt16BigEndian(checksum)));
    }

    /// <summary>How many octets one packet may carry of what has become of a packet's payload: it may have grown beyond what the link or an IP packet takes.</summary>
    public static int MostPayload(in PacketSummary summary, in OffloadInfo offload, int mtu)
    {
        var headers = summary.Length - summary.PayloadLength;
        if (offload.GsoType != 0)
        {
            var size = Math.Max((int)offload.GsoSize, 1);
            return (ushort.MaxValue - headers) / size * size;
        }

        return Math.Max(Math.Min(Math.Max(summary.PayloadLength, LeastSegment), mtu - headers), 1);
    }

    /// <summary>
    /// Writes a packet with part of a changed payload. Its checksum is made anew, or prepared for the device, so the original has to be <see cref="IsIntact"/>.
    /// </summary>
    /// <param name="original">The client's packet.</param>
    /// <param name="summary">What the parser found in it.</param>
    /// <param name="payload">The part.</param>
    /// <param name="sequence">Where it is for the other end.</param>
    /// <param name="isLast">Whether it is the last part.</param>
    /// <param name="edits">What has been changed.</param>
    /// <param name="offload">The original's offload state; becomes the part's.</param>
    /// <param name="output">Gets the packet.</param>
    public static void WritePart(
        ReadOnlySpan<byte> original, in PacketSummary summary, ReadOnlySpan<byte> payload, uint sequence, bool isLast, StreamEdits edits, ref OffloadInfo offload, Span<byte> output)
    {
        var headers = summary.Length - summary.PayloadLength;
        original[..headers].CopyTo(output);
        payload.CopyTo(output[headers..]);
        var length = headers + payload.Length;
        if (summary.IsIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(output[4..], (ushort)(length - Ipv6Header.Length));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(output[2..], (ushort)length);
            output[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(output[10..], InternetChecksum.Compute(output[..summary.TransportOffset]));
        }

        var segment = output[summary.TransportOffset..length];
        BinaryPrimitives.WriteUInt32BigEndian(segment[4..], sequence);
        var flags = (TcpFlags)segment[13] & (isLast ? ~TcpFlags.None : ~(TcpFlags.Fin | TcpFlags.Psh));
        if ((flags & TcpFlags.Urg) != 0)
        {
            var urgent = unchecked(summary.TcpSequence + BinaryPrimitives.ReadUInt16BigEndian(segment[18..]));
            var pointer = unchecked(edits.Forward(urgent) - sequence);
            flags = pointer <= ushort.MaxValue ? flags : flags & ~TcpFlags.Urg;
            BinaryPrimitives.WriteUInt16BigEndian(segment[18..], pointer <= ushort.MaxValue ? (ushort)pointer : (ushort)0);
        }

        segment[13] = (byte)flags;
        if (offload.GsoType != 0 && payload.Length <= offload.GsoSize)
        {
            offload = offload with { GsoType = 0, GsoSize = 0 };
        }

        var pseudo = InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, IpProtocolNumber.Tcp, segment.Length);
        segment.Slice(TcpHeader.ChecksumOffset, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(segment[TcpHeader.ChecksumOffset..], offload.ChecksumPartial ? (ushort)pseudo : InternetChecksum.Finish(InternetChecksum.Sum(segment, pseudo)));
    }

    /// <summary>RFC 2018 section 3: what the other end has beyond its acknowledgment. A block in which nothing is whole for the client is left out.</summary>
    private static void SelectiveAcknowledgments(Span<byte> options, StreamEdits edits)
    {
        for (var at = 0; at < options.Length && options[at] != 0;)
        {
            if (options[at] == NoOperation)
            {
                at++;
                continue;
            }

            if (at + 1 >= options.Length || options[at + 1] < 2 || at + options[at + 1] > options.Length)
            {
                return;
            }

            var length = options[at + 1];
            if (options[at] == SackKind)
            {
                var kept = 2;
                for (var block = 2; block + 8 <= length; block += 8)
                {
                    var left = edits.BackUp(BinaryPrimitives.ReadUInt32BigEndian(options[(at + block)..]));
                    var right = edits.Back(BinaryPrimitives.ReadUInt32BigEndian(options[(at + block + 4)..]));
                    if (StreamEdits.IsBefore(left, right))
                    {
                        BinaryPrimitives.WriteUInt32BigEndian(options[(at + kept)..], left);
                        BinaryPrimitives.WriteUInt32BigEndian(options[(at + kept + 4)..], right);
                        kept += 8;
                    }
                }

                kept = kept == 2 ? 0 : kept;
                options[(at + kept)..(at + length)].Fill(NoOperation);
                if (kept > 0)
                {
                    options[at + 1] = (byte)kept;
                }
            }

            at += length;
        }
    }

    private static Span<byte> HeaderOf(Span<byte> packet, in PacketSummary summary) => packet.Slice(summary.TransportOffset, summary.TransportLength - summary.PayloadLength);

    private static void Follow(Span<byte> covered, int checksumOffset, ushort before, bool checksumPartial)
    {
        if (!checksumPartial)
        {
            var delta = ChecksumDelta.Between(before, (ushort)InternetChecksum.Sum(covered));
            var checksum = covered[checksumOffset..];
            BinaryPrimitives.WriteUInt16BigEndian(checksum, delta.ApplyTo(BinaryPrimitives.ReadUInt16BigEndian(checksum)));
        }
    }
}
