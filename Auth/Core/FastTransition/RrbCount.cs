namespace Masquerade.Auth.FastTransition;

/// <summary>What a key holder has done with frames of hostapd, and why it dropped some.</summary>
public enum RrbCount
{
    /// <summary>Keys given.</summary>
    Given,

    /// <summary>Answered: there is no such key, so the client authenticates.</summary>
    NoKey,

    /// <summary>Answered the same, because the coordinator has not answered in time or cannot be asked.</summary>
    Unavailable,

    /// <summary>Answered the same, because as many questions as may are under way.</summary>
    TooMany,

    /// <summary>Pulls that were put off until the sender has said where its numbers are.</summary>
    Deferred,

    /// <summary>The sender was told where our numbers are.</summary>
    SequenceAnswers,

    /// <summary>Dropped: no RRB frame, or a field is missing or has a length that it cannot have.</summary>
    Malformed,

    /// <summary>Dropped: not for this key holder.</summary>
    NotForUs,

    /// <summary>Dropped: not sealed with the key of the file.</summary>
    BadSeal,

    /// <summary>Dropped: it has been there.</summary>
    Replayed,

    /// <summary>Dropped: the question is under way.</summary>
    Repeated,

    /// <summary>Dropped: an answer under a nonce that was not sent, or long ago.</summary>
    BadNonce,

    /// <summary>Dropped: as many pulls as may wait for their senders' numbers.</summary>
    TooManyDeferred,

    /// <summary>Dropped: a type that a key holder is not sent.</summary>
    UnknownType,
}
