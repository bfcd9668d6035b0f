using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Channel;

/// <summary>A node's certificate and key, and whom it trusts, as they stood in its files at one moment. Never changes.</summary>
public sealed class SiteCredentials
{
    /// <summary>The largest file of certificates, octets.</summary>
    private const int MaxCertificateOctets = 1 << 20;

    /// <summary>The largest file of revocation lists, octets: some 300,000 entries.</summary>
    private const int MaxListOctets = 16 << 20;

    private SiteCredentials(SiteIdentity identity, X509Certificate2 certificate, TrustAnchors trust)
    {
        Identity = identity;
        Certificate = certificate;
        Context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
        Trust = trust;
    }

    /// <summary>Who this node is.</summary>
    public SiteIdentity Identity { get; }

    /// <summary>Its certificate.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>The certificate's serial number in hexadecimal.</summary>
    public string Serial => CertificateDetails.Serial(Certificate);

    /// <summary>When the certificate ends.</summary>
    public DateTimeOffset NotAfter => new DateTimeOffset(Certificate.NotAfter).ToUniversalTime();

    /// <summary>Whom it trusts.</summary>
    public TrustAnchors Trust { get; }

    internal SslStreamCertificateContext Context { get; }

    /// <summary>
    /// Reads the files. Null if they cannot be used for this identity, with every problem. A certificate that has expired, or is not valid yet, is taken: a node whose clock is
    /// wrong at start must come up, and files can be replaced while it runs.
    /// </summary>
    public static SiteCredentials? TryLoad(CredentialFiles files, SiteIdentity expected, List<CredentialProblem> problems)
    {
        var before = problems.Count;
        var authorities = ReadAuthorities(files, problems);
        var lists = ReadLists(files, authorities, problems);
        var certificate = ReadOwn(files, problems);
        if (certificate is null || problems.Count > before)
        {
            return null;
        }

        var trust = new TrustAnchors(authorities, lists);
        var judgement = trust.Judge(certificate, expected.Role, DateTimeOffset.UtcNow);
        if (judgement.Refusal is Refusal.UnknownAuthority)
        {
            problems.Add(new CredentialProblem("certificate", $"\"{files.Certificate}\": {judgement.Reason}", "a certificate issued by one of tls.ca"));
        }
        else if (CertificateDetails.IdentityOf(certificate) is not { } identity || identity != expected)
        {
            problems.Add(new CredentialProblem("certificate", $"\"{files.Certificate}\": {Certifies(certificate)}", $"a certificate of {expected}"));
        }

        if (problems.Count == before)
        {
            return new SiteCredentials(expected, certificate, trust);
        }

        certificate.Dispose();
        return null;
    }

    /// <summary>The same with lists added, of which the highest number per authority counts.</summary>
    internal SiteCredentials With(IEnumerable<RevocationList> lists) => new(Identity, Certificate, new TrustAnchors(Trust.Authorities, Trust.Lists.Concat(lists)));

    private static string Certifies(X509Certificate2 certificate) => CertificateDetails.IdentityOf(certificate) is { } identity ? $"certifies {identity}" : "certifies no agent and no coordinator";

    private static List<X509Certificate2> ReadAuthorities(CredentialFiles files, List<CredentialProblem> problems)
    {
        const string Allowed = "a file of PEM certificates of the site's authorities (ca.pem of \"masq pki\")";
        var found = new List<X509Certificate2>();
        if (Read(files.Authorities, "ca", Allowed, MaxCertificateOctets, problems) is not { } text)
        {
            return found;
        }

        try
        {
            found.AddRange(PemTexts.Blocks(text, "CERTIFICATE").Select(X509CertificateLoader.LoadCertificate));
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            problems.Add(new CredentialProblem("ca", $"\"{files.Authorities}\": {e.Message}", Allowed));
            return found;
        }

        if (found.Count == 0)
        {
            problems.Add(new CredentialProblem("ca", $"\"{files.Authorities}\": no certificate in it", Allowed));
        }

        return found;
    }

    private static List<RevocationList> ReadLists(CredentialFiles files, List<X509Certificate2> authorities, List<CredentialProblem> problems)
    {
        const string Allowed = "a file of PEM revocation lists signed by one of tls.ca (crl.pem of \"masq pki\")";
        var found = new List<RevocationList>();
        if (files.Lists.Length == 0 || authorities.Count == 0 || Read(files.Lists, "crl", Allowed, MaxListOctets, problems) is not { } text)
        {
            return found;
        }

        try
        {
            var error = "no revocation list in it";
            foreach (var der in PemTexts.Blocks(text, "X509 CRL"))
            {
                // The list of an authority that this node does not know (any more) revokes nothing here.
                if (RevocationList.TryRead(der, authorities, out var list, out error))
                {
                    found.Add(list!);
                }
            }

            if (found.Count == 0)
            {
                problems.Add(new CredentialProblem("crl", $"\"{files.Lists}\": {error}", Allowed));
            }
        }
        catch (FormatException e)
        {
            problems.Add(new CredentialProblem("crl", $"\"{files.Lists}\": {e.Message}", Allowed));
        }

        return found;
    }

    private static X509Certificate2? ReadOwn(CredentialFiles files, List<CredentialProblem> problems)
    {
        const string AllowedCertificate = "a file with this node's PEM certificate";
        const string AllowedKey = "a file with the certificate's private key in PEM that only its owner can read (mode 0600)";
        var certificate = Read(files.Certificate, "certificate", AllowedCertificate, MaxCertificateOctets, problems);
        var key = Read(files.Key, "key", AllowedKey, MaxCertificateOctets, problems);
        if (key is not null && !OperatingSystem.IsWindows())
        {
            const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
            try
            {
                if ((File.GetUnixFileMode(files.Key) & Others) != 0)
                {
                    problems.Add(new CredentialProblem("key", $"\"{files.Key}\": others than its owner can read or change it", AllowedKey));
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It was there a moment ago: somebody is replacing it.
                problems.Add(new CredentialProblem("key", $"\"{files.Key}\": {e.Message}", AllowedKey));
            }
        }

        if (certificate is null || key is null)
        {
            return null;
        }

        try
        {
            return X509Certificate2.CreateFromPem(certificate, key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // The runtime's words never contain what is in the file.
            problems.Add(new CredentialProblem("key", $"\"{files.Key}\": not the key of \"{files.Certificate}\", or one of the two cannot be read", AllowedKey));
            return null;
        }
    }

    private static string? Read(string path, string key, string allowed, int most, List<CredentialProblem> problems)
    {
        try
        {
            if (new FileInfo(path).Length > most)
            {
                problems.Add(new CredentialProblem(key, $"\"{path}\": larger than {most} octets", allowed));
                return null;
            }

            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(new CredentialProblem(key, $"\"{path}\": {e.Message}", allowed));
            return null;
        }
    }
}
