using System.Diagnostics.CodeAnalysis;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Handshake;

/// <summary>
/// What a client makes access point keys from. After an authentication it is the MSK, because the client hears from the access point only what the session is called; once an access point
/// has proved that it has the key of that session, the MSK is forgotten and the session key stays, for all other access points.
/// </summary>
public sealed class SupplicantKeys : IDisposable
{
    private readonly MacAddress _client;
    private SecretBytes? _msk;
    private SessionKey? _session;

    private SupplicantKeys(MacAddress client) => _client = client;

    /// <summary>The session, once an access point has proved it.</summary>
    public SessionId Session => _session?.Session ?? SessionId.None;

    /// <summary>From an authentication. The caller zeroes its copy of the MSK.</summary>
    /// <param name="msk">64 octets, not all zero.</param>
    /// <param name="client">The client's MAC address; not none, no group address.</param>
    /// <param name="keys">The keys, owned by the caller; null if refused.</param>
    public static bool TryFromMsk(ReadOnlySpan<byte> msk, MacAddress client, [NotNullWhen(true)] out SupplicantKeys? keys)
    {
        keys = SecretBytes.IsKey(msk, SessionKey.MskLength) && !client.IsNone && !client.IsGroup
            ? new SupplicantKeys(client) { _msk = new SecretBytes(msk) }
            : null;
        return keys is not null;
    }

    /// <summary>From a session that an access point has proved before. The key becomes this object's.</summary>
    public static SupplicantKeys FromSession(SessionKey session)
    {
        ArgumentNullException.ThrowIfNull(session);
        return new SupplicantKeys(session.Client) { _session = session };
    }

    /// <summary>Zeroes the keys.</summary>
    public void Dispose()
    {
        _msk?.Dispose();
        _session?.Dispose();
        _msk = null;
        _session = null;
    }

    /// <summary>The client's address, and no key.</summary>
    public override string ToString() => $"keys of {_client}";

    /// <summary>Makes the key of an access point; false if there is none for this session.</summary>
    internal bool TryDerive(NodeId node, SessionId session, [NotNullWhen(true)] out AccessPointKey? key)
    {
        key = null;
        if (_session is { } known)
        {
            key = known.Session == session ? known.DeriveFor(node) : null;
        }
        else if (_msk is { } msk && SessionKey.TryDerive(msk.Span, session, _client, out var made))
        {
            key = made.DeriveFor(node);
            made.Dispose();
        }

        return key is not null;
    }

    /// <summary>An access point has proved that this is the session.</summary>
    internal void Confirm(SessionId session)
    {
        if (_session is not null || _msk is not { } msk || !SessionKey.TryDerive(msk.Span, session, _client, out var made))
        {
            return;
        }

        _session = made;
        msk.Dispose();
        _msk = null;
    }

    /// <summary>Whose keys they are.</summary>
    internal MacAddress Client => _client;
}
