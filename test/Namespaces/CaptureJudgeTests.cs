using System.Globalization;
using System.Text.RegularExpressions;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// tshark reads what passes the uplinks of HAM and FAM and the client's own link while a client with traffic of every kind walks, and while its HAM dies: it must find nothing that is
/// broken, and no protocol but those of the hosts.
/// </summary>
[Trait("Req", "A-01")]
[Trait("Req", "A-11")]
public sealed partial class CaptureJudgeTests(ITestOutputHelper output)
{
    private const string Error = "8388608";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);
    private static readonly string[] s_fields =
    [
        "frame.protocols", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message", "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status",
        "icmpv6.checksum.status", "tcp.len", "tcp.analysis.retransmission",
    ];

    // What hosts send, what kernels say to their neighbours, and errors with what they are about.
    [GeneratedRegex(@"^eth:ethertype:(arp|(?<ip>ip|ipv6)(:ipv6\.hopopts)?:((?<transport>tcp|udp|icmp|icmpv6)(:data)?|igmp|(?<transport>icmp|icmpv6):ipv?6?:(tcp|udp|icmp|icmpv6)(:data)?))$", RegexOptions.ExplicitCapture)]
    private static partial Regex Known();

    [Fact]
    [Trait("Req", "A-15")]
    public void Nothing_is_wrong_with_what_passes_HAM_FAM_and_client_over_walks_and_a_takeover()
    {
        using var site = new LabSite(_ => new DemoOptions(), Finished, sharedLink: true, offload: false);
        using var ham = Capture(site, site.Topology.AccessPoints[0], "up0");
        using var fam = Capture(site, site.Topology.AccessPoints[1], "up0");
        using var client = Capture(site, site.Topology.Clients[0], "eth0");
        site.Move(0, 0);
        foreach (var ipv6 in new[] { false, true })
        {
            site.Open($"conversation, IPv{(ipv6 ? 6 : 4)}", 0, ipv6);
            site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6), download: true, 2));
            site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6), download: false, 2));
            site.Add(new UdpFlow(site.Topology, 0, site.Server(ipv6), 50, TimeSpan.FromMinutes(5)));
            site.Add(new EchoFlow(site.Topology, 0, site.Server(ipv6), TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(5)));
        }

        site.Progress("at AP1", s_patience);
        foreach (var at in new[] { 1, 2, 1 })
        {
            site.Move(0, at);
            site.Progress($"at AP{at + 1}", s_patience);
        }

        site.Network!.Kill(0);
        Thread.Sleep(1_000);
        site.Progress("after the takeover", s_patience);
        site.Finish();
        foreach (var (capture, name) in new[] { (ham, "HAM"), (fam, "FAM"), (client, "client") })
        {
            capture.Program.Interrupt();
            Judge(name, capture.Path);
        }
    }

    private void Judge(string name, string capture)
    {
        var (code, said, errors) = OutsideProgram.Run("tshark",
        [
            "-n", "-r", capture, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",

            // Payloads are what the laboratory likes: on a port that is known for something they would be called malformed.
            "-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data", "-T", "fields", "-E", "separator=;", "-E", "occurrence=a", .. s_fields.SelectMany(f => (string[])["-e", f]),
        ]);
        Assert.True(code == 0, errors);
        var (count, data, again) = (0, 0, 0);
        var complaints = new List<string>();
        foreach (var line in said.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var values = s_fields.Zip(line.Split(';')).ToDictionary(p => p.First, p => p.Second, StringComparer.Ordinal);
            count++;
            data += values["tcp.len"] is "" or "0" ? 0 : 1;
            again += values["tcp.analysis.retransmission"].Length > 0 ? 1 : 0;
            if (Known().Match(values["frame.protocols"]) is not { Success: true } known || values["_ws.malformed"].Length > 0
                || values["_ws.expert.severity"].Split(',').Contains(Error, StringComparer.Ordinal) || !(known.Groups["ip"].Value is not "ip" || IsGood("ip"))
                || !(known.Groups["transport"].Value is "" || IsGood(known.Groups["transport"].Value)))
            {
                complaints.Add($"{name}, packet {count}: {line}");
            }

            // Of what an error quotes the sums come behind. Linux itself writes 0xffff for a sum of zero into TCP's field too (skb_checksum_help), which receivers take.
            bool IsGood(string protocol) =>
                values[protocol + ".checksum.status"].Split(',')[0] is "1" || values["_ws.expert.message"].Contains("Checksum 0xffff instead of 0x0000", StringComparison.Ordinal);
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {count} packets, {data} with data by TCP, {again} of them once more"));
        Assert.True(complaints.Count == 0, string.Join('\n', complaints.Take(10)));
        Assert.True(count > 1_000 && data > 200, $"only {count} packets at the {name}, {data} with data by TCP");
        Assert.True(again < 200 + (data / 10), $"{again} of {data} segments at the {name} came again");
    }

    /// <summary>All kernels finish their packets themselves, so that a capture shows them as they are.</summary>
    private static IDisposable? Finished(LabTopology topology)
    {
        foreach (var (space, port) in topology.AccessPoints.Select(a => (a, "up0")).Append((topology.Coordinator, "eth0")))
        {
            Tool.Run("ip", ["netns", "exec", space.Name, "ethtool", "-K", port, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
        }

        return null;
    }

    private Captured Capture(LabSite site, NetNamespace where, string port)
    {
        var path = Path.Combine(site.Topology.ScratchDirectory, where.Name + ".pcap");
        var program = new Companion(where, output.Lines(), "dumpcap", "-q", "-P", "-B", "32", "-i", port, "-w", path);

        // The file is there when the first octets are, and those come with the interface.
        site.WaitFor(() => program.HasEnded || (File.Exists(path) && program.Said.Any(l => l.StartsWith("File: ", StringComparison.Ordinal))), $"dumpcap does not begin at {where.Name}");
        Assert.False(program.HasEnded, $"dumpcap does not run: {string.Join('\n', program.Said)}");
        return new Captured(program, path);
    }

    private sealed record Captured(Companion Program, string Path) : IDisposable
    {
        public void Dispose() => Program.Dispose();
    }
}
