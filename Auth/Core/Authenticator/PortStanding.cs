namespace Masquerade.Auth.Authenticator;

/// <summary>How far a client has got: each standing has a bound of its own, so that a crowd in one does not push out who is in another (decision 29).</summary>
internal enum PortStanding : byte
{
    /// <summary>It has not answered.</summary>
    Unanswered,

    /// <summary>It has said who it is; a forged sender can do that.</summary>
    Asked,

    /// <summary>It has answered a request of the server, so it hears what it is sent.</summary>
    Engaged,

    /// <summary>It has failed, or is forced to be unauthorised.</summary>
    Held,

    /// <summary>It is authorised, whatever else is under way.</summary>
    Authorised,
}
