namespace Masquerade.Auth.Eap;

/// <summary>Codes of EAP packets (RFC 3748 section 4).</summary>
public enum EapCode : byte
{
    /// <summary>Authenticator to peer.</summary>
    Request = 1,

    /// <summary>Peer to authenticator.</summary>
    Response = 2,

    /// <summary>The authenticator's last word: yes.</summary>
    Success = 3,

    /// <summary>The authenticator's last word: no.</summary>
    Failure = 4,
}
