using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Link;

/// <summary>The 14 octets in front of every packet (IEEE 802.3 clause 3). Tagged frames are not taken: their EtherType is that of the tag.</summary>
internal static class EthernetFrame
{
    /// <summary>Destination, source, EtherType.</summary>
    public const int HeaderLength = Core.Wire.EthernetHeader.Length;

    public const ushort Ipv4 = Core.Wire.EtherType.IPv4;
    public const ushort Arp = Core.Wire.EtherType.Arp;
    public const ushort Ipv6 = Core.Wire.EtherType.IPv6;

    public static MacAddress Destination(ReadOnlySpan<byte> frame) => MacAddress.FromBytes(frame);

    public static MacAddress Source(ReadOnlySpan<byte> frame) => MacAddress.FromBytes(frame[6..]);

    public static ushort EtherType(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[12..]);

    /// <summary>Writes the header of a frame that carries an IP packet of either family.</summary>
    public static void WriteIpHeader(Span<byte> frame, MacAddress destination, MacAddress source) =>
        WriteHeader(frame, destination, source, frame[HeaderLength] >> 4 == 4 ? Ipv4 : Ipv6);

    public static void WriteHeader(Span<byte> frame, MacAddress destination, MacAddress source, ushort etherType) =>
        Core.Wire.EthernetHeader.Write(frame, destination, source, etherType);

    /// <summary>The destination address of an IP packet whose fixed header is known to be there.</summary>
    public static IpAddress IpDestination(ReadOnlySpan<byte> packet) =>
        IpAddress.FromBytes(packet[0] >> 4 == 4 ? packet.Slice(16, 4) : packet.Slice(24, 16));
}
