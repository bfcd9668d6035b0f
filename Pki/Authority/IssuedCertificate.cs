namespace Masquerade.Pki.Authority;

/// <summary>How a certificate stands.</summary>
public enum CertificateState
{
    /// <summary>Good.</summary>
    Valid,

    /// <summary>Its time has not come.</summary>
    NotYetValid,

    /// <summary>Its time is over.</summary>
    Expired,

    /// <summary>It was revoked.</summary>
    Revoked,
}

/// <summary>A certificate that the site's authority has issued.</summary>
/// <param name="Identity">For whom.</param>
/// <param name="Serial">Its number in hexadecimal.</param>
/// <param name="NotBefore">When it begins.</param>
/// <param name="NotAfter">When it ends.</param>
/// <param name="RevokedAt">When it was revoked; null if it was not.</param>
/// <param name="State">How it stands now.</param>
/// <param name="Names">DNS names and addresses under which its holder is dialled.</param>
public sealed record IssuedCertificate(
    SiteIdentity Identity, string Serial, DateTimeOffset NotBefore, DateTimeOffset NotAfter, DateTimeOffset? RevokedAt, CertificateState State, IReadOnlyList<string> Names);

/// <summary>Where a node's new files are.</summary>
/// <param name="Certificate">The certificate.</param>
/// <param name="CertificatePath">Its file.</param>
/// <param name="KeyPath">The private key's file; empty if the node has its key itself.</param>
public sealed record IssuedFiles(IssuedCertificate Certificate, string CertificatePath, string KeyPath);
