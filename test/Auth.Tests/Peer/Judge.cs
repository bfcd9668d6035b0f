using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Peer.Tunnel;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>What a server computes, written down a second time from RFC 2759 section 8.7.</summary>
internal static class Judge
{
    public static byte[] AuthenticatorResponse(ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> peer, string user, string password, ReadOnlySpan<byte> response)
    {
        var hash = new byte[Md4.Length];
        var twice = new byte[Md4.Length];
        Md4.Hash(Encoding.Unicode.GetBytes(password), hash);
        Md4.Hash(hash, twice);
#pragma warning disable CA5350
        var challenge = SHA1.HashData([.. peer, .. authenticator, .. Encoding.UTF8.GetBytes(user)])[..8];
        var digest = SHA1.HashData([.. twice, .. response, .. "Magic server to client signing constant"u8]);
        digest = SHA1.HashData([.. digest, .. challenge, .. "Pad to make it do more than one iteration"u8]);
#pragma warning restore CA5350
        return Encoding.ASCII.GetBytes("S=" + Convert.ToHexString(digest));
    }
}
