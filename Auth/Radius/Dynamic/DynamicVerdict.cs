namespace Masquerade.Auth.Radius;

/// <summary>Why a datagram is dropped without a word (RFC 5176 sections 2.3, 3.4 and 6), or what else becomes of it; counted by these names.</summary>
public enum DynamicCount
{
    /// <summary>Handed on, to be made.</summary>
    Requests,

    /// <summary>Made.</summary>
    Acknowledged,

    /// <summary>Not made.</summary>
    Refused,

    /// <summary>Answered from memory.</summary>
    Repeated,

    /// <summary>Dropped: it is being made, and will be answered.</summary>
    UnderWay,

    /// <summary>Dropped: from nobody who may.</summary>
    UnknownSource,

    /// <summary>Dropped: no RADIUS packet.</summary>
    Malformed,

    /// <summary>Dropped: another code.</summary>
    UnknownType,

    /// <summary>Dropped: the authenticator is wrong.</summary>
    BadAuthenticator,

    /// <summary>Dropped: no Message-Authenticator, or a wrong one.</summary>
    BadMessageAuthenticator,

    /// <summary>Dropped: no Event-Timestamp.</summary>
    MissingTimestamp,

    /// <summary>Dropped: Event-Timestamp is outside of the window.</summary>
    Stale,
}

/// <summary>What becomes of a datagram.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Answer">What to send back; null: nothing, at least not yet.</param>
/// <param name="Request">What to do; its result goes to <see cref="DynamicAuthorisation.Complete"/>. Null: nothing.</param>
public readonly record struct DynamicVerdict(DynamicCount Reason, byte[]? Answer = null, DynamicRequest? Request = null);
