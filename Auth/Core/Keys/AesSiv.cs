using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Masquerade.Auth.Keys;

/// <summary>
/// AES-SIV (RFC 5297) with a key of 256 bits, of which the first half is for S2V and the second for CTR. The runtime does not have it. A nonce is one more piece of associated data, the last one.
/// </summary>
internal static class AesSiv
{
    /// <summary>Octets of the key.</summary>
    public const int KeyLength = 32;

    /// <summary>Octets that sealing adds, in front: the synthetic initial vector.</summary>
    public const int Overhead = Block;

    private const int Block = 16;

    /// <summary>Seals (RFC 5297 section 2.6).</summary>
    /// <param name="key">32 octets.</param>
    /// <param name="plain">Of any length.</param>
    /// <param name="result">16 octets longer; may not overlap.</param>
    /// <param name="associated">What is authenticated besides, piece by piece, in order.</param>
    public static void Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> plain, Span<byte> result, params ReadOnlySpan<byte[]> associated)
    {
        if (key.Length != KeyLength || result.Length != plain.Length + Overhead)
        {
            throw new ArgumentException("lengths that AES-SIV does not take", nameof(result));
        }

        Vector(key[..Block], plain, associated, result[..Block]);
        Counter(key[Block..], result[..Block], plain, result[Block..]);
    }

    /// <summary>Opens (RFC 5297 section 2.7). False if it was not sealed with this key and this associated data; nothing of it is shown then.</summary>
    /// <param name="key">32 octets.</param>
    /// <param name="cipher">At least 16 octets; what is shorter is refused.</param>
    /// <param name="plain">16 octets shorter; zeroed on failure.</param>
    /// <param name="associated">As it was sealed with.</param>
    public static bool TryOpen(ReadOnlySpan<byte> key, ReadOnlySpan<byte> cipher, Span<byte> plain, params ReadOnlySpan<byte[]> associated)
    {
        if (key.Length != KeyLength || cipher.Length < Overhead || plain.Length != cipher.Length - Overhead)
        {
            return false;
        }

        Counter(key[Block..], cipher[..Block], cipher[Block..], plain);
        Span<byte> expected = stackalloc byte[Block];
        Vector(key[..Block], plain, associated, expected);
        if (CryptographicOperations.FixedTimeEquals(expected, cipher[..Block]))
        {
            return true;
        }

        CryptographicOperations.ZeroMemory(plain);
        return false;
    }

    /// <summary>S2V (RFC 5297 section 2.4).</summary>
    private static void Vector(ReadOnlySpan<byte> key, ReadOnlySpan<byte> plain, ReadOnlySpan<byte[]> associated, Span<byte> vector)
    {
        Span<byte> sum = stackalloc byte[Block];
        Span<byte> mac = stackalloc byte[Block];
        sum.Clear();
        AesCmac.Compute(key, sum, mac);
        mac.CopyTo(sum);
        foreach (var piece in associated)
        {
            AesCmac.Double(sum);
            AesCmac.Compute(key, piece, mac);
            Xor(sum, mac);
        }

        var last = new byte[Math.Max(plain.Length, Block)];
        plain.CopyTo(last);
        if (plain.Length < Block)
        {
            AesCmac.Double(sum);
            last[plain.Length] = 0x80;
        }

        Xor(last.AsSpan(last.Length - Block), sum);
        AesCmac.Compute(key, last, vector);
        CryptographicOperations.ZeroMemory(last);
    }

    /// <summary>Counter mode; two bits of the vector are left out of its beginning (RFC 5297 section 2.5).</summary>
    private static void Counter(ReadOnlySpan<byte> key, ReadOnlySpan<byte> vector, ReadOnlySpan<byte> from, Span<byte> to)
    {
        using var aes = Aes.Create();
        aes.SetKey(key);
        var counter = BinaryPrimitives.ReadUInt128BigEndian(vector) & ~((UInt128.One << 63) | (UInt128.One << 31));
        Span<byte> stream = stackalloc byte[Block];
        for (var at = 0; at < from.Length; at += Block, counter++)
        {
            BinaryPrimitives.WriteUInt128BigEndian(stream, counter);
            aes.EncryptEcb(stream, stream, PaddingMode.None);
            var take = Math.Min(Block, from.Length - at);
            for (var i = 0; i < take; i++)
            {
                to[at + i] = (byte)(from[at + i] ^ stream[i]);
            }
        }

        CryptographicOperations.ZeroMemory(stream);
    }

    private static void Xor(Span<byte> into, ReadOnlySpan<byte> value)
    {
        for (var i = 0; i < into.Length; i++)
        {
            into[i] ^= value[i];
        }
    }
}
