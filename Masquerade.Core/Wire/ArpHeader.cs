using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>A view of an ARP packet for Ethernet and IPv4 (RFC 826) over the caller's buffer; the only kind that is understood.</summary>
public readonly ref struct ArpHeader
{
    /// <summary>Octets of the packet; padding may follow.</summary>
    public const int Length = 28;

    // Hardware type 1 (Ethernet), protocol type 0x0800 (IPv4), lengths 6 and 4.
    private const ulong FixedPart = 0x0001_0800_0604;

    private readonly ReadOnlySpan<byte> _packet;

    private ArpHeader(ReadOnlySpan<byte> packet) => _packet = packet;

    /// <summary>What is asked or said; <see cref="ArpOperation"/> or something not understood.</summary>
    public ushort Operation => BinaryPrimitives.ReadUInt16BigEndian(_packet[6..]);

    /// <summary>The sender's MAC address.</summary>
    public MacAddress SenderMac => MacAddress.FromBytes(_packet[8..]);

    /// <summary>The sender's IPv4 address; 0.0.0.0 in a probe (RFC 5227 section 1.1).</summary>
    public IpAddress SenderAddress => IpAddress.FromBytes(_packet.Slice(14, 4));

    /// <summary>The target's MAC address; means nothing in a request.</summary>
    public MacAddress TargetMac => MacAddress.FromBytes(_packet[18..]);

    /// <summary>The target's IPv4 address; the sender's own in an announcement (RFC 5227 section 1.1).</summary>
    public IpAddress TargetAddress => IpAddress.FromBytes(_packet.Slice(24, 4));

    /// <summary>Makes a view; false if cut off or for another hardware or protocol.</summary>
    public static bool TryParse(ReadOnlySpan<byte> packet, out ArpHeader header)
    {
        header = new ArpHeader(packet);
        return packet.Length >= Length && BinaryPrimitives.ReadUInt64BigEndian(packet) >> 16 == FixedPart;
    }

    /// <summary>Writes a packet into the first 28 octets; both addresses are IPv4.</summary>
    public static void Write(Span<byte> packet, ushort operation, MacAddress senderMac, IpAddress senderAddress, MacAddress targetMac, IpAddress targetAddress)
    {
        BinaryPrimitives.WriteUInt64BigEndian(packet, (FixedPart << 16) | operation);
        senderMac.WriteTo(packet[8..]);
        senderAddress.WriteTo(packet[14..]);
        targetMac.WriteTo(packet[18..]);
        targetAddress.WriteTo(packet[24..]);
    }
}
