using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>
/// Makes a UDP super-packet over IPv4 the datagrams that it stands for, one after the other, whole and with finished checksums: where each is too long for the next link and may be cut, the
/// device cannot do it, for it makes segments and no fragments (RFC 4787 REQ-13a).
/// </summary>
internal ref struct UdpSegmenter
{
    private readonly ReadOnlySpan<byte> _packet;
    private readonly int _header;
    private readonly int _size;
    private readonly bool _hasChecksum;
    private readonly IdentificationSource _identifications;
    private int _at;

    /// <param name="packet">A packet that the parser has accepted.</param>
    /// <param name="size">How much of the payload is in each datagram but the last.</param>
    /// <param name="hasChecksum">Whether the datagrams are to have checksums.</param>
    /// <param name="identifications">Each datagram is another one, so none may have another's identification.</param>
    public UdpSegmenter(ReadOnlySpan<byte> packet, int size, bool hasChecksum, IdentificationSource identifications)
    {
        _packet = packet;
        _size = size;
        _hasChecksum = hasChecksum;
        _identifications = identifications;
        _header = (packet[0] & 0x0F) * 4;
        _at = _header + UdpHeader.HeaderLength;
    }

    /// <summary>Writes the next datagram, with its IP header; false when there is none left.</summary>
    public bool TryNext(Span<byte> datagram, out int length)
    {
        var payload = Math.Min(_size, _packet.Length - _at);
        length = _header + UdpHeader.HeaderLength + payload;
        if (payload <= 0)
        {
            return false;
        }

        _packet[..(_header + UdpHeader.HeaderLength)].CopyTo(datagram);
        _packet.Slice(_at, payload).CopyTo(datagram[(_header + UdpHeader.HeaderLength)..]);
        _at += payload;
        BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)_identifications.Next(ipv6: false));
        datagram[10..12].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(datagram[10..], InternetChecksum.Compute(datagram[.._header]));
        var udp = datagram[_header..length];
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        udp[6..8].Clear();
        if (_hasChecksum)
        {
            var sum = InternetChecksum.PseudoHeaderSum(UplinkLink.SourceOf(datagram), UplinkLink.DestinationOf(datagram), IpProtocolNumber.Udp, udp.Length);
            var checksum = InternetChecksum.Finish(InternetChecksum.Sum(udp, sum));
            BinaryPrimitives.WriteUInt16BigEndian(udp[6..], checksum == 0 ? ushort.MaxValue : checksum);
        }

        return true;
    }
}
