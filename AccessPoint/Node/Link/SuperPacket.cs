using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>
/// Makes a GSO super-packet of TCP or UDP the packets that it stands for, one after the other, whole and with finished checksums: what is to be encrypted no device can cut any more.
/// The rules are those of Linux's own segmentation: numbers go on, FIN and PSH are in the last segment only, CWR in the first.
/// </summary>
internal ref struct SuperPacket
{
    /// <summary>All but Congestion Window Reduced (RFC 3168 section 6.1.2).</summary>
    private const byte NotCwr = 0x7F;

    private readonly ReadOnlySpan<byte> _packet;
    private readonly int _headers;
    private readonly int _transport;
    private readonly int _size;
    private readonly bool _isTcp;
    private readonly bool _hasChecksum;
    private readonly ushort _identification;
    private int _at;
    private ushort _number;

    /// <param name="packet">A packet that the parser has accepted.</param>
    /// <param name="summary">What it has read.</param>
    /// <param name="offload">Its offload state.</param>
    /// <param name="identifications">Datagrams over IPv4 get identifications of their own.</param>
    public SuperPacket(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, IdentificationSource identifications)
    {
        _isTcp = summary.Kind == PacketKind.Tcp;
        _headers = summary.Length - summary.PayloadLength;
        _transport = summary.TransportOffset;
        _size = offload.GsoSize;
        _packet = packet[..summary.Length];
        _hasChecksum = _isTcp || offload.ChecksumPartial || BinaryPrimitives.ReadUInt16BigEndian(packet[(_transport + UdpHeader.ChecksumOffset)..]) != 0;
        _identification = summary.IsIPv6 ? (ushort)0 : _isTcp ? BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) : (ushort)identifications.Next(ipv6: false);
        _at = _headers;
    }

    /// <summary>Writes the next packet; false when there is none left.</summary>
    /// <param name="packet">As long as the headers and a segment's payload.</param>
    /// <param name="length">Octets of it.</param>
    public bool TryNext(Span<byte> packet, out int length)
    {
        var payload = Math.Min(_size, _packet.Length - _at);
        length = _headers + payload;
        if (payload <= 0)
        {
            return false;
        }

        _packet[.._headers].CopyTo(packet);
        _packet.Slice(_at, payload).CopyTo(packet[_headers..]);
        if (packet[0] >> 4 == 4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)length);
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(_identification + _number));
            packet[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Compute(packet[..((packet[0] & 0x0F) * 4)]));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(length - Ipv6Header.Length));
        }

        var segment = packet[_transport..length];
        if (_isTcp)
        {
            ContinueTcp(segment);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)segment.Length);
        }

        WriteChecksum(packet, segment);
        _at += payload;
        _number++;
        return true;
    }

    private readonly void ContinueTcp(Span<byte> segment)
    {
        var sequence = BinaryPrimitives.ReadUInt32BigEndian(segment[4..]);
        BinaryPrimitives.WriteUInt32BigEndian(segment[4..], sequence + (uint)(_at - _headers));
        if (_at + _size < _packet.Length)
        {
            segment[13] &= unchecked((byte)~(TcpFlags.Fin | TcpFlags.Psh));
        }

        if (_number > 0)
        {
            segment[13] &= NotCwr;
        }
    }

    private readonly void WriteChecksum(Span<byte> packet, Span<byte> segment)
    {
        var field = segment[(_isTcp ? TcpHeader.ChecksumOffset : UdpHeader.ChecksumOffset)..];
        field[..2].Clear();
        if (_hasChecksum)
        {
            var protocol = _isTcp ? IpProtocolNumber.Tcp : IpProtocolNumber.Udp;
            var sum = InternetChecksum.PseudoHeaderSum(UplinkLink.SourceOf(packet), UplinkLink.DestinationOf(packet), protocol, segment.Length);
            var checksum = InternetChecksum.Finish(InternetChecksum.Sum(segment, sum));
            BinaryPrimitives.WriteUInt16BigEndian(field, checksum == 0 && !_isTcp ? ushort.MaxValue : checksum);
        }
    }
}
