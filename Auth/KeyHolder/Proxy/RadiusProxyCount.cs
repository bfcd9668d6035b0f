namespace Masquerade.Auth.KeyHolder;

/// <summary>What the proxy counts, and why it drops.</summary>
public enum RadiusProxyCount
{
    /// <summary>Requests passed on.</summary>
    Requests,

    /// <summary>Answers passed back.</summary>
    Answers,

    /// <summary>Users let in, with their sessions learnt.</summary>
    Grants,

    /// <summary>Accepts of the server that were made rejects: no EAP-Success, no key, terms that are not understood, no client address, or nobody could take the session.</summary>
    Refused,

    /// <summary>Answered from memory.</summary>
    Repeated,

    /// <summary>Dropped: the answer to it is on its way.</summary>
    UnderWay,

    /// <summary>Dropped: from nobody known.</summary>
    UnknownSource,

    /// <summary>Dropped: no RADIUS packet.</summary>
    Malformed,

    /// <summary>Dropped: no request for access.</summary>
    UnknownType,

    /// <summary>Dropped: no Message-Authenticator or a wrong one.</summary>
    BadMessageAuthenticator,

    /// <summary>Dropped: no EAP in it, or a password, which is the access point's secret and not ours to open.</summary>
    NotEap,

    /// <summary>Dropped: as many as may are remembered.</summary>
    Full,

    /// <summary>Not answered: no server has.</summary>
    NoServer,
}
