using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Checksum;

/// <summary>The Internet checksum from scratch (RFC 1071). For packets that are built here, and as the judge of incremental updates; the packet path never uses it on payloads.</summary>
public static class InternetChecksum
{
    /// <summary>The checksum of some octets: the complement of their ones' complement sum.</summary>
    public static ushort Compute(ReadOnlySpan<byte> data) => Finish(Sum(data));

    /// <summary>The ones' complement sum of some octets, folded to 16 bits; an odd last octet counts as if followed by zero.</summary>
    /// <param name="data">The octets; they start at an even offset of what is summed.</param>
    /// <param name="initial">A sum to go on from.</param>
    public static uint Sum(ReadOnlySpan<byte> data, uint initial = 0)
    {
        ulong sum = initial;
        while (data.Length >= 4)
        {
            sum += BinaryPrimitives.ReadUInt32BigEndian(data);
            data = data[4..];
        }

        if (data.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(data);
            data = data[2..];
        }

        if (data.Length == 1)
        {
            sum += (uint)data[0] << 8;
        }

        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (uint)sum;
    }

    /// <summary>The sum of a pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1); both addresses of one family.</summary>
    /// <param name="source">Source address.</param>
    /// <param name="destination">Destination address.</param>
    /// <param name="protocol">IANA protocol number, as in the checksum (58 for ICMPv6).</param>
    /// <param name="length">Octets of transport header and payload.</param>
    public static uint PseudoHeaderSum(IpAddress source, IpAddress destination, byte protocol, int length)
    {
        Span<byte> header = stackalloc byte[40];
        var at = source.WriteTo(header);
        at += destination.WriteTo(header[at..]);
        BinaryPrimitives.WriteUInt32BigEndian(header[at..], (uint)length);
        BinaryPrimitives.WriteUInt32BigEndian(header[(at + 4)..], protocol);
        return Sum(header[..(at + 8)]);
    }

    /// <summary>Folds a sum and complements it.</summary>
    public static ushort Finish(uint sum)
    {
        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)(sum ^ 0xFFFF);
    }
}
