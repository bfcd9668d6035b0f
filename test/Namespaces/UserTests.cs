using Masquerade.Lab;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Users at a whole site: a real FreeRADIUS, Debian's wpa_supplicant on the clients, and access points that hold neither its secret nor an MSK.</summary>
public sealed class UserTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-26")]
    [Trait("Req", "A-27")]
    public void Two_users_get_in_one_walks_and_is_denied_in_the_middle_and_the_other_is_not_touched()
    {
        using var site = new UserSite(output);
        site.Lab.Move(0, 0);
        site.Lab.Move(1, 0);

        // Nothing passes before anybody has said who he is.
        var early = site.Talk(0, 22_900);
        site.Lab.WaitFor(() => early.Failure is not null, "the client finds a gateway", TimeSpan.FromSeconds(30));
        Assert.Equal(0, early.Bytes);
        site.LetIn(0, "alice", "ap1");
        site.LetIn(1, "bob", "ap1", "TTLS");
        Assert.Equal(("alice", "eap", "ap1"), site.UserOf(0));
        var flows = new[] { site.Lab.Open("alice over IPv4", 0, ipv6: false), site.Lab.Open("alice over IPv6", 0, ipv6: true) };
        var bobs = site.Lab.Open("bob", 1, ipv6: false);

        // The walk: the next access point knows who she is and wants it proved; connections go on.
        site.Walk(0, "alice", to: 1);
        site.Lab.Progress("after a walk", TimeSpan.FromSeconds(20), flows);

        var before = LabClock.Now;
        Assert.True(site.Lab.Post("/v1/users/alice/deny").GetProperty("denied").GetBoolean());
        Thread.Sleep(100);
        var bytes = flows.Select(f => f.Bytes).ToArray();
        site.Lab.Progress("beside one that is denied", TimeSpan.FromSeconds(10), bobs);
        Thread.Sleep(1_000);
        Assert.Equal(bytes, flows.Select(f => f.Bytes));
        output.WriteLine($"alice's last octet was {flows.Max(f => (f.LastProgress - before) / 1e6):F1} ms after the order to deny her");

        // Not at another access point either, though the RADIUS server knows nothing of it and accepts her.
        site.Lab.Move(0, 2);
        Thread.Sleep(2_000);
        Assert.Equal(bytes, flows.Select(f => f.Bytes));
        Assert.Null(site.UserOf(0));
        site.Lab.Progress("after all that", TimeSpan.FromSeconds(10), bobs);
        Assert.Contains("Acct-Status-Type = Start", site.Radius.Accounting, StringComparison.Ordinal);
    }

    /// <summary>What users may do is decided at each access point by the same policy, and a guest who says nothing at all has a policy too.</summary>
    [Fact]
    [Trait("Req", "A-26")]
    public void Each_user_may_do_what_the_policy_says_wherever_he_is_and_a_guest_what_guests_may()
    {
        using var site = new UserSite(output, users => users with
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
        site.Lab.Move(0, 0);
        site.Lab.Move(1, 0);
        site.LetIn(0, "alice", "ap1");
        var guests = site.Talk(1, 22_001);
        site.Lab.WaitFor(() => guests.Bytes > 20_000, "the guest may not do what guests may", TimeSpan.FromSeconds(30));
        Assert.Equal(("guest", "trusted", "ap1"), site.UserOf(1));
        var (denied, allowed, notForGuests) = (site.Talk(0, 22_000), site.Lab.Open("alice", 0, ipv6: false), site.Talk(1, 22_002));
        site.Walk(0, "alice", to: 1);
        site.Lab.Progress("after a walk", TimeSpan.FromSeconds(20), allowed, guests);
        var deniedThere = site.Talk(0, 22_003);
        site.Lab.Progress("beside what is denied", TimeSpan.FromSeconds(10), allowed, guests);
        Assert.Equal((0L, 0L, 0L), (denied.Bytes, deniedThere.Bytes, notForGuests.Bytes));
        Assert.True(site.Dropped(0, "Policy") > 0 && site.Dropped(1, "Policy") > 0, "what was denied was not counted");
    }
}
