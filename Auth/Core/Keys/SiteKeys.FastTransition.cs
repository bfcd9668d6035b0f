using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Auth.FastTransition;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>Fast transition keys are kept as session keys are.</summary>
public sealed partial class SiteKeys
{
    /// <summary>Seals a PMK-R0 under the newest site key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="random">Where the nonce comes from: it must never repeat under one site key.</param>
    /// <param name="destination">At least <see cref="SealedPmkR0.Length"/> octets.</param>
    /// <exception cref="InvalidOperationException">There is no site key.</exception>
    public void Seal(PmkR0 key, FillRandom random, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(random);
        SealedPmkR0.WritePlain(key, destination);
        Span<byte> bound = stackalloc byte[KeyContext.Length + SealedPmkR0.PlainLength];
        Bind(bound, key.Session, key.Client);
        destination[..SealedPmkR0.PlainLength].CopyTo(bound[KeyContext.Length..]);
        Seal(SealedPmkR0.Version, key.Bytes, bound, random, destination[SealedPmkR0.PlainLength..SealedPmkR0.Length]);
    }

    /// <summary>Opens what was sealed for this client and session.</summary>
    /// <param name="sealedKey">As it was sealed; anything else is refused.</param>
    /// <param name="session">The session that it is asked for.</param>
    /// <param name="client">The client that it is asked for.</param>
    /// <param name="key">The key, owned by the caller.</param>
    /// <returns>False if it is cut off, altered, sealed for another client or session, or under a site key that is not here.</returns>
    public bool TryOpenRoaming(ReadOnlySpan<byte> sealedKey, SessionId session, MacAddress client, [NotNullWhen(true)] out PmkR0? key)
    {
        key = null;
        if (sealedKey.Length != SealedPmkR0.Length)
        {
            return false;
        }

        Span<byte> bound = stackalloc byte[KeyContext.Length + SealedPmkR0.PlainLength];
        Bind(bound, session, client);
        sealedKey[..SealedPmkR0.PlainLength].CopyTo(bound[KeyContext.Length..]);
        Span<byte> opened = stackalloc byte[PmkR0.Length];
        var isOpen = TryOpen(SealedPmkR0.Version, sealedKey[SealedPmkR0.PlainLength..], bound, opened) && SealedPmkR0.TryMake(sealedKey, opened, session, client, out key);
        CryptographicOperations.ZeroMemory(opened);
        return isOpen;
    }
}
