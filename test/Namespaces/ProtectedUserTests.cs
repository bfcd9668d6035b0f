using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>A user with <c>masq client</c> at a whole site: one authentication, and then the handshake at each access point.</summary>
public sealed class ProtectedUserTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-25")]
    public void A_protected_client_walks_without_EAP_and_its_connections_go_on()
    {
        using var site = new UserSite(output);
        site.Lab.Move(0, 0);
        var client = site.Protect(0, "alice");
        site.WaitForUser(0, "alice", "ap1", "handshake");
        var flows = new[] { site.Lab.Open("alice over IPv4", 0, ipv6: false), site.Lab.Open("alice over IPv6", 0, ipv6: true) };
        site.Lab.Progress("at the first access point", TimeSpan.FromSeconds(20), flows);
        var logins = site.Radius.LoginsOf(0);
        Assert.True(logins > 0);
        for (var walk = 1; walk <= 4; walk++)
        {
            var (to, before) = (walk % 3, client.Told("linkProtected").Count);
            site.Lab.Move(0, to);
            site.Lab.WaitFor(() => client.Told("linkProtected").Count > before, $"no protected link at AP{to + 1}", TimeSpan.FromSeconds(30));
            var walked = client.Told("linkProtected")[^1];
            Assert.Equal(($"ap{to + 1}", false), (walked.GetProperty("node").GetString(), walked.GetProperty("withEap").GetBoolean()));
            site.WaitForUser(0, "alice", $"ap{to + 1}", "handshake");
            site.Lab.Progress($"after walk {walk}", TimeSpan.FromSeconds(20), flows);
            output.WriteLine($"walk {walk}: {walked.GetProperty("milliseconds").GetDouble()} ms, {walked.GetProperty("framesSent").GetInt32()} frames out, {walked.GetProperty("framesReceived").GetInt32()} in");
        }

        // Nobody asked the server again.
        Assert.Equal(logins, site.Radius.LoginsOf(0));
        Assert.Single(client.Told("authenticated"));
        client.Interrupt();
        Assert.Single(client.Told("loggedOff"));
    }
}
