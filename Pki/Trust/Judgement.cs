namespace Masquerade.Pki.Trust;

/// <summary>Why the other end of a connection was refused. The names are those of the counters.</summary>
public enum Refusal
{
    /// <summary>It was not.</summary>
    None,

    /// <summary>It showed no certificate.</summary>
    NoCertificate,

    /// <summary>Its certificate was not issued by an authority of this site, or was altered.</summary>
    UnknownAuthority,

    /// <summary>It is not certified for this role.</summary>
    WrongRole,

    /// <summary>It is certified under another name.</summary>
    WrongName,

    /// <summary>Its certificate, or its authority's, has expired.</summary>
    Expired,

    /// <summary>Its certificate is not valid yet; or a clock is wrong.</summary>
    NotYetValid,

    /// <summary>Its certificate was revoked.</summary>
    Revoked,

    /// <summary>It does not speak TLS 1.3.</summary>
    OldProtocol,

    /// <summary>It does not speak TLS at all, or does where plain text is spoken.</summary>
    NotTls,

    /// <summary>It took too long.</summary>
    Timeout,

    /// <summary>Too many handshakes are in progress, here or with its address.</summary>
    Crowded,

    /// <summary>It refused this end.</summary>
    RefusedHere,

    /// <summary>The handshake failed otherwise.</summary>
    Failed,
}

/// <summary>What became of looking at a certificate.</summary>
/// <param name="Refusal">Why it is not good; none if it is.</param>
/// <param name="Reason">The same as a sentence for people on both sides.</param>
/// <param name="Identity">Who it certifies, if that could be read.</param>
/// <param name="Authority">The thumbprint of the authority that issued it, if it is known.</param>
public sealed record Judgement(Refusal Refusal, string Reason, SiteIdentity? Identity, string Authority)
{
    /// <summary>Whether the certificate is good.</summary>
    public bool IsGood => Refusal == Refusal.None;
}
