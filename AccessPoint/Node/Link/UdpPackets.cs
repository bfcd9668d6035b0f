using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>UDP datagrams of which the node itself is an end. Elsewhere it only updates checksums; here it makes and checks them.</summary>
internal static class UdpPackets
{
    /// <summary>Octets in front of the payload.</summary>
    public static int HeadersLength(bool ipv4) => (ipv4 ? Ipv4Header.MinimumLength : Ipv6Header.Length) + UdpHeader.HeaderLength;

    /// <summary>Writes IP and UDP headers, with checksums, in front of a payload that is already there and ends with the packet.</summary>
    public static void WriteHeaders(Span<byte> packet, TransportEndpoint source, TransportEndpoint destination)
    {
        var isV4 = source.Address.IsIPv4;
        var datagram = packet[(isV4 ? Ipv4Header.MinimumLength : Ipv6Header.Length)..];
        if (isV4)
        {
            Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Udp, source.Address, destination.Address);
        }
        else
        {
            Ipv6Header.Write(packet, datagram.Length, IpProtocolNumber.Udp, source.Address, destination.Address);
        }

        UdpHeader.Write(datagram, source.Port, destination.Port);
        var sum = InternetChecksum.PseudoHeaderSum(source.Address, destination.Address, IpProtocolNumber.Udp, datagram.Length);
        var checksum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum));

        // A sum of zero is written as all ones: zero says that there is none (RFC 768).
        BinaryPrimitives.WriteUInt16BigEndian(datagram[UdpHeader.ChecksumOffset..], checksum == 0 ? (ushort)0xFFFF : checksum);
    }

    /// <summary>The payload of a datagram, whose length and checksum are right; padding behind it is left out.</summary>
    /// <param name="datagram">From the UDP header on.</param>
    /// <param name="source">The IP packet's source.</param>
    /// <param name="destination">The IP packet's destination.</param>
    /// <param name="offload">What the device says of the frame: a local sender's checksum is not finished yet.</param>
    /// <param name="needsChecksum">Whether a datagram without a checksum is refused; RFC 768 allows it over IPv4.</param>
    /// <param name="payload">The payload.</param>
    public static DropReason TryRead(
        ReadOnlySpan<byte> datagram, IpAddress source, IpAddress destination, in OffloadInfo offload, bool needsChecksum, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        if (!UdpHeader.TryParse(datagram, out var udp) || udp.Length < UdpHeader.HeaderLength || udp.Length > datagram.Length)
        {
            return DropReason.Malformed;
        }

        datagram = datagram[..udp.Length];
        var hasChecksum = BinaryPrimitives.ReadUInt16BigEndian(datagram[UdpHeader.ChecksumOffset..]) != 0;
        if (!offload.ChecksumPartial && (hasChecksum || needsChecksum))
        {
            var sum = InternetChecksum.PseudoHeaderSum(source, destination, IpProtocolNumber.Udp, datagram.Length);
            if (InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum)) != 0)
            {
                return DropReason.BadTransportChecksum;
            }
        }

        payload = datagram[UdpHeader.HeaderLength..];
        return DropReason.None;
    }
}
