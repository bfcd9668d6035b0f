using System.Text;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Addressing;
using Masquerade.RoamingCoordinator.Api;
using Masquerade.RoamingCoordinator.Api.Telemetry;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Server;
using Masquerade.RoamingCoordinator.Server.Users;

namespace Masquerade.Coordinator.Tests.Server;

public sealed class ServerConfigTests
{
    [Fact]
    public void All_mistakes_are_reported_at_once()
    {
        var text = """
            {
              "listen": "nowhere", "name": "a b", "maxSessions": 0, "colour": "red",
              "roaming": { "heartbeatMilliseconds": 1, "maxNodes": "many", "speed": 3 },
              "placement": [ { "protocol": "sctp" }, { "at": "central", "ports": [0] } ]
            }
            """;
        Assert.Null(Read(text, out var mistakes));
        string[] wrong =
        [
            "listen", "name", "maxSessions", "colour", "roaming.heartbeatMilliseconds", "roaming.maxNodes", "roaming.speed", "placement[0].at", "placement[0].protocol",
            "placement[1].ports[0]",
        ];
        Assert.Equal(wrong.Order(StringComparer.Ordinal), mistakes.Select(m => m.Path).Order(StringComparer.Ordinal));
        Assert.Equal("roaming.heartbeatMilliseconds: 1 - allowed: milliseconds from 50 to 60000", mistakes.Single(m => m.Path.EndsWith("beatMilliseconds", StringComparison.Ordinal)).ToString());
    }

    [Fact]
    public void A_session_must_outlive_a_late_heartbeat()
    {
        Assert.Null(Read("""{ "roaming": { "heartbeatMilliseconds": 3000 } }""", out var mistakes));
        Assert.Equal("roaming.sessionTimeoutMilliseconds", Assert.Single(mistakes).Path);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void Balancing_that_would_go_to_and_fro_or_lose_what_it_moves_is_refused()
    {
        var text = """
            {
              "roaming": { "takeover": false },
              "balance": { "enabled": true, "busyMappings": 100, "calmMappings": 100, "ratioPercent": 100, "intervalMilliseconds": 5000, "addressIntervalMilliseconds": 4000, "load": 1 }
            }
            """;
        Assert.Null(Read(text, out var mistakes));
        string[] said =
        [
            "balance.addressIntervalMilliseconds: 4000 - allowed: at least intervalMilliseconds (5000)",
            "balance.calmMappings: 100 - allowed: less than busyMappings (100), or an address would go to and fro",
            "balance.enabled: true - allowed: false, unless roaming.takeover is true: what has been moved to a node must not be lost with it",
            "balance.ratioPercent: 100 - allowed: a whole number from 110 to 10000",
        ];
        Assert.Equal(said, mistakes.Select(m => m.ToString()).Where(m => !m.StartsWith("balance.load:", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal(said.Length + 1, mistakes.Count);
        var balance = Read("""{ "balance": { "enabled": true, "busyMappings": 500, "calmMappings": 20, "afterMilliseconds": 0 } }""", out mistakes)!.Options.Balance;
        Assert.Equal(new BalanceOptions { Enabled = true, BusyMappings = 500, CalmMappings = 20, After = TimeSpan.Zero }, balance);
        Assert.False(Read("{}", out _)!.Options.Balance.Enabled);
    }

    [Fact]
    [Trait("Req", "A-14")]
    [Trait("Req", "A-22")]
    public void Placement_is_a_list_of_rules()
    {
        var text = """
            { "placement": [
                { "at": "home", "clients": "02:00:00:00:00:07" },
                { "at": "here", "protocol": "icmp" },
                { "at": "central", "protocol": "tcp", "ports": [22, 5222] } ] }
            """;
        var placement = Read(text, out var mistakes)!.Options.Placement;
        Assert.Empty(mistakes);
        NodeId Choose(ulong client, TransportProtocol protocol, ushort port) =>
            placement.Choose(new NodeId("ap1"), new MacAddress(0x0200_0000_0000 + client), protocol, new TransportEndpoint(IpAddress.FromV4(0xCB00_710A), port));
        Assert.Equal("home", Choose(7, TransportProtocol.Udp, 53).Name);
        Assert.Equal("ap1", Choose(8, TransportProtocol.Icmp, 22).Name);
        Assert.Equal("central", Choose(8, TransportProtocol.Tcp, 22).Name);
        Assert.Equal("ap1", Choose(8, TransportProtocol.Tcp, 443).Name);
    }

    [Theory]
    [InlineData("""{ "services": [ { "endpoint": "192.0.2.1:0", "client": "02:00:00:00:00:01" } ] }""", "services[0].endpoint", "192.0.2.1:0")]
    [InlineData("""{ "services": [ { "endpoint": "192.0.2.1:80", "client": "2001:db8::1" } ] }""", "services[0].client", "2001:db8::1")]
    [InlineData("""{ "services": [ { "endpoint": "192.0.2.1:80", "client": "10.0.0.1" }, { "endpoint": "192.0.2.1:80", "client": "10.0.0.2" } ] }""", "services[1].endpoint", "192.0.2.1:80")]
    [InlineData("""{ "services": [ { "endpoint": "192.0.2.1:80", "client": "10.0.0.1" }, { "endpoint": "192.0.2.2:80", "client": "10.0.0.1" } ] }""", "services[1].port", "80")]
    [InlineData("""{ "placement": { "at": "@coordinator" } }""", "placement.at", "@coordinator")]
    [InlineData("""{ "placement": [ { "at": "here" }, { "at": "@home" } ] }""", "placement[1].at", "@home")]
    [InlineData("""{ "placement": { "at": "@nobody" } }""", "placement.at", "\"@nobody\"")]
    [InlineData("""{ "homes": "/nowhere", "placement": { "at": "@home" } }""", "homes", "Could not find file '/nowhere'.")]
    [InlineData("""{ "placement": [ { "at": "b", "from": "a" }, { "at": "a", "from": "b" } ] }""", "placement[1].at", "a > b > a")]
    [InlineData("""{ "placement": [ { "at": "b" }, { "at": "c", "from": "b", "protocol": "tcp" }, { "at": "b", "from": ["c", "d"], "ports": [22] } ] }""", "placement[1].at", "c > b > c")]
    [InlineData("""{ "coordinatorNode": "a", "placement": [ { "at": "@coordinator", "from": "b" }, { "at": "b", "from": "a", "clients": "02:00:00:00:00:01" } ] }""", "placement[0].at", "a > b > a")]
    [Trait("Req", "A-14")]
    public void Placement_that_cannot_be_is_named(string text, string key, string value)
    {
        Assert.Null(Read(text, out var mistakes));
        var mistake = Assert.Single(mistakes);
        Assert.Equal(key, mistake.Path);
        Assert.Contains(value, mistake.Value, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "placement": [ { "at": "b", "from": "a" }, { "at": "c", "from": "b" }, { "at": "here", "from": "c" } ] }""")]
    [InlineData("""{ "placement": [ { "at": "b", "from": "a", "protocol": "tcp" }, { "at": "a", "from": "b", "protocol": "udp" } ] }""")]
    [InlineData("""{ "placement": [ { "at": "b", "from": "a", "ports": [22] }, { "at": "a", "from": "b", "ports": [23] } ] }""")]
    [InlineData("""{ "placement": [ { "at": "here", "from": "b" }, { "at": "b", "from": "a" }, { "at": "a", "from": "b" } ] }""")]
    [Trait("Req", "A-14")]
    public void A_chain_that_ends_is_no_loop(string text) => Assert.NotNull(Read(text, out _));

    [Fact]
    [Trait("Req", "A-14")]
    public async Task Homes_are_read_again_when_they_change_and_a_mistake_in_them_changes_nothing()
    {
        var folder = Directory.CreateTempSubdirectory("masq-homes-");
        using var stop = new CancellationTokenSource();
        try
        {
            var path = Path.Combine(folder.FullName, "homes");
            await File.WriteAllTextAsync(path, "# the second floor\n02:00:00:00:00:01 ap1\n02:00:00:00:00:02\tap2\n");
            var config = Read($$"""{ "homes": "{{path}}", "placement": [ { "at": "@home" }, { "at": "central" } ] }""", out var mistakes)!;
            Assert.Empty(mistakes);
            string Home(ulong client) => config.Options.Placement.Choose(new NodeId("asker"), new MacAddress(0x0200_0000_0000 + client), TransportProtocol.Tcp, default).Name!;
            Assert.Equal(("ap1", "ap2", "central"), (Home(1), Home(2), Home(3)));
            var said = new List<string>();
            var changes = 0;
            var watching = config.Homes!.WatchAsync(() => changes++, (_, text) => said.Add(text), stop.Token);
            await File.WriteAllTextAsync(path, "02:00:00:00:00:01 ap3\n");
            await Wait.ForAsync(() => changes == 1, () => "the file is not read again");
            Assert.Equal(("ap3", "central"), (Home(1), Home(2)));
            foreach (var wrong in new[] { "02:00:00:00:00:01 ap1\n02:00:00:00:00:01 ap2\n", "01:00:00:00:00:01 ap1\n", "02:00:00:00:00:01 ap1 ap2\n", "alice ap1\n" })
            {
                var before = said.Count;
                await File.WriteAllTextAsync(path, wrong);
                await Wait.ForAsync(() => said.Count > before, () => "the mistake is not said");
                Assert.Contains($"{path}: line ", said[^1], StringComparison.Ordinal);
                Assert.Null(Read($$"""{ "homes": "{{path}}" }""", out mistakes));
                Assert.Equal("homes", Assert.Single(mistakes).Path);
            }

            Assert.Equal(("ap3", 1), (Home(1), changes));
            await stop.CancelAsync();
            await watching;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Users_are_read_with_all_their_mistakes_and_no_secret_is_written_out()
    {
        var folder = Directory.CreateTempSubdirectory("masq-users-");
        try
        {
            string At(string name, string text)
            {
                var path = Path.Combine(folder.FullName, name);
                File.WriteAllText(path, text);
                return path;
            }

            var secret = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16));
            var key = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
            var text = $$"""
                { "users": {
                    "radius": [{ "server": "127.0.0.1:1812", "accounting": "[::1]:1813", "secretFile": "{{At("secret", secret + "\n")}}" }],
                    "siteKeyFile": "{{At("keys", "# sealed under the first\n2 " + key + "\n1 " + key[..62] + "00\n")}}",
                    "policies": "{{At("policies", """{ "policies": { "a": ["allow out any"] }, "default": "a" }""")}}",
                    "trusted": [{ "client": "02:00:00:00:00:11", "user": "printer" }], "network": "corp", "guests": true } }
                """;
            var users = Read(text, out var mistakes)!.Users!;
            Assert.Empty(mistakes);
            Assert.Equal([2U, 1U], users.SiteKeys.Select(k => k.Number));
            Assert.Equal(("printer", true, true), (users.Trusted.Values.Single(), users.LetsGuestsIn, users.RequireKey));
            Assert.DoesNotContain(secret, users.ToString() + users.Radius[0], StringComparison.OrdinalIgnoreCase);

            // A mistake in the policies is named with its place; so are the others, all at once.
            Assert.Null(Read(
                $$"""
                { "users": { "radius": [{ "server": "radius", "secretFile": "/nowhere" }], "siteKeyFile": "{{At("short", "1 " + key[..60])}}",
                  "policies": "{{At("wrong", """{ "policies": { "a": ["allow sideways any"] } }""")}}", "guest": true, "trusted": [{ "client": "x" }] },
                  "store": { "redis": { "servers": ["127.0.0.1:6379"] } } }
                """,
                out mistakes));
            Assert.Equal(
                ["users.guest", "users.policies", "users.radius[0].secretFile", "users.radius[0].server", "users.siteKeyFile", "users.trusted[0].client", "users.trusted[0].user"],
                mistakes.Select(m => m.Path).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
            Assert.All(mistakes, m => Assert.DoesNotContain(key[..60], m.ToString(), StringComparison.OrdinalIgnoreCase));

            // Who shares a store has to share the keys.
            Assert.Null(Read("""{ "users": { "radius": [] }, "store": { "redis": { "servers": ["127.0.0.1:6379"] } } }""", out mistakes));
            Assert.Equal(["users.radius", "users.siteKeyFile"], mistakes.Select(m => m.Path).Order(StringComparer.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void Who_is_denied_is_denied_after_a_restart_and_what_cannot_be_kept_is_not_promised()
    {
        var folder = Directory.CreateTempSubdirectory("masq-denied-");
        try
        {
            var path = Path.Combine(folder.FullName, "denied");
            var users = DeniedUsers.Open(path);
            foreach (var (name, denied) in new[] { ("Alice", true), ("bob", true), ("bob", false) })
            {
                Assert.Equal(Replacement.Done, users.Set(name, denied));
            }

            Assert.Equal(Replacement.Not, users.Set("two\nlines", denied: true));
            var again = DeniedUsers.Open(path);
            Assert.Equal(["Alice"], again.Names);
            Assert.True(again.Contains("alice"));

            var nowhere = DeniedUsers.Open(Path.Combine(folder.FullName, "missing", "denied"));
            Assert.Equal(Replacement.Not, nowhere.Set("eve", denied: true));
            Assert.False(nowhere.Contains("eve"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void The_operations_page_explains_every_key_with_its_default_and_nothing_else()
    {
        var page = SourceTree.Read("docs/operations.md");
        var from = page.IndexOf("### Every key of the coordinator", StringComparison.Ordinal);
        var table = page[from..page.IndexOf("\n## ", from, StringComparison.Ordinal)];
        var knobs = OptionGroup.Keys(new CoordinatorOptions(), nameof(CoordinatorOptions.Lease)).ToList();
        var tls = OptionGroup.Keys(new TlsSettings { Files = new TlsFiles(string.Empty, string.Empty, string.Empty, string.Empty) }).ToList();
        var api = OptionGroup.Keys(new ApiSettings(), nameof(ApiSettings.IsAskedFor)).ToList();
        var redis = OptionGroup.Keys(new RedisOptions { Endpoints = [] }).ToList();
        var telemetry = OptionGroup.Keys(new TelemetrySettings { Endpoint = new Uri("http://127.0.0.1/") }, nameof(TelemetrySettings.IsGrpc)).ToList();
        var balance = OptionGroup.Keys(new BalanceOptions()).ToList();
        var pool = OptionGroup.Keys(new AddressPool { Prefix = default, First = default, Last = default }).ToList();
        string[] keys =
        [
            "store", "store.redis.servers", "store.redis.passwordFile", "store.redis.tlsAuthorities", "store.redis.tlsName", "store.redis.prefix", .. redis.Select(k => "store.redis." + k.Key),
            "name", "listen", "statusSocket", "maxSessions", "maxClients", "coordinatorNode", "homes", "placement[].at", "placement[].from", "placement[].protocol", "placement[].ports", "placement[].clients", "services[].endpoint", "services[].protocol", "services[].client", "services[].port",
            "addressing.prefix", "addressing.first", "addressing.last", "addressing.exclude", "addressing.dnsServers", "addressing.domain", .. pool.Select(k => "addressing." + k.Key),
            "api.listen", "api.tokens", "api.guestTokens", "api.certificate", "api.key", .. api.Select(k => "api." + k.Key),
            "telemetry.otlp.endpoint", "telemetry.otlp.protocol", "telemetry.otlp.headersFile", "telemetry.otlp.serviceName", "telemetry.otlp.instance", "telemetry.otlp.attributes",
            .. telemetry.Select(k => "telemetry.otlp." + k.Key),
            "users.radius[].server", "users.radius[].accounting", "users.radius[].secretFile", "users.siteKeyFile", "users.policies", "users.deniedFile", "users.network", "users.requireKey", "users.trustIdentity",
            "users.guests", "users.trusted[].client", "users.trusted[].user", "users.dynamicAuthorisation.listen", "users.dynamicAuthorisation.clients[].address",
            "users.dynamicAuthorisation.clients[].secretFile", "users.dynamicAuthorisation.nasAddress", "users.dynamicAuthorisation.requireTimestamp", "users.proxy.listen", "users.proxy.clients[].address",
            "users.proxy.clients[].secretFile", "users.proxy.clients[].node", "users.proxy.clients[].radios", "users.proxy.requireKey", "users.portal.roles", "users.portal.maxSeconds",
            "insecure", "tls.ca", "tls.certificate", "tls.key", "tls.crl",
            .. knobs.Select(k => "roaming." + k.Key), .. balance.Select(k => "balance." + k.Key), .. tls.Select(k => "tls." + k.Key),
        ];
        var cells = table.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('`')[1]);
        Assert.Equal(keys.Order(StringComparer.Ordinal), cells.Order(StringComparer.Ordinal));
        Assert.All(redis, k => Assert.Contains($"| `store.redis.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
        Assert.All(tls, k => Assert.Contains($"| `tls.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
        Assert.All(api, k => Assert.Contains($"| `api.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
        Assert.All(telemetry, k => Assert.Contains($"| `telemetry.otlp.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
        Assert.All(pool, k => Assert.Contains($"| `addressing.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
        Assert.All(balance, k => Assert.Contains($"| `balance.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
        Assert.All(knobs, k => Assert.Contains($"| `roaming.{k.Key}` | {k.Default} |", table, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{ "telemetry": { "otlp": {} } }""", "telemetry.otlp.endpoint")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "collector:4317" } } }""", "telemetry.otlp.endpoint")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "http://u:p@127.0.0.1:4318" } } }""", "telemetry.otlp.endpoint")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "http://127.0.0.1:4318", "protocol": "udp" } } }""", "telemetry.otlp.protocol")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "http://127.0.0.1:4318", "intervalSeconds": 0 } } }""", "telemetry.otlp.intervalSeconds")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "http://127.0.0.1:4318", "headersFile": "/nowhere" } } }""", "telemetry.otlp.headersFile")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "http://127.0.0.1:4318", "attributes": { "site": 1 } } } }""", "telemetry.otlp.attributes.site")]
    [InlineData("""{ "telemetry": { "otlp": { "endpoint": "http://127.0.0.1:4318", "colour": 1 } } }""", "telemetry.otlp.colour")]
    [InlineData("""{ "telemetry": { "statsd": {} } }""", "telemetry.statsd")]
    public void A_collector_that_cannot_be_is_named(string text, string key)
    {
        Assert.Null(Read(text, out var mistakes));
        Assert.Equal(key, Assert.Single(mistakes).Path);
    }

    [Fact]
    public void Secrets_for_a_collector_stay_with_their_owner_and_do_not_travel_in_plain_text()
    {
        var folder = Directory.CreateTempSubdirectory("masq-headers-");
        try
        {
            var path = Path.Combine(folder.FullName, "headers");
            string Text(string endpoint) => $$"""{ "name": "north", "telemetry": { "otlp": { "endpoint": "{{endpoint}}", "headersFile": "{{path}}" } } }""";
            File.WriteAllText(path, "authorization: Bearer secret\n");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            Assert.Null(Read(Text("https://collector.example.net"), out var mistakes));
            Assert.Contains("chmod 600", Assert.Single(mistakes).Value, StringComparison.Ordinal);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Assert.Equal("north", Read(Text("https://collector.example.net"), out _)!.Telemetry!.Instance);
            Assert.NotNull(Read(Text("http://127.0.0.1:4318"), out _));
            Assert.Null(Read(Text("http://192.0.2.1:4318"), out mistakes));
            Assert.Equal("telemetry.otlp.endpoint", Assert.Single(mistakes).Path);
            File.WriteAllText(path, "Bearer secret\n");
            Assert.Null(Read(Text("http://127.0.0.1:4318"), out mistakes));
            Assert.DoesNotContain("secret", Assert.Single(mistakes).ToString(), StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("""{ "store": "disk" }""", "store")]
    [InlineData("""{ "store": {} }""", "store.redis.servers")]
    [InlineData("""{ "store": { "redis": { "servers": "nowhere" } } }""", "store.redis.servers")]
    [InlineData("""{ "store": { "redis": { "servers": "h:1", "leaseMilliseconds": 1 } } }""", "store.redis.leaseMilliseconds")]
    [InlineData("""{ "store": { "redis": { "servers": "h:1", "passwordFile": "/nowhere" } } }""", "store.redis.passwordFile")]
    [InlineData("""{ "store": { "redis": { "servers": "h:1", "tlsName": "r" } } }""", "store.redis.tls")]
    [InlineData("""{ "store": { "redis": { "servers": "h:1", "colour": 1 } } }""", "store.redis.colour")]
    public void A_store_that_cannot_be_is_named(string text, string key)
    {
        Assert.Null(Read(text, out var mistakes));
        Assert.StartsWith(key + ":", Assert.Single(mistakes).ToString(), StringComparison.Ordinal);
    }

    [Theory, Trait("Req", "A-28")]
    [InlineData("{}", "addressing.prefix")]
    [InlineData("""{ "prefix": "fd00::/64" }""", "addressing.prefix")]
    [InlineData("""{ "prefix": "10.0.0.0/8" }""", "addressing.last")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "first": "192.168.78.1" }""", "addressing.first")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "first": "192.168.77.9", "last": "192.168.77.8" }""", "addressing.last")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "exclude": "192.168.1.1" }""", "addressing.exclude")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "dnsServers": "fd00::1" }""", "addressing.dnsServers")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "domain": "no domain" }""", "addressing.domain")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "leaseTimeMilliseconds": 1 }""", "addressing.leaseTimeMilliseconds")]
    [InlineData("""{ "prefix": "192.168.77.0/24", "range": 1 }""", "addressing.range")]
    public void A_pool_that_cannot_be_is_named(string pool, string key)
    {
        Assert.Null(Read($"{{ \"addressing\": {pool} }}", out var mistakes));
        Assert.StartsWith(key + ":", Assert.Single(mistakes).ToString(), StringComparison.Ordinal);
    }

    [Fact, Trait("Req", "A-28")]
    public void A_pool_is_a_subnet_and_what_clients_are_told()
    {
        Assert.Null(Read("{}", out _)!.Options.Pool);
        var pool = Read(
            """
            { "addressing": { "prefix": "192.168.77.0/24", "first": "192.168.77.100", "last": "192.168.77.110", "exclude": ["192.168.77.105"], "leaseTimeMilliseconds": 60000,
              "dnsServers": ["9.9.9.9"], "domain": "example.net" } }
            """, out var mistakes)!.Options.Pool!;
        Assert.Empty(mistakes);
        Assert.True(pool.Contains(IpAddress.Parse("192.168.77.110")));
        Assert.False(pool.Contains(IpAddress.Parse("192.168.77.105")));
        Assert.False(pool.Contains(IpAddress.Parse("192.168.77.111")));
        Assert.Equal((TimeSpan.FromMinutes(1), "example.net", "9.9.9.9"), (pool.LeaseTime, pool.Domain, Assert.Single(pool.DnsServers).ToString()));
    }

    [Fact]
    public void The_store_is_in_memory_unless_it_is_a_redis()
    {
        Assert.Null(Read("{}", out _)!.Redis);
        Assert.Null(Read("""{ "store": "memory" }""", out _)!.Redis);
        var config = Read("""{ "store": { "redis": { "servers": ["127.0.0.1:6379", "redis.example:6380"], "leaseMilliseconds": 60000 } } }""", out var mistakes);
        Assert.Empty(mistakes);
        Assert.Equal(2, config!.Redis!.Endpoints.Count);
        Assert.Equal(TimeSpan.FromMinutes(1), config.Options.Lease);
    }

    private static ServerConfig? Read(string text, out IReadOnlyList<ConfigMistake> mistakes) => ServerConfig.Read(Encoding.UTF8.GetBytes(text), out mistakes);
}
