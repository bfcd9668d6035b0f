using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>Fragments as hosts make them (RFC 791 section 3.2, RFC 8200 section 4.5).</summary>
internal static class FragmentFormat
{
    private const byte FragmentHeader = 44;

    public static bool IsOne(ReadOnlySpan<byte> packet) =>
        packet[0] >> 4 == 6 ? packet[6] == FragmentHeader : (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x3FFF) != 0;

    /// <summary>Cuts a packet at random places.</summary>
    public static List<byte[]> Cut(byte[] packet, uint identification, SeededRandom random)
    {
        var v6 = packet[0] >> 4 == 6;
        var header = v6 ? 40 : 20;
        var pieces = new List<byte[]>();
        for (var (start, left) = (0, packet.Length - header); left > 0;)
        {
            var length = Math.Min(left, 8 * (1 + random.NextInt(12)));
            pieces.Add(Cut(packet, header, v6, identification, start, length, more: length < left));
            start += length;
            left -= length;
        }

        return pieces;
    }

    public static (IpAddress Source, IpAddress To, byte Protocol, uint Identification) KeyOf(ReadOnlySpan<byte> piece) => piece[0] >> 4 == 6
        ? (WireFormat.Source(piece), WireFormat.Destination(piece), piece[40], BinaryPrimitives.ReadUInt32BigEndian(piece[44..]))
        : (WireFormat.Source(piece), WireFormat.Destination(piece), piece[9], BinaryPrimitives.ReadUInt16BigEndian(piece[4..]));

    public static (int Start, bool More, int Header) PlaceOf(ReadOnlySpan<byte> piece)
    {
        var v6 = piece[0] >> 4 == 6;
        var field = BinaryPrimitives.ReadUInt16BigEndian(piece[(v6 ? 42 : 6)..]);
        return v6 ? (field & 0xFFF8, (field & 1) != 0, 48) : ((field & 0x1FFF) * 8, (field & 0x2000) != 0, (piece[0] & 15) * 4);
    }

    private static byte[] Cut(byte[] packet, int header, bool v6, uint identification, int start, int length, bool more)
    {
        var piece = new byte[header + (v6 ? 8 : 0) + length];
        packet.AsSpan(0, header).CopyTo(piece);
        packet.AsSpan(header + start, length).CopyTo(piece.AsSpan(piece.Length - length));
        if (v6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)(8 + length));
            (piece[40], piece[6]) = (piece[6], FragmentHeader);
            BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(42), (ushort)(start | (more ? 1 : 0)));
            BinaryPrimitives.WriteUInt32BigEndian(piece.AsSpan(44), identification);
            return piece;
        }

        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(2), (ushort)piece.Length);
        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)identification);
        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(6), (ushort)((start / 8) | (more ? 0x2000 : 0)));
        WireFormat.SumHeader(piece);
        return piece;
    }
}

/// <summary>What a host has of datagrams that come in pieces. Doubled pieces are as good as one; a datagram that is not whole when many others are waited for is given up.</summary>
internal sealed class Reassembly
{
    private const int MaxDatagrams = 256;
    private readonly Dictionary<(IpAddress, IpAddress, byte, uint), SortedDictionary<int, byte[]>> _waiting = [];

    /// <summary>Takes a piece; the whole packet when it is the last one that was missing.</summary>
    public byte[]? Take(byte[] piece)
    {
        var key = FragmentFormat.KeyOf(piece);
        if (!_waiting.TryGetValue(key, out var known))
        {
            if (_waiting.Count == MaxDatagrams)
            {
                _waiting.Clear();
            }

            _waiting[key] = known = [];
        }

        known[FragmentFormat.PlaceOf(piece).Start] = piece;
        var end = 0;
        foreach (var (start, next) in known)
        {
            var (_, more, header) = FragmentFormat.PlaceOf(next);
            if (start != end)
            {
                return null;
            }

            end += next.Length - header;
            if (!more)
            {
                _waiting.Remove(key);
                return Join(known.TakeWhile(k => k.Key <= start).Select(k => k.Value), end);
            }
        }

        return null;
    }

    private static byte[] Join(IEnumerable<byte[]> pieces, int length)
    {
        var first = pieces.First();
        var v6 = first[0] >> 4 == 6;
        var header = v6 ? 40 : 20;
        var whole = new byte[header + length];
        first.AsSpan(0, header).CopyTo(whole);
        if (v6)
        {
            whole[6] = first[40];
            BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(4), (ushort)length);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(2), (ushort)whole.Length);
            whole.AsSpan(6, 2).Clear();
            WireFormat.SumHeader(whole);
        }

        foreach (var piece in pieces)
        {
            var (start, _, skip) = FragmentFormat.PlaceOf(piece);
            piece.AsSpan(skip).CopyTo(whole.AsSpan(header + start));
        }

        return whole;
    }
}
