using System.Security.Cryptography;

namespace Masquerade.Pki;

/// <summary>Takes PEM texts apart (RFC 7468).</summary>
internal static class PemTexts
{
    /// <summary>The contents of all blocks with a label; other blocks, and what stands between them, are passed over.</summary>
    public static List<byte[]> Blocks(string text, string label)
    {
        var found = new List<byte[]>();
        var rest = text.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label].SequenceEqual(label))
            {
                found.Add(Convert.FromBase64String(rest[fields.Base64Data].ToString()));
            }

            rest = rest[fields.Location.End..];
        }

        return found;
    }
}
