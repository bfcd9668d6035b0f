using System.Text;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.Configuration;

namespace Masquerade.AccessPoint.Tests.Configuration;

public sealed class ConfigFileTests
{
    private const string Good = """
        {
          // what a small site needs
          "node": "ap1",
          "coordinator": ["10.1.200.2:4740", "[fd00::2]:4740", "roam.example.net:4740"],
          "tls": { "ca": "/etc/masq/ca.pem", "certificate": "/etc/masq/certificate.pem", "key": "/etc/masq/key.pem", "coordinators": ["c1", "c2"] },
          "uplink": {
            "interface": "up0",
            "addresses": ["10.1.1.10", "10.1.1.11", "fd00:10:1:1::10"],
            "onLink": ["10.1.1.0/24", "fd00:10:1:1::/64"],
            "gateways": ["10.1.1.1", "fe80::1"],
          },
          "client": { "interface": "cl0", "gatewayAddresses": ["192.168.77.1", "fe80::1"], "prefixes": ["192.168.77.0/24", "fd00:77::/64"] },
          "ham": { "drainTimeoutMilliseconds": 12.5 },
          "fam": { "maxClients": 99, "udpFiltering": "endpointIndependent" },
        }
        """;

    [Fact]
    public void A_good_file_is_read_whole()
    {
        var config = Read(Good, out var mistakes);
        Assert.Empty(mistakes);
        Assert.NotNull(config);
        Assert.Equal(3, config.Coordinators.Count);
        Assert.Equal("[fd00::2]:4740", config.Coordinators[1].ToString());
        Assert.False(config.Model.Standalone);
        Assert.Equal("fe80::1", config.Model.Uplink.GatewayV6.ToString());
        Assert.Equal(12.5, config.Model.Ham.DrainTimeout.TotalMilliseconds);
        Assert.Equal(99, config.Model.Fam.MaxClients);
        Assert.Equal("02:6d:71:00:00:01", config.Model.Clients.GatewayMac.ToString());
        Assert.Equal(4747, config.Model.PeerPort);
    }

    [Fact]
    public void What_is_printed_is_read_as_the_same()
    {
        var config = Read(Good, out _);
        var printed = EffectiveConfig.Write(config!);
        var again = Read(printed, out var mistakes);
        Assert.Empty(mistakes);
        Assert.Equal(printed, EffectiveConfig.Write(again!));
        Assert.Contains("\"drainTimeoutMilliseconds\": 12.5", printed, StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_told_at_once_with_key_value_and_what_is_allowed()
    {
        Read(
            """
            {
              "node": "a p",
              "coordinator": "10.1.200.2",
              "uplink": { "kind": "dpdk", "interface": "up0", "addresses": ["10.1.1.300", "224.0.0.1", "10.1.1.10", "10.1.1.10"], "onLink": ["10.1.1.1/24"], "gateways": ["10.9.9.9"], "mtu": 100 },
              "client": { "interface": "up0", "gatewayMac": "03:00:00:00:00:01", "gatewayAddresses": ["10.77.0.1"], "prefixes": ["192.168.77.0/24"] },
              "ports": { "first": 5000, "last": 4000 },
              "peerPort": 0,
              "ham": { "drainTimeout": 3, "maxMappings": 0 },
              "fam": { "udpFiltering": "none" },
              "verbose": true
            }
            """, out var mistakes);
        string[] expected =
        [
            "node", "coordinator", "uplink.kind", "uplink.addresses[0]", "uplink.addresses[1]", "uplink.addresses[3]", "uplink.onLink[0]", "uplink.gateways", "uplink.mtu",
            "client.interface", "client.gatewayMac", "client.gatewayAddresses", "ports.last", "peerPort", "ham.drainTimeout", "ham.maxMappings", "fam.udpFiltering", "verbose",
        ];
        Assert.Equal(expected.Order(StringComparer.Ordinal), mistakes.Select(m => m.Path).Distinct().Order(StringComparer.Ordinal));
        Assert.All(mistakes, m => Assert.NotEmpty(m.Allowed));
        Assert.Equal("uplink.addresses[0]: \"10.1.1.300\" - allowed: a unicast IPv4 or IPv6 address", mistakes.Single(m => m.Path == "uplink.addresses[0]").ToString());
        Assert.Contains("coordinator, eventsFile", mistakes.Single(m => m.Path == "verbose").Allowed.Replace("client, controlSocket, coordinator", "coordinator", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact, Trait("Req", "A-28")]
    public void Where_clients_get_their_addresses_is_read_and_printed()
    {
        var config = Read(Good.Replace("\"client\": {", "\"client\": { \"addressing\": \"relay\", \"dhcpServers\": [\"10.1.100.2\", \"10.1.100.3\"],", StringComparison.Ordinal), out var mistakes);
        Assert.Empty(mistakes);
        Assert.Equal(ClientAddressing.Relay, config!.Model.Clients.Addressing);
        Assert.Equal("192.168.77.1", config.Model.Clients.DhcpGateway.ToString());
        Assert.Equal(["10.1.100.2", "10.1.100.3"], config.Model.Clients.DhcpServers.Select(s => s.ToString()));
        var again = Read(EffectiveConfig.Write(config), out mistakes);
        Assert.Empty(mistakes);
        Assert.Equal(EffectiveConfig.Write(config), EffectiveConfig.Write(again!));
    }

    [Theory, Trait("Req", "A-28")]
    [InlineData("\"addressing\": \"relay\"", "client.dhcpServers")]
    [InlineData("\"addressing\": \"relay\", \"dhcpServers\": \"10.1.1.10\"", "client.dhcpServers")]
    [InlineData("\"addressing\": \"relay\", \"dhcpServers\": \"fd00::9\"", "client.dhcpServers")]
    [InlineData("\"addressing\": \"pool\", \"dhcpServers\": \"10.1.100.2\"", "client.dhcpServers")]
    [InlineData("\"dhcpServers\": \"10.1.100.2\"", "client.dhcpServers")]
    [InlineData("\"addressing\": \"dhcp\"", "client.addressing")]
    public void Addressing_that_cannot_work_is_a_mistake(string keys, string path)
    {
        Assert.Null(Read(Good.Replace("\"client\": {", $"\"client\": {{ {keys},", StringComparison.Ordinal), out var mistakes));
        Assert.Equal(path, Assert.Single(mistakes).Path);
    }

    [Theory, Trait("Rfc", "6888 REQ-6")]
    [InlineData("\"untranslated\": \"10.9.0.0/16\"", null)]
    [InlineData("\"untranslated\": \"10.9.0.1/16\"", "uplink.untranslated")]
    [InlineData("\"untranslated\": \"2001:db8::/32\"", "uplink.untranslated")]
    public void Servers_that_see_clients_own_addresses_are_read_and_printed(string keys, string? mistake)
    {
        // The clients of this one have IPv4 addresses only.
        var config = Read(
            $$"""
            {
              "node": "ap1", "coordinator": "none", "ports": { "pooling": "arbitrary" },
              "uplink": { "interface": "up0", "addresses": "10.1.1.10", "onLink": "10.1.1.0/24", {{keys}} },
              "client": { "interface": "cl0", "gatewayAddresses": "192.168.77.1", "prefixes": "192.168.77.0/24" }
            }
            """, out var mistakes);
        Assert.Equal(mistake is null ? [] : [mistake], mistakes.Select(m => m.Path));
        if (config is not null)
        {
            Assert.Equal(["10.9.0.0/16"], config.Model.Uplink.Untranslated.Select(p => p.ToString()));
            Assert.Equal(Core.Flow.AddressPooling.Arbitrary, config.Model.Pooling);
            Assert.Equal(EffectiveConfig.Write(config), EffectiveConfig.Write(Read(EffectiveConfig.Write(config), out _)!));
        }
    }

    [Theory, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-14")]
    [InlineData("\"blockSize\": 512, \"blocksPerClient\": 4", null)]
    [InlineData("\"blockSize\": 0", null)]
    [InlineData("\"blockSize\": 500", "ports.blockSize")]
    [InlineData("\"blockSize\": 32", "ports.blockSize")]
    [InlineData("\"blockSize\": 8192", "ports.blockSize")]
    [InlineData("\"blockSize\": 64, \"first\": 2000, \"last\": 2126", "ports.blockSize")]
    [InlineData("\"blockSize\": 64, \"first\": 2000, \"last\": 2127", null)]
    [InlineData("\"blocksPerClient\": 0", "ports.blocksPerClient")]
    [InlineData("\"blocksPerClient\": 65", "ports.blocksPerClient")]
    public void Blocks_of_ports_are_powers_of_two_of_which_two_fit(string keys, string? mistake)
    {
        var config = Read(
            $$"""
            {
              "node": "ap1", "coordinator": "none", "ports": { {{keys}} },
              "uplink": { "interface": "up0", "addresses": "10.1.1.10", "onLink": "10.1.1.0/24" },
              "client": { "interface": "cl0", "gatewayAddresses": "192.168.77.1", "prefixes": "192.168.77.0/24" }
            }
            """, out var mistakes);
        Assert.Equal(mistake is null ? [] : [mistake], mistakes.Select(m => m.Path));
        Assert.All(mistakes, m => Assert.Contains(m.Path is "ports.blockSize" ? "power of two from 64 to 4096" : "from 1 to 64", m.Allowed, StringComparison.Ordinal));
        if (config is not null)
        {
            Assert.Equal(keys.Contains("512", StringComparison.Ordinal) ? (512, 4) : (keys.Contains(": 64", StringComparison.Ordinal) ? 64 : 0, 8), (config.Model.PortBlockSize, config.Model.PortBlocksPerClient));
            Assert.Equal(EffectiveConfig.Write(config), EffectiveConfig.Write(Read(EffectiveConfig.Write(config), out _)!));
        }
    }

    [Theory, Trait("Req", "N-01")]
    [InlineData("\"mapping\": \"addressAndPortDependent\"", Core.Flow.MappingPolicy.AddressAndPortDependent, null)]
    [InlineData("\"mapping\": \"tcpAddressAndPortDependent\", \"blockSize\": 0", Core.Flow.MappingPolicy.TcpAddressAndPortDependent, null)]
    [InlineData("\"mapping\": \"endpointIndependent\", \"blockSize\": 256", Core.Flow.MappingPolicy.EndpointIndependent, null)]
    [InlineData("\"mapping\": \"tcpAddressAndPortDependent\", \"blockSize\": 256", default(Core.Flow.MappingPolicy), "ports.mapping")]
    [InlineData("\"mapping\": \"addressDependent\"", default(Core.Flow.MappingPolicy), "ports.mapping")]
    public void How_mappings_are_made_is_read_and_printed_and_goes_with_no_blocks(string keys, Core.Flow.MappingPolicy mapping, string? mistake)
    {
        var config = Read(Good.Insert(1, $"\"ports\": {{ {keys} }},"), out var mistakes);
        Assert.Equal(mistake is null ? [] : [mistake], mistakes.Select(m => m.Path));
        if (config is not null)
        {
            Assert.Equal(mapping, config.Model.Mapping);
            Assert.Equal(mapping, Read(EffectiveConfig.Write(config), out _)!.Model.Mapping);
        }
    }

    [Fact, Trait("Req", "A-28")]
    public void A_pool_needs_a_coordinator_and_a_gateway_in_the_clients_subnet()
    {
        Read(
            """
            {
              "node": "ap1", "coordinator": "none",
              "uplink": { "interface": "up0", "addresses": "fd00::1", "onLink": "fd00::/64" },
              "client": { "interface": "cl0", "gatewayAddresses": "fe80::1", "prefixes": "fd00:77::/64", "addressing": "pool" }
            }
            """, out var mistakes);
        Assert.Equal(["client.addressing", "client.addressing"], mistakes.Select(m => m.Path));
    }

    [Theory]
    [InlineData("{}", "node")]
    [InlineData("{\"node\": \"ap1\", \"node\": \"ap2\"}", "node")]
    [InlineData("[]", "")]
    [InlineData("{\"node\"", "")]
    [InlineData("", "")]
    [InlineData("{\"uplink\": 5}", "uplink")]
    public void Broken_files_are_mistakes_and_not_exceptions(string text, string path)
    {
        Assert.Null(Read(text, out var mistakes));
        Assert.Contains(mistakes, m => m.Path == path);
    }

    [Fact]
    public void Files_need_their_own_clock_and_no_coordinator()
    {
        Read(
            """
            {
              "node": "ap1", "coordinator": "10.0.0.1:4740",
              "uplink": { "kind": "file", "in": "a", "out": "b", "addresses": "10.1.1.10", "onLink": "10.1.1.0/24" },
              "client": { "interface": "cl0", "gatewayAddresses": "192.168.77.1", "prefixes": "192.168.77.0/24" }
            }
            """, out var mistakes);
        Assert.Equal(["client.kind", "coordinator", "uplink.mac"], mistakes.Select(m => m.Path).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("\"askLink\": true", "\"hostapd\": \"/run/hostapd/wlan0\",", 0)]
    [InlineData("\"askLink\": true", "", 1)]
    [InlineData("\"askLink\": true, \"trustLink\": true", "\"hostapd\": \"/run/hostapd/wlan0\",", 1)]
    public void Whose_key_a_link_has_proved_is_asked_of_hostapd_or_not_at_all(string users, string hostapd, int wrong)
    {
        Read(Good.Insert(1, $"{hostapd} \"users\": {{ \"enabled\": true, {users} }},"), out var mistakes);
        Assert.Equal(wrong, mistakes.Count);
        Assert.All(mistakes, m => Assert.Equal("users.askLink", m.Path));
    }

    [Fact]
    public void A_file_cut_anywhere_never_throws()
    {
        var text = Encoding.UTF8.GetBytes(Good);
        for (var length = 0; length < text.Length - 1; length++)
        {
            ConfigFile.Read(text.AsMemory(0, length), out var mistakes);
            Assert.NotEmpty(mistakes);
        }
    }

    [Fact, Trait("Req", "A-25")]
    public void Where_hostapd_asks_for_keys_is_read_and_printed_without_the_key()
    {
        var file = Path.GetTempFileName();
        try
        {
            var key = Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
            File.WriteAllText(file, key + "\n");
            var text = Good.TrimEnd()[..^1] + $" \"users\": {{ \"enabled\": true, \"radio\": {{ \"keys\": {{ \"interface\": \"ft1\", \"keyFile\": \"{file}\" }} }} }} }}";
            var config = Read(text, out var mistakes);
            Assert.Empty(mistakes);
            Assert.Equal(("ft1", key), (config!.RadioKeys!.Interface, Convert.ToHexStringLower(config.RadioKeys.Key.Span)));
            var printed = EffectiveConfig.Write(config);
            Assert.DoesNotContain(key, printed, StringComparison.OrdinalIgnoreCase);
            Assert.Equal(printed, EffectiveConfig.Write(Read(printed, out mistakes)!));

            foreach (var wrong in new[] { new string('0', 64), key[1..], key + "00", "no key", string.Empty })
            {
                File.WriteAllText(file, wrong + "\n");
                Assert.Null(Read(text, out mistakes));
                Assert.Equal(("users.radio.keys.keyFile", file), (Assert.Single(mistakes).Path, mistakes[0].Value));
            }

            Assert.Null(Read(text.Replace("\"interface\": \"ft1\", ", string.Empty, StringComparison.Ordinal).Replace("true", "false", StringComparison.Ordinal), out mistakes));
            Assert.Equal(["users.radio.keys", "users.radio.keys.interface", "users.radio.keys.keyFile"], mistakes.Select(m => m.Path).Order(StringComparer.Ordinal));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static AgentConfig? Read(string text, out IReadOnlyList<ConfigMistake> mistakes) => ConfigFile.Read(Encoding.UTF8.GetBytes(text), out mistakes);
}
