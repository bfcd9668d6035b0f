using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.Lab;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Masquerade.Lab.Users;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Users at a whole site: a real FreeRADIUS, Debian's wpa_supplicant on the clients, and access points that hold neither its secret nor an MSK.</summary>
public sealed class UserTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _alicesPassword = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
    private readonly string _bobsPassword = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
    private FreeRadiusProcess? _radius;

    public void Dispose() => _radius?.Dispose();

    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-26")]
    [Trait("Req", "A-27")]
    public void Two_users_get_in_one_walks_and_is_denied_in_the_middle_and_the_other_is_not_touched()
    {
        using var site = Site(users => users);
        site.Move(0, 0);
        site.Move(1, 0);

        // Nothing passes before anybody has said who he is.
        var early = site.Add(new PingPong(site.Topology, "before", 0, site.Server(ipv6: false), 4_096, TimeSpan.FromMilliseconds(10)));
        site.WaitFor(() => early.Failure is not null, "the client finds a gateway", TimeSpan.FromSeconds(30));
        Assert.Equal(0, early.Bytes);
        using var alice = Supplicant(site, 0, "PEAP", "alice", _alicesPassword);
        using var bob = Supplicant(site, 1, "TTLS", "bob", _bobsPassword);
        site.WaitFor(() => UserOf(site, 0) == ("alice", "eap", "ap1") && UserOf(site, 1) == ("bob", "eap", "ap1"), $"users do not get in: {UserOf(site, 0)} {UserOf(site, 1)}", TimeSpan.FromSeconds(30));
        var flows = new[] { site.Open("alice over IPv4", 0, ipv6: false), site.Open("alice over IPv6", 0, ipv6: true) };
        var bobs = site.Open("bob", 1, ipv6: false);

        // The walk: the next access point knows who she is and wants it proved; connections go on.
        site.Move(0, 1);
        site.WaitFor(() => UserOf(site, 0) == ("alice", "eap", "ap2"), "alice does not get in at AP2", TimeSpan.FromSeconds(30));
        site.Progress("after a walk", TimeSpan.FromSeconds(20), flows);

        var before = LabClock.Now;
        Deny(site, "alice");
        Thread.Sleep(100);
        var bytes = flows.Select(f => f.Bytes).ToArray();
        site.Progress("beside one that is denied", TimeSpan.FromSeconds(10), bobs);
        Thread.Sleep(1_000);
        Assert.Equal(bytes, flows.Select(f => f.Bytes));
        output.WriteLine($"alice's last octet was {flows.Max(f => (f.LastProgress - before) / 1e6):F1} ms after the order to deny her");

        // Not at another access point either, though the RADIUS server knows nothing of it and accepts her.
        site.Move(0, 2);
        Thread.Sleep(2_000);
        Assert.Equal(bytes, flows.Select(f => f.Bytes));
        Assert.All(Enumerable.Range(0, LabTopology.AccessPointCount), k => Assert.NotEqual("alice", Admitted(site, k)));
        site.Progress("after all that", TimeSpan.FromSeconds(10), bobs);
        Assert.Contains("Acct-Status-Type = Start", _radius!.Accounting, StringComparison.Ordinal);
    }

    /// <summary>What users may do is decided at each access point by the same policy, and a guest who says nothing at all has a policy too.</summary>
    [Fact]
    [Trait("Req", "A-26")]
    public void Each_user_may_do_what_the_policy_says_wherever_he_is_and_a_guest_what_guests_may()
    {
        using var site = Site(users => users with
        {
            Guests = true,
            Policies = """
                {
                  "policies": { "staff": ["deny out tcp to any port 22000,22003", "allow out any"], "guest": ["allow out icmp", "allow out tcp to 10.1.100.2 port 22001"] },
                  "roles": { "guest": "guest" },
                  "default": "staff"
                }
                """,
        });
        site.Move(0, 0);
        site.Move(1, 0);
        using var alice = Supplicant(site, 0, "PEAP", "alice", _alicesPassword);
        site.WaitFor(() => UserOf(site, 0) == ("alice", "eap", "ap1"), "alice does not get in", TimeSpan.FromSeconds(30));
        var guests = Try(site, 1, 22_001);
        site.WaitFor(() => guests.Bytes > 20_000, "the guest may not do what guests may", TimeSpan.FromSeconds(30));
        Assert.Equal(("guest", "trusted", "ap1"), UserOf(site, 1));
        var (denied, allowed, notForGuests) = (Try(site, 0, 22_000), site.Open("alice", 0, ipv6: false), Try(site, 1, 22_002));
        site.Move(0, 1);
        site.WaitFor(() => UserOf(site, 0) == ("alice", "eap", "ap2"), "alice does not get in at AP2", TimeSpan.FromSeconds(30));
        site.Progress("after a walk", TimeSpan.FromSeconds(20), allowed, guests);
        var deniedThere = Try(site, 0, 22_003);
        site.Progress("beside what is denied", TimeSpan.FromSeconds(10), allowed, guests);
        Assert.Equal((0L, 0L, 0L), (denied.Bytes, deniedThere.Bytes, notForGuests.Bytes));
        Assert.True(Dropped(site, 0, "Policy") > 0 && Dropped(site, 1, "Policy") > 0, "what was denied was not counted");
    }

    private static PingPong Try(LabSite site, int client, int port) =>
        site.Add(new PingPong(site.Topology, $"to port {port}", client, new System.Net.IPEndPoint(LabTopology.ServerAddress, port), 4_096, TimeSpan.FromMilliseconds(10)));

    private static long Dropped(LabSite site, int accessPoint, string reason) =>
        site.Status(accessPoint).GetProperty("drops").TryGetProperty(reason, out var count) ? count.GetInt64() : 0;

    private static string? Admitted(LabSite site, int accessPoint) =>
        UserOf(site, 0) is var (name, _, ap) && string.Equals(ap, $"ap{accessPoint + 1}", StringComparison.Ordinal) ? name : null;

    /// <summary>The name of the client's user, how it was proved, and where; nulls if nobody is known.</summary>
    private static (string? Name, string? Proof, string? At) UserOf(LabSite site, int client)
    {
        var document = site.Ask($"/v1/clients/{LabTopology.ClientMac(client)}");
        return document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object
            ? (user.GetProperty("name").GetString(), user.GetProperty("proof").GetString(), user.GetProperty("ap").GetString())
            : default;
    }

    private static void Deny(LabSite site, string user)
    {
        var answer = site.Post($"/v1/users/{user}/deny");
        Assert.True(answer.GetProperty("denied").GetBoolean());
    }

    private WpaSupplicant Supplicant(LabSite site, int client, string method, string user, string password) =>
        new(output.Lines(), site.Topology.Clients[client], client, method, user, password, Path.Combine(_radius!.Directory, "ca.pem"));

    private LabSite Site(Func<LabUsers, LabUsers> change) => new(
        _ => new DemoOptions
        {
            Users = change(new LabUsers(_radius!.AuthEndPoint, _radius.AccountingEndPoint, _radius.Secret)
            {
                Agent = new Dictionary<string, string>(StringComparer.Ordinal) { ["quietPeriodMilliseconds"] = "1000", ["askAgainMilliseconds"] = "500" },
            }),
        },
        topology => _radius = new FreeRadiusProcess(new FreeRadiusOptions
        {
            Prefix = ["ip", "netns", "exec", topology.Coordinator.Name],
            AuthPort = 1812,
            AccountingPort = 1813,
            TlsPort = 2083,
            Users = [new FreeRadiusUser("alice", _alicesPassword), new FreeRadiusUser("bob", _bobsPassword)],
        }));
}
