namespace Masquerade.Auth.Authenticator;

/// <summary>Why an authenticator did nothing with a frame, or with an answer of the server.</summary>
public enum AuthenticatorDrop : byte
{
    /// <summary>It was not dropped.</summary>
    None = 0,

    /// <summary>The sender's address is a group's, or none.</summary>
    SourceAddress,

    /// <summary>No EAPOL frame: cut off, or version 0.</summary>
    InvalidEapol,

    /// <summary>The EAPOL body is longer than the frame.</summary>
    EapolLength,

    /// <summary>An EAPOL type that is not known.</summary>
    EapolType,

    /// <summary>No EAP packet.</summary>
    InvalidEap,

    /// <summary>An EAP packet that only an authenticator sends: a Request, a Success or a Failure.</summary>
    EapCode,

    /// <summary>A response whose identifier is not that of the request that is out.</summary>
    Identifier,

    /// <summary>A response while no request is out: a duplicate, as a rule.</summary>
    NotAwaited,

    /// <summary>The answer to an identity request is of another type.</summary>
    NotIdentity,

    /// <summary>An identity over 253 octets, which no server could be told (RFC 2865 section 5.1).</summary>
    IdentityLength,

    /// <summary>A response longer than what is passed on.</summary>
    TooLong,

    /// <summary>A response or logoff of a client that has no port.</summary>
    UnknownClient,

    /// <summary>The client failed and its quiet period is not over.</summary>
    Held,

    /// <summary>The port is forced, so nothing is authenticated.</summary>
    Forced,

    /// <summary>A further Start within the pause between two.</summary>
    StartPause,

    /// <summary>Logoffs are not obeyed.</summary>
    LogoffNotObeyed,

    /// <summary>More first words of unknown clients than are answered in a second.</summary>
    NewRate,

    /// <summary>More new exchanges with the server than are begun in a second.</summary>
    ExchangeRate,

    /// <summary>All places for exchanges are taken by clients that are further on.</summary>
    ExchangesFull,

    /// <summary>There are as many authorised ports as there may be.</summary>
    AuthorisedFull,

    /// <summary>A server's answer about a client that has no port.</summary>
    AnswerUnknownClient,

    /// <summary>A server's answer about another exchange than the one under way.</summary>
    AnswerExchange,

    /// <summary>A server's answer while none is awaited.</summary>
    AnswerNotAwaited,

    /// <summary>A server's answer that came before.</summary>
    AnswerRepeated,
}
