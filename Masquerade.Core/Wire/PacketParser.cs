using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>
/// Reads a packet from outside into a <see cref="PacketSummary"/>, or says why it cannot be translated. Never throws and never reads outside the span, whatever the octets.
/// </summary>
public static partial class PacketParser
{
    /// <summary>Parses an IP packet, which may be followed by padding. <see cref="DropReason.None"/> means that the summary is whole.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="summary">What it is.</param>
    /// <param name="hairpin">
    /// Whether source and destination may be one address: two clients behind one masquerade address talk (RFC 4787 REQ-9). The caller makes sure that nobody outside can send such a packet.
    /// </param>
    public static DropReason Parse(ReadOnlySpan<byte> packet, out PacketSummary summary, bool hairpin = false)
    {
        summary = default;
        if (packet.IsEmpty)
        {
            return DropReason.Truncated;
        }

        var reason = packet[0] >> 4 == 6 ? ParseIpv6(packet, ref summary, out var protocol) : ParseIpv4(packet, ref summary, out protocol);
        if (reason != DropReason.None)
        {
            return reason;
        }

        reason = CheckAddresses(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, hairpin);
        if (reason == DropReason.None)
        {
            reason = ParseTransport(packet[..summary.Length], protocol, ref summary);
        }

        // Nobody talks to himself by way of a translator: what looks like it is made to go round.
        return reason == DropReason.None && summary.Kind != PacketKind.IcmpError && summary.Tuple.Source == summary.Tuple.Destination ? DropReason.Martian : reason;
    }

    private static DropReason ParseIpv4(ReadOnlySpan<byte> packet, ref PacketSummary summary, out byte protocol)
    {
        protocol = 0;
        var reason = Ipv4Header.TryParse(packet, out var header);
        if (reason != DropReason.None)
        {
            return reason;
        }

        // Zero stands for what does not fit the field, in a GSO super-packet; in any other it contradicts the header.
        var length = header.TotalLength == 0 && packet.Length > ushort.MaxValue ? packet.Length : header.TotalLength;
        if (length < header.HeaderLength)
        {
            return DropReason.Malformed;
        }

        if (length > packet.Length)
        {
            return DropReason.Truncated;
        }

        if (header.IsFragment)
        {
            return DropReason.Fragment;
        }

        protocol = header.Protocol;
        summary.Length = length;
        summary.Ttl = header.Ttl;
        summary.DontFragment = header.DontFragment;
        summary.TransportOffset = header.HeaderLength;
        summary.TransportLength = length - header.HeaderLength;
        summary.Tuple = new FlowTuple(new TransportEndpoint(header.Source, 0), new TransportEndpoint(header.Destination, 0), TransportProtocol.Icmp);
        return DropReason.None;
    }

    private static DropReason ParseIpv6(ReadOnlySpan<byte> packet, ref PacketSummary summary, out byte protocol)
    {
        protocol = 0;
        var reason = Ipv6Header.TryParse(packet, out var header);
        if (reason != DropReason.None)
        {
            return reason;
        }

        var isSuperPacket = header.PayloadLength == 0 && packet.Length > ushort.MaxValue + Ipv6Header.Length;
        var length = isSuperPacket ? packet.Length : header.PayloadLength + Ipv6Header.Length;
        if (length > packet.Length)
        {
            return DropReason.Truncated;
        }

        reason = Ipv6Header.FindTransport(packet[..length], out protocol, out var offset);
        if (reason != DropReason.None)
        {
            return reason;
        }

        // An IPv4-mapped address on the wire (RFC 4942 section 2.2) would take the identity of an IPv4 host.
        if (header.Source.IsIPv4 || header.Destination.IsIPv4)
        {
            return DropReason.Martian;
        }

        summary.IsIPv6 = true;
        summary.DontFragment = true;
        summary.Length = length;
        summary.Ttl = header.HopLimit;
        summary.TransportOffset = offset;
        summary.TransportLength = length - offset;
        summary.Tuple = new FlowTuple(new TransportEndpoint(header.Source, 0), new TransportEndpoint(header.Destination, 0), TransportProtocol.Icmp);
        return DropReason.None;
    }

    private static DropReason CheckAddresses(IpAddress source, IpAddress destination, bool hairpin)
    {
        if (destination.IsMulticastOrBroadcast)
        {
            return DropReason.Multicast;
        }

        return IsNeverForwarded(source) || IsNeverForwarded(destination) || source.IsMulticastOrBroadcast || (source == destination && !hairpin)
            ? DropReason.Martian
            : DropReason.None;
    }

    /// <summary>Unspecified, loopback, link-local and reserved addresses (RFC 1812 section 5.3.7, RFC 4291 section 2.5).</summary>
    public static bool IsNeverForwarded(IpAddress address) => address.IsIPv4
        ? address.V4 >> 24 is 0 or 127 || address.V4 >= 0xF000_0000 || address.IsLinkLocal
        : address.IsLinkLocal || (address.High == 0 && address.Low <= 1);

    private static DropReason ParseTransport(ReadOnlySpan<byte> packet, byte protocol, ref PacketSummary summary)
    {
        var transport = packet[summary.TransportOffset..];
        switch (protocol)
        {
            case IpProtocolNumber.Tcp:
                return ParseTcp(transport, ref summary);
            case IpProtocolNumber.Udp:
                return ParseUdp(transport, ref summary);
            case IpProtocolNumber.Icmp when !summary.IsIPv6:
            case IpProtocolNumber.Icmpv6 when summary.IsIPv6:
                return ParseIcmp(packet, transport, ref summary);
            default:
                return DropReason.UnsupportedProtocol;
        }
    }

    private static DropReason ParseTcp(ReadOnlySpan<byte> transport, ref PacketSummary summary)
    {
        if (!TcpHeader.TryParse(transport, out var tcp))
        {
            return summary.Part == FragmentPart.First ? DropReason.TinyFragment : transport.Length < TcpHeader.MinimumLength ? DropReason.Truncated : DropReason.Malformed;
        }

        summary.Kind = PacketKind.Tcp;
        summary.TcpFlags = tcp.Flags;
        summary.TcpSequence = tcp.Sequence;
        summary.TcpAcknowledgment = tcp.Acknowledgment;
        summary.TcpWindow = tcp.Window;
        summary.PayloadLength = transport.Length - tcp.HeaderLength;
        SetPorts(ref summary.Tuple, TransportProtocol.Tcp, tcp.SourcePort, tcp.DestinationPort);
        return tcp.SourcePort == 0 || tcp.DestinationPort == 0 ? DropReason.Malformed : DropReason.None;
    }

    private static DropReason ParseUdp(ReadOnlySpan<byte> transport, ref PacketSummary summary)
    {
        if (!UdpHeader.TryParse(transport, out var udp))
        {
            return summary.Part == FragmentPart.First && transport.Length < UdpHeader.HeaderLength ? DropReason.TinyFragment
                : transport.Length < UdpHeader.HeaderLength ? DropReason.Truncated : DropReason.Malformed;
        }

        // A GSO super-packet may say the length of one segment; saying more than there is contradicts the packet.
        if (udp.Length > transport.Length && summary.Part == FragmentPart.Whole)
        {
            return DropReason.Malformed;
        }

        summary.Kind = PacketKind.Udp;
        summary.PayloadLength = transport.Length - UdpHeader.HeaderLength;
        SetPorts(ref summary.Tuple, TransportProtocol.Udp, udp.SourcePort, udp.DestinationPort);
        return udp.SourcePort == 0 || udp.DestinationPort == 0 ? DropReason.Malformed : DropReason.None;
    }

    private static void SetPorts(ref FlowTuple tuple, TransportProtocol protocol, ushort source, ushort destination) =>
        tuple = new FlowTuple(tuple.Source with { Port = source }, tuple.Destination with { Port = destination }, protocol);
}
