using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Users;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>A user with <c>masq client</c> at a whole site: one authentication, and then the handshake at each access point.</summary>
public sealed class ProtectedUserTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
    private FreeRadiusProcess? _radius;

    public void Dispose() => _radius?.Dispose();

    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-25")]
    public void A_protected_client_walks_without_EAP_and_its_connections_go_on()
    {
        using var site = Site();
        site.Move(0, 0);
        using var client = new MasqClient(output.Lines(), site.Topology.Clients[0], 0, "alice", _password, Path.Combine(_radius!.Directory, "ca.pem"), FreeRadiusProcess.ServerName);
        site.WaitFor(() => client.Told("linkProtected").Count == 1, "no protected link", TimeSpan.FromSeconds(60));
        site.WaitFor(() => UserOf(site) == ("alice", "handshake", "ap1"), $"alice does not get in: {UserOf(site)}", TimeSpan.FromSeconds(30));
        var flows = new[] { site.Open("alice over IPv4", 0, ipv6: false), site.Open("alice over IPv6", 0, ipv6: true) };
        site.Progress("at the first access point", TimeSpan.FromSeconds(20), flows);
        var logins = Logins();
        Assert.True(logins > 0);
        for (var walk = 1; walk <= 4; walk++)
        {
            var (to, before) = (walk % 3, client.Told("linkProtected").Count);
            site.Move(0, to);
            site.WaitFor(() => client.Told("linkProtected").Count > before, $"no protected link at AP{to + 1}", TimeSpan.FromSeconds(30));
            var walked = client.Told("linkProtected")[^1];
            Assert.Equal(($"ap{to + 1}", false), (walked.GetProperty("node").GetString(), walked.GetProperty("withEap").GetBoolean()));
            site.WaitFor(() => UserOf(site) == ("alice", "handshake", $"ap{to + 1}"), $"alice does not get in at AP{to + 1}: {UserOf(site)}", TimeSpan.FromSeconds(30));
            site.Progress($"after walk {walk}", TimeSpan.FromSeconds(20), flows);
            output.WriteLine($"walk {walk}: {walked.GetProperty("milliseconds").GetDouble()} ms, {walked.GetProperty("framesSent").GetInt32()} frames out, {walked.GetProperty("framesReceived").GetInt32()} in");
        }

        // Nobody asked the server again.
        Assert.Equal(logins, Logins());
        Assert.Single(client.Told("authenticated"));
        client.Interrupt();
        Assert.Single(client.Told("loggedOff"));
    }

    private int Logins() => _radius!.Log.Split("Login OK").Length - 1;

    /// <summary>The name of the client's user, how it was proved, and where; nulls if nobody is known.</summary>
    private static (string? Name, string? Proof, string? At) UserOf(LabSite site)
    {
        var document = site.Ask($"/v1/clients/{LabTopology.ClientMac(0)}");
        return document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object
            ? (user.GetProperty("name").GetString(), user.GetProperty("proof").GetString(), user.GetProperty("ap").GetString())
            : default;
    }

    private LabSite Site() => new(
        _ => new DemoOptions
        {
            Users = new LabUsers(_radius!.AuthEndPoint, _radius.AccountingEndPoint, _radius.Secret)
            {
                Agent = new Dictionary<string, string>(StringComparer.Ordinal) { ["quietPeriodMilliseconds"] = "1000", ["askAgainMilliseconds"] = "500" },
            },
        },
        topology => _radius = new FreeRadiusProcess(new FreeRadiusOptions
        {
            Prefix = ["ip", "netns", "exec", topology.Coordinator.Name], AuthPort = 1812, AccountingPort = 1813, TlsPort = 2083, Users = [new FreeRadiusUser("alice", _password)],
        }));
}
