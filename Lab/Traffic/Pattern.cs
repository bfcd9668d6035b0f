using System.Buffers.Binary;

namespace Masquerade.Lab.Traffic;

/// <summary>
/// The content of a stream: a function of the connection's seed and the position, so that the receiver verifies every byte without having been
/// told it, and bytes of another connection or of another place in the stream cannot pass.
/// </summary>
internal static class Pattern
{
    /// <summary>Fills <paramref name="destination"/> with the content at <paramref name="offset"/>.</summary>
    public static void Fill(Span<byte> destination, ulong seed, long offset)
    {
        Span<byte> word = stackalloc byte[8];
        var done = 0;
        while (done < destination.Length)
        {
            var at = offset + done;
            var value = Mix(seed + ((ulong)(at >> 3) * 0x9E37_79B9_7F4A_7C15UL));
            var inside = (int)(at & 7);
            var rest = destination[done..];
            if (inside == 0 && rest.Length >= 8)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(rest, value);
                done += 8;
                continue;
            }

            BinaryPrimitives.WriteUInt64LittleEndian(word, value);
            var count = Math.Min(8 - inside, rest.Length);
            word.Slice(inside, count).CopyTo(rest);
            done += count;
        }
    }

    /// <summary>Whether <paramref name="received"/> is the content at <paramref name="offset"/>.</summary>
    public static bool Matches(ReadOnlySpan<byte> received, ulong seed, long offset)
    {
        Span<byte> expected = stackalloc byte[1024];
        while (received.Length > 0)
        {
            var part = expected[..Math.Min(expected.Length, received.Length)];
            Fill(part, seed, offset);
            if (!part.SequenceEqual(received[..part.Length]))
            {
                return false;
            }

            received = received[part.Length..];
            offset += part.Length;
        }

        return true;
    }

    private static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EBUL;
        return x ^ (x >> 31);
    }
}
