namespace Masquerade.Auth.Peer;

/// <summary>What a supplicant has to tell.</summary>
public enum SupplicantEventKind : byte
{
    /// <summary>The link is there: an authenticator is looked for.</summary>
    Connecting = 0,

    /// <summary>The link is gone.</summary>
    Disconnected,

    /// <summary>Nobody answers.</summary>
    NoAuthenticator,

    /// <summary>An authenticator asks who the client is.</summary>
    Authenticating,

    /// <summary>The server has let the client in, and is who it should be.</summary>
    Authenticated,

    /// <summary>It came to nothing; <see cref="SupplicantEvent.Failure"/> says why.</summary>
    Rejected,

    /// <summary>The access point has proved that it has the session's key, and frames are protected.</summary>
    LinkProtected,

    /// <summary>The same access point and the client have new keys.</summary>
    KeysRenewed,

    /// <summary>A handshake has come to nothing; <see cref="SupplicantEvent.Handshake"/> says why.</summary>
    HandshakeFailed,

    /// <summary>An access point names a session that the client does not have.</summary>
    UnknownSession,

    /// <summary>Nobody offers to protect the link: it stays closed.</summary>
    NotProtected,

    /// <summary>Nobody offers to protect the link, and that is good enough.</summary>
    Plain,

    /// <summary>The client has ended it.</summary>
    LoggedOff,
}
