using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Masquerade.Auth.Peer.Tunnel;

/// <summary>MD4 (RFC 1320), which the runtime does not have. It is broken as a hash; MS-CHAP-V2 is defined by it, and goes through a TLS tunnel only.</summary>
internal static class Md4
{
    /// <summary>Octets of the hash.</summary>
    public const int Length = 16;

    private const int Block = 64;

    /// <summary>Hashes all of it.</summary>
    /// <param name="data">What is hashed.</param>
    /// <param name="hash">16 octets.</param>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> hash)
    {
        Span<uint> state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476];
        var left = data;
        for (; left.Length >= Block; left = left[Block..])
        {
            Mix(state, left);
        }

        // One 1 bit, zeros, and the length in bits (section 3.1 and 3.2).
        Span<byte> last = stackalloc byte[2 * Block];
        last.Clear();
        left.CopyTo(last);
        last[left.Length] = 0x80;
        var end = left.Length < Block - sizeof(ulong) ? Block : 2 * Block;
        BinaryPrimitives.WriteUInt64LittleEndian(last[(end - sizeof(ulong))..], (ulong)data.Length * 8);
        for (var at = 0; at < end; at += Block)
        {
            Mix(state, last[at..]);
        }

        for (var i = 0; i < state.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(hash[(i * sizeof(uint))..], state[i]);
        }

        CryptographicOperations.ZeroMemory(last);
    }

    private static void Mix(Span<uint> state, ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<byte> order2 = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
        ReadOnlySpan<byte> order3 = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
        ReadOnlySpan<byte> shifts = [3, 7, 11, 19, 3, 5, 9, 13, 3, 9, 11, 15];
        Span<uint> words = stackalloc uint[16];
        for (var i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(block[(i * sizeof(uint))..]);
        }

        var (a, b, c, d) = (state[0], state[1], state[2], state[3]);
        for (var step = 0; step < 48; step++)
        {
            var (round, i) = (step / 16, step % 16);
            var mixed = round switch
            {
                0 => ((b & c) | (~b & d)) + words[i],
                1 => ((b & c) | (b & d) | (c & d)) + words[order2[i]] + 0x5A827999,
                _ => (b ^ c ^ d) + words[order3[i]] + 0x6ED9EBA1,
            };
            (a, b, c, d) = (d, BitOperations.RotateLeft(a + mixed, shifts[(round * 4) + (i % 4)]), b, c);
        }

        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        words.Clear();
    }
}
