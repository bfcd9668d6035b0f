namespace Masquerade.Auth.Authenticator;

/// <summary>Why a port is not authorised any more, or not after all.</summary>
public enum UnauthorisedReason : byte
{
    /// <summary>The server rejected the client.</summary>
    Rejected,

    /// <summary>The server offered, or accepted by, a method that makes no key, on a keyed port.</summary>
    MethodWithoutKey,

    /// <summary>The server said something that is no answer.</summary>
    ServerFault,

    /// <summary>The client logged off.</summary>
    Logoff,

    /// <summary>The client did not answer.</summary>
    ClientTimeout,

    /// <summary>The server did not answer.</summary>
    ServerTimeout,

    /// <summary>The session's time is over.</summary>
    SessionTimeout,

    /// <summary>The operator, the coordinator or a server's disconnect message ended it.</summary>
    Administrative,

    /// <summary>The client has left the link.</summary>
    LinkLost,

    /// <summary><see cref="PortControl.ForceUnauthorised"/>, or <see cref="PortControl.ForceAuthorised"/> was taken back.</summary>
    Forced,

    /// <summary>There are as many authorised ports as there may be.</summary>
    Full,
}
