using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>ICMP errors (N-04, RFC 5508 REQ-4 and 5): the outer header, the embedded headers, and up to four checksums that depend on each other. Padding and extensions behind the embedded packet are left alone (REQ-3d).</summary>
public static partial class PacketRewriter
{
    /// <summary>An ICMP error on its way to the client about a packet that the client sent: the outer destination and the embedded source change.</summary>
    public static void ErrorInbound(Span<byte> packet, in PacketSummary summary, in Rewrite rewrite)
    {
        WriteAddress(packet, summary.IsIPv6, isSource: false, rewrite);
        WriteError(packet, summary, rewrite, embeddedSource: true, rewrite.AddressDelta);
    }

    /// <summary>
    /// An ICMP error of the client about a packet that it received: the outer source becomes the masquerade address, whichever of its addresses the client sent it from,
    /// and the embedded destination changes.
    /// </summary>
    public static void ErrorOutbound(Span<byte> packet, in PacketSummary summary, in Rewrite rewrite)
    {
        var outer = new Rewrite(summary.Tuple.Source, rewrite.To with { Port = summary.Tuple.Source.Port });
        WriteAddress(packet, summary.IsIPv6, isSource: true, outer);
        WriteError(packet, summary, rewrite, embeddedSource: false, outer.AddressDelta);
    }

    /// <summary>The outer source address of an ICMP error, where its sender's own does not get through.</summary>
    public static void ErrorSource(Span<byte> packet, in PacketSummary summary, IpAddress source)
    {
        var outer = new Rewrite(summary.Tuple.Source, new TransportEndpoint(source, summary.Tuple.Source.Port));
        WriteAddress(packet, summary.IsIPv6, isSource: true, outer);
        if (summary.IsIPv6)
        {
            // Only ICMPv6 covers the addresses (RFC 4443 section 2.3).
            Apply(packet[(summary.TransportOffset + IcmpHeader.ChecksumOffset)..], outer.AddressDelta);
        }
    }

    /// <summary>The destination of the packet that an ICMP error is about; whose error it is stays as it is.</summary>
    public static void ErrorAbout(Span<byte> packet, in PacketSummary summary, in Rewrite rewrite) => WriteError(packet, summary, rewrite, embeddedSource: false, default);

    private static void WriteError(Span<byte> packet, in PacketSummary summary, in Rewrite rewrite, bool embeddedSource, ChecksumDelta outerAddress)
    {
        // The ICMP checksum covers the embedded packet: it takes the change of every word in there, the embedded checksums included.
        var changesPort = summary.EmbeddedKind is PacketKind.Tcp or PacketKind.Udp || HasIdentifier(summary.EmbeddedKind, embeddedSource);
        var icmp = changesPort ? rewrite.BothDelta : rewrite.AddressDelta;
        if (summary.IsIPv6)
        {
            icmp += outerAddress;
            rewrite.To.Address.WriteTo(packet[(summary.EmbeddedOffset + (embeddedSource ? 8 : 24))..]);
        }
        else
        {
            var embedded = packet[summary.EmbeddedOffset..];
            var before = BinaryPrimitives.ReadUInt16BigEndian(embedded[10..]);
            BinaryPrimitives.WriteUInt32BigEndian(embedded[(embeddedSource ? 12 : 16)..], rewrite.To.Address.V4);
            Apply(embedded[10..], rewrite.AddressDelta);
            icmp += ChecksumDelta.Between(before, BinaryPrimitives.ReadUInt16BigEndian(embedded[10..]));
        }

        icmp += WriteEmbeddedTransport(packet[summary.EmbeddedTransportOffset..(summary.EmbeddedOffset + summary.EmbeddedLength)], summary, rewrite, embeddedSource ? 0 : 2, changesPort);
        Apply(packet[(summary.TransportOffset + IcmpHeader.ChecksumOffset)..], icmp);
    }

    /// <summary>Writes the port or identifier in the embedded transport header and its checksum, as far as it is there. Returns the change of that checksum field.</summary>
    private static ChecksumDelta WriteEmbeddedTransport(Span<byte> transport, in PacketSummary summary, in Rewrite rewrite, int portOffset, bool changesPort)
    {
        var change = changesPort ? rewrite.BothDelta : rewrite.AddressDelta;
        var (checksumOffset, delta) = summary.EmbeddedKind switch
        {
            PacketKind.Tcp => (TcpHeader.ChecksumOffset, change),
            PacketKind.Udp => (UdpHeader.ChecksumOffset, change),
            _ => (IcmpHeader.ChecksumOffset, summary.IsIPv6 ? change : changesPort ? rewrite.PortDelta : default),
        };
        var isIcmp = summary.EmbeddedKind is PacketKind.IcmpQuery or PacketKind.IcmpReply;
        if (changesPort)
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[(isIcmp ? IcmpHeader.IdentifierOffset : portOffset)..], rewrite.To.Port);
        }

        if (transport.Length < checksumOffset + 2)
        {
            return default;
        }

        var field = transport[checksumOffset..];
        var before = BinaryPrimitives.ReadUInt16BigEndian(field);
        var isUdp = summary.EmbeddedKind == PacketKind.Udp;
        if (before == 0 && isUdp)
        {
            return default;
        }

        var after = delta.ApplyTo(before);
        after = after == 0 && isUdp ? (ushort)0xFFFF : after;
        BinaryPrimitives.WriteUInt16BigEndian(field, after);
        return ChecksumDelta.Between(before, after);
    }
}
