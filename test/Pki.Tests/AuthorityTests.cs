using System.Net;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Pki.Authority;
using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Tests;

/// <summary>What the site's authority makes, judged by Debian's openssl.</summary>
[Trait("Req", "A-27")]
public sealed class AuthorityTests : SiteTests
{
    [Fact]
    public void Openssl_takes_what_was_issued_for_its_purpose_and_no_other()
    {
        var agent = Site.Issue(Site.AgentCalled("ap1"));
        var coordinator = Site.Issue(Site.CoordinatorCalled("c1"));
        Assert.Equal(0, Verify(agent, "sslclient").Code);
        Assert.Equal(0, Verify(coordinator, "sslserver").Code);
        Assert.NotEqual(0, Verify(agent, "sslserver").Code);
        Assert.NotEqual(0, Verify(coordinator, "sslclient").Code);
        var text = OpenSsl.Run("x509", "-in", coordinator.Certificate, "-noout", "-text").Output;
        Assert.Contains("URI:masquerade:coordinator:c1, IP Address:127.0.0.1", text, StringComparison.Ordinal);
        Assert.Contains("NIST CURVE: P-256", text, StringComparison.Ordinal);
        Assert.Contains("CA:FALSE", text, StringComparison.Ordinal);
        Assert.Contains("pathlen:0", OpenSsl.Run("x509", "-in", coordinator.Authorities, "-noout", "-text").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Openssl_refuses_what_was_revoked_and_reads_the_same_list()
    {
        var files = Site.Issue(Site.AgentCalled("ap1"));
        var other = Site.Issue(Site.AgentCalled("ap2"));
        var revoked = Assert.Single(Site.Pki.Revoke("ap1"));
        Assert.Equal(CertificateState.Revoked, revoked.State);
        Site.Update(files);
        Site.Update(other);
        var (code, output) = Verify(files, "sslclient");
        Assert.NotEqual(0, code);
        Assert.Contains("certificate revoked", output, StringComparison.Ordinal);
        Assert.Equal(0, Verify(other, "sslclient").Code);
        var list = OpenSsl.Run("crl", "-in", files.Lists, "-noout", "-text", "-CAfile", files.Authorities).Output;
        Assert.Contains("verify OK", list, StringComparison.Ordinal);
        Assert.Contains(revoked.Serial, list, StringComparison.OrdinalIgnoreCase);
        Assert.Equal([revoked.Serial], ReadList(files.Lists).Entries.Select(e => e.Serial));
    }

    [Fact]
    public void A_revocation_list_only_grows_and_its_number_too()
    {
        foreach (var name in new[] { "ap1", "ap2", "ap3" })
        {
            Site.Issue(Site.AgentCalled(name));
        }

        var before = ReadList(Site.Pki.ListPath);
        Site.Pki.Revoke("ap1");
        Site.Pki.Revoke(Site.Pki.List().Single(c => c.Identity == Site.AgentCalled("ap2")).Serial);
        var after = ReadList(Site.Pki.ListPath);
        Assert.True(after.Number > before.Number);
        Assert.Equal((0, 2), (before.Count, after.Count));
        Assert.Throws<PkiException>(() => Site.Pki.Revoke("ap1"));
        Assert.Throws<PkiException>(() => Site.Pki.Revoke("ap9"));
    }

    [Fact]
    public void A_name_of_both_roles_must_be_told_apart()
    {
        Site.Issue(Site.AgentCalled("x"));
        Site.Issue(Site.CoordinatorCalled("x"));
        Assert.Contains("agent:x", Assert.Throws<PkiException>(() => Site.Pki.Revoke("x")).Message, StringComparison.Ordinal);
        Assert.Equal(Site.AgentCalled("x"), Assert.Single(Site.Pki.Revoke("agent:x")).Identity);
        Assert.Equal(CertificateState.Valid, Site.Pki.List().Single(c => c.Identity == Site.CoordinatorCalled("x")).State);
    }

    [Fact]
    public void Private_keys_are_for_their_owner_alone()
    {
        Site.Pki.Issue(Site.AgentCalled("ap1"), [], [], 10);
        var keys = Directory.GetFiles(Site.Folder, "key.pem", SearchOption.AllDirectories);
        Assert.Equal(2, keys.Length);
        Assert.All(keys, k => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(k)));
        Assert.All(
            Directory.GetFiles(Site.Folder, "*.pem", SearchOption.AllDirectories).Except(keys, StringComparer.Ordinal),
            f => Assert.DoesNotContain("PRIVATE", File.ReadAllText(f), StringComparison.Ordinal));
    }

    [Fact]
    public void A_name_has_one_certificate_until_it_is_renewed()
    {
        Site.Issue(Site.CoordinatorCalled("c1"));
        Assert.Contains("renew", Assert.Throws<PkiException>(() => Site.Issue(Site.CoordinatorCalled("c1"))).Message, StringComparison.Ordinal);
        Assert.Empty(Site.Pki.Renew([], within: 30, days: 365));
        var renewed = Assert.Single(Site.Pki.Renew(["c1"], within: null, days: 365)).Certificate;
        Assert.Equal(["127.0.0.1"], renewed.Names);
        var all = Site.Pki.List();
        Assert.Equal([CertificateState.Valid, CertificateState.Valid], all.Select(c => c.State));
        Assert.Equal(2, all.Select(c => c.Serial).Distinct().Count());
        Site.Pki.Revoke("c1");
        Assert.All(Site.Pki.List(), c => Assert.Equal(CertificateState.Revoked, c.State));
        Assert.Empty(Site.Pki.Renew([], within: null, days: 365));
    }

    [Fact]
    public void What_ends_soon_is_renewed_in_one_go()
    {
        Site.Issue(Site.AgentCalled("soon"), days: 10);
        Site.Issue(Site.AgentCalled("late"), days: 100);
        Site.Issue(Site.AgentCalled("over"), TimeSpan.FromDays(-50), days: 10);
        Assert.Equal(["over", "soon"], Site.Pki.Renew([], within: 30, days: 365).Select(f => f.Certificate.Identity.Name.Name!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_authority_is_followed_by_another_while_both_are_trusted()
    {
        var old = Site.Issue(Site.AgentCalled("ap1"));
        Site.Pki.Revoke("ap1");
        Site.Pki.RenewAuthority(3_650);
        var young = Site.Issue(Site.AgentCalled("ap2"));
        var authorities = Site.Pki.Authorities();
        Assert.Equal(2, authorities.Count);
        Assert.Equal(0, Verify(young, "sslclient").Code);

        // What the old authority had revoked stays revoked, and the old one can still revoke.
        Site.Update(old);
        Assert.Contains("certificate revoked", Verify(old, "sslclient").Output, StringComparison.Ordinal);
        Assert.Throws<PkiException>(() => Site.Pki.Initialise("again", 10));
    }

    [Fact]
    public void A_certificate_never_outlives_its_authority()
    {
        var issued = Site.Pki.Issue(Site.AgentCalled("ap1"), [], [], SiteAuthority.DefaultAuthorityDays).Certificate;
        Assert.Equal(new DateTimeOffset(Site.Pki.Authorities()[0].NotAfter), issued.NotAfter);
    }

    [Fact]
    public void A_node_can_keep_its_key_to_itself()
    {
        var folder = Path.Combine(Site.Folder, "own");
        var (request, key) = NodeRequest.Write(folder, Site.AgentCalled("whatever"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
        Assert.Equal(0, OpenSsl.Run("req", "-in", request, "-noout", "-verify").Code);
        var issued = Site.Pki.Issue(Site.AgentCalled("ap1"), [], [], 100, File.ReadAllText(request));
        Assert.Empty(issued.KeyPath);
        using var certificate = X509Certificate2.CreateFromPemFile(issued.CertificatePath, key);
        Assert.Equal(Site.AgentCalled("ap1"), CertificateDetails.IdentityOf(certificate));
        Assert.Throws<PkiException>(() => NodeRequest.Write(folder, Site.AgentCalled("ap1")));
        Assert.Contains("--again", Assert.Throws<PkiException>(() => Site.Pki.Renew(["ap1"], null, 10)).Message, StringComparison.Ordinal);
        Site.Pki.IssueAgain(Site.AgentCalled("ap1"), [], [], 100, File.ReadAllText(request));
        Assert.Throws<PkiException>(() => Site.Pki.Issue(Site.AgentCalled("ap2"), [], [], 100, "no request"));
    }

    [Fact]
    public void Names_are_checked_by_their_whole_form()
    {
        Assert.True(SiteIdentity.TryParse("masquerade:agent:ap1", out var identity));
        Assert.Equal(Site.AgentCalled("ap1"), identity);
        string[] bad = ["masquerade:agent:", "masquerade:agent:a b", "masquerade:agent:ap1:x", "masquerade:root:ap1", "Masquerade:agent:ap1", "masquerade:agent", "urn:agent:ap1", string.Empty];
        Assert.All(bad, b => Assert.False(SiteIdentity.TryParse(b, out _), b));
    }

    [Fact]
    public void Broken_lists_and_foreign_ones_are_refused_and_never_throw()
    {
        using var stranger = new Site("stranger");
        Site.Issue(Site.AgentCalled("ap1"));
        Site.Pki.Revoke("ap1");
        var authorities = Site.Pki.Authorities();
        var good = PemTexts.Blocks(File.ReadAllText(Site.Pki.ListPath), "X509 CRL")[0];
        Assert.True(RevocationList.TryRead(good, authorities, out _, out _));
        Assert.False(RevocationList.TryRead(PemTexts.Blocks(File.ReadAllText(stranger.Pki.ListPath), "X509 CRL")[0], authorities, out _, out var error));
        Assert.Contains("not signed", error, StringComparison.Ordinal);
        for (var i = 0; i < good.Length; i++)
        {
            Assert.False(RevocationList.TryRead(good.AsMemory(0, i), authorities, out _, out _));
            var flipped = good.ToArray();
            flipped[i] ^= 0x41;
            Assert.False(RevocationList.TryRead(flipped, authorities, out _, out _), $"octet {i} does not matter");
        }
    }

    private RevocationList ReadList(string path)
    {
        Assert.True(RevocationList.TryRead(PemTexts.Blocks(File.ReadAllText(path), "X509 CRL")[0], Site.Pki.Authorities(), out var list, out var error), error);
        return list!;
    }

    private static (int Code, string Output) Verify(Channel.CredentialFiles files, string purpose) =>
        OpenSsl.Run("verify", "-crl_check", "-purpose", purpose, "-CAfile", files.Authorities, "-CRLfile", files.Lists, files.Certificate);
}
