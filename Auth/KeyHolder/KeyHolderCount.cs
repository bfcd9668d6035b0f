namespace Masquerade.Auth.KeyHolder;

/// <summary>What the key holder counts, and why it refuses.</summary>
public enum KeyHolderCount
{
    /// <summary>Exchanges begun.</summary>
    Exchanges,

    /// <summary>The server wants more.</summary>
    Challenges,

    /// <summary>Sessions granted.</summary>
    Accepts,

    /// <summary>The server refused.</summary>
    Rejects,

    /// <summary>Refused: the server accepted, but said anything else than EAP-Success to the client (RFC 3579 section 2.6.3).</summary>
    AcceptWithoutSuccess,

    /// <summary>Refused: the server accepted on a network with protected links, and there is no key of 64 octets that is not zero.</summary>
    NoKey,

    /// <summary>Refused: the server accepted with terms that cannot be understood.</summary>
    BadTerms,

    /// <summary>Unavailable: the server's challenge has no EAP request.</summary>
    BadChallenge,

    /// <summary>Unavailable: no server answered.</summary>
    NoServer,

    /// <summary>Unavailable: as many questions wait as may.</summary>
    Busy,

    /// <summary>Unavailable: the client's EAP is no response, or is too long for a packet.</summary>
    BadEap,

    /// <summary>Unavailable: an exchange that is not known and does not begin with an identity.</summary>
    UnknownExchange,

    /// <summary>Unavailable: another message of this exchange is on its way to the server.</summary>
    Overlapping,

    /// <summary>Unavailable: too many rounds.</summary>
    TooManyRounds,

    /// <summary>Unavailable: as many exchanges as may are under way, and all have gone on.</summary>
    TableFull,

    /// <summary>The same message once more: it is given the same answer.</summary>
    Repeated,

    /// <summary>An exchange that had only begun made room for a new one.</summary>
    Displaced,

    /// <summary>Exchanges forgotten, because the client said nothing more.</summary>
    TimedOut,
}
