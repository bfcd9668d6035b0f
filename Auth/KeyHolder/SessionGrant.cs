using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>A user who is let in: the session that begins.</summary>
public sealed class SessionGrant : IDisposable
{
    internal SessionGrant(SessionId session, MacAddress client, string user, string identity, SessionKey? key, SessionTerms terms, DateTimeOffset at) =>
        (Session, Client, User, Identity, Key, Terms, At) = (session, client, user, identity, key, terms, at);

    /// <summary>The session: 16 octets of chance, never used again. As text it is the session's Acct-Session-Id.</summary>
    public SessionId Session { get; }

    /// <summary>The client.</summary>
    public MacAddress Client { get; }

    /// <summary>The user: User-Name of the Access-Accept (RFC 2865 section 5.1), else the identity.</summary>
    public string User { get; }

    /// <summary>What the client called itself, which may hide who it is (RFC 7542 section 2.4).</summary>
    public string Identity { get; }

    /// <summary>The session key; null where links are not protected and the EAP method made none.</summary>
    public SessionKey? Key { get; }

    /// <summary>The key for fast transitions, where an access point has asked that offers them; null: there is none.</summary>
    public PmkR0? Roaming { get; internal init; }

    /// <summary>What the session may do and for how long.</summary>
    public SessionTerms Terms { get; }

    /// <summary>When the server said so.</summary>
    public DateTimeOffset At { get; }

    /// <summary>Whether the key has been zeroed.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Zeroes the keys.</summary>
    public void Dispose()
    {
        IsDisposed = true;
        Key?.Dispose();
        Roaming?.Dispose();
    }

    /// <summary>Who and which; never the key.</summary>
    public override string ToString() => $"session {Session} of {User} at {Client}";
}
