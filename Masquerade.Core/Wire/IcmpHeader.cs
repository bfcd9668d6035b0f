using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>
/// A view of an ICMP or ICMPv6 message (RFC 792, RFC 4443 section 2.1) over the caller's buffer. The two have the same layout; they differ in their types
/// (<see cref="IcmpType"/>, <see cref="Icmpv6Type"/>) and in what the checksum covers.
/// </summary>
public readonly ref struct IcmpHeader
{
    /// <summary>Octets up to the message body.</summary>
    public const int HeaderLength = 8;

    /// <summary>Where the checksum is.</summary>
    public const int ChecksumOffset = 2;

    /// <summary>Where the identifier of a query is.</summary>
    public const int IdentifierOffset = 4;

    private readonly ReadOnlySpan<byte> _message;

    private IcmpHeader(ReadOnlySpan<byte> message) => _message = message;

    /// <summary>Message type.</summary>
    public byte Type => _message[0];

    /// <summary>Message code.</summary>
    public byte Code => _message[1];

    /// <summary>The checksum field.</summary>
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_message[ChecksumOffset..]);

    /// <summary>Identifier, of a query or its reply.</summary>
    public ushort Identifier => BinaryPrimitives.ReadUInt16BigEndian(_message[IdentifierOffset..]);

    /// <summary>Sequence number, of a query or its reply.</summary>
    public ushort Sequence => BinaryPrimitives.ReadUInt16BigEndian(_message[6..]);

    /// <summary>What follows the first eight octets: the data of a query, the packet that an error is about.</summary>
    public ReadOnlySpan<byte> Body => _message[HeaderLength..];

    /// <summary>ICMP errors: octets of the packet that the error is about, if extensions follow it, else 0 (RFC 4884 section 4.1).</summary>
    public int OriginalLengthV4 => _message[5] * 4;

    /// <summary>ICMPv6 errors, except Packet Too Big: the same (RFC 4884 section 4.4).</summary>
    public int OriginalLengthV6 => _message[4] * 8;

    /// <summary>Makes a view of a whole message; false if even its first eight octets are cut off.</summary>
    public static bool TryParse(ReadOnlySpan<byte> message, out IcmpHeader header)
    {
        header = new IcmpHeader(message);
        return message.Length >= HeaderLength;
    }

    /// <summary>ICMP: whether the checksum over the whole message is right (RFC 792).</summary>
    public bool IsChecksumRight() => InternetChecksum.Sum(_message) == 0xFFFF;

    /// <summary>ICMPv6: whether the checksum over the pseudo-header and the whole message is right (RFC 4443 section 2.3).</summary>
    /// <param name="source">The packet's source address.</param>
    /// <param name="destination">The packet's destination address.</param>
    public bool IsChecksumRight(IpAddress source, IpAddress destination) =>
        InternetChecksum.Sum(_message, InternetChecksum.PseudoHeaderSum(source, destination, IpProtocolNumber.Icmpv6, _message.Length)) == 0xFFFF;
}
