using System.Text.Json;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// A router that looks at sources: Linux's strict <c>rp_filter</c>, and its like for IPv6 with nftables. It drops what a FAM sends with its HAM's masquerade address, and what a HAM sends
/// on for servers, before it looks at anything else, hop limits included.
/// </summary>
[Trait("Req", "N-09")]
public sealed class SourceFilterTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Connections_go_on_both_ways_by_the_HAM_where_sources_are_looked_at_and_straight_elsewhere(bool ipv6, bool filters)
    {
        using var site = new LabSite(_ => new DemoOptions(), topology => filters ? new Filter(topology) : new Nothing());
        site.Move(0, 0);
        var talk = site.Open("conversation", 0, ipv6);
        var up = site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6), download: false, 4));
        var down = site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6), download: true, 4));
        var datagrams = site.Add(new UdpFlow(site.Topology, 0, site.Server(ipv6), 100, TimeSpan.FromMinutes(5)));
        var ping = site.Add(new EchoFlow(site.Topology, 0, site.Server(ipv6), TimeSpan.FromMilliseconds(20), TimeSpan.FromMinutes(5)));
        BothWays("at AP1");
        foreach (var at in new[] { 1, 0, 1 })
        {
            site.Move(0, at);
            BothWays($"at AP{at + 1}");
        }

        Assert.Equal(0, LabTopology.AccessPointOf(talk.SeenByServer!.Address));
        var wanted = filters ? "rewritten" : "direct";
        site.WaitFor(() => Knows(site.Status(1), "toServers", wanted) && Knows(site.Status(0), "toFam", wanted), $"the ways are not {wanted}", s_patience);
        var (ham, fam) = (site.Status(0), site.Status(1));
        output.WriteLine($"{fam.GetProperty("sentByHam")} packets sent by the HAM, {ham.GetProperty("relayedForFam")} relayed there, {ham.GetProperty("sentForServer")} sent for servers; {site.Prepared}");
        Assert.Equal(filters, fam.GetProperty("sentByHam").GetInt64() > 100);
        Assert.Equal(filters, ham.GetProperty("relayedForFam").GetInt64() > 100);
        Assert.Equal(filters, ham.GetProperty("sentForServer").GetInt64() > 100);
        site.Finish();

        void BothWays(string where)
        {
            var before = (up.Bytes, down.Bytes, datagrams.Up.Received, datagrams.Down.Received);
            site.Progress(where, s_patience, talk, ping);
            site.WaitFor(
                () => up.Bytes > before.Item1 + 100_000 && down.Bytes > before.Item2 + 100_000 && datagrams.Up.Received > before.Item3 + 50 && datagrams.Down.Received > before.Item4 + 50,
                $"{where} not everything passes both ways", s_patience);
        }
    }

    private static bool Knows(JsonElement status, string packets, string state) => status.GetProperty("ways").EnumerateArray()
        .Any(w => w.GetProperty("packets").ValueEquals(packets) && w.GetProperty("state").ValueEquals(state));

    private sealed class Nothing : IDisposable
    {
        public void Dispose()
        {
            // The network is deleted as a whole.
        }
    }

    private sealed class Filter : IDisposable
    {
        private readonly LabTopology _topology;

        public Filter(LabTopology topology)
        {
            _topology = topology;
            topology.Router.Sysctl([.. Enumerable.Range(1, LabTopology.AccessPointCount).Select(k => $"net.ipv4.conf.u{k}.rp_filter=1")]);
            Tool.Run("ip", ["netns", "exec", topology.Router.Name, "nft", "-f", "-"], """
                table ip6 sources {
                    chain look {
                        type filter hook prerouting priority -300;
                        iifname "u*" fib saddr . iif oif missing counter drop
                    }
                }
                """);
        }

        public void Dispose()
        {
            // The network is deleted as a whole.
        }

        public override string ToString() => Tool.Run("ip", ["netns", "exec", _topology.Router.Name, "nft", "list", "ruleset"]).Split('\n').FirstOrDefault(l => l.Contains("counter", StringComparison.Ordinal))?.Trim() ?? string.Empty;
    }
}
