using System.Buffers.Binary;

namespace Masquerade.Core.Wire;

/// <summary>A view of a TCP header (RFC 9293 section 3.1) over the caller's buffer.</summary>
public readonly ref struct TcpHeader
{
    /// <summary>Octets of a header without options.</summary>
    public const int MinimumLength = 20;

    /// <summary>Where the checksum is.</summary>
    public const int ChecksumOffset = 16;

    private readonly ReadOnlySpan<byte> _segment;

    private TcpHeader(ReadOnlySpan<byte> segment) => _segment = segment;

    /// <summary>Source port.</summary>
    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_segment);

    /// <summary>Destination port.</summary>
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_segment[2..]);

    /// <summary>Sequence number.</summary>
    public uint Sequence => BinaryPrimitives.ReadUInt32BigEndian(_segment[4..]);

    /// <summary>Acknowledgment number.</summary>
    public uint Acknowledgment => BinaryPrimitives.ReadUInt32BigEndian(_segment[8..]);

    /// <summary>Octets of the header with its options.</summary>
    public int HeaderLength => (_segment[12] >> 4) * 4;

    /// <summary>Control bits.</summary>
    public TcpFlags Flags => (TcpFlags)_segment[13];

    /// <summary>The window, not scaled.</summary>
    public ushort Window => BinaryPrimitives.ReadUInt16BigEndian(_segment[14..]);

    /// <summary>Makes a view; false if cut off or if the data offset contradicts the segment.</summary>
    public static bool TryParse(ReadOnlySpan<byte> segment, out TcpHeader header)
    {
        header = new TcpHeader(segment);
        return segment.Length >= MinimumLength && header.HeaderLength >= MinimumLength && header.HeaderLength <= segment.Length;
    }
}

/// <summary>A view of a UDP header (RFC 768) over the caller's buffer.</summary>
public readonly ref struct UdpHeader
{
    /// <summary>Octets of the header.</summary>
    public const int HeaderLength = 8;

    /// <summary>Where the checksum is.</summary>
    public const int ChecksumOffset = 6;

    private readonly ReadOnlySpan<byte> _datagram;

    private UdpHeader(ReadOnlySpan<byte> datagram) => _datagram = datagram;

    /// <summary>Source port.</summary>
    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_datagram);

    /// <summary>Destination port.</summary>
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_datagram[2..]);

    /// <summary>Octets of header and payload by its own account; 0 in a GSO super-packet over 64 KB (as in RFC 2675 section 4).</summary>
    public int Length => BinaryPrimitives.ReadUInt16BigEndian(_datagram[4..]);

    /// <summary>The payload.</summary>
    public ReadOnlySpan<byte> Payload => _datagram[HeaderLength..];

    /// <summary>Makes a view; false if cut off or if the length field is less than a header, zero included unless the length does not fit the field.</summary>
    public static bool TryParse(ReadOnlySpan<byte> datagram, out UdpHeader header)
    {
        header = new UdpHeader(datagram);
        return datagram.Length >= HeaderLength && (header.Length >= HeaderLength || (header.Length == 0 && datagram.Length > ushort.MaxValue));
    }

    /// <summary>Writes a header in front of what fills the rest of the span, without a checksum (allowed over IPv4, RFC 768).</summary>
    public static void Write(Span<byte> datagram, ushort sourcePort, ushort destinationPort)
    {
        BinaryPrimitives.WriteUInt16BigEndian(datagram, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)datagram.Length);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], 0);
    }
}
