using System.Net;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Core.Flow;
using Masquerade.Pki.Authority;
using Masquerade.Pki.Channel;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Masquerade.Pki.Tests;

/// <summary>A site with an authority, in a temporary folder.</summary>
internal sealed class Site : IDisposable
{
    private int _nodes;

    public Site(string name = "test")
    {
        Folder = Directory.CreateTempSubdirectory("masq-pki-").FullName;
        At(TimeSpan.FromDays(-500)).Initialise(name, 3_650);

        // The list of that day is too old by now.
        Pki.Renew([], within: 0, days: 1);
    }

    public string Folder { get; }

    /// <summary>The authority now.</summary>
    public PkiDirectory Pki => At(TimeSpan.Zero);

    public static SiteIdentity AgentCalled(string name) => new(SiteRole.Agent, new NodeId(name));

    public static SiteIdentity CoordinatorCalled(string name) => new(SiteRole.Coordinator, new NodeId(name));

    /// <summary>The authority with another clock.</summary>
    public PkiDirectory At(TimeSpan offset) => new(Path.Combine(Folder, "pki"), new ShiftedTime(offset));

    /// <summary>A node's own folder with its four files, as an operator copies them.</summary>
    public CredentialFiles Issue(SiteIdentity identity, TimeSpan offset = default, int days = 300)
    {
        var issued = At(offset).Issue(identity, [], identity.Role == SiteRole.Coordinator ? [IPAddress.Loopback] : [], days);
        return Deliver(issued.CertificatePath, issued.KeyPath);
    }

    /// <summary>A node's folder with a certificate that is good for a short time.</summary>
    public CredentialFiles IssueFor(SiteIdentity identity, TimeSpan lifetime)
    {
        var authority = Path.Combine(Folder, "pki", "authorities", "1");
        using var signer = SiteAuthority.Load(File.ReadAllText(Path.Combine(authority, "certificate.pem")), File.ReadAllText(Path.Combine(authority, "key.pem")));
        using var certificate = signer.Issue(identity, [], [IPAddress.Loopback], DateTimeOffset.UtcNow, lifetime);
        using var key = certificate.GetECDsaPrivateKey()!;
        var (certificatePath, keyPath) = (Path.Combine(Folder, "short.pem"), Path.Combine(Folder, "short.key"));
        File.WriteAllText(certificatePath, certificate.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return Deliver(certificatePath, keyPath);
    }

    /// <summary>Copies the authority's newest public files, and a node's renewed ones, to a node.</summary>
    public void Update(CredentialFiles node, SiteIdentity? renewed = null)
    {
        Copy(Pki.BundlePath, node.Authorities);
        Copy(Pki.ListPath, node.Lists);
        if (renewed is { } identity)
        {
            Copy(Path.Combine(Pki.FolderOf(identity), "key.pem"), node.Key);
            Copy(Path.Combine(Pki.FolderOf(identity), "certificate.pem"), node.Certificate);
        }
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>Replaces a file at once, with its mode.</summary>
    public static void Copy(string from, string to)
    {
        File.Copy(from, to + ".new", overwrite: true);
        File.SetUnixFileMode(to + ".new", File.GetUnixFileMode(from));
        File.SetLastWriteTimeUtc(to + ".new", DateTime.UtcNow);
        File.Move(to + ".new", to, overwrite: true);
    }

    private CredentialFiles Deliver(string certificate, string key)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Folder, $"node{++_nodes}")).FullName;
        var files = new CredentialFiles(Path.Combine(folder, "ca.pem"), Path.Combine(folder, "certificate.pem"), Path.Combine(folder, "key.pem"), Path.Combine(folder, "crl.pem"));
        Copy(certificate, files.Certificate);
        Copy(key, files.Key);
        File.SetUnixFileMode(files.Key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Update(files);
        return files;
    }

    private sealed class ShiftedTime(TimeSpan offset) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + offset;
    }
}
