using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>
/// PTK: the keys of one handshake between one client and one access point, made from AK and both sides' nonces by the KDF of IEEE 802.11-2020 12.7.1.3 with SHA-256 (AKM 00-0F-AC:5).
/// </summary>
internal sealed class LinkKeys : IDisposable
{
    /// <summary>Octets of each of the three keys.</summary>
    public const int KeyLength = 16;

    /// <summary>Octets of a nonce.</summary>
    public const int NonceLength = 32;

    private readonly SecretBytes _ptk;

    private LinkKeys(ReadOnlySpan<byte> ptk) => _ptk = new SecretBytes(ptk);

    /// <summary>Confirms: the key of the MIC.</summary>
    public ReadOnlySpan<byte> Kck => _ptk.Span[..KeyLength];

    /// <summary>Encrypts key data in the handshake.</summary>
    public ReadOnlySpan<byte> Kek => _ptk.Span.Slice(KeyLength, KeyLength);

    /// <summary>Protects the link.</summary>
    public ReadOnlySpan<byte> Tk => _ptk.Span[(2 * KeyLength)..];

    /// <summary>Makes the keys.</summary>
    /// <param name="key">AK.</param>
    /// <param name="authenticator">The access point's MAC address (AA).</param>
    /// <param name="supplicant">The client's (SPA).</param>
    /// <param name="authenticatorNonce">32 octets.</param>
    /// <param name="supplicantNonce">32 octets.</param>
    /// <param name="keys">The keys, owned by the caller.</param>
    /// <returns>False if one of the three keys came out all zero, which must never be installed.</returns>
    public static bool TryDerive(AccessPointKey key, MacAddress authenticator, MacAddress supplicant, ReadOnlySpan<byte> authenticatorNonce,
        ReadOnlySpan<byte> supplicantNonce, [NotNullWhen(true)] out LinkKeys? keys)
    {
        // 12.7.1.3: min and max as numbers, most significant octet first, for addresses and for nonces alike.
        Span<byte> context = stackalloc byte[(2 * KeyContext.MacLength) + (2 * NonceLength)];
        var authenticatorFirst = authenticator.Value < supplicant.Value;
        (authenticatorFirst ? authenticator : supplicant).WriteTo(context);
        (authenticatorFirst ? supplicant : authenticator).WriteTo(context[KeyContext.MacLength..]);
        var nonces = context[(2 * KeyContext.MacLength)..];
        var authenticatorLow = authenticatorNonce.SequenceCompareTo(supplicantNonce) < 0;
        (authenticatorLow ? authenticatorNonce : supplicantNonce).CopyTo(nonces);
        (authenticatorLow ? supplicantNonce : authenticatorNonce).CopyTo(nonces[NonceLength..]);

        Span<byte> ptk = stackalloc byte[3 * KeyLength];
        Ieee80211Kdf.Derive(key.Bytes, "Pairwise key expansion"u8, context, ptk);
        keys = IsUsable(ptk) ? new LinkKeys(ptk) : null;
        CryptographicOperations.ZeroMemory(ptk);
        return keys is not null;
    }

    /// <summary>Zeroes the keys.</summary>
    public void Dispose() => _ptk.Dispose();

    /// <summary>Never the keys.</summary>
    public override string ToString() => "link keys";

    private static bool IsUsable(ReadOnlySpan<byte> ptk) =>
        SecretBytes.IsKey(ptk[..KeyLength], KeyLength) && SecretBytes.IsKey(ptk.Slice(KeyLength, KeyLength), KeyLength) && SecretBytes.IsKey(ptk[(2 * KeyLength)..], KeyLength);
}
