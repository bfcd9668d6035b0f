using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>ICMP and ICMPv6: queries, replies, and errors with the packet that they are about.</summary>
public static partial class PacketParser
{
    private static DropReason ParseIcmp(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> message, ref PacketSummary summary)
    {
        if (!IcmpHeader.TryParse(message, out var icmp))
        {
            return summary.Part == FragmentPart.First ? DropReason.TinyFragment : DropReason.Truncated;
        }

        summary.PayloadLength = message.Length - IcmpHeader.HeaderLength;
        summary.Kind = Classify(icmp.Type, summary.IsIPv6);
        switch (summary.Kind)
        {
            case PacketKind.IcmpQuery:
                SetPorts(ref summary.Tuple, TransportProtocol.Icmp, icmp.Identifier, 0);
                return DropReason.None;
            case PacketKind.IcmpReply:
                SetPorts(ref summary.Tuple, TransportProtocol.Icmp, 0, icmp.Identifier);
                return DropReason.None;
            case PacketKind.IcmpError:
                // Its checksum must be right, which takes the whole. No host or router makes errors that long (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c)).
                return summary.Part == FragmentPart.Whole ? ParseEmbedded(packet, icmp, ref summary) : DropReason.Fragment;
            default:
                return DropReason.UnsupportedIcmp;
        }
    }

    private static PacketKind Classify(byte type, bool ipv6) => ipv6
        ? type switch
        {
            Icmpv6Type.Echo => PacketKind.IcmpQuery,
            Icmpv6Type.EchoReply => PacketKind.IcmpReply,
            Icmpv6Type.DestinationUnreachable or Icmpv6Type.PacketTooBig or Icmpv6Type.TimeExceeded or Icmpv6Type.ParameterProblem => PacketKind.IcmpError,
            _ => PacketKind.None,
        }
        : type switch
        {
            IcmpType.Echo or IcmpType.Timestamp => PacketKind.IcmpQuery,
            IcmpType.EchoReply or IcmpType.TimestampReply => PacketKind.IcmpReply,
            IcmpType.DestinationUnreachable or IcmpType.TimeExceeded or IcmpType.ParameterProblem => PacketKind.IcmpError,
            _ => PacketKind.None,
        };

    /// <summary>
    /// The packet inside an error. The outer ICMP checksum and the embedded IPv4 header checksum must be right (RFC 5508 REQ-3a, 3b); the embedded transport checksum
    /// is not looked at (REQ-3c), and what follows the first eight transport octets may be cut off or padded.
    /// </summary>
    private static DropReason ParseEmbedded(ReadOnlySpan<byte> packet, IcmpHeader icmp, ref PacketSummary summary)
    {
        if (!(summary.IsIPv6 ? icmp.IsChecksumRight(summary.Tuple.Source.Address, summary.Tuple.Destination.Address) : icmp.IsChecksumRight()))
        {
            return DropReason.BadTransportChecksum;
        }

        var embedded = icmp.Body;
        summary.EmbeddedOffset = packet.Length - embedded.Length;
        byte protocol;
        int offset;
        int length;
        IpAddress source;
        IpAddress destination;
        if (summary.IsIPv6)
        {
            var reason = Ipv6Header.TryParse(embedded, out var header);
            if (reason != DropReason.None)
            {
                return reason;
            }

            // The error may be about a first fragment: that has everything needed.
            reason = Ipv6Header.FindTransport(embedded, out protocol, out offset);
            if (reason == DropReason.Fragment && (BinaryPrimitives.ReadUInt16BigEndian(embedded[(offset + 2)..]) & 0xFFF8) == 0)
            {
                reason = Ipv6Header.FindTransportBehindFragmentHeader(embedded, out protocol, ref offset);
            }

            if (reason != DropReason.None)
            {
                return reason;
            }

            (source, destination, length) = (header.Source, header.Destination, header.PayloadLength + Ipv6Header.Length);

            // As outside: it would find the mapping of an IPv4 client and give this packet four octets where sixteen belong.
            if (source.IsIPv4 || destination.IsIPv4)
            {
                return DropReason.Martian;
            }
        }
        else
        {
            var reason = Ipv4Header.TryParse(embedded, out var header);
            if (reason != DropReason.None)
            {
                return reason == DropReason.BadHeaderChecksum ? DropReason.BadTransportChecksum : reason;
            }

            if (header.FragmentOffset != 0)
            {
                return DropReason.Fragment;
            }

            (protocol, offset, source, destination, length) = (header.Protocol, header.HeaderLength, header.Source, header.Destination, header.TotalLength);
        }

        // An error goes to who sent the packet that it is about.
        if (source != summary.Tuple.Destination.Address)
        {
            return DropReason.UnrelatedIcmpError;
        }

        summary.EmbeddedTransportOffset = summary.EmbeddedOffset + offset;
        summary.EmbeddedTuple = new FlowTuple(new TransportEndpoint(source, 0), new TransportEndpoint(destination, 0), TransportProtocol.Icmp);
        summary.EmbeddedLength = Math.Min(OriginalLength(icmp, summary.IsIPv6), length);
        return embedded.Length < offset + 8 || summary.EmbeddedLength < offset + 8 ? DropReason.Truncated : ParseEmbeddedPorts(embedded[offset..], protocol, ref summary);
    }

    /// <summary>Octets of the "original datagram" field: all that follows, unless extensions are announced behind it (RFC 4884 sections 4 and 5.5).</summary>
    private static int OriginalLength(IcmpHeader icmp, bool ipv6)
    {
        var announced = ipv6 ? icmp.OriginalLengthV6 : icmp.OriginalLengthV4;
        var hasField = ipv6 ? icmp.Type is Icmpv6Type.DestinationUnreachable or Icmpv6Type.TimeExceeded : true;
        return hasField && announced > 0 && announced < icmp.Body.Length ? announced : icmp.Body.Length;
    }

    private static DropReason ParseEmbeddedPorts(ReadOnlySpan<byte> transport, byte protocol, ref PacketSummary summary)
    {
        var first = (ushort)((transport[0] << 8) | transport[1]);
        var second = (ushort)((transport[2] << 8) | transport[3]);
        switch (protocol)
        {
            case IpProtocolNumber.Tcp:
                summary.EmbeddedKind = PacketKind.Tcp;
                SetPorts(ref summary.EmbeddedTuple, TransportProtocol.Tcp, first, second);
                return DropReason.None;
            case IpProtocolNumber.Udp:
                summary.EmbeddedKind = PacketKind.Udp;
                SetPorts(ref summary.EmbeddedTuple, TransportProtocol.Udp, first, second);
                return DropReason.None;
            case IpProtocolNumber.Icmp when !summary.IsIPv6:
            case IpProtocolNumber.Icmpv6 when summary.IsIPv6:
                if (!IcmpHeader.TryParse(transport, out var icmp))
                {
                    return DropReason.Truncated;
                }

                summary.EmbeddedKind = Classify(icmp.Type, summary.IsIPv6);
                switch (summary.EmbeddedKind)
                {
                    case PacketKind.IcmpQuery:
                        SetPorts(ref summary.EmbeddedTuple, TransportProtocol.Icmp, icmp.Identifier, 0);
                        return DropReason.None;
                    case PacketKind.IcmpReply:
                        SetPorts(ref summary.EmbeddedTuple, TransportProtocol.Icmp, 0, icmp.Identifier);
                        return DropReason.None;
                    default:
                        // No error is sent about an error (RFC 1122 section 3.2.2).
                        return DropReason.UnsupportedIcmp;
                }

            default:
                return DropReason.UnsupportedProtocol;
        }
    }
}
