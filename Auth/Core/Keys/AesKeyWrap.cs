using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Masquerade.Auth.Keys;

/// <summary>AES key wrap (RFC 3394) with the default initial value. The runtime has only the padded form (RFC 5649), which EAPOL-Key frames do not use.</summary>
internal static class AesKeyWrap
{
    /// <summary>Octets that wrapping adds.</summary>
    public const int Overhead = 8;

    private const int Unit = 8;
    private const int Rounds = 6;
    private const ulong InitialValue = 0xA6A6_A6A6_A6A6_A6A6;

    /// <summary>Wraps (RFC 3394 section 2.2.1).</summary>
    /// <param name="key">16, 24 or 32 octets.</param>
    /// <param name="plain">A multiple of 8 octets, at least 16.</param>
    /// <param name="wrapped">8 octets longer; may not overlap.</param>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    public static void Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> plain, Span<byte> wrapped)
    {
        if (plain.Length < 2 * Unit || plain.Length % Unit != 0 || wrapped.Length != plain.Length + Overhead)
        {
            throw new ArgumentException("lengths that AES key wrap does not take", nameof(plain));
        }

        using var aes = Make(key);
        using var cipher = aes.CreateEncryptor();
        var octets = new byte[2 * Unit];
        var block = octets.AsSpan();
        var count = plain.Length / Unit;
        plain.CopyTo(wrapped[Unit..]);
        BinaryPrimitives.WriteUInt64BigEndian(block, InitialValue);
        ulong step = 1;
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 1; i <= count; i++, step++)
            {
                var register = wrapped.Slice(i * Unit, Unit);
                register.CopyTo(block[Unit..]);
                _ = cipher.TransformBlock(octets, 0, octets.Length, octets, 0);
                block[Unit..].CopyTo(register);
                BinaryPrimitives.WriteUInt64BigEndian(block, BinaryPrimitives.ReadUInt64BigEndian(block) ^ step);
            }
        }

        block[..Unit].CopyTo(wrapped);
        CryptographicOperations.ZeroMemory(block);
    }

    /// <summary>Unwraps and checks (RFC 3394 section 2.2.2). False if the lengths do not fit or it was not wrapped with this key; nothing of it is shown then.</summary>
    /// <param name="key">16, 24 or 32 octets.</param>
    /// <param name="wrapped">A multiple of 8 octets, at least 24.</param>
    /// <param name="plain">8 octets shorter; zeroed on failure.</param>
    public static bool TryUnwrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> wrapped, Span<byte> plain)
    {
        if (wrapped.Length < 3 * Unit || wrapped.Length % Unit != 0 || plain.Length != wrapped.Length - Overhead)
        {
            return false;
        }

        using var aes = Make(key);
        using var cipher = aes.CreateDecryptor();
        var octets = new byte[2 * Unit];
        var block = octets.AsSpan();
        var count = plain.Length / Unit;
        wrapped[Unit..].CopyTo(plain);
        wrapped[..Unit].CopyTo(block);
        var step = (ulong)(Rounds * count);
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = count - 1; i >= 0; i--, step--)
            {
                var register = plain.Slice(i * Unit, Unit);
                BinaryPrimitives.WriteUInt64BigEndian(block, BinaryPrimitives.ReadUInt64BigEndian(block) ^ step);
                register.CopyTo(block[Unit..]);
                _ = cipher.TransformBlock(octets, 0, octets.Length, octets, 0);
                block[Unit..].CopyTo(register);
            }
        }

        Span<byte> expected = stackalloc byte[Unit];
        BinaryPrimitives.WriteUInt64BigEndian(expected, InitialValue);
        var good = CryptographicOperations.FixedTimeEquals(block[..Unit], expected);
        CryptographicOperations.ZeroMemory(block);
        if (!good)
        {
            CryptographicOperations.ZeroMemory(plain);
        }

        return good;
    }

    // One cipher for all blocks: each call of the runtime's own one-shot methods sets one up anew, which for the sixty blocks of a handshake took most of its time.
    private static Aes Make(ReadOnlySpan<byte> key)
    {
        var aes = Aes.Create();
        (aes.Mode, aes.Padding) = (CipherMode.ECB, PaddingMode.None);
        aes.SetKey(key);
        return aes;
    }
}
