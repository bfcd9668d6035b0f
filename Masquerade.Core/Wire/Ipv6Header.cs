using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>A view of an IPv6 header (RFC 8200) over the caller's buffer.</summary>
public readonly ref struct Ipv6Header
{
    /// <summary>Octets of the fixed header.</summary>
    public const int Length = 40;

    /// <summary>The most extension headers that are walked past; more is an attempt to be expensive.</summary>
    private const int MaxExtensions = 8;

    private readonly ReadOnlySpan<byte> _packet;

    private Ipv6Header(ReadOnlySpan<byte> packet) => _packet = packet;

    /// <summary>Octets after the fixed header; 0 in a GSO super-packet over 64 KB.</summary>
    public int PayloadLength => BinaryPrimitives.ReadUInt16BigEndian(_packet[4..]);

    /// <summary>The type of what follows the fixed header.</summary>
    public byte NextHeader => _packet[6];

    /// <summary>Hop limit.</summary>
    public byte HopLimit => _packet[7];

    /// <summary>The source address.</summary>
    public IpAddress Source => IpAddress.FromBytes(_packet.Slice(8, 16));

    /// <summary>The destination address.</summary>
    public IpAddress Destination => IpAddress.FromBytes(_packet.Slice(24, 16));

    /// <summary>Makes a view; the reason says what is wrong.</summary>
    public static DropReason TryParse(ReadOnlySpan<byte> packet, out Ipv6Header header)
    {
        header = new Ipv6Header(packet);
        return packet.Length < Length ? DropReason.Truncated : packet[0] >> 4 != 6 ? DropReason.Malformed : DropReason.None;
    }

    /// <summary>Walks the extension headers to the transport header.</summary>
    /// <param name="packet">The packet, from the fixed header on, at least that long.</param>
    /// <param name="protocol">The transport protocol found.</param>
    /// <param name="offset">Where its header starts.</param>
    public static DropReason FindTransport(ReadOnlySpan<byte> packet, out byte protocol, out int offset)
    {
        protocol = packet[6];
        offset = Length;
        for (var i = 0; i <= MaxExtensions; i++)
        {
            switch (protocol)
            {
                case IpProtocolNumber.Fragment:
                    return DropReason.Fragment;
                case IpProtocolNumber.Routing:
                    // As with IPv4 source routes: the destination in the header would not be the last word.
                    return DropReason.Malformed;
                case IpProtocolNumber.HopByHop or IpProtocolNumber.DestinationOptions:
                    if (packet.Length < offset + 8)
                    {
                        return DropReason.Truncated;
                    }

                    protocol = packet[offset];
                    offset += (packet[offset + 1] + 1) * 8;
                    if (offset > packet.Length)
                    {
                        return DropReason.Truncated;
                    }

                    break;
                default:
                    return DropReason.None;
            }
        }

        return DropReason.Malformed;
    }

    /// <summary>Writes a fixed header.</summary>
    public static void Write(Span<byte> packet, int payloadLength, byte nextHeader, IpAddress source, IpAddress destination, byte hopLimit = 64)
    {
        BinaryPrimitives.WriteUInt32BigEndian(packet, 0x6000_0000);
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)payloadLength);
        packet[6] = nextHeader;
        packet[7] = hopLimit;
        source.WriteTo(packet[8..]);
        destination.WriteTo(packet[24..]);
    }
}
