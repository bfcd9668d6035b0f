using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>A view of an IPv4 header (RFC 791) over the caller's buffer.</summary>
public readonly ref struct Ipv4Header
{
    /// <summary>Octets of a header without options.</summary>
    public const int MinimumLength = 20;

    private const byte LooseSourceRoute = 131;
    private const byte StrictSourceRoute = 137;

    private readonly ReadOnlySpan<byte> _packet;

    private Ipv4Header(ReadOnlySpan<byte> packet) => _packet = packet;

    /// <summary>Octets of the header with its options.</summary>
    public int HeaderLength => (_packet[0] & 0x0F) * 4;

    /// <summary>Octets of the whole packet; 0 in a GSO super-packet over 64 KB.</summary>
    public int TotalLength => BinaryPrimitives.ReadUInt16BigEndian(_packet[2..]);

    /// <summary>The identification field.</summary>
    public ushort Identification => BinaryPrimitives.ReadUInt16BigEndian(_packet[4..]);

    /// <summary>Whether the packet must not be fragmented.</summary>
    public bool DontFragment => (_packet[6] & 0x40) != 0;

    /// <summary>Whether this is a fragment of a packet.</summary>
    public bool IsFragment => (BinaryPrimitives.ReadUInt16BigEndian(_packet[6..]) & 0x3FFF) != 0;

    /// <summary>Whether more fragments follow.</summary>
    public bool MoreFragments => (_packet[6] & 0x20) != 0;

    /// <summary>Where in the original packet's payload this one's belongs, in octets.</summary>
    public int FragmentOffset => (BinaryPrimitives.ReadUInt16BigEndian(_packet[6..]) & 0x1FFF) * 8;

    /// <summary>Time to live.</summary>
    public byte Ttl => _packet[8];

    /// <summary>The protocol of the payload.</summary>
    public byte Protocol => _packet[9];

    /// <summary>The header checksum.</summary>
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_packet[10..]);

    /// <summary>The source address.</summary>
    public IpAddress Source => IpAddress.FromV4(BinaryPrimitives.ReadUInt32BigEndian(_packet[12..]));

    /// <summary>The destination address.</summary>
    public IpAddress Destination => IpAddress.FromV4(BinaryPrimitives.ReadUInt32BigEndian(_packet[16..]));

    /// <summary>Makes a view and checks what the header says about itself, its checksum included.</summary>
    public static DropReason TryParse(ReadOnlySpan<byte> packet, out Ipv4Header header)
    {
        header = new Ipv4Header(packet);
        if (packet.Length < MinimumLength)
        {
            return DropReason.Truncated;
        }

        var headerLength = header.HeaderLength;
        if (packet[0] >> 4 != 4 || headerLength < MinimumLength)
        {
            return DropReason.Malformed;
        }

        if (packet.Length < headerLength)
        {
            return DropReason.Truncated;
        }

        if (InternetChecksum.Sum(packet[..headerLength]) != 0xFFFF)
        {
            return DropReason.BadHeaderChecksum;
        }

        return headerLength > MinimumLength && !AreOptionsAcceptable(packet[MinimumLength..headerLength]) ? DropReason.Malformed : DropReason.None;
    }

    /// <summary>Writes a header without options, with its checksum.</summary>
    public static void Write(Span<byte> packet, int totalLength, byte protocol, IpAddress source, IpAddress destination, byte ttl = 64)
    {
        var header = packet[..MinimumLength];
        header.Clear();
        header[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)totalLength);
        header[6] = 0x40;
        header[8] = ttl;
        header[9] = protocol;
        source.WriteTo(header[12..]);
        destination.WriteTo(header[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], InternetChecksum.Compute(header));
    }

    /// <summary>Well-formed and no source route: those let a sender choose its own way past a filter, and the destination would not be the last word (RFC 7126 section 4.3).</summary>
    private static bool AreOptionsAcceptable(ReadOnlySpan<byte> options)
    {
        for (var i = 0; i < options.Length && options[i] != 0;)
        {
            if (options[i] is LooseSourceRoute or StrictSourceRoute)
            {
                return false;
            }

            if (options[i] == 1)
            {
                i++;
                continue;
            }

            if (i + 1 >= options.Length || options[i + 1] < 2 || i + options[i + 1] > options.Length)
            {
                return false;
            }

            i += options[i + 1];
        }

        return true;
    }
}
