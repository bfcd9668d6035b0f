using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>
/// Writes a new endpoint into a packet, in place. Checksums follow incrementally (A-20, RFC 1624), so the payload is never touched; the deltas are computed once per
/// mapping. Every method expects the <see cref="PacketSummary"/> that the parser made of this very packet.
/// </summary>
public static partial class PacketRewriter
{
    /// <summary>One direction of one mapping: which endpoint becomes which, with the checksum deltas that follow.</summary>
    public readonly struct Rewrite
    {
        /// <summary>Precomputes a rewrite; both endpoints are of one family.</summary>
        public Rewrite(TransportEndpoint from, TransportEndpoint to)
        {
            From = from;
            To = to;
            AddressDelta = ChecksumDelta.Between(from.Address, to.Address);
            PortDelta = ChecksumDelta.Between(from.Port, to.Port);
            BothDelta = AddressDelta + PortDelta;
        }

        /// <summary>What the packet has.</summary>
        public TransportEndpoint From { get; }

        /// <summary>What it gets.</summary>
        public TransportEndpoint To { get; }

        internal ChecksumDelta AddressDelta { get; }

        internal ChecksumDelta PortDelta { get; }

        internal ChecksumDelta BothDelta { get; }
    }

    /// <summary>The source endpoint of a TCP segment, UDP datagram, ICMP query or reply, or of a fragment of one.</summary>
    public static void Source(Span<byte> packet, in PacketSummary summary, in Rewrite rewrite, bool checksumPartial)
    {
        WriteAddress(packet, summary.IsIPv6, isSource: true, rewrite);
        WriteRest(packet, summary, portOffset: 0, rewrite, checksumPartial);
    }

    /// <summary>The destination endpoint of a TCP segment, UDP datagram, ICMP query or reply, or of a fragment of one.</summary>
    public static void Destination(Span<byte> packet, in PacketSummary summary, in Rewrite rewrite, bool checksumPartial)
    {
        WriteAddress(packet, summary.IsIPv6, isSource: false, rewrite);
        WriteRest(packet, summary, portOffset: 2, rewrite, checksumPartial);
    }

    /// <summary>One hop less to live. The caller has made sure that there is one left.</summary>
    public static void DecrementTtl(Span<byte> packet, in PacketSummary summary)
    {
        if (summary.IsIPv6)
        {
            packet[7]--;
            return;
        }

        // TTL is the upper half of its word, the protocol the lower one.
        var before = BinaryPrimitives.ReadUInt16BigEndian(packet[8..]);
        packet[8]--;
        Apply(packet[10..], ChecksumDelta.Between(before, (ushort)(before - 0x100)));
    }

    /// <summary>
    /// What is not the address. Only the first fragment has a transport header, and its checksum takes the whole change: it covers the whole datagram, of which nothing else changes.
    /// </summary>
    private static void WriteRest(Span<byte> packet, in PacketSummary summary, int portOffset, in Rewrite rewrite, bool checksumPartial)
    {
        if (summary.HasIdentification)
        {
            WriteIdentification(packet, summary);
        }

        if (summary.Part != FragmentPart.Later)
        {
            WriteTransport(packet[summary.TransportOffset..], summary.Kind, summary.IsIPv6, portOffset, rewrite, checksumPartial);
        }
    }

    private static void WriteIdentification(Span<byte> packet, in PacketSummary summary)
    {
        if (summary.IsIPv6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(packet[(summary.FragmentHeaderOffset + 4)..], summary.Identification);
            return;
        }

        var before = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)summary.Identification);
        Apply(packet[10..], ChecksumDelta.Between(before, (ushort)summary.Identification));
    }

    private static void WriteAddress(Span<byte> packet, bool ipv6, bool isSource, in Rewrite rewrite)
    {
        if (ipv6)
        {
            rewrite.To.Address.WriteTo(packet[(isSource ? 8 : 24)..]);
            return;
        }

        BinaryPrimitives.WriteUInt32BigEndian(packet[(isSource ? 12 : 16)..], rewrite.To.Address.V4);
        Apply(packet[10..], rewrite.AddressDelta);
    }

    private static void WriteTransport(Span<byte> transport, PacketKind kind, bool ipv6, int portOffset, in Rewrite rewrite, bool partial)
    {
        switch (kind)
        {
            case PacketKind.Tcp:
                BinaryPrimitives.WriteUInt16BigEndian(transport[portOffset..], rewrite.To.Port);
                Apply(transport[TcpHeader.ChecksumOffset..], rewrite.AddressDelta, rewrite.BothDelta, partial);
                break;
            case PacketKind.Udp:
                BinaryPrimitives.WriteUInt16BigEndian(transport[portOffset..], rewrite.To.Port);
                ApplyUdp(transport[UdpHeader.ChecksumOffset..], rewrite, partial);
                break;
            case PacketKind.IcmpQuery:
            case PacketKind.IcmpReply:
                // Only ICMPv6 covers the addresses (RFC 4443 section 2.3).
                var address = ipv6 ? rewrite.AddressDelta : default;
                var whole = address;
                if (HasIdentifier(kind, isSource: portOffset == 0))
                {
                    BinaryPrimitives.WriteUInt16BigEndian(transport[IcmpHeader.IdentifierOffset..], rewrite.To.Port);
                    whole += rewrite.PortDelta;
                }

                Apply(transport[IcmpHeader.ChecksumOffset..], address, whole, partial);
                break;
        }
    }

    /// <summary>Whose port the identifier is: that of who asks, which is the source of a query and the destination of a reply. The other side has none.</summary>
    private static bool HasIdentifier(PacketKind kind, bool isSource) => kind == PacketKind.IcmpQuery == isSource;

    /// <summary>
    /// A finished checksum takes the whole change. An unfinished one has only the pseudo-header so far: the sender's hardware would have added the segment,
    /// ports included, so only the change of address is folded in.
    /// </summary>
    private static void Apply(Span<byte> field, ChecksumDelta address, ChecksumDelta whole, bool partial)
    {
        if (partial)
        {
            BinaryPrimitives.WriteUInt16BigEndian(field, address.ApplyToPartial(BinaryPrimitives.ReadUInt16BigEndian(field)));
        }
        else
        {
            Apply(field, whole);
        }
    }

    private static void ApplyUdp(Span<byte> field, in Rewrite rewrite, bool partial)
    {
        if (partial)
        {
            Apply(field, rewrite.AddressDelta, default, partial: true);
            return;
        }

        // Zero means that the sender made no checksum (RFC 768); one that comes out as zero is sent as all ones.
        var before = BinaryPrimitives.ReadUInt16BigEndian(field);
        if (before != 0)
        {
            var after = rewrite.BothDelta.ApplyTo(before);
            BinaryPrimitives.WriteUInt16BigEndian(field, after == 0 ? (ushort)0xFFFF : after);
        }
    }

    private static void Apply(Span<byte> field, ChecksumDelta delta) =>
        BinaryPrimitives.WriteUInt16BigEndian(field, delta.ApplyTo(BinaryPrimitives.ReadUInt16BigEndian(field)));
}
