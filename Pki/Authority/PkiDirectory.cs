using System.Globalization;
using System.Net;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Core.Flow;
using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Authority;

/// <summary>
/// The site's authority on disk, in one folder of which only <c>ca.pem</c>, <c>crl.pem</c> and each node's own two files ever leave:
/// <c>authorities/1/</c> (certificate and private key; the highest number signs), <c>issued/</c> (every certificate there is), <c>agents/NAME/</c>, <c>coordinators/NAME/</c>.
/// </summary>
public sealed class PkiDirectory
{
    /// <summary>The authorities' certificates: what every node trusts.</summary>
    public const string BundleName = "ca.pem";

    /// <summary>The authorities' revocation lists: what every node looks up.</summary>
    public const string ListName = "crl.pem";

    /// <summary>A node's certificate in its folder.</summary>
    public const string CertificateName = "certificate.pem";

    /// <summary>A node's private key in its folder.</summary>
    public const string KeyName = "key.pem";

    private readonly string _folder;
    private readonly TimeProvider _time;

    /// <summary>Looks at a folder, which need not be there yet.</summary>
    public PkiDirectory(string folder, TimeProvider time)
    {
        _folder = folder;
        _time = time;
    }

    /// <summary>Path of the authorities' certificates.</summary>
    public string BundlePath => Path.Combine(_folder, BundleName);

    /// <summary>Path of the revocation lists.</summary>
    public string ListPath => Path.Combine(_folder, ListName);

    private DateTimeOffset Now => _time.GetUtcNow();

    /// <summary>Path of a node's folder.</summary>
    public string FolderOf(SiteIdentity identity) => Path.Combine(_folder, identity.Role == SiteRole.Agent ? "agents" : "coordinators", identity.Name.Name!);

    /// <summary>Makes the site's authority.</summary>
    public void Initialise(string site, int days)
    {
        if (File.Exists(BundlePath) || Directory.Exists(Path.Combine(_folder, "authorities")))
        {
            throw new PkiException($"{_folder} has an authority already; \"masq pki renew --ca\" makes its successor");
        }

        PkiFiles.CreateFolder(_folder, isSecret: false);
        AddAuthority(site, days);
    }

    /// <summary>Makes a successor of the newest authority. The old one stays trusted until it expires, so that nodes can change over one by one.</summary>
    public void RenewAuthority(int days)
    {
        using var lease = Lock();
        var old = Authorities();
        var name = old[^1].GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        var site = name.Contains(" site authority", StringComparison.Ordinal) ? name[..name.IndexOf(" site authority", StringComparison.Ordinal)] : name;
        AddAuthority(site, days);
    }

    /// <summary>Makes a key and a certificate for a node that has none.</summary>
    public IssuedFiles Issue(SiteIdentity identity, IReadOnlyList<string> dns, IReadOnlyList<IPAddress> addresses, int days, string? signingRequest = null)
    {
        using var lease = Lock();
        if (List().FirstOrDefault(c => c.Identity == identity && c.State == CertificateState.Valid) is { } present)
        {
            throw new PkiException(
                $"{identity} has a certificate (serial {present.Serial}, until {TrustAnchors.Show(present.NotAfter)}); \"masq pki renew {identity.Name}\" follows it up, \"masq pki revoke {identity.Name}\" ends it");
        }

        return IssueNow(identity, dns, addresses, days, signingRequest);
    }

    /// <summary>Follows up certificates: the same names, a new key. The old ones stay good until they end, so that nothing breaks before the new files are in place.</summary>
    /// <param name="names">Whose; all if empty.</param>
    /// <param name="within">Only those that end within these days; null for all.</param>
    /// <param name="days">How long the new ones are good for.</param>
    public IReadOnlyList<IssuedFiles> Renew(IReadOnlyList<string> names, int? within, int days)
    {
        using var lease = Lock();
        var newest = List().Where(c => c.State is CertificateState.Valid or CertificateState.Expired)
            .GroupBy(c => c.Identity).Select(g => g.MaxBy(c => c.NotAfter)!).ToList();
        var wanted = names.Count == 0 ? newest.Where(c => !Exists(c.Identity, CertificateState.Revoked, c.NotAfter)).ToList() : names.Select(n => Find(newest, n)).ToList();
        var end = within is { } limit ? Now + TimeSpan.FromDays(limit) : DateTimeOffset.MaxValue;
        var made = new List<IssuedFiles>();
        foreach (var old in wanted.Where(c => c.NotAfter <= end))
        {
            if (!File.Exists(Path.Combine(FolderOf(old.Identity), KeyName)))
            {
                throw new PkiException($"{old.Identity} has its key itself: make a new request there (\"masq pki request\"), and issue with --request and --again");
            }

            var (dns, addresses) = Split(old.Names);
            made.Add(IssueNow(old.Identity, dns, addresses, days, null));
        }

        WriteLists([]);
        return made;
    }

    /// <summary>As <see cref="Issue"/>, for a node that has a certificate but made a new request.</summary>
    public IssuedFiles IssueAgain(SiteIdentity identity, IReadOnlyList<string> dns, IReadOnlyList<IPAddress> addresses, int days, string signingRequest)
    {
        using var lease = Lock();
        return IssueNow(identity, dns, addresses, days, signingRequest);
    }

    /// <summary>Revokes all certificates of a name, or the one with a serial number, and writes the lists.</summary>
    /// <param name="nameOrSerial"><c>ap1</c>, <c>agent:ap1</c> where the name alone would not do, or a serial number.</param>
    public IReadOnlyList<IssuedCertificate> Revoke(string nameOrSerial)
    {
        using var lease = Lock();
        var all = List();
        var hits = all.Where(c => string.Equals(c.Serial, nameOrSerial.TrimStart('0'), StringComparison.OrdinalIgnoreCase)).ToList();
        if (hits.Count == 0)
        {
            hits = [.. all.Where(c => Matches(c.Identity, nameOrSerial))];
            if (hits.Select(c => c.Identity).Distinct().Count() > 1)
            {
                throw new PkiException($"there are an agent and a coordinator called {nameOrSerial}: say agent:{nameOrSerial} or coordinator:{nameOrSerial}");
            }
        }

        if (hits.Count == 0)
        {
            throw new PkiException($"no certificate has the name or serial number {nameOrSerial}; \"masq pki list\" shows them");
        }

        var open = hits.Where(c => c.State is CertificateState.Valid or CertificateState.NotYetValid).ToList();
        if (open.Count == 0)
        {
            throw new PkiException($"{nameOrSerial} has no certificate that is still good");
        }

        WriteLists([.. open.Select(c => c.Serial)]);
        return [.. List().Where(c => open.Exists(o => string.Equals(o.Serial, c.Serial, StringComparison.Ordinal)))];
    }

    /// <summary>Every certificate there is, by role, name and end.</summary>
    public IReadOnlyList<IssuedCertificate> List()
    {
        var lists = ReadLists(Authorities());
        var found = new List<IssuedCertificate>();
        foreach (var path in Directory.EnumerateFiles(Path.Combine(_folder, "issued"), "*.pem"))
        {
            using var certificate = X509CertificateLoader.LoadCertificateFromFile(path);
            if (CertificateDetails.IdentityOf(certificate) is { } identity)
            {
                found.Add(Describe(certificate, identity, lists));
            }
        }

        return [.. found.OrderBy(c => c.Identity.Role).ThenBy(c => c.Identity.Name.Name, StringComparer.Ordinal).ThenBy(c => c.NotAfter)];
    }

    /// <summary>The authorities' certificates, oldest first.</summary>
    public IReadOnlyList<X509Certificate2> Authorities()
    {
        if (!File.Exists(BundlePath))
        {
            throw new PkiException($"{_folder} has no authority; \"masq pki init\" makes one, --dir says where it is");
        }

        return [.. Folders().Select(f => X509CertificateLoader.LoadCertificateFromFile(Path.Combine(f, CertificateName)))];
    }

    private static (IReadOnlyList<string> Dns, IReadOnlyList<IPAddress> Addresses) Split(IReadOnlyList<string> names) =>
        ([.. names.Where(n => !IPAddress.TryParse(n, out _))], [.. names.Where(n => IPAddress.TryParse(n, out _)).Select(IPAddress.Parse)]);

    private static bool Matches(SiteIdentity identity, string name) =>
        string.Equals(identity.Name.Name, name, StringComparison.Ordinal) || string.Equals(SiteIdentity.Word(identity.Role) + ":" + identity.Name.Name, name, StringComparison.Ordinal);

    private static IssuedCertificate Find(List<IssuedCertificate> among, string name)
    {
        var hits = among.Where(c => Matches(c.Identity, name)).ToList();
        return hits.Count == 1 ? hits[0]
            : throw new PkiException(hits.Count == 0 ? $"{name} has no certificate to follow up; \"masq pki issue\" makes one" : $"there are an agent and a coordinator called {name}: say agent:{name} or coordinator:{name}");
    }

    private bool Exists(SiteIdentity identity, CertificateState state, DateTimeOffset later) =>
        List().Any(c => c.Identity == identity && c.State == state && c.NotAfter > later);

    private IssuedCertificate Describe(X509Certificate2 certificate, SiteIdentity identity, IReadOnlyList<RevocationList> lists)
    {
        var serial = CertificateDetails.Serial(certificate);
        var revoked = lists.Select(l => l.RevokedAt(serial)).FirstOrDefault(at => at is not null);
        var (begin, end) = (new DateTimeOffset(certificate.NotBefore).ToUniversalTime(), new DateTimeOffset(certificate.NotAfter).ToUniversalTime());
        var state = revoked is not null ? CertificateState.Revoked : Now > end ? CertificateState.Expired : Now < begin ? CertificateState.NotYetValid : CertificateState.Valid;
        CertificateDetails.TryReadNames(certificate, out var names);
        return new IssuedCertificate(identity, serial, begin, end, revoked, state, [.. names.Dns, .. names.Addresses.Select(a => a.ToString())]);
    }

    private IssuedFiles IssueNow(SiteIdentity identity, IReadOnlyList<string> dns, IReadOnlyList<IPAddress> addresses, int days, string? signingRequest)
    {
        var lifetime = TimeSpan.FromDays(days);
        using var authority = Open(Folders()[^1]);
        X509Certificate2 certificate;
        try
        {
            certificate = signingRequest is null
                ? authority.Issue(identity, dns, addresses, Now, lifetime)
                : authority.IssueFor(signingRequest, identity, dns, addresses, Now, lifetime);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new PkiException($"no certificate for {identity}: {e.Message}", e);
        }

        using (certificate)
        {
            var text = certificate.ExportCertificatePem() + "\n";
            PkiFiles.WritePublic(Path.Combine(_folder, "issued", CertificateDetails.Serial(certificate) + ".pem"), text);
            var folder = FolderOf(identity);
            PkiFiles.CreateFolder(folder, isSecret: true);
            var keyPath = Path.Combine(folder, KeyName);
            if (signingRequest is null)
            {
                using var key = certificate.GetECDsaPrivateKey()!;
                PkiFiles.WriteKey(keyPath, key.ExportPkcs8PrivateKeyPem() + "\n");
            }
            else
            {
                File.Delete(keyPath);
            }

            PkiFiles.WritePublic(Path.Combine(folder, CertificateName), text);
            return new IssuedFiles(Describe(certificate, identity, []), Path.Combine(folder, CertificateName), signingRequest is null ? keyPath : string.Empty);
        }
    }

    private void AddAuthority(string site, int days)
    {
        using var authority = SiteAuthority.Create(site, Now, TimeSpan.FromDays(days));
        PkiFiles.CreateFolder(Path.Combine(_folder, "authorities"), isSecret: true);
        PkiFiles.CreateFolder(Path.Combine(_folder, "issued"), isSecret: false);
        var folder = Path.Combine(_folder, "authorities", (Folders().Count + 1).ToString(CultureInfo.InvariantCulture));
        PkiFiles.CreateFolder(folder, isSecret: true);
        using var key = authority.Certificate.GetECDsaPrivateKey()!;
        PkiFiles.WriteKey(Path.Combine(folder, KeyName), key.ExportPkcs8PrivateKeyPem() + "\n");
        PkiFiles.WritePublic(Path.Combine(folder, CertificateName), authority.Certificate.ExportCertificatePem() + "\n");

        // An authority whose time is over can vouch for nobody.
        var folders = Folders().Select(f => Path.Combine(f, CertificateName)).Where(f => new DateTimeOffset(X509CertificateLoader.LoadCertificateFromFile(f).NotAfter) > Now);
        PkiFiles.WritePublic(BundlePath, string.Concat(folders.Select(File.ReadAllText)));
        WriteLists([]);
    }

    /// <summary>Signs every authority's list anew, with these serial numbers added to the list of whoever issued them.</summary>
    private void WriteLists(IReadOnlyList<string> added)
    {
        var old = File.Exists(ListPath) ? ReadLists(Authorities()) : [];
        var text = string.Empty;
        foreach (var folder in Folders())
        {
            using var authority = Open(folder);
            var list = old.FirstOrDefault(l => string.Equals(l.Issuer, authority.Certificate.Thumbprint, StringComparison.OrdinalIgnoreCase));
            var entries = (list?.Entries ?? []).Concat(added.Where(s => WasIssuedBy(s, authority.Certificate)).Select(s => (s, Now)));
            text += authority.SignList(entries, (list?.Number ?? BigInteger.Zero) + 1, Now) + "\n";
        }

        PkiFiles.WritePublic(ListPath, text);
    }

    private bool WasIssuedBy(string serial, X509Certificate2 authority)
    {
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(_folder, "issued", serial + ".pem"));
        return certificate.IssuerName.RawData.AsSpan().SequenceEqual(authority.SubjectName.RawData);
    }

    private List<RevocationList> ReadLists(IReadOnlyList<X509Certificate2> authorities)
    {
        var lists = new List<RevocationList>();
        foreach (var der in PemTexts.Blocks(File.ReadAllText(ListPath), "X509 CRL"))
        {
            lists.Add(RevocationList.TryRead(der, authorities, out var list, out var error) ? list! : throw new PkiException($"{ListPath}: {error}"));
        }

        return lists;
    }

    private List<string> Folders() =>
        [.. Directory.EnumerateDirectories(Path.Combine(_folder, "authorities")).OrderBy(f => int.Parse(Path.GetFileName(f), CultureInfo.InvariantCulture))];

    private static SiteAuthority Open(string folder) =>
        SiteAuthority.Load(File.ReadAllText(Path.Combine(folder, CertificateName)), File.ReadAllText(Path.Combine(folder, KeyName)));

    private FileStream Lock()
    {
        _ = Authorities();
        try
        {
            return new FileStream(Path.Combine(_folder, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new PkiException($"{_folder} is in use by another command: {e.Message}", e);
        }
    }
}
