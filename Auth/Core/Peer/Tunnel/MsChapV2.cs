using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Masquerade.Auth.Peer.Tunnel;

/// <summary>The computations of MS-CHAP-V2 (RFC 2759 section 8). Both sides prove that they know the password; its strength is a DES key's, so it is for TLS tunnels only.</summary>
internal static class MsChapV2
{
    /// <summary>Octets of each side's challenge.</summary>
    public const int ChallengeLength = 16;

    /// <summary>Octets of the client's response.</summary>
    public const int ResponseLength = 24;

    /// <summary>Octets of the server's: "S=" and 40 hexadecimal digits.</summary>
    public const int AuthenticatorLength = 42;

    /// <summary>The longest password, in characters (section 8: 0 to 256 of Unicode).</summary>
    public const int MaxPassword = 256;

    /// <summary>GenerateNTResponse (section 8.1).</summary>
    /// <param name="authenticator">The server's challenge, 16 octets.</param>
    /// <param name="peer">The client's challenge, 16 octets.</param>
    /// <param name="user">The user's name in UTF-8; a domain in front of a backslash does not count.</param>
    /// <param name="password">The password in UTF-8.</param>
    /// <param name="response">24 octets.</param>
    public static void Respond(ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> user, ReadOnlySpan<byte> password, Span<byte> response)
    {
        Span<byte> hash = stackalloc byte[21];
        hash.Clear();
        HashPassword(password, hash);
        Span<byte> challenge = stackalloc byte[SHA1.HashSizeInBytes];
        HashChallenges(authenticator, peer, user, challenge);
        var block = BinaryPrimitives.ReadUInt64BigEndian(challenge);
        for (var i = 0; i < 3; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(response[(i * DesBlock.Length)..], DesBlock.Encrypt(Spread(hash.Slice(i * 7, 7)), block));
        }

        CryptographicOperations.ZeroMemory(hash);
    }

    /// <summary>CheckAuthenticatorResponse (section 8.8): whether the server knows the password, too. In fixed time.</summary>
    /// <param name="authenticator">The server's challenge.</param>
    /// <param name="peer">The client's challenge.</param>
    /// <param name="user">The user's name.</param>
    /// <param name="password">The password.</param>
    /// <param name="response">The client's response.</param>
    /// <param name="said">What the server says: 42 octets.</param>
    public static bool IsAuthentic(ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> user, ReadOnlySpan<byte> password, ReadOnlySpan<byte> response, ReadOnlySpan<byte> said)
    {
        Span<byte> expected = stackalloc byte[AuthenticatorLength];
        Span<byte> hash = stackalloc byte[Md4.Length];
        Span<byte> twice = stackalloc byte[Md4.Length];
        Span<byte> challenge = stackalloc byte[SHA1.HashSizeInBytes];
        Span<byte> digest = stackalloc byte[SHA1.HashSizeInBytes];
        HashPassword(password, hash);
        Md4.Hash(hash, twice);
        HashChallenges(authenticator, peer, user, challenge);
        Digest([.. twice, .. response, .. "Magic server to client signing constant"u8], digest);
        Digest([.. digest, .. challenge[..DesBlock.Length], .. "Pad to make it do more than one iteration"u8], digest);
        "S="u8.CopyTo(expected);
        _ = Convert.TryToHexString(digest, expected[2..], out _);
        CryptographicOperations.ZeroMemory(hash);
        CryptographicOperations.ZeroMemory(twice);
        return CryptographicOperations.FixedTimeEquals(expected, said);
    }

    /// <summary>NtPasswordHash (section 8.3): MD4 of the password in UTF-16, least significant octet first.</summary>
    public static void HashPassword(ReadOnlySpan<byte> password, Span<byte> hash)
    {
        Span<char> text = stackalloc char[MaxPassword];
        var count = Encoding.UTF8.TryGetChars(password, text, out var written) ? written : 0;
        Span<byte> octets = stackalloc byte[2 * MaxPassword];
        for (var i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(octets[(2 * i)..], text[i]);
        }

        Md4.Hash(octets[..(2 * count)], hash);
        text.Clear();
        CryptographicOperations.ZeroMemory(octets);
    }

    // ChallengeHash (section 8.2); the first eight octets count.
    private static void HashChallenges(ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> user, Span<byte> hash) =>
        Digest([.. peer, .. authenticator, .. user[(user.LastIndexOf((byte)'\\') + 1)..]], hash);

    private static void Digest(byte[] data, Span<byte> hash)
    {
#pragma warning disable CA5350 // RFC 2759 is what it is.
        SHA1.HashData(data, hash);
#pragma warning restore CA5350
        CryptographicOperations.ZeroMemory(data);
    }

    // Seven octets become eight: seven bits and a parity bit that nobody looks at.
    private static ulong Spread(ReadOnlySpan<byte> seven)
    {
        ulong bits = 0;
        foreach (var octet in seven)
        {
            bits = (bits << 8) | octet;
        }

        ulong key = 0;
        for (var i = 0; i < DesBlock.Length; i++)
        {
            key = (key << 8) | (((bits >> (49 - (7 * i))) & 0x7F) << 1);
        }

        return key;
    }
}
