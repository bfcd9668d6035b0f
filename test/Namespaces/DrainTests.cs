using System.Text.Json;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>An access point is taken out of service with <c>masq drain</c> while connections that it anchors are in use, killed, started again and put back with <c>masq undrain</c>.</summary>
[Trait("Req", "A-15")]
[Trait("Req", "A-16")]
public sealed class DrainTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void A_drained_access_point_can_be_switched_off_and_nobody_notices(bool sharedLink, bool redis)
    {
        using var site = LabSite.WithTakeover(sharedLink, new DemoOptions { Redis = redis });
        site.Move(0, 0);
        site.Move(1, 0);
        var flows = new[] { site.Open("IPv4", 0, ipv6: false), site.Open("IPv6", 0, ipv6: true) };
        var stays = site.Open("of a client that stays", 1, ipv6: false);
        site.Move(0, 1);
        site.Progress("after a walk", TimeSpan.FromSeconds(5));

        // A client is there that needs its only address of a family: it goes with it, not before.
        var (code, said) = Masq(site, "drain", "ap1", "--json");
        Assert.Equal((0, false), (code, said.GetProperty("fenced").GetBoolean()));
        Assert.True(said.GetProperty("draining").GetBoolean());
        site.Progress("while AP1 is being drained", TimeSpan.FromSeconds(3));
        site.Move(1, 2);
        (code, said) = Masq(site, "drain", "ap1", "--wait", "15", "--json");
        Assert.Equal((0, true), (code, said.GetProperty("fenced").GetBoolean()));
        site.Progress("when AP1 is drained", TimeSpan.FromSeconds(3));
        Assert.All(flows.Append(stays), f => Assert.NotEqual(0, site.OwnerOf(f.SeenByServer!.Address)));

        foreach (var flow in flows)
        {
            flow.ForgetLongest();
        }

        site.Network!.Kill(0);
        Thread.Sleep(1_500);
        site.Progress("when AP1 is off", TimeSpan.FromSeconds(2));
        output.WriteLine($"longest round trip while AP1 is switched off: {flows.Max(f => f.LongestRoundTrip) / 1e6:F0} ms");
        Assert.All(flows, f => Assert.InRange(f.LongestRoundTrip / 1e6, 0, 200));

        site.Network.Restart(0, CancellationToken.None);
        (code, said) = Masq(site, "undrain", "ap1", "--wait", "15", "--json");
        Assert.Equal((0, 0), (code, said.GetProperty("elsewhere").GetArrayLength()));
        site.WaitFor(() => site.OwnerOf(flows[0].SeenByServer!.Address) == 0, "AP1 does not get its address back");
        site.Progress("with AP1 back", TimeSpan.FromSeconds(3));
        site.Move(0, 0);
        site.Progress("at AP1", TimeSpan.FromSeconds(3));
        site.Finish();
    }

    /// <summary>Runs the command line program beside the coordinator.</summary>
    private static (int Code, JsonElement Said) Masq(LabSite site, params string[] arguments)
    {
        var (code, said, error) = Tool.TryRun("ip", ["netns", "exec", site.Topology.Coordinator.Name, "dotnet", SourceTree.Program("Cli", "masq"), .. arguments]);
        Assert.True(code == 0, error);
        using var document = JsonDocument.Parse(said);
        return (code, document.RootElement.Clone());
    }
}
