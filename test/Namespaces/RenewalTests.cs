using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.Lab;
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
    private static readonly TimeSpan s_session = TimeSpan.FromSeconds(30);
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
        var (longest, strangers) = (0L, Strangers(site));
        site.WaitFor(
            () =>
            {
                longest = Math.Max(longest, flows.Max(f => LabClock.Now - f.LastProgress));
                return alice.Told("authenticated").Count >= 2 && Logins(1).Length >= 2 && Proven(site) >= 2;
            },
            "nobody is asked again",
            TimeSpan.FromSeconds(90));
        site.Progress("after the renewal", TimeSpan.FromSeconds(20), flows);
        Assert.Equal(("handshake", "eap"), (ProofOf(site, 0), ProofOf(site, 1)));
        Assert.Equal(1, site.Status(0).GetProperty("links").GetProperty("protected").GetInt32());

        // In place: before the first session was over, by the client's clock and by the server's, and with nobody shut out, whose packets would have been counted as a stranger's.
        var authenticated = alice.Told("authenticated").Select(e => e.GetProperty("time").GetDateTimeOffset()).ToArray();
        Assert.InRange(authenticated[1] - authenticated[0], TimeSpan.Zero, s_session);
        var logins = Logins(1);
        Assert.InRange(logins[1] - logins[0], TimeSpan.Zero, s_session);
        Assert.Empty(alice.Told("disconnected"));
        Assert.Equal(strangers, Strangers(site));

        // What a session has open does not outlast it: only one that has ended keeps its connections waiting for so long.
        Assert.InRange(longest, 0, LabClock.Milliseconds(10_000));
        output.WriteLine($"the longest gap of a connection: {longest / 1e6:F0} ms; alice again after {authenticated[1] - authenticated[0]}, bob after {logins[1] - logins[0]}");
    }

    /// <summary>Packets, either way, of clients that were not let in.</summary>
    private static long Strangers(LabSite site) => site.Status(0).GetProperty("drops").TryGetProperty("NotAuthenticated", out var count) ? count.GetInt64() : 0;

    /// <summary>Handshakes by which clients have proved a session.</summary>
    private static long Proven(LabSite site) => site.Status(0).GetProperty("links").GetProperty("handshakesProven").GetInt64();

    /// <summary>When the server has let a client in, by its clock, which shows seconds; inside a tunnel it says so once more.</summary>
    private DateTime[] Logins(int client) =>
    [
        .. _radius!.Log.Split('\n')
            .Where(l => l.Contains("Login OK", StringComparison.Ordinal) && l.Contains(LabTopology.ClientMac(client).Replace(':', '-'), StringComparison.OrdinalIgnoreCase) && !l.Contains("via TLS tunnel", StringComparison.Ordinal))
            .Select(l => DateTime.ParseExact(l[..l.IndexOf(" : ", StringComparison.Ordinal)], "ddd MMM d HH:mm:ss yyyy", CultureInfo.InvariantCulture, DateTimeStyles.AllowWhiteSpaces)),
    ];

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
            Users = [new FreeRadiusUser("alice", _password, $"Session-Timeout = {s_session.TotalSeconds}"), new FreeRadiusUser("bob", _password, $"Session-Timeout = {s_session.TotalSeconds}")],
        }));
}
