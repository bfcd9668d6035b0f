using System.Security.Cryptography;

namespace Masquerade.Auth.Keys;

/// <summary>AES-128-CMAC (RFC 4493), which the runtime does not have: the last block of CBC over the message, the last block masked by a subkey.</summary>
internal static class AesCmac
{
    /// <summary>Octets of key and MAC.</summary>
    public const int Length = 16;

    // CBC goes over the message in pieces of this many octets, so that no message needs a buffer of its size.
    private const int Piece = 256;

    /// <summary>Computes the MAC of a message.</summary>
    /// <param name="key">16 octets.</param>
    /// <param name="message">Of any length.</param>
    /// <param name="mac">16 octets.</param>
    public static void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, Span<byte> mac)
    {
        using var aes = Aes.Create();
        aes.SetKey(key);

        Span<byte> chain = stackalloc byte[Length];
        Span<byte> encrypted = stackalloc byte[Piece];
        chain.Clear();
        var last = message.Length == 0 ? 0 : (message.Length - 1) / Length * Length;
        for (var at = 0; at < last;)
        {
            var take = Math.Min(Piece, last - at);
            aes.EncryptCbc(message.Slice(at, take), chain, encrypted, PaddingMode.None);
            encrypted.Slice(take - Length, Length).CopyTo(chain);
            at += take;
        }

        Span<byte> block = stackalloc byte[Length];
        Subkey(aes, whole: message.Length - last == Length, block);
        var rest = message[last..];
        for (var i = 0; i < rest.Length; i++)
        {
            block[i] ^= rest[i];
        }

        if (rest.Length < Length)
        {
            block[rest.Length] ^= 0x80;
        }

        aes.EncryptCbc(block, chain, mac, PaddingMode.None);
        CryptographicOperations.ZeroMemory(block);
    }

    // K1 masks a whole last block, K2 one that was filled up (RFC 4493 section 2.3).
    private static void Subkey(Aes aes, bool whole, Span<byte> subkey)
    {
        subkey.Clear();
        aes.EncryptEcb(subkey, subkey, PaddingMode.None);
        Double(subkey);
        if (!whole)
        {
            Double(subkey);
        }
    }

    /// <summary>Doubles a number of GF(2^128) as CMAC and SIV write it (RFC 5297 section 2.3).</summary>
    public static void Double(Span<byte> value)
    {
        var carry = 0;
        for (var i = value.Length - 1; i >= 0; i--)
        {
            var shifted = (value[i] << 1) | carry;
            value[i] = (byte)shifted;
            carry = shifted >> 8;
        }

        value[^1] ^= (byte)(0x87 & -carry);
    }
}
