using System.Globalization;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Traffic;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>What users may do changes while they talk: at the access point where they are, at once, and for what is open too.</summary>
public sealed class UserChangeTests(ITestOutputHelper output)
{
    private const string Policies = """
        {
          "policies": {
            "staff": ["allow out any"],
            "quarantine": ["allow out icmp", "allow out tcp to 10.1.100.2 port 22101"],
            "captive": ["allow out tcp to 10.1.100.2 port 22201"],
            "internet": ["allow out tcp to 10.1.100.2 port 22201-22299"]
          },
          "roles": { "guest": "captive", "admitted": "internet" },
          "default": "staff"
        }
        """;

    [Fact]
    [Trait("Req", "A-27")]
    public void A_CoA_ends_what_it_forbids_and_a_Disconnect_everything_and_the_rest_and_others_go_on()
    {
        var secret = Guid.NewGuid().ToString("n");
        var file = Path.Combine(Path.GetTempPath(), $"masq-{secret}");
        File.WriteAllText(file, secret);
        try
        {
            using var site = new UserSite(output, users => users with
            {
                Policies = Policies,
                Coordinator = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["dynamicAuthorisation"] = $$"""{ "listen": "127.0.0.1:3799", "clients": [{ "address": "127.0.0.1", "secretFile": "{{file}}" }] }""",
                },
            });
            site.Lab.Move(0, 0);
            site.Lab.Move(1, 0);
            site.LetIn(0, "alice", "ap1");
            site.LetIn(1, "bob", "ap1");
            var (allowed, forbidden, bobs) = (site.Open(0, 22_101), site.Open(0, 22_102), site.Open(1, 22_103));
            site.Lab.Move(0, 1);
            site.WaitForUser(0, "alice", "ap2");
            site.Lab.Progress("after a walk", TimeSpan.FromSeconds(20));

            var before = LabClock.Now;
            Assert.Contains("Received CoA-ACK", Radclient(site, secret, "coa", "User-Name = alice\nFilter-Id = quarantine\n"), StringComparison.Ordinal);
            Say("CoA", before, site.Ended(forbidden));
            site.Lab.Progress("beside what is forbidden now", TimeSpan.FromSeconds(10), allowed, bobs);
            var again = site.Talk(0, 22_104);

            // The change walks too.
            site.Lab.Move(0, 0);
            site.Lab.Progress("after a walk with the new policy", TimeSpan.FromSeconds(30), allowed, bobs);
            Assert.Equal(0, again.Bytes);
            Assert.Contains("Error-Cause = Invalid-Attribute-Value", Radclient(site, secret, "coa", "User-Name = alice\nFilter-Id = unheard-of\n"), StringComparison.Ordinal);
            site.Lab.Progress("after a change that cannot be", TimeSpan.FromSeconds(10), allowed, bobs);

            before = LabClock.Now;
            Assert.Contains("Received Disconnect-ACK", Radclient(site, secret, "disconnect", $"Calling-Station-Id = {LabTopology.ClientMac(0).Replace(':', '-')}\n"), StringComparison.Ordinal);
            Say("Disconnect", before, allowed.LastProgress);
            site.Lab.Progress("beside one that was disconnected", TimeSpan.FromSeconds(10), bobs);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void Policies_that_are_applied_end_what_they_forbid_and_nothing_else()
    {
        using var site = new UserSite(output, users => users with { Policies = Policies });
        site.Lab.Move(0, 0);
        site.Lab.Move(1, 1);
        site.LetIn(0, "alice", "ap1");
        site.LetIn(1, "bob", "ap2");
        var flows = new[] { site.Open(0, 22_101), site.Open(1, 22_111) };
        var forbidden = new[] { site.Open(0, 22_102), site.Open(1, 22_112) };
        var before = LabClock.Now;
        var applied = site.Lab.Put("/v1/users/policies", Policies.Replace("\"staff\": [", "\"staff\": [\"deny out tcp to any port 22102,22112,22122\", ", StringComparison.Ordinal));
        Assert.Equal((2, 2), (applied.GetProperty("clients").GetInt32(), applied.GetProperty("users").GetInt32()));
        Say("policy apply", before, forbidden.Max(site.Ended));
        site.Lab.Progress("beside what is forbidden now", TimeSpan.FromSeconds(10), flows);
        var said = site.Lab.Ask("/v1/users/explain?user=alice&to=10.1.100.2:22102").GetProperty("answers")[0];
        Assert.Equal(("deny", 1, "deny out tcp to any port 22102,22112,22122"), (said.GetProperty("verdict").GetString(), said.GetProperty("rule").GetInt32(), said.GetProperty("text").GetString()));

        // Whoever comes to an access point that has not heard of it gets it there.
        site.Lab.Move(0, 2);
        site.Lab.Progress("after a walk", TimeSpan.FromSeconds(30), flows);
        var late = site.Talk(0, 22_122);
        site.Lab.Progress("beside what is forbidden there", TimeSpan.FromSeconds(10), flows);
        Assert.Equal(0, late.Bytes);
    }

    [Fact]
    [Trait("Req", "A-26")]
    public void A_guest_reaches_the_portal_is_admitted_walks_and_is_captive_again_when_his_time_is_over()
    {
        using var site = new UserSite(output, users => users with
        {
            Policies = Policies, Guests = true, Coordinator = new Dictionary<string, string>(StringComparer.Ordinal) { ["portal"] = """{ "maxSeconds": 60 }""" },
        });
        site.Lab.Move(0, 0);
        var portal = site.Open(0, 22_201);
        Assert.Equal(("guest", "trusted", "ap1"), site.UserOf(0));
        var early = site.Talk(0, 22_202);
        site.Lab.Progress("beside what guests may not", TimeSpan.FromSeconds(10), portal);
        Assert.Equal(0, early.Bytes);

        var path = $"/v1/guests/{LabTopology.ClientMac(0)}";
        Assert.Equal(20, site.Lab.Post(path + "?seconds=20&name=room%207").GetProperty("seconds").GetInt32());
        var until = LabClock.Now + LabClock.Milliseconds(20_000);
        var world = site.Open(0, 22_203);
        site.Lab.Move(0, 1);
        site.Lab.Progress("after a walk", TimeSpan.FromSeconds(15), world, portal);
        Assert.True(LabClock.Now < until, "the machine is too slow for this test");
        Assert.Equal(("guest:room 7", "trusted", "ap2"), site.UserOf(0));

        var last = site.Ended(world);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"the last octet came {(last - until) / 1e6:F0} ms after the guest's time was over"));
        site.Lab.Progress("beside what guests may not any more", TimeSpan.FromSeconds(15), portal);
        Assert.Equal(("guest", "trusted", "ap2"), site.UserOf(0));

        // Until he is admitted again, and revoked.
        site.Lab.Post(path + "?seconds=60");
        var again = site.Open(0, 22_204);
        var before = LabClock.Now;
        site.Lab.Delete(path);
        Say("guest revoke", before, site.Ended(again));
        site.Lab.Progress("beside what guests may not any more", TimeSpan.FromSeconds(15), portal);
    }

    private void Say(string what, long before, long last) =>
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: the last octet of what it forbids came {Math.Max(0, last - before) / 1e6:F1} ms after the order"));

    private string Radclient(UserSite site, string secret, string command, string attributes)
    {
        var asked = OutsideProgram.Run(
            "ip",
            ["netns", "exec", site.Lab.Topology.Coordinator.Name, "radclient", "-x", "-r", "3", "-t", "10", "127.0.0.1:3799", command, secret],
            $"{attributes}Event-Timestamp = {DateTimeOffset.UtcNow.ToUnixTimeSeconds()}\nMessage-Authenticator = 0x00\n");
        output.WriteLine(asked.Output + asked.Errors);
        return asked.Output;
    }
}
