namespace Masquerade.Auth.Radius;

/// <summary>What is counted for each server: the names of RFC 4668 and RFC 4670, and what is told apart besides.</summary>
public enum RadiusCount
{
    /// <summary>Requests, repetitions not counted.</summary>
    Requests,

    /// <summary>Repetitions.</summary>
    Retransmissions,

    /// <summary>Access-Accept.</summary>
    AccessAccepts,

    /// <summary>Access-Reject.</summary>
    AccessRejects,

    /// <summary>Access-Challenge.</summary>
    AccessChallenges,

    /// <summary>Accounting-Response.</summary>
    Responses,

    /// <summary>Times that an answer did not come in time.</summary>
    Timeouts,

    /// <summary>Dropped: it is no RADIUS packet.</summary>
    MalformedResponses,

    /// <summary>Dropped: wrong Response Authenticator or Message-Authenticator.</summary>
    BadAuthenticators,

    /// <summary>Dropped: an answer to an Access-Request without Message-Authenticator (BlastRADIUS).</summary>
    MissingMessageAuthenticators,

    /// <summary>Dropped: a code that is no answer.</summary>
    UnknownTypes,

    /// <summary>Dropped: nobody waits for it (it is late or comes twice), or it answers another kind of request.</summary>
    PacketsDropped,

    /// <summary>Dropped: another address than the server's.</summary>
    WrongSource,

    /// <summary>Requests not sent, because as many wait as may.</summary>
    Busy,

    /// <summary>Times that it was taken for dead.</summary>
    Deaths,

    /// <summary>Status-Server requests.</summary>
    Probes,

    /// <summary>TLS connections that could not be made or ended.</summary>
    ConnectionsLost,
}
