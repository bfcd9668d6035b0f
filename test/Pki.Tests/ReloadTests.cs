using Masquerade.AccessPoint.Agent.Control;
using Masquerade.Core.Control;
using Masquerade.Pki.Channel;
using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Tests;

/// <summary>Certificates, authorities and revocations change while agent and coordinator run.</summary>
[Trait("Req", "A-27")]
public sealed class ReloadTests : SiteTests
{
    [Fact]
    public async Task Renewed_certificates_and_a_new_authority_are_taken_up_without_dropping_a_connection()
    {
        var (agentId, coordinatorId) = (Site.AgentCalled("ap1"), Site.CoordinatorCalled("c1"));
        var (agentFiles, coordinatorFiles) = (Site.Issue(agentId), Site.Issue(coordinatorId));
        await using var coordinator = await RunningCoordinator.StartAsync(coordinatorFiles);
        await using var agent = new RunningAgent(coordinator.Address, "ap1", agentFiles);
        await agent.WelcomedAsync();
        var before = agent.Store!.Current.Serial;

        // A new authority: first everybody believes it, then certificates change over.
        Site.Pki.RenewAuthority(3_650);
        Site.Update(agentFiles);
        Site.Update(coordinatorFiles);
        await coordinator.LoggedAsync("2 authorities");
        await agent.LoggedAsync("2 authorities");
        var renewed = Site.Pki.Renew([], within: null, days: 200);
        Assert.Equal(2, renewed.Count);
        Site.Update(agentFiles, agentId);
        Site.Update(coordinatorFiles, coordinatorId);
        var serial = renewed.Single(r => r.Certificate.Identity == coordinatorId).Certificate.Serial;
        await coordinator.LoggedAsync($"credentials reloaded: serial {serial}");
        await Wait.ForAsync(() => agent.Store.Current.Serial != before, () => "the agent does not reload");
        Assert.Contains(agent.Events.OfType<CredentialsChanged>(), e => e.What == nameof(CredentialNewsKind.Reloaded));

        // The connection that was there is still there and speaks.
        agent.Send(new Heartbeat { Id = 77 });
        await Wait.ForAsync(() => agent.Messages.OfType<Ack>().Any(a => a.Id == 77), () => $"no answer:\n{agent.Log}");
        Assert.Equal((1, 0), (agent.Ups, agent.Downs));

        // New ones use what is new, on both sides.
        var other = Site.Issue(Site.AgentCalled("ap2"));
        await using var second = await Dialled.ConnectAsync(coordinator.Address, Open(other, Site.AgentCalled("ap2")));
        var shown = ((System.Net.Security.SslStream)second.Stream).RemoteCertificate!;
        Assert.Equal(serial, shown.GetSerialNumberString(), ignoreCase: true);
        Assert.Equal(serial, (await coordinator.SecurityAsync()).GetProperty("certificate").GetProperty("serial").GetString());
    }

    [Fact]
    public async Task A_revocation_ends_the_session_that_is_open_and_both_say_why()
    {
        var coordinatorFiles = Site.Issue(Site.CoordinatorCalled("c1"));
        await using var coordinator = await RunningCoordinator.StartAsync(coordinatorFiles);
        await using var agent = new RunningAgent(coordinator.Address, "ap1", Site.Issue(Site.AgentCalled("ap1")));
        await using var bystander = new RunningAgent(coordinator.Address, "ap2", Site.Issue(Site.AgentCalled("ap2")), number: 2);
        await agent.WelcomedAsync();
        await bystander.WelcomedAsync();
        Site.Pki.Revoke("ap1");
        Site.Update(coordinatorFiles);
        await coordinator.LoggedAsync("was revoked on");
        await agent.LoggedAsync("the coordinator ended the session: the certificate of agent ap1");
        Assert.True((await coordinator.SecurityAsync()).GetProperty("refused").GetProperty("revoked").GetInt64() >= 1);
        bystander.Send(new Heartbeat { Id = 9 });
        await Wait.ForAsync(() => bystander.Messages.OfType<Ack>().Any(a => a.Id == 9), () => "the other agent gets no answer");
        Assert.Equal(0, bystander.Downs);
        Assert.Single(agent.Messages.OfType<Welcome>());
    }

    [Fact]
    public async Task A_coordinator_that_is_revoked_is_left_by_its_agents_and_both_say_why()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        var files = Site.Issue(Site.AgentCalled("ap1"));
        await using var agent = new RunningAgent(coordinator.Address, "ap1", files);
        await agent.WelcomedAsync();
        Site.Pki.Revoke("c1");
        Site.Update(files);
        await agent.LoggedAsync("the certificate of coordinator c1");
        await coordinator.LoggedAsync("the certificate of coordinator c1");
        await Wait.ForAsync(() => agent.Downs == 1, () => "the agent stays");
    }

    [Fact]
    public async Task A_certificate_that_expires_ends_the_session_and_a_renewed_one_brings_it_back()
    {
        var identity = Site.AgentCalled("ap1");
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        var files = Site.IssueFor(identity, TimeSpan.FromSeconds(6));
        await using var agent = new RunningAgent(coordinator.Address, "ap1", files);
        await agent.WelcomedAsync();
        Assert.Contains(agent.Events.OfType<CredentialsChanged>(), e => e.What == nameof(CredentialNewsKind.Expiring));
        await coordinator.LoggedAsync("the certificate of agent ap1 expired on");
        await agent.LoggedAsync("the certificate of agent ap1 expired on");
        await Wait.ForAsync(() => agent.Events.OfType<CredentialsChanged>().Any(e => e.What == nameof(CredentialNewsKind.Expired)), () => "no event");
        Site.Pki.Issue(identity, [], [], 100);
        Site.Update(files, identity);
        await agent.WelcomedAsync(times: 2);
    }

    [Fact]
    public async Task Files_that_do_not_fit_together_change_nothing_until_they_do()
    {
        var identity = Site.AgentCalled("ap1");
        var files = Site.Issue(identity);
        var store = Open(files, identity);
        var before = store.Current.Serial;
        Site.Pki.Renew(["ap1"], null, 100);
        Site.Copy(Path.Combine(Site.Pki.FolderOf(identity), "certificate.pem"), files.Certificate);
        Assert.Equal(CredentialNewsKind.ReloadFailed, Assert.Single(store.Poll()).Kind);
        Assert.Equal(before, store.Current.Serial);
        Assert.Empty(store.Poll());
        Site.Copy(Path.Combine(Site.Pki.FolderOf(identity), "key.pem"), files.Key);
        Assert.Equal(CredentialNewsKind.Reloaded, Assert.Single(store.Poll()).Kind);
        Assert.NotEqual(before, store.Current.Serial);

        // A file that goes missing, or becomes rubbish, changes nothing either.
        File.Delete(files.Lists);
        Assert.Equal(CredentialNewsKind.ReloadFailed, Assert.Single(store.Poll()).Kind);
        await File.WriteAllTextAsync(files.Lists, "rubbish");
        Assert.Equal(CredentialNewsKind.ReloadFailed, Assert.Single(store.Poll()).Kind);
        Assert.Single(store.Current.Trust.Lists);
        Site.Update(files);
        Assert.Equal(CredentialNewsKind.Reloaded, Assert.Single(store.Poll()).Kind);
        Assert.Empty(store.Poll());
        store.Poke();
        Assert.Equal(CredentialNewsKind.Reloaded, Assert.Single(store.Poll()).Kind);
    }

    [Fact]
    public void An_older_revocation_list_does_not_bring_anybody_back()
    {
        var files = Site.Issue(Site.AgentCalled("ap1"));
        var other = Site.Issue(Site.AgentCalled("ap2"));
        var older = Path.Combine(Site.Folder, "older.pem");
        File.Copy(files.Lists, older);
        Site.Pki.Revoke("ap2");
        Site.Update(files);
        var store = Open(files, Site.AgentCalled("ap1"));
        var revoked = store.Current.Trust.Lists.Single();
        Assert.Equal(1, revoked.Count);
        Site.Copy(older, files.Lists);
        Assert.Contains("older than the one in use", Assert.Single(store.Poll()).Text, StringComparison.Ordinal);
        Assert.Equal(revoked.Number, store.Current.Trust.Lists.Single().Number);
        using var certificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(other.Certificate);
        Assert.Equal(Refusal.Revoked, store.Current.Trust.Judge(certificate, SiteRole.Agent, store.Now).Refusal);
    }

    [Fact]
    public void An_authority_that_is_taken_out_of_the_bundle_is_not_believed_any_more()
    {
        var files = Site.Issue(Site.AgentCalled("ap1"));
        var store = Open(files, Site.AgentCalled("ap1"));
        using var certificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(files.Certificate);
        var before = store.Current.Trust.Judge(certificate, SiteRole.Agent, store.Now);
        Assert.True(before.IsGood, before.Reason);
        using var stranger = new Site("stranger");
        var other = Open(stranger.Issue(Site.AgentCalled("ap1")), Site.AgentCalled("ap1"));
        Assert.Equal(Refusal.UnknownAuthority, other.Current.Trust.JudgeAgain(certificate, before, store.Now).Refusal);
        Assert.True(store.Current.Trust.JudgeAgain(certificate, before, store.Now).IsGood);
    }

    [Fact]
    public void Every_file_that_cannot_be_used_is_named_with_what_should_be_there()
    {
        var files = Site.Issue(Site.AgentCalled("ap1"));
        var missing = new CredentialFiles("/none/ca", "/none/certificate", "/none/key", "/none/crl");
        Assert.Equal(["ca", "certificate", "key"], Problems(missing, "ap1").Select(p => p.Key).Order(StringComparer.Ordinal));
        Assert.Contains("certifies agent ap1", Assert.Single(Problems(files, "ap2")).Value, StringComparison.Ordinal);
        File.SetUnixFileMode(files.Key, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        var problem = Assert.Single(Problems(files, "ap1"));
        Assert.Equal("key", problem.Key);
        Assert.Contains("0600", problem.Allowed, StringComparison.Ordinal);
        File.SetUnixFileMode(files.Key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.Copy(Site.Issue(Site.AgentCalled("ap3")).Key, files.Key, overwrite: true);
        var text = Assert.Single(Problems(files, "ap1"));
        Assert.Equal("key", text.Key);
        Assert.DoesNotContain(File.ReadAllLines(files.Key)[1], text.ToString(), StringComparison.Ordinal);

        static IReadOnlyList<CredentialProblem> Problems(CredentialFiles files, string name)
        {
            Assert.Null(CredentialStore.Open(files, Site.AgentCalled(name), TimeSpan.FromDays(1), TimeProvider.System, out var problems));
            return problems;
        }
    }

    private static CredentialStore Open(CredentialFiles files, SiteIdentity identity)
    {
        var store = CredentialStore.Open(files, identity, TimeSpan.FromDays(1), TimeProvider.System, out var problems);
        Assert.Empty(problems);
        return store!;
    }
}
