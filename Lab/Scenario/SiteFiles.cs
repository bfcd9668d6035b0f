using System.Net;
using System.Text.Json;
using Masquerade.Core.Flow;
using Masquerade.Lab.Net;
using Masquerade.Pki;
using Masquerade.Pki.Authority;

namespace Masquerade.Lab.Scenario;

/// <summary>What an operator prepares for a site: certificates, and a configuration file for each program, everything as in <c>docs/operations.md</c>.</summary>
internal sealed class SiteFiles
{
    private readonly LabTopology _topology;
    private readonly DemoOptions _options;
    private readonly PkiDirectory _pki;

    public SiteFiles(LabTopology topology, DemoOptions options)
    {
        (_topology, _options) = (topology, options);
        _pki = new PkiDirectory(Path.Combine(topology.ScratchDirectory, "pki"), TimeProvider.System);
        _pki.Initialise("demo", days: 90);
    }

    /// <summary>Where a coordinator is told what to do.</summary>
    public string ConfigOf(string coordinator) => Path.Combine(_topology.ScratchDirectory, coordinator + ".json");

    /// <summary>Where an access point's agent is told what to do (0 is AP1).</summary>
    public string ConfigOf(int accessPoint) => Path.Combine(_topology.ScratchDirectory, $"ap{accessPoint + 1}", "agent.json");

    /// <summary>The socket on which the agent with this configuration says how it is doing.</summary>
    public static string StatusOf(string config) => Path.ChangeExtension(config, ".status");

    /// <summary>The log of mappings of the agent with this configuration.</summary>
    public static string MappingLogOf(string config) => Path.ChangeExtension(config, ".mappings");

    /// <summary>Where the central node is told what to do.</summary>
    public string CentralConfig => Path.Combine(_topology.ScratchDirectory, "central.json");

    /// <summary>Writes a coordinator's file.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="listen">Where it waits for agents.</param>
    /// <param name="apiPort">Its API's port on the loopback of its namespace; each coordinator there needs one of its own.</param>
    /// <param name="redis">The store that it shares; null: its own memory.</param>
    public void WriteCoordinator(string name, IPEndPoint listen, int apiPort, IPEndPoint? redis)
    {
        var identity = new SiteIdentity(SiteRole.Coordinator, new NodeId(name));
        _pki.Issue(identity, [], [listen.Address], days: 60);
        File.WriteAllBytes(ConfigOf(name), Json(json =>
        {
            json.WriteString("name", name);
            json.WriteString("listen", listen.ToString());
            Tls(json, identity);
            json.WriteStartObject("api");
            json.WriteString("listen", new IPEndPoint(IPAddress.Loopback, apiPort).ToString());
            json.WriteEndObject();
            Keys(json, "roaming", _options.Takeover ? _options.Roaming : new Dictionary<string, string>(_options.Roaming, StringComparer.Ordinal) { ["takeover"] = "false" });
            Keys(json, "balance", _options.Balance);
            if (_options.Central)
            {
                json.WriteString("coordinatorNode", "central");
                json.WriteStartArray("placement");
                foreach (var at in (string[])(_options.Homes is null ? ["@coordinator"] : ["@home", "@coordinator"]))
                {
                    json.WriteStartObject();
                    json.WriteString("at", at);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                if (_options.Homes is { } homes)
                {
                    json.WriteString("homes", homes);
                }
            }

            _options.Users?.WriteCoordinator(json, _topology.ScratchDirectory);
            if (_options.Addressing == LabAddressing.Pool)
            {
                json.WriteStartObject("addressing");
                json.WriteString("prefix", "192.168.77.0/24");
                json.WriteString("first", "192.168.77.150");
                json.WriteString("last", "192.168.77.199");
                json.WriteNumber("leaseTimeMilliseconds", 60_000);
                json.WriteString("domain", "lab.example");
                Strings(json, "dnsServers", LabTopology.ServerAddress.ToString());
                json.WriteEndObject();
            }

            if (redis is not null)
            {
                json.WriteStartObject("store");
                json.WriteStartObject("redis");
                Strings(json, "servers", redis.ToString());
                json.WriteEndObject();
                json.WriteEndObject();
            }
        }));
    }

    /// <summary>Writes an agent's file: two masquerade addresses of IPv4 and one of IPv6.</summary>
    /// <param name="accessPoint">The access point, 0 is AP1.</param>
    /// <param name="coordinators">All coordinators.</param>
    /// <param name="hostapd">The radio's control socket; null: the agent must notice clients by itself.</param>
    /// <param name="addressCommand">The program that changes routes, or null.</param>
    public void WriteAgent(int accessPoint, IEnumerable<IPEndPoint> coordinators, string? hostapd, string? addressCommand)
    {
        var onLink = Enumerable.Range(1, LabTopology.AccessPointCount).Where(k => _topology.SharedUplink || k == accessPoint + 1);
        Directory.CreateDirectory(Path.GetDirectoryName(ConfigOf(accessPoint))!);
        WriteAgent(ConfigOf(accessPoint), $"ap{accessPoint + 1}", "up0", accessPoint + 1, [.. onLink], coordinators, hostapd, addressCommand);
    }

    /// <summary>Writes the file of the central node, which has addresses of the coordinator's subnet.</summary>
    public void WriteCentral(IEnumerable<IPEndPoint> coordinators) =>
        WriteAgent(CentralConfig, "central", "eth0", LabTopology.CoordinatorSubnet, [LabTopology.CoordinatorSubnet], coordinators, null, null);

    private void WriteAgent(string path, string name, string uplink, int subnet, int[] onLink, IEnumerable<IPEndPoint> coordinators, string? hostapd, string? addressCommand)
    {
        var identity = new SiteIdentity(SiteRole.Agent, new NodeId(name));
        _pki.Issue(identity, [], [], days: 60);
        File.WriteAllBytes(path, Json(json =>
        {
            json.WriteString("node", name);
            Strings(json, "coordinator", [.. coordinators.Select(c => c.ToString())]);
            Tls(json, identity);
            json.WriteStartObject("uplink");
            json.WriteString("interface", uplink);
            Strings(json, "addresses", $"10.1.{subnet}.10", $"10.1.{subnet}.11", $"fd00:10:1:{subnet}::10");
            Strings(json, "onLink", [.. onLink.Select(k => $"10.1.{k}.0/24"), .. onLink.Select(k => $"fd00:10:1:{k}::/64")]);
            Strings(json, "gateways", $"10.1.{subnet}.1", $"fd00:10:1:{subnet}::1");
            if (_options.Untranslated.Count > 0)
            {
                Strings(json, "untranslated", [.. _options.Untranslated]);
            }

            if (addressCommand is not null)
            {
                json.WriteString("addressCommand", addressCommand);
            }

            json.WriteEndObject();
            json.WriteStartObject("client");
            json.WriteString("interface", "cl0");
            json.WriteString("gatewayMac", LabTopology.GatewayMac);
            Strings(json, "gatewayAddresses", LabTopology.GatewayAddress.ToString(), "fe80::1");
            Strings(json, "prefixes", "192.168.77.0/24", "fd00:77::/64");
            if (_options.Addressing != LabAddressing.Static)
            {
                json.WriteString("addressing", _options.Addressing == LabAddressing.Pool ? "pool" : "relay");
            }

            if (_options.Addressing == LabAddressing.Relay)
            {
                Strings(json, "dhcpServers", [.. _options.DhcpServers]);
            }

            json.WriteEndObject();
            json.WriteStartObject("fam");
            if (_options.Central)
            {
                json.WriteString("anchoring", "askCoordinator");
            }

            foreach (var (key, value) in _options.Fam)
            {
                json.WritePropertyName(key);
                json.WriteRawValue(value);
            }

            json.WriteEndObject();
            Keys(json, "ports", _options.Ports);
            if (_options.FastPath is { Length: > 0 } hook)
            {
                json.WriteStartObject("fastPath");
                json.WriteBoolean("enabled", hook is not "off");
                json.WriteString("uplink", hook is "xdp" ? "xdp" : "tc");
                json.WriteString("clients", hook is "xdp" ? "xdp" : "tc");
                json.WriteEndObject();
            }

            _options.Users?.WriteAgent(json);
            json.WriteString("controlSocket", StatusOf(path));
            if (_options.MappingLog is { } recovery)
            {
                json.WriteStartObject("mappingLog");
                json.WriteString("file", MappingLogOf(path));
                json.WriteNumber("recoveryTimeMilliseconds", recovery.TotalMilliseconds);
                json.WriteEndObject();
            }

            if (hostapd is not null)
            {
                json.WriteString("hostapd", hostapd);
            }
        }));
    }

    private static byte[] Json(Action<Utf8JsonWriter> members)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void Keys(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> keys)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in keys)
        {
            json.WritePropertyName(key);
            json.WriteRawValue(value);
        }

        json.WriteEndObject();
    }

    private static void Strings(Utf8JsonWriter json, string name, params string[] values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    private void Tls(Utf8JsonWriter json, SiteIdentity identity)
    {
        json.WriteStartObject("tls");
        json.WriteString("ca", _pki.BundlePath);
        json.WriteString("crl", _pki.ListPath);
        json.WriteString("certificate", Path.Combine(_pki.FolderOf(identity), PkiDirectory.CertificateName));
        json.WriteString("key", Path.Combine(_pki.FolderOf(identity), PkiDirectory.KeyName));
        json.WriteEndObject();
    }
}
