using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Link;

/// <summary>The Internet checksum (RFC 1071) of packets that the node itself makes or answers; translated packets go through Core's incremental update.</summary>
internal static class OnesComplement
{
    /// <summary>Adds octets to a running sum; only the last part may have an odd length.</summary>
    public static uint Add(uint sum, ReadOnlySpan<byte> octets)
    {
        ulong wide = sum;
        var i = 0;
        for (; i + 1 < octets.Length; i += 2)
        {
            wide += BinaryPrimitives.ReadUInt16BigEndian(octets[i..]);
        }

        if (i < octets.Length)
        {
            wide += (uint)octets[i] << 8;
        }

        while (wide >> 16 != 0)
        {
            wide = (wide & 0xFFFF) + (wide >> 16);
        }

        return (uint)wide;
    }

    /// <summary>The checksum field for a running sum.</summary>
    public static ushort Finish(uint sum)
    {
        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)~sum;
    }

    /// <summary>The sum of a pseudo-header (RFC 768, RFC 8200 section 8.1).</summary>
    public static uint PseudoHeader(IpAddress source, IpAddress destination, byte protocol, int length)
    {
        Span<byte> octets = stackalloc byte[16];
        var sum = Add((uint)protocol + (uint)(length & 0xFFFF) + (uint)(length >> 16), octets[..source.WriteTo(octets)]);
        return Add(sum, octets[..destination.WriteTo(octets)]);
    }
}
