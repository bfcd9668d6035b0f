using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>
/// The keys under which session keys are sealed before a store sees them. There may be several, so that one can follow another: the one with the highest number seals, all of them open.
/// Nonces are random, so one key is good for 2^32 sealings (NIST SP 800-38D section 8.3). Not safe for several threads.
/// </summary>
public sealed partial class SiteKeys : IDisposable
{
    /// <summary>Octets of a site key.</summary>
    public const int KeyLength = 32;

    /// <summary>How many there may be at once.</summary>
    public const int MaxKeys = 8;

    private readonly SortedList<uint, SecretBytes> _keys = [];

    /// <summary>How many there are.</summary>
    public int Count => _keys.Count;

    /// <summary>Adds one. The caller zeroes its copy.</summary>
    /// <param name="number">Its number; the highest one seals.</param>
    /// <param name="key">32 octets, not all zero.</param>
    /// <returns>False if it is no key, the number is taken by another key, or there are as many as there may be. The same key again is no fault.</returns>
    public bool TryAdd(uint number, ReadOnlySpan<byte> key)
    {
        if (!SecretBytes.IsKey(key, KeyLength))
        {
            return false;
        }

        if (_keys.TryGetValue(number, out var present))
        {
            return present.Matches(key);
        }

        if (_keys.Count >= MaxKeys)
        {
            return false;
        }

        _keys.Add(number, new SecretBytes(key));
        return true;
    }

    /// <summary>Forgets one: what is sealed under it cannot be opened any more.</summary>
    public bool Remove(uint number)
    {
        if (!_keys.Remove(number, out var key))
        {
            return false;
        }

        key.Dispose();
        return true;
    }

    /// <summary>Seals a session key under the newest site key.</summary>
    /// <param name="key">The session key.</param>
    /// <param name="random">Where the nonce comes from: it must never repeat under one site key.</param>
    /// <param name="destination">At least <see cref="SealedKey.Length"/> octets.</param>
    /// <exception cref="InvalidOperationException">There is no site key.</exception>
    public void Seal(SessionKey key, FillRandom random, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(random);
        Span<byte> bound = stackalloc byte[KeyContext.Length];
        Bind(bound, key.Session, key.Client);
        Seal(SealedKey.Version, key.Bytes, bound, random, destination[..SealedKey.Length]);
    }

    /// <summary>Opens what was sealed for this client and session.</summary>
    /// <param name="sealedKey">As it was sealed; anything else is refused.</param>
    /// <param name="session">The session that it is asked for.</param>
    /// <param name="client">The client that it is asked for.</param>
    /// <param name="key">The key, owned by the caller.</param>
    /// <returns>False if it is cut off, altered, sealed for another client or session, or under a site key that is not here.</returns>
    public bool TryOpen(ReadOnlySpan<byte> sealedKey, SessionId session, MacAddress client, [NotNullWhen(true)] out SessionKey? key)
    {
        key = null;
        Span<byte> bound = stackalloc byte[KeyContext.Length];
        Bind(bound, session, client);
        Span<byte> opened = stackalloc byte[SessionKey.Length];
        var isOpen = TryOpen(SealedKey.Version, sealedKey, bound, opened) && SessionKey.TryFrom(opened, session, client, out key);
        CryptographicOperations.ZeroMemory(opened);
        return isOpen;
    }

    /// <summary>Zeroes all of them.</summary>
    public void Dispose()
    {
        foreach (var key in _keys.Values)
        {
            key.Dispose();
        }

        _keys.Clear();
    }

    /// <summary>Seals 32 octets in the form of <see cref="SealedKey"/>.</summary>
    private void Seal(byte version, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> bound, FillRandom random, Span<byte> target)
    {
        if (_keys.Count == 0)
        {
            throw new InvalidOperationException("no site key to seal with");
        }

        target[0] = version;
        BinaryPrimitives.WriteUInt32BigEndian(target[1..], _keys.Keys[^1]);
        var nonce = target.Slice(SealedKey.NonceAt, SealedKey.NonceLength);
        random(nonce);
        using var gcm = new AesGcm(_keys.Values[^1].Span, SealedKey.TagLength);
        gcm.Encrypt(nonce, secret, target.Slice(SealedKey.CipherAt, secret.Length), target[^SealedKey.TagLength..], bound);
    }

    private bool TryOpen(byte version, ReadOnlySpan<byte> sealedKey, ReadOnlySpan<byte> bound, Span<byte> opened)
    {
        if (!SealedKey.TryReadKeyNumber(sealedKey, version, out var number) || !_keys.TryGetValue(number, out var siteKey))
        {
            return false;
        }

        try
        {
            using var gcm = new AesGcm(siteKey.Span, SealedKey.TagLength);
            gcm.Decrypt(sealedKey.Slice(SealedKey.NonceAt, SealedKey.NonceLength), sealedKey.Slice(SealedKey.CipherAt, opened.Length),
                sealedKey[^SealedKey.TagLength..], opened, bound);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    private static void Bind(Span<byte> bound, SessionId session, MacAddress client)
    {
        client.WriteTo(bound);
        session.WriteTo(bound[KeyContext.MacLength..]);
    }
}
