using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Namespaces.Tests;

/// <summary>Packets of established connections pass in the kernel (decision 47), at home, elsewhere and at home again, and connections go on whether they may or not.</summary>
[Trait("Req", "A-02"), Trait("Req", "A-05"), Trait("Req", "A-11")]
public sealed class FastPathTests
{
    [Theory]
    [InlineData("tc")]
    [InlineData("xdp")]
    [InlineData("off")]
    public void Connections_go_on_wherever_their_packets_pass(string fastPath)
    {
        // XDP wants frames with finished checksums.
        using var site = new LabSite(_ => new DemoOptions { FastPath = fastPath }, offload: fastPath is not "xdp");
        if (fastPath is "xdp")
        {
            // A veth takes frames from XDP only where its other end is ready for them.
            for (var k = 1; k <= LabTopology.AccessPointCount; k++)
            {
                Tool.Run("ip", ["netns", "exec", site.Topology.Air.Name, "ethtool", "-K", $"a{k}", "gro", "on"]);
                Tool.Run("ip", ["netns", "exec", site.Topology.Router.Name, "ethtool", "-K", $"u{k}", "gro", "on"]);
            }
        }

        site.Move(0, 0);
        site.Open("IPv4", 0, ipv6: false);
        site.Open("IPv6", 0, ipv6: true);
        PassesAt(0, "at home");
        foreach (var (to, where) in ((int, string)[])[(1, "elsewhere"), (2, "at a third one"), (0, "at home again")])
        {
            site.Move(0, to);
            site.Progress(where, TimeSpan.FromSeconds(5));
            PassesAt(to, where);
        }

        site.Finish();

        void PassesAt(int accessPoint, string when)
        {
            if (fastPath is "off")
            {
                Assert.False(site.Status(accessPoint).TryGetProperty("fastPath", out _));
                return;
            }

            var before = Passed(accessPoint);
            site.WaitFor(() => Passed(accessPoint) > before + 50, $"{when} nothing passes in the kernel");
        }

        // The agent knows what it has asked for: looking at connections makes it ask.
        long Passed(int accessPoint) => site.Status(accessPoint).GetProperty("fastPath").GetProperty("packets").GetInt64();
    }
}
