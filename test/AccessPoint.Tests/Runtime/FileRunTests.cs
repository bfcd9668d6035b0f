using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Runtime;

/// <summary>The whole program over capture files, judged by tshark.</summary>
public sealed class FileRunTests : IDisposable
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");

    private readonly string _folder = Directory.CreateTempSubdirectory("masq-files").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact, Trait("Req", "A-02"), Trait("Req", "A-19"), Trait("Req", "A-20")]
    public async Task Packets_of_both_families_and_all_protocols_come_out_translated_and_well_formed()
    {
        WriteClients();
        Write("uplink-in.pcap", i => Frames.Build(Own, Router, TransportProtocol.Udp, Endpoint("203.0.113.66", 53), Endpoint("10.1.1.10", 9000 + i), "scan"u8));
        await WriteConfigAsync(string.Empty);
        using var log = new StringWriter();
        Assert.Equal(0, await AgentProgram.RunAsync(PathOf("agent.json"), check: false, print: false, null, TextWriter.Null, log, CancellationToken.None));
        Assert.Contains("dropped, NoMapping: 8", log.ToString(), StringComparison.Ordinal);
        Assert.Contains("16 frames", log.ToString(), StringComparison.Ordinal);

        var lines = Tshark("uplink-out.pcap", "-Y", "udp || tcp", "-T", "fields", "-e", "ip.src", "-e", "ipv6.src", "-e", "ip.dst", "-e", "ipv6.dst");
        Assert.Equal(8, lines.Length);
        Assert.Equal(4, lines.Count(l => l == "10.1.1.10\t\t203.0.113.9\t"));
        Assert.Equal(4, lines.Count(l => l == "\tfd00:10:1:1::10\t\t2001:db8::9"));
        foreach (var file in new[] { "uplink-out.pcap", "client-out.pcap" })
        {
            var bad = "_ws.malformed || ip.checksum.status == \"Bad\" || tcp.checksum.status == \"Bad\" || udp.checksum.status == \"Bad\" || icmpv6.checksum.status == \"Bad\"";
            Assert.Empty(Tshark(file, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-Y", bad));
            Assert.NotEmpty(Tshark(file, "-Y", "arp || icmpv6"));
        }

        Assert.Contains(await File.ReadAllLinesAsync(PathOf("events.json")), l => l.Contains("\"event\":\"ArrivalCompleted\"", StringComparison.Ordinal));

        // The same files and seed once more: the same octets.
        var before = await File.ReadAllBytesAsync(PathOf("uplink-out.pcap"));
        Assert.Equal(0, await AgentProgram.RunAsync(PathOf("agent.json"), check: false, print: false, null, TextWriter.Null, TextWriter.Null, CancellationToken.None));
        Assert.Equal(before, await File.ReadAllBytesAsync(PathOf("uplink-out.pcap")));
    }

    /// <summary>Eight mappings, of two protocols in each family: a block of ports and a line for each family, and every packet from a port of it.</summary>
    [Fact, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-14")]
    public async Task With_blocks_of_ports_the_log_has_a_line_for_each_and_packets_are_from_them()
    {
        WriteClients();
        Write("uplink-in.pcap", i => Frames.Build(Own, Router, TransportProtocol.Udp, Endpoint("203.0.113.66", 53), Endpoint("10.1.1.10", 9000 + i), "scan"u8));
        await WriteConfigAsync($$""" "ports": { "blockSize": 128 }, "mappingLog": { "file": "{{PathOf("mappings.log")}}" },""");
        Assert.Equal(0, await AgentProgram.RunAsync(PathOf("agent.json"), check: false, print: false, null, TextWriter.Null, TextWriter.Null, CancellationToken.None));
        var blocks = new Dictionary<string, (int First, int Last)>(StringComparer.Ordinal);
        foreach (var line in await File.ReadAllLinesAsync(PathOf("mappings.log")))
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            Assert.Equal(("block", Client.ToString(), "agentStopped"), (root.GetProperty("record").GetString(), root.GetProperty("client").GetString(), root.GetProperty("reason").GetString()));
            blocks.Add(root.GetProperty("address").GetString()!, (root.GetProperty("port").GetInt32(), root.GetProperty("lastPort").GetInt32()));
        }

        Assert.Equal(["10.1.1.10", "fd00:10:1:1::10"], blocks.Keys.Order(StringComparer.Ordinal));
        Assert.All(blocks.Values, b => Assert.Equal((127, 0), (b.Last - b.First, b.First % 128)));
        var sent = Tshark("uplink-out.pcap", "-Y", "udp || tcp", "-T", "fields", "-e", "ip.src", "-e", "ipv6.src", "-e", "udp.srcport", "-e", "tcp.srcport");
        Assert.Equal(8, sent.Distinct(StringComparer.Ordinal).Count());
        foreach (var fields in sent.Select(l => l.Split('\t', StringSplitOptions.RemoveEmptyEntries)))
        {
            Assert.InRange(int.Parse(fields[1], CultureInfo.InvariantCulture), blocks[fields[0]].First, blocks[fields[0]].Last);
        }
    }

    [Theory]
    [InlineData("{ \"node\": 5 }", 2, "node: 5")]
    [InlineData(null, 2, "agent.json")]
    public async Task Mistakes_end_the_program_with_code_2(string? text, int code, string told)
    {
        if (text is not null)
        {
            await File.WriteAllTextAsync(PathOf("agent.json"), text);
        }

        using var log = new StringWriter();
        Assert.Equal(code, await AgentProgram.RunAsync(PathOf("agent.json"), check: true, print: false, null, TextWriter.Null, log, CancellationToken.None));
        Assert.Contains(told, log.ToString(), StringComparison.Ordinal);
    }

    private void WriteClients() =>
        Write("client-in.pcap", i => (i % 2 == 0 ? TransportProtocol.Udp : TransportProtocol.Tcp) is var protocol && i % 4 < 2
            ? Frames.Build(AccessPointModel.DefaultGatewayMac, Client, protocol, Endpoint("192.168.77.101", 40000 + i), Endpoint("203.0.113.9", 80), "hello"u8)
            : Frames.Build(AccessPointModel.DefaultGatewayMac, Client, protocol, Endpoint("fd00:77::101", 40000 + i), Endpoint("2001:db8::9", 80), "hello"u8));

    private Task WriteConfigAsync(string more) =>
        File.WriteAllTextAsync(PathOf("agent.json"), $$"""
            {
              "node": "ap1", "coordinator": "none", "seed": 7,{{more}} "eventsFile": "{{PathOf("events.json")}}",
              "uplink": {
                "kind": "file", "in": "{{PathOf("uplink-in.pcap")}}", "out": "{{PathOf("uplink-out.pcap")}}", "mac": "{{Own}}",
                "addresses": ["10.1.1.10", "fd00:10:1:1::10"], "onLink": ["10.1.1.0/24", "fd00:10:1:1::/64"], "gateways": ["10.1.1.1", "fd00:10:1:1::1"],
                "staticNeighbours": { "10.1.1.1": "{{Router}}", "fd00:10:1:1::1": "{{Router}}" }
              },
              "client": {
                "kind": "file", "in": "{{PathOf("client-in.pcap")}}", "out": "{{PathOf("client-out.pcap")}}",
                "gatewayAddresses": ["192.168.77.1", "fe80::1"], "prefixes": ["192.168.77.0/24", "fd00:77::/64"]
              }
            }
            """);

    private static TransportEndpoint Endpoint(string address, int port) => new(IpAddress.Parse(address), (ushort)port);

    private string PathOf(string name) => Path.Combine(_folder, name);

    private void Write(string name, Func<int, byte[]> frame)
    {
        using var device = new CaptureFileDevice(null, PathOf(name), Client);
        for (var i = 0; i < 8; i++)
        {
            device.Now = Instant.FromMilliseconds(1_700_000_000_000.0 + (10 * i));
            device.Transmit(frame(i), OffloadInfo.None);
        }

        device.Flush();
    }

    private string[] Tshark(string file, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("tshark", ["-n", "-r", PathOf(file), .. arguments]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
