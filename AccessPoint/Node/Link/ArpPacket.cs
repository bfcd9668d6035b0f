using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Link;

/// <summary>An ARP packet for Ethernet and IPv4 (RFC 826): the only kind that is understood.</summary>
internal readonly record struct ArpPacket(ushort Operation, MacAddress SenderMac, IpAddress SenderAddress, MacAddress TargetMac, IpAddress TargetAddress)
{
    /// <summary>The octets of the packet, without the Ethernet header.</summary>
    public const int Length = 28;

    public const ushort Request = 1;
    public const ushort Reply = 2;

    // Hardware type 1 (Ethernet), protocol type 0x0800 (IPv4), lengths 6 and 4.
    private const ulong FixedPart = 0x0001_0800_0604;

    public static bool TryParse(ReadOnlySpan<byte> packet, out ArpPacket arp)
    {
        arp = default;
        if (packet.Length < Length || BinaryPrimitives.ReadUInt64BigEndian(packet) >> 16 != FixedPart)
        {
            return false;
        }

        arp = new ArpPacket(
            BinaryPrimitives.ReadUInt16BigEndian(packet[6..]),
            MacAddress.FromBytes(packet[8..]), IpAddress.FromBytes(packet.Slice(14, 4)),
            MacAddress.FromBytes(packet[18..]), IpAddress.FromBytes(packet.Slice(24, 4)));
        return true;
    }

    /// <summary>Writes a whole frame and returns its length.</summary>
    public int WriteFrame(Span<byte> frame, MacAddress destination, MacAddress source)
    {
        EthernetFrame.WriteHeader(frame, destination, source, EthernetFrame.Arp);
        var packet = frame[EthernetFrame.HeaderLength..];
        BinaryPrimitives.WriteUInt64BigEndian(packet, (FixedPart << 16) | Operation);
        SenderMac.WriteTo(packet[8..]);
        SenderAddress.WriteTo(packet[14..]);
        TargetMac.WriteTo(packet[18..]);
        TargetAddress.WriteTo(packet[24..]);
        return EthernetFrame.HeaderLength + Length;
    }
}
