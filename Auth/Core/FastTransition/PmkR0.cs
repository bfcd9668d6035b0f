using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.FastTransition;

/// <summary>
/// PMK-R0: what the client and the key holder have in common for fast transitions (IEEE 802.11-2020 12.7.1.6.3, AKM 00-0F-AC:3). It stays with the key holder; each access point gets the
/// <see cref="PmkR1"/> that is its own.
/// </summary>
public sealed class PmkR0 : IDisposable
{
    /// <summary>Octets of the key.</summary>
    public const int Length = 32;

    /// <summary>Octets of its name.</summary>
    public const int NameLength = 16;

    private const int SaltLength = 16;
    private readonly SecretBytes _key;
    private readonly byte[] _name;

    private PmkR0(ReadOnlySpan<byte> key, ReadOnlySpan<byte> name, SessionId session, MacAddress client, uint cipher)
    {
        _key = new SecretBytes(key);
        _name = name.ToArray();
        (Session, Client, Cipher) = (session, client, cipher);
    }

    /// <summary>PMKR0Name, by which the client asks for it. Not secret.</summary>
    public ReadOnlySpan<byte> Name => _name;

    /// <summary>Whose authentication it comes from.</summary>
    public SessionId Session { get; }

    /// <summary>The client (S0KH-ID).</summary>
    public MacAddress Client { get; }

    /// <summary>The pairwise cipher suite of the client's link, <see cref="MobilityDomain.Cipher"/>.</summary>
    public uint Cipher { get; }

    /// <summary>The octets, for sealing.</summary>
    internal ReadOnlySpan<byte> Bytes => _key.Span;

    /// <summary>Makes the key of a session: R0-Key-Data = KDF-SHA-256-384(MSK[32..63], "FT-R0", SSID, MDID, R0KH-ID and S0KH-ID with the lengths of the first and third). The caller forgets the MSK.</summary>
    /// <param name="msk">64 octets, not all zero, nor their second half.</param>
    /// <param name="domain">Where it holds.</param>
    /// <param name="session">The session; not none.</param>
    /// <param name="client">The client's MAC address; not none, no group address.</param>
    /// <param name="key">The key, owned by the caller; null if refused.</param>
    public static bool TryDerive(ReadOnlySpan<byte> msk, MobilityDomain domain, SessionId session, MacAddress client, [NotNullWhen(true)] out PmkR0? key)
    {
        ArgumentNullException.ThrowIfNull(domain);
        key = null;
        if (msk.Length != SessionKey.MskLength || !SecretBytes.IsKey(msk[Length..], Length) || !SessionKey.IsContext(session, client))
        {
            return false;
        }

        Span<byte> context = stackalloc byte[1 + MobilityDomain.MaxNetwork + 2 + 1 + MobilityDomain.MaxHolder + KeyContext.MacLength];
        var length = domain.WriteTo(context);
        client.WriteTo(context[length..]);
        Span<byte> data = stackalloc byte[Length + SaltLength];
        Ieee80211Kdf.Derive(msk[Length..], "FT-R0"u8, context[..(length + KeyContext.MacLength)], data);

        Span<byte> named = stackalloc byte[6 + SaltLength];
        "FT-R0N"u8.CopyTo(named);
        data[Length..].CopyTo(named[6..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(named, hash);
        key = new PmkR0(data[..Length], hash[..NameLength], session, client, domain.Cipher);
        CryptographicOperations.ZeroMemory(data);
        CryptographicOperations.ZeroMemory(named);
        return true;
    }

    /// <summary>Makes the key of one access point: KDF-SHA-256-256(PMK-R0, "FT-R1", R1KH-ID ‖ S1KH-ID) (IEEE 802.11-2020 12.7.1.6.4). From it nobody learns this key or that of another one.</summary>
    /// <param name="holder">R1KH-ID of the access point, as a rule its BSSID.</param>
    /// <exception cref="ObjectDisposedException">The key is gone.</exception>
    public PmkR1 DeriveFor(MacAddress holder)
    {
        Span<byte> context = stackalloc byte[2 * KeyContext.MacLength];
        holder.WriteTo(context);
        Client.WriteTo(context[KeyContext.MacLength..]);
        Span<byte> derived = stackalloc byte[PmkR1.Length];
        Ieee80211Kdf.Derive(_key.Span, "FT-R1"u8, context, derived);
        var key = PmkR1.Own(derived, holder, Client);
        CryptographicOperations.ZeroMemory(derived);
        return key;
    }

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => _key.Dispose();

    /// <summary>Whose key it is; never the key.</summary>
    public override string ToString() => $"PMK-R0 of {Client}, session {Session}";

    internal static bool TryFrom(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> name, SessionId session, MacAddress client, uint cipher, [NotNullWhen(true)] out PmkR0? key)
    {
        key = SecretBytes.IsKey(bytes, Length) && name.Length == NameLength && SessionKey.IsContext(session, client) ? new PmkR0(bytes, name, session, client, cipher) : null;
        return key is not null;
    }
}
