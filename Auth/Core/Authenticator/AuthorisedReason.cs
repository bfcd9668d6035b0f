namespace Masquerade.Auth.Authenticator;

/// <summary>Why a port was authorised.</summary>
public enum AuthorisedReason : byte
{
    /// <summary>The server accepted the client.</summary>
    Authenticated,

    /// <summary>The server accepted the client again; the port was authorised all the time.</summary>
    Reauthenticated,

    /// <summary><see cref="PortControl.ForceAuthorised"/>.</summary>
    Forced,
}
