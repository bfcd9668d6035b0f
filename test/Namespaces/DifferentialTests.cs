using System.Text.Json;
using System.Text.RegularExpressions;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// The same odd packets through Linux' translator and through HAM and FAM (<c>Judges/sequences.py</c> says which): what comes out must be the same, field by field, but for the differences
/// that are listed with their reasons. Played at rest, with the client at another access point than its HAM, and with the HAM's address at an access point that took it over; what a
/// scenario needs open is opened at rest, so a walk and a takeover are in the middle of it.
/// </summary>
public sealed partial class DifferentialTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(120);

    [Fact]
    [Trait("Req", "N-03")]
    [Trait("Req", "N-04")]
    [Trait("Req", "N-05")]
    [Trait("Req", "A-15")]
    [Trait("Rfc", "4787 REQ-14")]
    [Trait("Rfc", "5382 REQ-2")]
    [Trait("Rfc", "5508 REQ-1")]
    [Trait("Rfc", "5508 REQ-4")]
    [Trait("Rfc", "5508 REQ-5")]
    public void What_Linux_does_with_odd_packets_is_done_at_rest_elsewhere_and_after_a_takeover()
    {
        var linux = AskLinux();
        var differences = new List<string>();
        Assert.Empty(LinuxDifferences.All.Keys.Except(linux.Keys, StringComparer.Ordinal));
        output.WriteLine($"{linux.Count} steps, {linux.Count(s => LinuxDifferences.All.TryGetValue(s.Key, out var other) && !string.Equals(other.Here, s.Value, StringComparison.Ordinal))} of them as listed otherwise than Linux");

        // Who is told after six seconds that nobody asked for a SYN is shown elsewhere; here it would come in the middle of something else.
        using var site = LabSite.WithTakeover(sharedLink: true, new DemoOptions { Fam = new Dictionary<string, string>(StringComparer.Ordinal) { ["maxUnsolicitedSyns"] = "0" } });
        site.Move(0, 0);
        Prepare(site.Topology);
        using var packets = Start(site.Topology, rounds: 3);
        packets.WaitFor("opened", s_patience);
        Compare("at rest");
        site.Move(0, 1);
        Compare("elsewhere");
        site.Network!.Kill(0);
        site.WaitFor(() => site.OwnerOf(System.Net.IPAddress.Parse("10.1.1.10")) > 0, "nobody has taken the address over", TimeSpan.FromSeconds(30));
        Compare("after a takeover");
        Assert.True(differences.Count == 0, string.Join('\n', differences));

        void Compare(string when)
        {
            var ours = Play(packets);
            Assert.Equal(linux.Keys.Order(StringComparer.Ordinal), ours.Keys.Order(StringComparer.Ordinal));
            foreach (var (step, there) in linux)
            {
                var wanted = LinuxDifferences.All.TryGetValue(step, out var other) ? other.Here : there;
                if (!string.Equals(ours[step], wanted, StringComparison.Ordinal))
                {
                    differences.Add($"{when}: {step}\n  Linux: {there}\n  here:  {ours[step]}");
                }
            }
        }
    }

    private Dictionary<string, string> AskLinux()
    {
        using var topology = new LabTopology(clients: 2, offload: true, sharedUplink: true);
        using var radio = new SimulatedRadio(topology, events: false);
        using var nat = new KernelNat(topology);
        Tool.Run("ip", ["netns", "exec", topology.AccessPoints[0].Name, "nft", "-f", "-"], """
            table ip careful {
                chain through {
                    type filter hook forward priority filter;
                    ct state invalid drop
                    iifname "up0" ct state new drop
                }
                chain in {
                    type filter hook input priority filter;
                    iifname "up0" ct state { invalid, new } drop
                }
            }

            """);

        // As patient as this product is, lest a slow machine makes a difference.
        topology.AccessPoints[0].Sysctl(
            "net.ipv4.conf.cl0.rp_filter=1", "net.netfilter.nf_conntrack_udp_timeout=300", "net.netfilter.nf_conntrack_icmp_timeout=300", "net.netfilter.nf_conntrack_tcp_timeout_close=300");
        Prepare(topology);
        radio.Move(0, 0, TimeSpan.FromMilliseconds(20));
        using var packets = Start(topology, rounds: 1);
        packets.WaitFor("opened", s_patience);
        return Play(packets);
    }

    /// <summary>The ends' kernels say nothing of what they see; routers say all that they have to say.</summary>
    private static void Prepare(LabTopology topology)
    {
        Tool.IpBatch(topology.Server.Name, "addr add 10.1.100.3/24 dev eth0");
        foreach (var end in new[] { topology.Server, topology.Clients[0] })
        {
            Tool.Run("ip", ["netns", "exec", end.Name, "nft", "-f", "-"], """
                table ip quiet {
                    chain out {
                        type filter hook output priority 0; policy drop;
                    }
                }

                """);
        }

        foreach (var router in topology.AccessPoints.Append(topology.Router))
        {
            router.Sysctl("net.ipv4.icmp_ratelimit=0");
        }
    }

    private Companion Start(LabTopology topology, int rounds)
    {
        var router = Mac().Match(Tool.Run("ip", ["-n", topology.Router.Name, "link", "show", "dev", "s0"])).Groups[1].Value;
        return new Companion(
            where: null, heard: null, "/usr/bin/python3", "-B", Path.Combine(AppContext.BaseDirectory, "Judges", "sequences.py"), topology.Clients[0].Name, topology.Server.Name, LabTopology.GatewayMac, router, $"{rounds}");
    }

    /// <summary>What came of every step.</summary>
    private static Dictionary<string, string> Play(Companion packets)
    {
        packets.Clear();
        packets.Say("play");
        packets.WaitFor("played", s_patience);
        var steps = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in packets.Said.Where(l => l.StartsWith('{')))
        {
            using var said = JsonDocument.Parse(line);
            steps.Add(said.RootElement.GetProperty("step").GetString()!, $"there {Words(said, "there")}, back {Words(said, "back")}");
        }

        Assert.True(steps.Count > 200, $"only {steps.Count} steps were played");
        return steps;
    }

    private static string Words(JsonDocument said, string where)
    {
        var words = said.RootElement.GetProperty(where).EnumerateArray().Select(w => w.GetString()).ToList();
        return words.Count == 0 ? "nothing" : string.Join(" and ", words);
    }

    [GeneratedRegex("link/ether ([0-9a-f:]+)")]
    private static partial Regex Mac();
}
