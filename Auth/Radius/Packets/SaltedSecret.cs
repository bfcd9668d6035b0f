using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Masquerade.Auth.Radius;

/// <summary>
/// The cipher that hides keys in attributes (RFC 2548 section 2.4.2; RFC 2868 section 3.5 has the same for Tunnel-Password): a salt of two octets with its top bit set, then
/// length, key and zeros up to whole blocks of 16, each block XORed with MD5(secret ‖ the block before), the first with MD5(secret ‖ Request Authenticator ‖ salt).
/// </summary>
[SuppressMessage("Security", "CA5351:Do Not Use Broken Cryptographic Algorithms", Justification = "RFC 2548 prescribes it")]
public static class SaltedSecret
{
    private const int Block = 16;

    /// <summary>The longest that one attribute carries: 15 blocks less the length octet.</summary>
    public const int MaximumLength = 239;

    /// <summary>Opens it.</summary>
    /// <param name="value">Salt and blocks: 2 + 16 n octets, n at least 1.</param>
    /// <param name="requestAuthenticator">Of the request that the attribute answers.</param>
    /// <param name="secret">What client and server share.</param>
    /// <param name="key">The key, 0 to 239 octets; to be cleared by the caller.</param>
    /// <returns>False if the form is wrong; a wrong secret shows, mostly, as a length or padding that cannot be.</returns>
    public static bool TryOpen(ReadOnlySpan<byte> value, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret, out byte[] key)
    {
        ArgumentNullException.ThrowIfNull(secret);
        key = [];
        var length = value.Length - 2;
        if (length < Block || length > MaximumLength + 1 || length % Block != 0 || (value[0] & 0x80) == 0)
        {
            return false;
        }

        Span<byte> plain = stackalloc byte[length];
        Span<byte> pad = stackalloc byte[Block];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        for (var at = 0; at < length; at += Block)
        {
            Pad(hash, value[2..], at, requestAuthenticator, value[..2], secret, pad);
            for (var i = 0; i < Block; i++)
            {
                plain[at + i] = (byte)(value[2 + at + i] ^ pad[i]);
            }
        }

        // Zeros up to the end of the last block (RFC 2548), and no block more than needed: what a wrong secret makes is told from a key.
        var right = plain[0] < length && length - 1 - plain[0] < Block && plain[(1 + plain[0])..].IndexOfAnyExcept((byte)0) < 0;
        if (right)
        {
            key = plain.Slice(1, plain[0]).ToArray();
        }

        CryptographicOperations.ZeroMemory(plain);
        CryptographicOperations.ZeroMemory(pad);
        return right;
    }

    /// <summary>Seals it.</summary>
    /// <param name="key">0 to 239 octets.</param>
    /// <param name="salt">A number that no other attribute of this packet has; its top bit is set here.</param>
    /// <param name="requestAuthenticator">Of the request that is answered.</param>
    /// <param name="secret">What client and server share.</param>
    /// <returns>Salt and blocks.</returns>
    /// <exception cref="ArgumentException">The key is too long.</exception>
    public static byte[] Seal(ReadOnlySpan<byte> key, ushort salt, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        if (key.Length > MaximumLength)
        {
            throw new ArgumentException("the key is too long for one attribute", nameof(key));
        }

        var length = (1 + key.Length + Block - 1) / Block * Block;
        var value = new byte[2 + length];
        value[0] = (byte)((salt >> 8) | 0x80);
        value[1] = (byte)salt;
        value[2] = (byte)key.Length;
        key.CopyTo(value.AsSpan(3));
        Span<byte> pad = stackalloc byte[Block];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        for (var at = 0; at < length; at += Block)
        {
            Pad(hash, value.AsSpan(2), at, requestAuthenticator, value.AsSpan(0, 2), secret, pad);
            for (var i = 0; i < Block; i++)
            {
                value[2 + at + i] ^= pad[i];
            }
        }

        CryptographicOperations.ZeroMemory(pad);
        return value;
    }

    private static void Pad(
        IncrementalHash hash, ReadOnlySpan<byte> sealedBlocks, int at, ReadOnlySpan<byte> requestAuthenticator, ReadOnlySpan<byte> salt, RadiusSecret secret, Span<byte> pad)
    {
        hash.AppendData(secret.Octets);
        if (at == 0)
        {
            hash.AppendData(requestAuthenticator);
            hash.AppendData(salt);
        }
        else
        {
            hash.AppendData(sealedBlocks.Slice(at - Block, Block));
        }

        hash.GetHashAndReset(pad);
    }
}
