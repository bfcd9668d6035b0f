using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>What makes fragments belong together (RFC 791 section 2.3, RFC 8200 section 4.5).</summary>
/// <param name="Source">Source address.</param>
/// <param name="Destination">Destination address.</param>
/// <param name="Identification">16 bits over IPv4, 32 over IPv6.</param>
/// <param name="Protocol">The transport protocol over IPv4, 0 over IPv6.</param>
/// <param name="Client">The client that they come from; none if from the uplink. Nobody takes part in another's datagrams.</param>
public readonly record struct FragmentKey(IpAddress Source, IpAddress Destination, uint Identification, byte Protocol, MacAddress Client);

/// <summary>What a fragment says about its place.</summary>
/// <param name="Key">The datagram that it belongs to.</param>
/// <param name="Start">Where its octets belong in the datagram's payload.</param>
/// <param name="End">Behind the last of them.</param>
/// <param name="More">Whether others follow.</param>
public readonly record struct FragmentPlace(FragmentKey Key, int Start, int End, bool More);

/// <summary>Fragments. What <see cref="Parse"/> calls <see cref="DropReason.Fragment"/> is read here.</summary>
public static partial class PacketParser
{
    /// <summary>A TCP fragment that begins here would bring other flags than the first fragment has shown (RFC 1858 section 3.2.2, RFC 3128).</summary>
    private const int InsideTcpHeader = 8;

    /// <summary>
    /// Parses a fragment. A first one has a whole summary but for its length; a later one has addresses, and its protocol only if it stands in the IP header.
    /// </summary>
    public static DropReason ParseFragment(ReadOnlySpan<byte> packet, MacAddress client, out PacketSummary summary, out FragmentPlace place)
    {
        summary = default;
        place = default;
        if (packet.IsEmpty)
        {
            return DropReason.Truncated;
        }

        byte protocol;
        var reason = packet[0] >> 4 == 6
            ? PlaceIpv6(packet, client, ref summary, ref place, out protocol)
            : PlaceIpv4(packet, client, ref summary, ref place, out protocol);
        if (reason != DropReason.None)
        {
            return reason;
        }

        summary.HasIdentification = true;
        reason = CheckAddresses(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, hairpin: client.IsNone);
        if (reason != DropReason.None)
        {
            return reason;
        }

        // All but the last are multiples of eight octets; none reaches beyond what a packet can be.
        if (place.End <= place.Start || place.End > ushort.MaxValue || (place.More && ((place.End - place.Start) & 7) != 0))
        {
            return DropReason.Malformed;
        }

        summary.Part = place.Start == 0 ? FragmentPart.First : FragmentPart.Later;
        if (summary.Part == FragmentPart.First)
        {
            return ParseTransport(packet[..summary.Length], protocol, ref summary);
        }

        return protocol == IpProtocolNumber.Tcp && place.Start <= InsideTcpHeader ? DropReason.TinyFragment : DropReason.None;
    }

    private static DropReason PlaceIpv4(ReadOnlySpan<byte> packet, MacAddress client, ref PacketSummary summary, ref FragmentPlace place, out byte protocol)
    {
        protocol = 0;
        var reason = Ipv4Header.TryParse(packet, out var header);
        if (reason != DropReason.None)
        {
            return reason;
        }

        if (header.TotalLength < header.HeaderLength || !header.IsFragment)
        {
            return DropReason.Malformed;
        }

        if (header.TotalLength > packet.Length)
        {
            return DropReason.Truncated;
        }

        protocol = header.Protocol;
        summary.Length = header.TotalLength;
        summary.Ttl = header.Ttl;
        summary.DontFragment = header.DontFragment;
        summary.TransportOffset = header.HeaderLength;
        summary.TransportLength = summary.Length - header.HeaderLength;
        summary.Tuple = new FlowTuple(new TransportEndpoint(header.Source, 0), new TransportEndpoint(header.Destination, 0), TransportProtocol.Icmp);
        var key = new FragmentKey(header.Source, header.Destination, header.Identification, protocol, client);
        place = new FragmentPlace(key, header.FragmentOffset, header.FragmentOffset + summary.TransportLength, header.MoreFragments);
        return DropReason.None;
    }

    private static DropReason PlaceIpv6(ReadOnlySpan<byte> packet, MacAddress client, ref PacketSummary summary, ref FragmentPlace place, out byte protocol)
    {
        protocol = 0;
        var reason = Ipv6Header.TryParse(packet, out var header);
        if (reason != DropReason.None)
        {
            return reason;
        }

        var length = header.PayloadLength + Ipv6Header.Length;
        if (length > packet.Length)
        {
            return DropReason.Truncated;
        }

        packet = packet[..length];
        reason = Ipv6Header.FindTransport(packet, out protocol, out var offset);
        if (reason != DropReason.Fragment)
        {
            return reason == DropReason.None ? DropReason.Malformed : reason;
        }

        if (header.Source.IsIPv4 || header.Destination.IsIPv4)
        {
            return DropReason.Martian;
        }

        var field = BinaryPrimitives.ReadUInt16BigEndian(packet[(offset + 2)..]);
        var (start, payload) = (field & 0xFFF8, offset + Ipv6Header.FragmentHeaderLength);
        var key = new FragmentKey(header.Source, header.Destination, BinaryPrimitives.ReadUInt32BigEndian(packet[(offset + 4)..]), 0, client);
        place = new FragmentPlace(key, start, start + length - payload, (field & 1) != 0);
        summary.IsIPv6 = true;
        summary.DontFragment = true;
        summary.Length = length;
        summary.Ttl = header.HopLimit;
        summary.FragmentHeaderOffset = offset;
        protocol = packet[offset];
        if (start == 0)
        {
            reason = Ipv6Header.FindTransportBehindFragmentHeader(packet, out protocol, ref offset);
            if (reason != DropReason.None)
            {
                return reason == DropReason.Truncated ? DropReason.TinyFragment : reason;
            }
        }
        else
        {
            offset = payload;
        }

        summary.TransportOffset = offset;
        summary.TransportLength = length - offset;
        summary.Tuple = new FlowTuple(new TransportEndpoint(header.Source, 0), new TransportEndpoint(header.Destination, 0), TransportProtocol.Icmp);
        return DropReason.None;
    }
}
