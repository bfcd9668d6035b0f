using System.Globalization;
using System.Net;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// Takeover across links with a real routing daemon: FRR at every access point and at the router, set up by the very files that <c>docs/operations.md</c> shows, with the command there as
/// <c>uplink.addressCommand</c>.
/// </summary>
[Trait("Req", "A-15")]
[Trait("Req", "A-16")]
public sealed class BgpTests(ITestOutputHelper output)
{
    [Fact]
    public void Routes_follow_the_addresses_by_BGP_when_an_anchor_is_killed_comes_back_and_stops_in_order()
    {
        using var site = new LabSite(topology => new DemoOptions { AddressCommand = k => Command(topology, k) }, topology => new Site(topology));
        var router = ((Site)site.Prepared!).Router;
        site.Move(0, 0);
        site.Move(1, 2);
        site.Open("bystander", 1, ipv6: false);
        var flows = new[] { site.Open("IPv4", 0, ipv6: false), site.Open("IPv6", 0, ipv6: true) };
        site.Move(0, 1);
        site.Progress("after a walk", TimeSpan.FromSeconds(5));
        var anchors = flows.Select(f => f.SeenByServer!.Address).ToList();
        site.WaitFor(() => anchors.TrueForAll(a => OwnerOf(site, a) == 1), $"AP1 does not announce its addresses: {router.Show("bgp summary")} {router.Said}");

        var killed = LabClock.Now;
        site.Network!.Kill(0);
        site.WaitFor(() => anchors.TrueForAll(a => OwnerOf(site, a) > 1), "the routes do not follow the takeover");
        output.WriteLine($"both routes lead to AP{OwnerOf(site, anchors[0])} {(LabClock.Now - killed) / 1e6:F0} ms after the kill, while AP1's FRR still announces them");
        site.Progress("after the takeover", TimeSpan.FromSeconds(3));
        foreach (var flow in flows)
        {
            output.WriteLine($"{flow.Name} stood still for {flow.LongestRoundTrip / 1e6:F0} ms");
            Assert.InRange(flow.LongestRoundTrip / 1e6, 100, 2_500);
        }

        // Both are known: the one that cannot withdraw any more, and the newer one, which is preferred.
        Assert.Contains("10.1.1.2", router.Show($"bgp ipv4 unicast {anchors[0]}/32"), StringComparison.Ordinal);

        site.Network.Restart(0, CancellationToken.None);
        site.WaitFor(() => anchors.TrueForAll(a => OwnerOf(site, a) == 1), "the routes do not lead back to AP1");
        site.Progress("after the return", TimeSpan.FromSeconds(3));
        site.Open("opened after the return", 0, ipv6: true);

        // An agent that stops in order withdraws what it announced, and another one takes its addresses.
        var third = IPAddress.Parse("10.1.3.10");
        site.WaitFor(() => OwnerOf(site, third) == 3, "AP3 does not announce its address");
        site.Move(1, 0);
        site.Progress("before AP3 stops", TimeSpan.FromSeconds(5));
        site.Network.Stop(2);
        site.WaitFor(() => !router.Show("bgp ipv4 unicast").Contains("10.1.3.2 ", StringComparison.Ordinal), "AP3 does not withdraw its addresses");
        site.WaitFor(() => OwnerOf(site, third) is 1 or 2, "nobody takes AP3's addresses");
        site.Progress("after AP3 has stopped", TimeSpan.FromSeconds(3));
        site.Finish();
    }

    [Fact]
    public void An_access_point_that_dies_with_its_routing_daemon_is_replaced_before_BGP_misses_it()
    {
        using var site = new LabSite(topology => new DemoOptions { AddressCommand = k => Command(topology, k) }, topology => new Site(topology));
        var frr = (Site)site.Prepared!;
        site.Move(0, 0);
        var flow = site.Open("IPv4", 0, ipv6: false);
        site.Move(0, 1);
        site.Progress("after a walk", TimeSpan.FromSeconds(5));
        var anchor = flow.SeenByServer!.Address;
        site.WaitFor(() => OwnerOf(site, anchor) == 1, "AP1 does not announce its address");
        var killed = LabClock.Now;
        site.Network!.Kill(0);
        frr.Kill(0);
        site.WaitFor(() => OwnerOf(site, anchor) > 1, "the route does not follow the takeover");
        var routed = (LabClock.Now - killed) / 1e6;
        site.Progress("after the takeover", TimeSpan.FromSeconds(5));
        output.WriteLine($"the route leads elsewhere after {routed:F0} ms, {flow.Name} stood still for {flow.LongestRoundTrip / 1e6:F0} ms");

        // BGP alone would notice after its hold time of 3 s. The kernels' timers add to what the connection feels.
        Assert.InRange(routed, 100, 2_500);
        Assert.InRange(flow.LongestRoundTrip / 1e6, 100, 4_000);

        // It comes back as a machine does: its daemon first, which has forgotten what it announced.
        frr.Start(0);
        site.Network.Restart(0, CancellationToken.None);
        site.WaitFor(() => OwnerOf(site, anchor) == 1, $"the route does not lead back to AP1: {frr.Router.Show("bgp ipv4 unicast")}");
        site.Progress("after the return", TimeSpan.FromSeconds(3));
        site.Finish();
    }

    [Fact]
    public void The_router_takes_single_addresses_of_the_masquerade_subnets_and_nothing_else()
    {
        using var topology = new LabTopology(clients: 1, offload: true);
        using var frr = new Site(topology);
        var ap = frr.OfAccessPoint(0);
        foreach (var prefix in new[] { "10.1.1.10/32", "10.1.2.0/24", "10.2.0.1/32", "0.0.0.0/0" })
        {
            Tool.Run("vtysh", ["--vty_socket", ap.Folder, "-c", "configure terminal", "-c", "router bgp", "-c", "address-family ipv4 unicast", "-c", $"network {prefix}"]);
        }

        string Routes() => frr.Router.Show("bgp ipv4 unicast");
        var deadline = LabClock.Now + LabClock.Milliseconds(15_000);
        while (!Routes().Contains("10.1.1.10/32", StringComparison.Ordinal))
        {
            Assert.True(LabClock.Now < deadline, frr.Router.Show("bgp summary"));
            Thread.Sleep(50);
        }

        // What is announced later comes later: when it is here, the others have been looked at.
        Tool.Run("vtysh", ["--vty_socket", ap.Folder, "-c", "configure terminal", "-c", "router bgp", "-c", "address-family ipv4 unicast", "-c", "network 10.1.1.11/32"]);
        while (!Routes().Contains("10.1.1.11/32", StringComparison.Ordinal))
        {
            Assert.True(LabClock.Now < deadline, Routes());
            Thread.Sleep(50);
        }

        Assert.Contains("Displayed  2 routes", Routes(), StringComparison.Ordinal);
    }

    /// <summary>The access point that the router's own route for just this address leads to; 0 if it has none.</summary>
    private static int OwnerOf(LabSite site, IPAddress address)
    {
        string[] family = address.IsIPv4MappedToIPv6 || address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? ["-4"] : ["-6"];
        var prefix = address.IsIPv4MappedToIPv6 ? $"{address.MapToIPv4()}/32" : family[0] is "-4" ? $"{address}/32" : $"{address}/128";
        var route = Tool.Run("ip", [.. family, "-n", site.Topology.Router.Name, "route", "show", "exact", prefix, "proto", "bgp"]);
        return Enumerable.Range(1, LabTopology.AccessPointCount).FirstOrDefault(k => route.Contains($"dev u{k} ", StringComparison.Ordinal));
    }

    private static string FolderOf(LabTopology topology, string node) => Path.Combine(topology.ScratchDirectory, node, "frr");

    /// <summary>The command of the page, with the one thing that differs here: FRR's sockets are not where Debian has them.</summary>
    private static string Command(LabTopology topology, int accessPoint)
    {
        var folder = FolderOf(topology, $"ap{accessPoint + 1}");
        var (command, wrapper) = (Path.Combine(Path.GetDirectoryName(folder)!, "masq-bgp"), Path.Combine(Path.GetDirectoryName(folder)!, "masq-bgp-here"));
        File.WriteAllText(command, Site.OfPage("#!/bin/sh"));
        File.WriteAllText(wrapper, $"#!/bin/sh\nVTYSH_OPTIONS='--vty_socket {folder}' exec '{command}' \"$@\"\n");
        Tool.Run("chmod", ["700", command, wrapper]);
        return wrapper;
    }

    /// <summary>FRR at the router and at every access point.</summary>
    private sealed class Site : IDisposable
    {
        private readonly List<FrrDaemons> _all = [];
        private readonly LabTopology _topology;

        public Site(LabTopology topology)
        {
            _topology = topology;
            // FRR's programs are not root's and must reach their folders.
            Tool.Run("chmod", ["755", topology.ScratchDirectory]);
            try
            {
                _all.Add(new FrrDaemons(topology.Router, FolderOf(topology, "rt"), OfPage("! The router")));
                for (var k = 0; k < LabTopology.AccessPointCount; k++)
                {
                    _all.Add(Make(k));
                }
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public FrrDaemons Router => _all[0];

        public FrrDaemons OfAccessPoint(int accessPoint) => _all[accessPoint + 1];

        public void Kill(int accessPoint) => OfAccessPoint(accessPoint).Dispose();

        public void Start(int accessPoint) => _all[accessPoint + 1] = Make(accessPoint);

        /// <summary>The block of the page that begins like this.</summary>
        public static string OfPage(string begin)
        {
            var page = SourceTree.Read("docs/operations.md");
            var from = page.IndexOf("\n" + begin, page.IndexOf("### Across links: BGP", StringComparison.Ordinal), StringComparison.Ordinal) + 1;
            Assert.True(from > 0, $"the page has no block that begins with {begin}");
            return page[from..(page.IndexOf("\n```", from, StringComparison.Ordinal) + 1)];
        }

        public void Dispose() => _all.ForEach(a => a.Dispose());

        private FrrDaemons Make(int accessPoint)
        {
            var k = accessPoint + 1;
            var own = OfPage("! AP1").Replace("10.1.1.", $"10.1.{k}.", StringComparison.Ordinal).Replace("fd00:10:1:1:", $"fd00:10:1:{k}:", StringComparison.Ordinal);
            return new FrrDaemons(_topology.AccessPoints[accessPoint], FolderOf(_topology, string.Create(CultureInfo.InvariantCulture, $"ap{k}")), own);
        }
    }
}
