using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.Configuration;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Fragments;

namespace Masquerade.AccessPoint.Tests.Configuration;

/// <summary>docs/operations.md says what the programs do.</summary>
public sealed class OperationsPageTests
{
    [Fact, Trait("Req", "A-29")]
    public void Every_drop_reason_is_explained_and_nothing_else()
    {
        var page = SourceTree.Read("docs/operations.md");
        var table = page[page.IndexOf("## Why packets were dropped", StringComparison.Ordinal)..];
        Assert.Equal(Enum.GetNames<DropReason>().Where(n => n != nameof(DropReason.None)).Order(), FirstCells(table).Order());
    }

    [Fact]
    public void Every_configuration_key_is_explained_and_nothing_else()
    {
        string[] keys =
        [
            "node", "coordinator", "uplink.kind", "uplink.interface", "uplink.in", "uplink.out", "uplink.mac", "uplink.addresses", "uplink.onLink", "uplink.untranslated", "uplink.gateways",
            "uplink.addressCommand", "uplink.addressPatienceMilliseconds", "uplink.staticNeighbours", "uplink.mtu", "client.kind", "client.interface", "client.in", "client.out", "client.gatewayMac", "client.gatewayAddresses",
            "client.prefixes", "client.mtu", "client.addressing", "client.dhcpServers", "ports.first", "ports.last", "ports.restMilliseconds", "ports.pooling", "ports.mapping", "ports.blockSize", "ports.blocksPerClient", "outboundWay", "peerPort", "hostapd", "eventsFile", "eventsSocket", "controlSocket", "mappingLog.file", "mappingLog.syslog", "seed",
            "insecure", "tls.ca", "tls.certificate", "tls.key", "tls.crl", "tls.coordinators", "tls.reloadIntervalMilliseconds", "tls.warnDays",
            .. Knobs("uplink.neighbours", new NeighbourConfig()), .. Knobs("fastPath", new Agent.FastPath.FastPathConfig()), .. Knobs("ham", new Ham.HamConfig()), .. Knobs("fam", new Fam.FamConfig()), .. Knobs("icmp", new IcmpConfig()), .. Knobs("fragments", new FragmentConfig()), .. Knobs("pcp", new PcpConfig()), .. Knobs("neighbours", new NeighbourhoodConfig()), .. Knobs("users", new AccessPoint.Users.UsersConfig()), "users.radio.keys.interface", "users.radio.keys.keyFile", .. Knobs("helpers", new HelperConfig()), "helpers.ftpPorts", .. Knobs("mappingLog", new MappingLogConfig()),
        ];
        var page = SourceTree.Read("docs/operations.md");
        var from = page.IndexOf("### Every key", StringComparison.Ordinal);
        var table = page[from..page.IndexOf("### Looking at it", StringComparison.Ordinal)];
        Assert.Equal(keys.Order(StringComparer.Ordinal), FirstCells(table).Order(StringComparer.Ordinal));
        foreach (var (path, text) in Defaults("uplink.neighbours", new NeighbourConfig()).Concat(Defaults("fastPath", new Agent.FastPath.FastPathConfig())).Concat(Defaults("ham", new Ham.HamConfig())).Concat(Defaults("fam", new Fam.FamConfig())).Concat(Defaults("icmp", new IcmpConfig())).Concat(Defaults("fragments", new FragmentConfig())).Concat(Defaults("pcp", new PcpConfig())).Concat(Defaults("neighbours", new NeighbourhoodConfig())).Concat(Defaults("users", new AccessPoint.Users.UsersConfig())).Concat(Defaults("helpers", new HelperConfig())).Concat(Defaults("mappingLog", new MappingLogConfig())))
        {
            Assert.Contains($"| `{path}` | {text} |", table, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_explained_key_is_known_to_the_reader()
    {
        // An unknown key is answered with the list of those that are known: the page's list must be the same.
        ConfigFile.Read("""{ "?": 0, "uplink": { "?": 0 }, "client": { "?": 0 }, "ports": { "?": 0 }, "tls": { "?": 0 } }"""u8.ToArray(), out var mistakes);
        var known = mistakes.Where(m => m.Path.EndsWith('?'))
            .SelectMany(m => m.Allowed.Split(", ").Select(key => m.Path[..^1] + key))
            .Where(key => key is not ("uplink" or "client" or "ports" or "fastPath" or "ham" or "fam" or "icmp" or "fragments" or "pcp" or "neighbours" or "users" or "helpers" or "mappingLog" or "tls" or "uplink.neighbours"));
        var text = SourceTree.Read("docs/operations.md");
        var page = FirstCells(text[..text.IndexOf("## The coordinator", StringComparison.Ordinal)]).Where(key => !key.StartsWith("fastPath.", StringComparison.Ordinal) && !key.StartsWith("ham.", StringComparison.Ordinal) && !key.StartsWith("fam.", StringComparison.Ordinal) && !key.StartsWith("icmp.", StringComparison.Ordinal) && !key.StartsWith("fragments.", StringComparison.Ordinal) && !key.StartsWith("pcp.", StringComparison.Ordinal) && !key.StartsWith("neighbours.", StringComparison.Ordinal) && !key.StartsWith("users.", StringComparison.Ordinal) && !key.StartsWith("helpers.", StringComparison.Ordinal) && !key.StartsWith("mappingLog.", StringComparison.Ordinal)
            && !key.StartsWith("uplink.neighbours.", StringComparison.Ordinal) && !key.EndsWith(".in", StringComparison.Ordinal)
            && !key.EndsWith(".out", StringComparison.Ordinal) && char.IsLower(key[0]) && !key.StartsWith('-'));
        Assert.Equal(known.Order(StringComparer.Ordinal), page.Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Knobs(string group, object defaults) => Defaults(group, defaults).Select(d => d.Path);

    private static IEnumerable<(string Path, string Default)> Defaults(string group, object defaults) =>
        OptionGroup.Keys(defaults, nameof(Fam.FamConfig.Standalone)).Select(k => ($"{group}.{k.Key}", k.Default));

    internal static IEnumerable<string> FirstCells(string table) =>
        table.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('`')[1]);
}
