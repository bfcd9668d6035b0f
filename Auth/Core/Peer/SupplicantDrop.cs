namespace Masquerade.Auth.Peer;

/// <summary>Why a supplicant dropped a frame. Drops of <see cref="EapPeerDrop"/>, of the handshake and of the protection are counted there.</summary>
public enum SupplicantDrop : byte
{
    /// <summary>It did not.</summary>
    None = 0,

    /// <summary>Cut off, or longer than <see cref="SupplicantConfig.MaxFrame"/>.</summary>
    Length,

    /// <summary>A frame of the link that is neither EAPOL nor protected.</summary>
    NotProtected,

    /// <summary>The sender's address is a group's, none, or the client's own.</summary>
    SourceAddress,

    /// <summary>For another station.</summary>
    DestinationAddress,

    /// <summary>No EAPOL frame, or of a type that only authenticators take.</summary>
    Eapol,

    /// <summary>The link is down or the supplicant has logged off.</summary>
    Disconnected,

    /// <summary>EAP of another authenticator than the one whose authentication is under way.</summary>
    OtherAuthenticator,

    /// <summary>A handshake for a session that the client has no key of.</summary>
    UnknownSession,

    /// <summary>Message 3 of a handshake that the client is not in.</summary>
    NoHandshake,

    /// <summary>A frame of the client's, or a protected one, while no link is protected.</summary>
    NoLink,

    /// <summary>A frame from the client's side with another address than its own.</summary>
    ForeignSource,
}
