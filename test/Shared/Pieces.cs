using System.Buffers.Binary;

namespace Masquerade.Testing;

/// <summary>Cuts packets and puts them together again, by code of its own and for both families: a simple reference, apart from the product's.</summary>
public static class Pieces
{
    /// <summary>Cuts a packet into fragments of at most <paramref name="size"/> payload octets.</summary>
    public static List<byte[]> Cut(byte[] packet, int size, uint id)
    {
        var v6 = packet[0] >> 4 == 6;
        var header = v6 ? 40 : (packet[0] & 15) * 4;
        var payload = packet[header..];
        var pieces = new List<byte[]>();
        for (var at = 0; at < payload.Length; at += size)
        {
            var length = Math.Min(size, payload.Length - at);
            pieces.Add(Piece(packet, at, payload.AsSpan(at, length), at + length < payload.Length, id));
        }

        return pieces;
    }

    /// <summary>One fragment with any place and content.</summary>
    public static byte[] Piece(byte[] packet, int at, ReadOnlySpan<byte> content, bool more, uint id)
    {
        var v6 = packet[0] >> 4 == 6;
        var header = v6 ? 40 : (packet[0] & 15) * 4;
        var piece = new byte[header + (v6 ? 8 : 0) + content.Length];
        packet.AsSpan(0, header).CopyTo(piece);
        content.CopyTo(piece.AsSpan(header + (v6 ? 8 : 0)));
        if (v6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)(content.Length + 8));
            piece[6] = 44;
            piece[40] = packet[6];
            BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(42), (ushort)(at | (more ? 1 : 0)));
            BinaryPrimitives.WriteUInt32BigEndian(piece.AsSpan(44), id);
            return piece;
        }

        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(2), (ushort)piece.Length);
        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)id);
        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(6), (ushort)((at / 8) | (more ? 0x2000 : 0)));
        piece.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(10), Checksum(piece.AsSpan(0, header)));
        return piece;
    }

    /// <summary>
    /// The whole packets that a host would have out of some fragments, in the order in which they become whole. The first octet that comes for a place stays; over IPv6 an overlap ends the datagram.
    /// </summary>
    public static List<byte[]> Reassemble(IEnumerable<byte[]> packets)
    {
        var whole = new List<byte[]>();
        var partial = new Dictionary<string, Partial>(StringComparer.Ordinal);
        foreach (var packet in packets)
        {
            var v6 = packet[0] >> 4 == 6;
            var field = v6 ? (packet[6] == 44 ? BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(42)) : 0) : BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(6));
            var (start, more) = v6 ? (field & 0xFFF8, (field & 1) != 0) : ((field & 0x1FFF) * 8, (field & 0x2000) != 0);
            if (start == 0 && !more)
            {
                whole.Add(packet);
                continue;
            }

            var header = v6 ? 48 : (packet[0] & 15) * 4;
            var key = v6
                ? Convert.ToHexString(packet.AsSpan(8, 32)) + Convert.ToHexString(packet.AsSpan(44, 4))
                : Convert.ToHexString(packet.AsSpan(12, 8)) + Convert.ToHexString(packet.AsSpan(4, 2)) + packet[9];
            if (!partial.TryGetValue(key, out var entry))
            {
                partial[key] = entry = new Partial { Header = packet[..header] };
            }

            var content = packet.AsSpan(header);
            var overlaps = 0;
            for (var i = 0; i < content.Length; i++)
            {
                overlaps += entry.Octets[start + i] is null ? 0 : 1;
                entry.Octets[start + i] ??= content[i];
            }

            entry.Spoilt |= v6 && overlaps > 0 && overlaps < content.Length;
            entry.Header = start == 0 ? packet[..header] : entry.Header;
            entry.End = more ? entry.End : start + content.Length;
            if (entry.End == 0 || entry.Spoilt || entry.Octets.Take(entry.End).Any(o => o is null))
            {
                continue;
            }

            partial.Remove(key);
            whole.Add(Join(entry.Header, [.. entry.Octets.Take(entry.End).Select(o => o!.Value)], v6));
        }

        return whole;
    }

    private static ushort Checksum(ReadOnlySpan<byte> header)
    {
        var sum = 0;
        for (var i = 0; i < header.Length; i += 2)
        {
            sum += (header[i] << 8) | header[i + 1];
        }

        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)(0xFFFF - sum);
    }

    private static byte[] Join(byte[] header, byte[] payload, bool v6)
    {
        if (v6)
        {
            var joined = new byte[40 + payload.Length];
            header.AsSpan(0, 40).CopyTo(joined);
            joined[6] = header[40];
            BinaryPrimitives.WriteUInt16BigEndian(joined.AsSpan(4), (ushort)payload.Length);
            payload.CopyTo(joined, 40);
            return joined;
        }

        var packet = new byte[header.Length + payload.Length];
        header.CopyTo(packet, 0);
        payload.CopyTo(packet, header.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        packet.AsSpan(6, 2).Clear();
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum(packet.AsSpan(0, header.Length)));
        return packet;
    }

    private sealed class Partial
    {
        public required byte[] Header { get; set; }

        public byte?[] Octets { get; } = new byte?[65_536];

        public int End { get; set; }

        public bool Spoilt { get; set; }
    }
}
