using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Traffic;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// An agent is killed (SIGKILL) while connections that it anchors are in use, with the product's own programs, kernels at both ends and a kernel's neighbour table and routes in
/// between. On one link its addresses are taken over by gratuitous ARP and unsolicited neighbour advertisements, across links by a command that changes routes.
/// </summary>
[Trait("Req", "A-15")]
[Trait("Req", "A-16")]
public sealed class TakeoverTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Connections_go_on_when_their_anchor_is_killed_and_when_it_comes_back(bool sharedLink)
    {
        using var site = LabSite.WithTakeover(sharedLink);
        site.Move(0, 0);
        site.Move(1, 2);
        site.Open("bystander", 1, ipv6: false);
        var flows = new[] { site.Open("IPv4", 0, ipv6: false), site.Open("IPv6", 0, ipv6: true) };
        var download = site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6: false), download: true, 8));
        site.Move(0, 1);
        site.Progress("after a walk", Patience);
        Assert.Equal(0, LabTopology.AccessPointOf(flows[0].SeenByServer!.Address));
        Assert.Equal(0, LabTopology.AccessPointOf(flows[1].SeenByServer!.Address));

        var killed = LabClock.Now;
        site.Network!.Kill(0);
        Measure(site, flows, killed, "the anchor is killed");
        site.Progress("after the takeover", TimeSpan.FromSeconds(2));
        Assert.NotEqual(0, site.OwnerOf(flows[0].SeenByServer!.Address));
        site.Open("opened after the takeover", 0, ipv6: false);

        var restarted = LabClock.Now;
        site.Network.Restart(0, CancellationToken.None);
        site.WaitFor(() => site.OwnerOf(flows[0].SeenByServer!.Address) == 0, "AP1 does not get its address back");
        output.WriteLine($"AP1 had its address back {(LabClock.Now - restarted) / 1e6:F0} ms after its start");
        site.Progress("after the return", TimeSpan.FromSeconds(3));
        site.Move(0, 0);
        site.Progress("at the node that came back", TimeSpan.FromSeconds(3));
        site.Open("opened at the node that came back", 0, ipv6: true);
        site.Finish();
        Assert.True(download.Bytes > 0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_that_vanishes_with_its_access_point_finds_its_connections_elsewhere(bool sharedLink)
    {
        using var site = LabSite.WithTakeover(sharedLink);
        site.Move(0, 0);
        site.Move(1, 2);
        site.Open("bystander", 1, ipv6: false);
        var flows = new[] { site.Open("IPv4", 0, ipv6: false), site.Open("IPv6", 0, ipv6: true) };
        var killed = LabClock.Now;
        site.Network!.Kill(0);
        site.Move(0, 1);
        Measure(site, flows, killed, "anchor and FAM are killed, and the client finds another access point");
        site.Progress("elsewhere", TimeSpan.FromSeconds(2));
        site.Finish();
    }

    /// <summary>How long each conversation stood still.</summary>
    private void Measure(LabSite site, PingPong[] flows, long begin, string what)
    {
        site.WaitFor(() => flows.All(f => f.LastProgress > begin + LabClock.Milliseconds(100)), $"nothing goes on after {what}");
        Thread.Sleep(500);
        foreach (var flow in flows)
        {
            output.WriteLine($"{what}: {flow.Name} stood still for {flow.LongestRoundTrip / 1e6:F0} ms");
            Assert.InRange(flow.LongestRoundTrip / 1e6, 100, 2_000);
        }
    }
}
