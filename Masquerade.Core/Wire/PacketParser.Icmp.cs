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
            return DropReason.Truncated;
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
                return ParseEmbedded(packet, icmp, ref summary);
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
        IpAddress source;
        IpAddress destination;
        if (summary.IsIPv6)
        {
            var reason = Ipv6Header.TryParse(embedded, out var header);
            if (reason != DropReason.None)
            {
                return reason;
            }

            reason = Ipv6Header.FindTransport(embedded, out protocol, out offset);
            if (reason != DropReason.None)
            {
                return reason;
            }

            (source, destination) = (header.Source, header.Destination);

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

            if (header.IsFragment)
            {
                return DropReason.Fragment;
            }

            (protocol, offset, source, destination) = (header.Protocol, header.HeaderLength, header.Source, header.Destination);
        }

        summary.EmbeddedTransportOffset = summary.EmbeddedOffset + offset;
        summary.EmbeddedTuple = new FlowTuple(new TransportEndpoint(source, 0), new TransportEndpoint(destination, 0), TransportProtocol.Icmp);
        return embedded.Length < offset + 8 ? DropReason.Truncated : ParseEmbeddedPorts(embedded[offset..], protocol, ref summary);
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
