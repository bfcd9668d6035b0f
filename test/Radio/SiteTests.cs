using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Radio.Tests;

/// <summary>The whole site with radios: an ordinary client, hostapd as it comes, our agents beside it.</summary>
public sealed class SiteTests(ITestOutputHelper output) : MachineTests(output)
{
    /// <summary>In a bad hour the machine is slower than the client waits, which then authenticates at the other access point; so many walks are tried.</summary>
    private const int Walks = 4;

    [MachineFact]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-25")]
    public void A_client_walks_by_802_11r_with_a_key_from_the_coordinator_and_gets_none_when_it_is_denied() => InMachine(() =>
    {
        using var site = new RadioSite(Output.Lines());
        using var air = new Air();
        Hostapd[] hostapds = [site.StartHostapd(0), site.StartHostapd(1)];
        var station = site.StartStation("alice", "FT-EAP");
        Patience.WaitFor(() => station.At is not null, "the client does not get in");
        site.Say("the client is in");
        Patience.WaitFor(() => site.User is ("alice", "link", _), "no agent knows it");
        var flow = site.Open(22_301);
        site.Say("it talks");

        // It walks to an access point that has not heard of it. Where nobody asks who it is, the key was the coordinator's.
        int home, other;
        for (var walk = 1; ; walk++)
        {
            (home, other) = station.IsAt(0) ? (0, 1) : (1, 0);
            var logins = 0;
            station.Roam(
                other,
                () =>
                {
                    logins = site.Radius.LoginsOf(0);
                    air.Clear();
                });
            site.Say($"walk {walk}: at ap{other + 1}, which has been asked {site.KeysOf(other)}; in the air:\n{string.Join('\n', air.Of(other))}");
            if (!hostapds[other].HasAskedForIdentity && site.Radius.LoginsOf(0) == logins)
            {
                break;
            }

            Assert.True(walk < Walks, "no walk was a fast transition");
            hostapds[home] = site.Restart(hostapds[home]);
        }

        Assert.True(site.Keys(other, "given") > 0);
        Assert.Contains(air.Of(other), f => f.StartsWith("reassociated ", StringComparison.Ordinal));
        Assert.DoesNotContain(air.Of(other), f => f.StartsWith("eapol ", StringComparison.Ordinal));
        Assert.Contains("AKMSuiteSelector=00-0f-ac-3\n", hostapds[other].StationOf(0), StringComparison.Ordinal);
        Patience.WaitFor(() => site.User == ("alice", "link", $"ap{other + 1}"), "the other agent does not know it");
        site.Lab.Progress("after the walk", TimeSpan.FromSeconds(40), flow);
        site.Say("it talks on");

        // It goes home, where the agent is gone, so that hostapd there does not hear that its user is denied. It gets no further from there: the other one has forgotten its key, and is given none.
        station.Roam(home);
        hostapds[other] = site.Restart(hostapds[other]);
        site.Lab.Network!.Kill(home);
        site.Lab.Post("/v1/users/alice/deny");
        var (given, refused) = (site.Keys(other, "given"), site.Keys(other, "noKey"));
        station.Hear(other);
        var before = station.RefusalsOf(other);
        station.Turn(() => site.Keys(other, "noKey") > refused && station.RefusalsOf(other) > before, other, "the other one does not refuse it");
        site.Say($"denied: {site.KeysOf(other)}");
        Assert.Equal(given, site.Keys(other, "given"));
        Assert.False(station.IsAt(other));
    });
}
