using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>
/// The keys under which session keys are sealed before a store sees them. There may be several, so that one can follow another: the one with the highest number seals, all of them open.
/// Nonces are random, so one key is good for 2^32 sealings (NIST SP 800-38D section 8.3). Not safe for several threads.
/// </summary>
public sealed class SiteKeys : IDisposable
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
        if (_keys.Count == 0)
        {
            throw new InvalidOperationException("no site key to seal with");
        }

        var target = destination[..SealedKey.Length];
        target[0] = SealedKey.Version;
        BinaryPrimitives.WriteUInt32BigEndian(target[1..], _keys.Keys[^1]);
        var nonce = target.Slice(SealedKey.NonceAt, SealedKey.NonceLength);
        random(nonce);

        Span<byte> bound = stackalloc byte[KeyContext.Length];
        Bind(bound, key.Session, key.Client);
        using var gcm = new AesGcm(_keys.Values[^1].Span, SealedKey.TagLength);
        gcm.Encrypt(nonce, key.Bytes, target.Slice(SealedKey.CipherAt, SessionKey.Length), target[^SealedKey.TagLength..], bound);
    }

    /// <summary>Opens what was sealed for this client and session.</summary>
    /// <param name="sealedKey">As <see cref="Seal"/> wrote it; anything else is refused.</param>
    /// <param name="session">The session that it is asked for.</param>
    /// <param name="client">The client that it is asked for.</param>
    /// <param name="key">The key, owned by the caller.</param>
    /// <returns>False if it is cut off, altered, sealed for another client or session, or under a site key that is not here.</returns>
    public bool TryOpen(ReadOnlySpan<byte> sealedKey, SessionId session, MacAddress client, [NotNullWhen(true)] out SessionKey? key)
    {
        key = null;
        if (!SealedKey.TryReadKeyNumber(sealedKey, out var number) || !_keys.TryGetValue(number, out var siteKey))
        {
            return false;
        }

        Span<byte> bound = stackalloc byte[KeyContext.Length];
        Bind(bound, session, client);
        Span<byte> opened = stackalloc byte[SessionKey.Length];
        try
        {
            using var gcm = new AesGcm(siteKey.Span, SealedKey.TagLength);
            gcm.Decrypt(sealedKey.Slice(SealedKey.NonceAt, SealedKey.NonceLength), sealedKey.Slice(SealedKey.CipherAt, SessionKey.Length),
                sealedKey[^SealedKey.TagLength..], opened, bound);
            return SessionKey.TryFrom(opened, session, client, out key);
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(opened);
        }
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

    private static void Bind(Span<byte> bound, SessionId session, MacAddress client)
    {
        client.WriteTo(bound);
        session.WriteTo(bound[KeyContext.MacLength..]);
    }
}
