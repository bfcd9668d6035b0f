namespace Masquerade.AccessPoint.Users;

/// <summary>Whether clients' links are protected (decision 37).</summary>
public enum LinkProtection
{
    /// <summary>Nobody is asked for a handshake.</summary>
    Off,

    /// <summary>Who answers the handshake has a protected link from then on, and is let in nowhere without one as long as the session lasts; who does not is let in by EAP.</summary>
    Optional,

    /// <summary>Without a protected link, of ours or of the link layer's own, nobody is let in.</summary>
    Required,
}
