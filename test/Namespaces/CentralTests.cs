using System.Globalization;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>The central deployment, with the configuration of <c>docs/operations.md</c>: all HAMs at an agent on the coordinator's machine, and homes before it.</summary>
[Trait("Req", "A-14")]
[Trait("Req", "A-22")]
public sealed class CentralTests(ITestOutputHelper output)
{
    [Fact]
    public void All_connections_are_anchored_at_the_central_node_and_where_they_are_opened_while_it_is_down()
    {
        using var site = new LabSite(_ => Patient(new DemoOptions { Central = true }));
        WaitForCentral(site);
        site.Move(0, 0);
        site.Move(1, 2);
        var flows = new[] { site.Open("IPv4", 0, ipv6: false), site.Open("IPv6", 0, ipv6: true), site.Open("bystander", 1, ipv6: false) };
        Assert.All(flows, f => Assert.Equal(LabTopology.CoordinatorSubnet, SubnetOf(f)));
        site.Move(0, 1);
        site.Progress("after a walk", TimeSpan.FromSeconds(5));
        Assert.Equal(LabTopology.CoordinatorSubnet, SubnetOf(site.Open("opened after the walk", 0, ipv6: false)));

        site.Network!.KillCentral();
        var begin = LabClock.Now;
        var fallback = new[] { site.Open("opened without the central node", 0, ipv6: false), site.Open("the same over IPv6", 0, ipv6: true) };
        output.WriteLine($"two connections opened one after the other without the central node carried 20 kB each after {(LabClock.Now - begin) / 1e6:F0} ms");
        Assert.All(fallback, f => Assert.Equal(2, SubnetOf(f)));
        site.Move(0, 0);
        site.Progress("roamed without the central node", TimeSpan.FromSeconds(5), fallback);

        // It is back: what it anchored goes on, as soon as the kernels' timers try again.
        site.Network.StartCentral();
        WaitForCentral(site);
        begin = LabClock.Now;
        site.Progress("with the central node back", TimeSpan.FromSeconds(20));
        output.WriteLine($"all connections go on {(LabClock.Now - begin) / 1e6:F0} ms after the central node is back");
        Assert.Equal(LabTopology.CoordinatorSubnet, SubnetOf(site.Open("opened with the central node back", 0, ipv6: false)));
        site.Finish();
    }

    [Fact]
    public void A_client_with_a_home_is_anchored_there_and_homes_change_while_everything_runs()
    {
        string? homes = null;
        using var site = new LabSite(topology =>
        {
            homes = Path.Combine(topology.ScratchDirectory, "homes");
            File.WriteAllText(homes, $"{LabTopology.ClientMac(1)} ap3\n");
            return Patient(new DemoOptions { Central = true, Homes = homes });
        });
        WaitForCentral(site);
        site.Move(0, 0);
        site.Move(1, 0);
        Assert.Equal(LabTopology.CoordinatorSubnet, SubnetOf(site.Open("without a home", 0, ipv6: false)));
        var housed = site.Open("at home at AP3", 1, ipv6: true);
        Assert.Equal(3, SubnetOf(housed));
        File.WriteAllText(homes!, $"{LabTopology.ClientMac(0)} ap2\n");
        site.WaitFor(() => SubnetOf(site.Open("at home at AP2 from now on", 0, ipv6: false)) == 2, "homes are not read again");
        Assert.Equal(LabTopology.CoordinatorSubnet, SubnetOf(site.Open("not at home any more", 1, ipv6: false)));
        site.Move(1, 1);
        site.Progress("after a walk", TimeSpan.FromSeconds(5));
        Assert.Equal(3, SubnetOf(housed));
        site.Finish();
    }

    /// <summary>
    /// Where connections are anchored is what is looked at here, so nobody gives up waiting for a program that has just been started: by default a new client's first packets wait 20 ms for the
    /// coordinator, and it 150 ms for the central node; then connections are anchored where they are opened, as they should be.
    /// </summary>
    private static DemoOptions Patient(DemoOptions options) => options with
    {
        Fam = new Dictionary<string, string>(StringComparer.Ordinal) { ["arrivalPatienceMilliseconds"] = "1000" },
        Roaming = new Dictionary<string, string>(StringComparer.Ordinal) { ["anchorTimeoutMilliseconds"] = "700" },
    };

    private static void WaitForCentral(LabSite site) => site.WaitFor(
        () => site.Ask("/v1/aps").GetProperty("items").EnumerateArray().Any(a =>
            a.GetProperty("ap").ValueEquals("central") && a.GetProperty("connected").GetBoolean() && a.GetProperty("owned").GetArrayLength() == 3),
        "the central node does not come");

    /// <summary>The number of the subnet that the server sees the client in: 10.1.N.x or fd00:10:1:N::x.</summary>
    private static int SubnetOf(LabConnection flow)
    {
        var text = flow.SeenByServer!.Address.IsIPv4MappedToIPv6 ? flow.SeenByServer.Address.MapToIPv4().ToString() : flow.SeenByServer.Address.ToString();
        return int.Parse(text.Split('.', ':') is var parts && parts[0] is "fd00" ? parts[3] : parts[2], CultureInfo.InvariantCulture);
    }
}
