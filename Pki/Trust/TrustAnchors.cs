using System.Globalization;
using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Pki.Trust;

/// <summary>What this end believes: the site's authorities, several while one follows another, and their revocation lists. Never changes; a newer one takes its place.</summary>
public sealed class TrustAnchors
{
    private readonly Dictionary<string, RevocationList> _lists = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Of two lists of one authority the one with the higher number is used.</summary>
    public TrustAnchors(IReadOnlyList<X509Certificate2> authorities, IEnumerable<RevocationList> lists)
    {
        Authorities = authorities;
        foreach (var list in lists)
        {
            if (!_lists.TryGetValue(list.Issuer, out var other) || other.Number <= list.Number)
            {
                _lists[list.Issuer] = list;
            }
        }
    }

    /// <summary>The site's authorities.</summary>
    public IReadOnlyList<X509Certificate2> Authorities { get; }

    /// <summary>The lists that count, one per authority.</summary>
    public IReadOnlyCollection<RevocationList> Lists => _lists.Values;

    /// <summary>Looks at a certificate of which the other end has proven that it is its own.</summary>
    /// <param name="certificate">The certificate; null if none was shown.</param>
    /// <param name="role">What the other end must be.</param>
    /// <param name="now">The time.</param>
    public Judgement Judge(X509Certificate2? certificate, SiteRole role, DateTimeOffset now)
    {
        if (certificate is null)
        {
            return new Judgement(Refusal.NoCertificate, "no certificate was shown", null, string.Empty);
        }

        var identity = CertificateDetails.IdentityOf(certificate);
        var who = identity is { } known ? known.ToString() : $"\"{Printable(certificate.Subject)}\"";
        var (status, authority) = BuildChain(certificate, now);
        if (authority.Length == 0)
        {
            return Bad(Refusal.UnknownAuthority, $"the certificate of {who} was not issued by an authority of this site");
        }

        if (AtTime(certificate, who, now) is { } untimely)
        {
            return untimely;
        }

        if (RevokedAt(certificate, authority) is { } at)
        {
            return Bad(Refusal.Revoked, $"the certificate of {who} (serial {CertificateDetails.Serial(certificate)}) was revoked on {Show(at)}");
        }

        if (identity is null)
        {
            return Bad(Refusal.WrongName, $"the certificate of {who} names no agent and no coordinator");
        }

        if (identity.Value.Role != role)
        {
            return Bad(Refusal.WrongRole, $"the certificate of {who} is not one of {(role == SiteRole.Agent ? "an agent" : "a coordinator")}");
        }

        if ((status & X509ChainStatusFlags.NotTimeValid) != 0)
        {
            return Bad(Refusal.Expired, $"the authority that issued the certificate of {who} has expired");
        }

        if ((status & X509ChainStatusFlags.NotValidForUsage) != 0)
        {
            return Bad(Refusal.WrongRole, $"the certificate of {who} may not be used like this");
        }

        return status == X509ChainStatusFlags.NoError
            ? new Judgement(Refusal.None, string.Empty, identity, authority)
            : Bad(Refusal.UnknownAuthority, $"the certificate of {who} is not in order: {status}");

        Judgement Bad(Refusal refusal, string reason) => new(refusal, reason, identity, authority);
    }

    /// <summary>
    /// Looks again at a certificate that was good: whether it has expired or been revoked since, and whether its authority is still one of the site's. Cheap, for as many
    /// sessions as there are: signatures do not change.
    /// </summary>
    public Judgement JudgeAgain(X509Certificate2 certificate, Judgement before, DateTimeOffset now)
    {
        var who = before.Identity.ToString()!;
        if (!Authorities.Any(a => string.Equals(a.Thumbprint, before.Authority, StringComparison.OrdinalIgnoreCase)))
        {
            return new Judgement(Refusal.UnknownAuthority, $"the authority of the certificate of {who} is not one of this site any more", before.Identity, string.Empty);
        }

        return AtTime(certificate, who, now)
            ?? (RevokedAt(certificate, before.Authority) is { } at
                ? before with { Refusal = Refusal.Revoked, Reason = $"the certificate of {who} (serial {CertificateDetails.Serial(certificate)}) was revoked on {Show(at)}" }
                : before);
    }

    internal static string Show(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    private static string Printable(string text)
    {
        const int LongEnough = 80;
        var clean = string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));
        return clean.Length <= LongEnough ? clean : clean[..LongEnough];
    }

    private static Judgement? AtTime(X509Certificate2 certificate, string who, DateTimeOffset now)
    {
        var (begin, end) = (new DateTimeOffset(certificate.NotBefore), new DateTimeOffset(certificate.NotAfter));
        return now > end ? new Judgement(Refusal.Expired, $"the certificate of {who} expired on {Show(end)}", null, string.Empty)
            : now < begin ? new Judgement(Refusal.NotYetValid, $"the certificate of {who} is not valid before {Show(begin)}; it is {Show(now)} here", null, string.Empty)
            : null;
    }

    private DateTimeOffset? RevokedAt(X509Certificate2 certificate, string authority) =>
        _lists.TryGetValue(authority, out var list) ? list.RevokedAt(CertificateDetails.Serial(certificate)) : null;

    private (X509ChainStatusFlags Status, string Authority) BuildChain(X509Certificate2 certificate, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        foreach (var authority in Authorities)
        {
            chain.ChainPolicy.CustomTrustStore.Add(authority);
        }

        chain.Build(certificate);
        var status = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
        const X509ChainStatusFlags Unknown = X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.NotSignatureValid | X509ChainStatusFlags.Cyclic;

        // An authority itself is no node, and a site's authorities sign nodes directly.
        var trusted = (status & Unknown) == 0 && chain.ChainElements.Count == 2;
        return (status, trusted ? chain.ChainElements[1].Certificate.Thumbprint : string.Empty);
    }
}
