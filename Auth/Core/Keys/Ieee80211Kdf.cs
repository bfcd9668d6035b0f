using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Masquerade.Auth.Keys;

/// <summary>
/// KDF-SHA-256-Length of IEEE 802.11-2020 12.7.1.6.2: HMAC-SHA-256(K, i ‖ label ‖ context ‖ length) for i = 1, 2, …, with i and length (in bits) as 16-bit numbers, least significant octet first.
/// The runtime's SP 800-108 KDF has another form (32-bit big-endian counter, zero octet after the label).
/// </summary>
internal static class Ieee80211Kdf
{
    private const int LargestInput = 256;

    /// <summary>Fills the result.</summary>
    /// <param name="key">K.</param>
    /// <param name="label">The label; with the context at most 252 octets.</param>
    /// <param name="context">The context.</param>
    /// <param name="result">1 to 8,191 octets.</param>
    public static void Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> label, ReadOnlySpan<byte> context, Span<byte> result)
    {
        Span<byte> input = stackalloc byte[LargestInput];
        label.CopyTo(input[2..]);
        context.CopyTo(input[(2 + label.Length)..]);
        var length = 2 + label.Length + context.Length;
        BinaryPrimitives.WriteUInt16LittleEndian(input[length..], checked((ushort)(result.Length * 8)));
        length += 2;

        Span<byte> block = stackalloc byte[HMACSHA256.HashSizeInBytes];
        ushort round = 1;
        for (var done = 0; done < result.Length; round++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(input, round);
            HMACSHA256.HashData(key, input[..length], block);
            var take = Math.Min(block.Length, result.Length - done);
            block[..take].CopyTo(result[done..]);
            done += take;
        }

        CryptographicOperations.ZeroMemory(block);
    }
}
