using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Users;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Sessions that end by the server's word while clients are there: each client is asked before that, and its connections notice nothing.</summary>
public sealed class RenewalTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
    private FreeRadiusProcess? _radius;

    public void Dispose() => _radius?.Dispose();

    [Fact]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-27")]
    public void Sessions_are_renewed_in_place_protected_or_not()
    {
        using var site = Site();
        site.Move(0, 0);
        site.Move(1, 0);
        var authority = Path.Combine(_radius!.Directory, "ca.pem");
        using var alice = new MasqClient(output.Lines(), site.Topology.Clients[0], 0, "alice", _password, authority, FreeRadiusProcess.ServerName);
        using var bob = new WpaSupplicant(output.Lines(), site.Topology.Clients[1], 1, "TTLS", "bob", _password, authority);
        site.WaitFor(() => ProofOf(site, 0) is "handshake" && ProofOf(site, 1) is "eap", "not both get in", TimeSpan.FromSeconds(60));
        var flows = new[] { site.Open("alice", 0, ipv6: false), site.Open("bob", 1, ipv6: false) };
        var longest = 0L;
        site.WaitFor(
            () =>
            {
                longest = Math.Max(longest, flows.Max(f => Lab.LabClock.Now - f.LastProgress));
                return alice.Told("authenticated").Count >= 2 && Logins(1) >= 2;
            },
            "nobody is asked again",
            TimeSpan.FromSeconds(60));
        site.Progress("after the renewal", TimeSpan.FromSeconds(20), flows);
        Assert.Equal(("handshake", "eap"), (ProofOf(site, 0), ProofOf(site, 1)));
        Assert.Equal(1, site.Status(0).GetProperty("links").GetProperty("protected").GetInt32());
        output.WriteLine($"the longest gap of a connection: {longest / 1e6:F0} ms");
    }

    /// <summary>How often the server has let a client in; inside a tunnel it says so once more.</summary>
    private int Logins(int client) => _radius!.Log.Split('\n').Count(l =>
        l.Contains("Login OK", StringComparison.Ordinal) && l.Contains(LabTopology.ClientMac(client).Replace(':', '-'), StringComparison.OrdinalIgnoreCase) && !l.Contains("via TLS tunnel", StringComparison.Ordinal));

    private static string? ProofOf(LabSite site, int client)
    {
        var document = site.Ask($"/v1/clients/{LabTopology.ClientMac(client)}");
        return document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object ? user.GetProperty("proof").GetString() : null;
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
            Prefix = ["ip", "netns", "exec", topology.Coordinator.Name], AuthPort = 1812, AccountingPort = 1813, TlsPort = 2083,
            Users = [new FreeRadiusUser("alice", _password, "Session-Timeout = 20"), new FreeRadiusUser("bob", _password, "Session-Timeout = 20")],
        }));
}
