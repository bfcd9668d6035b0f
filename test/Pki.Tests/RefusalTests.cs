using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Pki.Channel;

namespace Masquerade.Pki.Tests;

/// <summary>Agent and coordinator over loopback sockets: who must not be let in is not, and both sides say why.</summary>
[Trait("Req", "A-10")]
[Trait("Req", "A-27")]
public sealed class RefusalTests : SiteTests
{
    [Fact]
    public async Task Who_is_certified_comes_in_over_TLS_1_3()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        await using var agent = new RunningAgent(coordinator.Address, "ap1", Site.Issue(Site.AgentCalled("ap1")));
        await agent.WelcomedAsync();
        await agent.LoggedAsync("TLS 1.3, coordinator c1");
        var security = await coordinator.SecurityAsync();
        Assert.Equal("TLS 1.3", security.GetProperty("transport").GetString());
        Assert.Equal("masquerade:coordinator:c1", security.GetProperty("certificate").GetProperty("identity").GetString());
        Assert.InRange(security.GetProperty("certificate").GetProperty("expiresInSeconds").GetInt64(), 299 * 86_400, 300 * 86_400);
        Assert.Equal(1, security.GetProperty("handshakesDone").GetInt64());
        Assert.Equal(0, security.GetProperty("handshakesInProgress").GetInt64());

        // The agent's state says the same of its own certificate, and whom it is connected to.
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            agent.Security!.Describe(json);
            json.WriteEndObject();
        }

        using var state = JsonDocument.Parse(buffer.ToArray());
        Assert.Equal("masquerade:agent:ap1", state.RootElement.GetProperty("certificate").GetProperty("identity").GetString());
        Assert.InRange(state.RootElement.GetProperty("certificate").GetProperty("expiresInSeconds").GetInt64(), 299 * 86_400, 300 * 86_400);
        Assert.Equal("masquerade:coordinator:c1", state.RootElement.GetProperty("coordinatorCertificate").GetProperty("identity").GetString());
    }

    [Theory]
    [InlineData("stranger", "unknownAuthority", "was not issued by an authority of this site")]
    [InlineData("expired", "expired", "expired on")]
    [InlineData("early", "notYetValid", "is not valid before")]
    [InlineData("revoked", "revoked", "was revoked on")]
    [InlineData("role", "wrongRole", "is not one of an agent")]
    [InlineData("name", "wrongName", "the node calls itself ap1, its certificate is of agent ap2")]
    public async Task A_coordinator_refuses_an_agent_and_both_say_why(string what, string counter, string reason)
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        using var stranger = new Site("stranger");
        var certified = what switch { "role" => Site.CoordinatorCalled("ap1"), "name" => Site.AgentCalled("ap2"), _ => Site.AgentCalled("ap1") };
        var files = what switch
        {
            "stranger" => stranger.Issue(certified),
            "expired" => Site.Issue(certified, TimeSpan.FromDays(-100), days: 50),
            "early" => Site.Issue(certified, TimeSpan.FromDays(10)),
            _ => Site.Issue(certified),
        };
        switch (what)
        {
            case "stranger":
                // It believes this site, but this site does not know its authority.
                await File.AppendAllTextAsync(files.Authorities, await File.ReadAllTextAsync(Site.Pki.BundlePath));
                break;
            case "revoked":
                Site.Pki.Revoke("ap1");
                var own = Directory.GetDirectories(Site.Folder, "node1")[0];
                Site.Copy(Site.Pki.ListPath, Path.Combine(own, "crl.pem"));
                await coordinator.LoggedAsync("1 revoked");
                break;
        }

        await using var agent = new RunningAgent(coordinator.Address, "ap1", files, certified);
        await agent.LoggedAsync(reason);
        await coordinator.LoggedAsync(reason);
        Assert.Empty(agent.Messages.OfType<Welcome>());
        var refused = (await coordinator.SecurityAsync()).GetProperty("refused");
        Assert.True(refused.GetProperty(counter).GetInt64() >= 1, refused.ToString());
        Assert.Contains(agent.Events, e => e.ToString().Contains(reason, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("stranger", "was not issued by an authority of this site")]
    [InlineData("expired", "expired on")]
    [InlineData("early", "is not valid before")]
    [InlineData("revoked", "was revoked on")]
    [InlineData("role", "is not one of a coordinator")]
    [InlineData("name", "wanted is c2 or c3")]
    [InlineData("host", "is not for the address 127.0.0.1")]
    [InlineData("called", "the coordinator calls itself c9, its certificate is of coordinator c1")]
    public async Task An_agent_refuses_a_coordinator_and_both_say_why(string what, string reason)
    {
        using var stranger = new Site("stranger");
        var role = what is "role" ? SiteRole.Agent : SiteRole.Coordinator;
        var certified = new SiteIdentity(role, new NodeId("c1"));
        var files = what switch
        {
            "stranger" => stranger.Issue(certified),
            "expired" => Site.Issue(certified, TimeSpan.FromDays(-100), days: 50),
            "early" => Site.Issue(certified, TimeSpan.FromDays(10)),
            _ => Site.Issue(certified),
        };
        if (what is "stranger")
        {
            await File.AppendAllTextAsync(files.Authorities, await File.ReadAllTextAsync(Site.Pki.BundlePath));
        }
        else if (what is "revoked")
        {
            Site.Pki.Revoke("c1");
        }
        else if (what is "host")
        {
            // Certified for another address.
            var elsewhere = Site.Pki.Issue(Site.CoordinatorCalled("c4"), ["c4.example.net"], [IPAddress.Parse("192.0.2.4")], 100);
            Site.Copy(elsewhere.CertificatePath, files.Certificate);
            Site.Copy(elsewhere.KeyPath, files.Key);
            certified = Site.CoordinatorCalled("c4");
        }

        await using var coordinator = await RunningCoordinator.StartAsync(files, certified.Name.Name!, what is "called" ? "c9" : null, role: role);
        await using var agent = new RunningAgent(coordinator.Address, "ap1", Site.Issue(Site.AgentCalled("ap1")), names: what is "name" ? ["c2", "c3"] : null);
        await agent.LoggedAsync(reason);
        await coordinator.LoggedAsync(reason);
        Assert.Empty(agent.Messages.OfType<Welcome>());
    }

    [Fact]
    public async Task A_coordinator_may_be_known_by_its_name_wherever_it_is()
    {
        var elsewhere = Site.Pki.Issue(Site.CoordinatorCalled("c4"), [], [IPAddress.Parse("192.0.2.4")], 100);
        var files = Site.Issue(Site.CoordinatorCalled("c1"));
        Site.Copy(elsewhere.CertificatePath, files.Certificate);
        Site.Copy(elsewhere.KeyPath, files.Key);
        await using var coordinator = await RunningCoordinator.StartAsync(files, "c4");
        await using var agent = new RunningAgent(coordinator.Address, "ap1", Site.Issue(Site.AgentCalled("ap1")), names: ["c4"]);
        await agent.WelcomedAsync();
    }

    [Fact]
    public async Task Of_two_sessions_of_one_identity_the_newest_stays_and_both_sides_hear_of_it()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        var files = Site.Issue(Site.AgentCalled("ap1"));
        await using var first = new RunningAgent(coordinator.Address, "ap1", files);
        await first.WelcomedAsync();
        await using var second = new RunningAgent(coordinator.Address, "ap1", files);
        await second.WelcomedAsync();
        await first.LoggedAsync("replaced by a newer session of the same node");
        await coordinator.LoggedAsync("was replaced by a newer one from");
        Assert.True((await coordinator.SecurityAsync()).GetProperty("sessionsReplaced").GetInt64() >= 1);
    }

    [Fact]
    public async Task Another_version_of_the_protocol_is_refused_by_name_on_both_sides()
    {
        var files = Site.Issue(Site.CoordinatorCalled("c1"));
        await using (var coordinator = await RunningCoordinator.StartAsync(files))
        {
            await using var agent = await Dialled.ConnectAsync(coordinator.Address, Open(Site.Issue(Site.AgentCalled("ap1")), Site.AgentCalled("ap1")));
            await agent.Stream.WriteAsync(Convert.FromHexString("00000004930202C0"));
            Assert.Contains("protocol version 2", (await agent.ReadAsync<Goodbye>()).Reason, StringComparison.Ordinal);
            await coordinator.LoggedAsync("protocol version 2");
        }

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepted = Task.Run(async () =>
        {
            var socket = await listener.AcceptTcpClientAsync();
            var channel = await SecureChannel.AcceptAsync(socket.GetStream(), Open(files, Site.CoordinatorCalled("c1")), new PeerExpectation(SiteRole.Agent, [], string.Empty), CancellationToken.None);
            await channel.Stream.WriteAsync(Convert.FromHexString("00000004930202C0"));
            await using var other = new ControlEnd(channel.Stream);
            return (await other.ReadAsync<Goodbye>()).Reason;
        });
        await using var dialling = new RunningAgent((IPEndPoint)listener.LocalEndpoint, "ap2", Site.Issue(Site.AgentCalled("ap2")));
        Assert.Contains("protocol version 2", await accepted.WaitAsync(TimeSpan.FromSeconds(20)), StringComparison.Ordinal);
        await dialling.LoggedAsync("protocol version 2");
    }

    [Fact]
    public async Task Plain_text_is_refused_where_TLS_is_spoken_and_both_say_so()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        await using var agent = new RunningAgent(coordinator.Address, "ap1", files: null);
        await agent.LoggedAsync("this coordinator takes TLS 1.3 only");
        await coordinator.LoggedAsync("plain text was offered");
        Assert.Empty(agent.Messages.OfType<Welcome>());
        Assert.True((await coordinator.SecurityAsync()).GetProperty("refused").GetProperty("notTls").GetInt64() >= 1);
    }

    [Fact]
    public async Task TLS_is_refused_where_plain_text_is_spoken_and_both_say_so()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(files: null);
        await using var agent = new RunningAgent(coordinator.Address, "ap1", Site.Issue(Site.AgentCalled("ap1")));
        await agent.LoggedAsync("the other end speaks plain text, here is TLS 1.3");
        await coordinator.LoggedAsync("TLS was offered, this coordinator is set to plain text");
        Assert.Equal(0, agent.Ups);
    }

    [Fact]
    public async Task A_downgrade_is_refused_by_the_coordinator()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        var agent = Site.Issue(Site.AgentCalled("ap1"));
        string[] common = ["s_client", "-connect", coordinator.Address.ToString(), "-CAfile", agent.Authorities, "-cert", agent.Certificate, "-key", agent.Key, "-verify_return_error"];
        var (code, output) = OpenSsl.Run([.. common, "-tls1_2"]);
        Assert.NotEqual(0, code);
        Assert.Contains("protocol version", output, StringComparison.Ordinal);
        await coordinator.LoggedAsync("does not offer TLS 1.3");
        (code, output) = OpenSsl.Run([.. common, "-tls1_3"]);
        Assert.Equal(0, code);
        Assert.Contains("Verify return code: 0 (ok)", output, StringComparison.Ordinal);
        Assert.Contains("TLSv1.3", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_downgrade_is_refused_by_the_agent()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var files = Site.Issue(Site.CoordinatorCalled("c1"));
        using var certificate = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
        await using var agent = new RunningAgent((IPEndPoint)listener.LocalEndpoint, "ap1", Site.Issue(Site.AgentCalled("ap1")));
        using var socket = await listener.AcceptTcpClientAsync();
        await using var old = new SslStream(socket.GetStream());
#pragma warning disable CA5398 // The old version is what is tried.
        await Assert.ThrowsAnyAsync<Exception>(() => old.AuthenticateAsServerAsync(certificate, false, SslProtocols.Tls12, false));
#pragma warning restore CA5398
        await agent.LoggedAsync("does not offer TLS 1.3");
        Assert.Equal(0, agent.Ups);
    }

    [Fact]
    public async Task Who_shows_no_certificate_is_refused()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        using var socket = new TcpClient();
        await socket.ConnectAsync(coordinator.Address);
#pragma warning disable CA5359 // Whom the coordinator lets in is the question here.
        await using var stream = new SslStream(socket.GetStream(), false, (_, _, _, _) => true);
#pragma warning restore CA5359
        await stream.AuthenticateAsClientAsync("127.0.0.1");
        await using var reader = new ControlEnd(stream);
        Assert.Contains("no certificate was shown", (await reader.ReadAsync<Goodbye>()).Reason, StringComparison.Ordinal);
        await coordinator.LoggedAsync("no certificate was shown");
    }

    private static CredentialStore Open(CredentialFiles files, SiteIdentity identity)
    {
        var store = CredentialStore.Open(files, identity, TimeSpan.FromDays(1), TimeProvider.System, out var problems);
        Assert.Empty(problems);
        return store!;
    }
}
