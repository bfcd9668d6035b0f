using System.Buffers.Binary;
using Masquerade.Core.Checksum;

namespace Masquerade.Core.Wire;

/// <summary>
/// Cuts an IPv4 packet that is too long for a link, and may be cut, into fragments (RFC 791 section 3.2, RFC 1812 section 4.2.2.7, RFC 4787 REQ-13a), one after the other and in order.
/// A fragment can be cut again. Options that are to be in every fragment are.
/// </summary>
public ref struct Ipv4Cutter
{
    private const byte CopiedFlag = 0x80;

    private readonly ReadOnlySpan<byte> _packet;
    private readonly int _mtu;
    private int _at;

    /// <summary>A cutter for a packet that the parser has accepted; its transport checksum is finished.</summary>
    /// <param name="packet">The packet, without padding, at most 65,535 octets.</param>
    /// <param name="mtu">The longest fragment, in octets; at least 68 (RFC 791).</param>
    public Ipv4Cutter(ReadOnlySpan<byte> packet, int mtu)
    {
        _packet = packet;
        _mtu = mtu;
        _at = (packet[0] & 0x0F) * 4;
    }

    /// <summary>Writes the next fragment; false when there is none left.</summary>
    /// <param name="fragment">Where to; as long as the MTU.</param>
    /// <param name="length">Its length.</param>
    public bool TryNext(Span<byte> fragment, out int length)
    {
        length = 0;
        var whole = (_packet[0] & 0x0F) * 4;
        if (_at >= _packet.Length)
        {
            return false;
        }

        var header = _at == whole ? whole : CopyLaterHeader(fragment, whole);
        if (_at == whole)
        {
            _packet[..whole].CopyTo(fragment);
        }

        var left = _packet.Length - _at;
        var payload = left <= _mtu - header ? left : (_mtu - header) & ~7;
        _packet.Slice(_at, payload).CopyTo(fragment[header..]);
        length = header + payload;
        var field = BinaryPrimitives.ReadUInt16BigEndian(_packet[6..]);
        var more = payload < left || (field & 0x2000) != 0;
        var offset = (field & 0x1FFF) + ((_at - whole) / 8);
        fragment[0] = (byte)(0x40 | (header / 4));
        BinaryPrimitives.WriteUInt16BigEndian(fragment[2..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(fragment[6..], (ushort)(offset | (more ? 0x2000 : 0)));
        fragment[10..12].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(fragment[10..], InternetChecksum.Compute(fragment[..header]));
        _at += payload;
        return true;
    }

    private readonly int CopyLaterHeader(Span<byte> fragment, int whole)
    {
        _packet[..Ipv4Header.MinimumLength].CopyTo(fragment);
        var length = Ipv4Header.MinimumLength;
        for (var i = Ipv4Header.MinimumLength; i < whole && _packet[i] != 0;)
        {
            var option = _packet[i] == 1 ? 1 : _packet[i + 1];
            if ((_packet[i] & CopiedFlag) != 0)
            {
                _packet.Slice(i, option).CopyTo(fragment[length..]);
                length += option;
            }

            i += option;
        }

        // An end of options, and zeros up to a multiple of four.
        while ((length & 3) != 0)
        {
            fragment[length++] = 0;
        }

        return length;
    }
}
