using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>A view of an IPv6 header (RFC 8200) over the caller's buffer.</summary>
public readonly ref struct Ipv6Header
{
    /// <summary>Octets of the fixed header.</summary>
    public const int Length = 40;

    /// <summary>Octets of a fragment header (RFC 8200 section 4.5).</summary>
    public const int FragmentHeaderLength = 8;

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

    /// <summary>
    /// Walks the extension headers to the transport header. A fragment that is all of its packet is none (RFC 6946); at any other the walk ends at the fragment header.
    /// </summary>
    /// <param name="packet">The packet, from the fixed header on, at least that long.</param>
    /// <param name="protocol">The transport protocol found.</param>
    /// <param name="offset">Where its header starts.</param>
    public static DropReason FindTransport(ReadOnlySpan<byte> packet, out byte protocol, out int offset)
    {
        protocol = packet[6];
        offset = Length;
        return Walk(packet, ref protocol, ref offset);
    }

    /// <summary>Walks on behind the fragment header of a first fragment, which has all headers (RFC 7112).</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="protocol">The transport protocol found.</param>
    /// <param name="offset">Where the fragment header starts; then where the transport header does.</param>
    public static DropReason FindTransportBehindFragmentHeader(ReadOnlySpan<byte> packet, out byte protocol, ref int offset)
    {
        protocol = packet[offset];
        offset += FragmentHeaderLength;
        return Walk(packet, ref protocol, ref offset);
    }

    private static DropReason Walk(ReadOnlySpan<byte> packet, ref byte protocol, ref int offset)
    {
        for (var i = 0; i <= MaxExtensions; i++)
        {
            switch (protocol)
            {
                case IpProtocolNumber.Fragment:
                    if (packet.Length < offset + FragmentHeaderLength)
                    {
                        return DropReason.Truncated;
                    }

                    if ((BinaryPrimitives.ReadUInt16BigEndian(packet[(offset + 2)..]) & 0xFFF9) != 0)
                    {
                        return DropReason.Fragment;
                    }

                    protocol = packet[offset];
                    offset += FragmentHeaderLength;
                    break;
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
