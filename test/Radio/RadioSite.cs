using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Masquerade.Lab.Users;
using Masquerade.Namespaces.Tests;

namespace Masquerade.Radio.Tests;

/// <summary>A site with radios: our agents and coordinator, two hostapds that ask it by RADIUS who a client is (proxy), and a FreeRADIUS behind.</summary>
internal sealed class RadioSite : IDisposable
{
    private readonly Action<string> _heard;
    private readonly string _secret = Guid.NewGuid().ToString("n");
    private readonly string _key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
    private readonly string _logs = Directory.CreateTempSubdirectory("masq-logs-").FullName;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly List<IDisposable> _programs = [];
    private RadiusSite? _radius;

    /// <param name="heard">Is given what the programs say.</param>
    public RadioSite(Action<string> heard)
    {
        _heard = heard;
        Environment.SetEnvironmentVariable("MASQ_LAB_LOGS", _logs);
        var users = new Dictionary<string, string>(StringComparer.Ordinal) { ["askLink"] = "true", ["authenticator"] = "\"link\"", ["protection"] = "\"off\"", ["askAgainMilliseconds"] = "500" };
        Lab = new LabSite(
            topology => new DemoOptions
            {
                Users = _radius!.Users with
                {
                    Coordinator = new Dictionary<string, string>(StringComparer.Ordinal)
                    {
                        ["proxy"] = $$"""{ "listen": "10.1.200.2:1815", "clients": [{{string.Join(", ", Enumerable.Range(1, 2).Select(k => $$"""{ "address": "10.1.{{k}}.2", "secretFile": "{{SecretFile(topology)}}", "node": "ap{{k}}", "radios": ["{{Radios.Bssid(k - 1)}}"] }"""))}}] }""",
                    },
                    Agent = users,
                },
                IsEmulated = true,
                Agents = 2,
                Hostapd = k => Hostapd.ControlOf(topology, k),
            },
            topology =>
            {
                Radios.Install(topology);
                File.WriteAllText(SecretFile(topology), _secret);
                users["radio"] = $$"""{ "keys": { "interface": "ft1", "keyFile": "{{GiveKeys(topology)}}" } }""";
                return _radius = new RadiusSite(topology, heard, "alice", "bob");
            });
    }

    public LabSite Lab { get; }

    public RadiusSite Radius => _radius!;

    /// <summary>Starts an access point's (0 is AP1) hostapd, which asks the coordinator who a client is, and its agent for keys of fast transitions.</summary>
    public Hostapd StartHostapd(int accessPoint)
    {
        var hostapd = Keep(new Hostapd(Lab.Topology, accessPoint, IPEndPoint.Parse("10.1.200.2:1815"), _secret, line => _heard($"hostapd {accessPoint + 1}: {line}"), Fast));
        Patience.WaitFor(() => hostapd.IsOn, "a radio does not go on");
        return hostapd;
    }

    /// <summary>Ends a hostapd, and starts one in its place that remembers nothing.</summary>
    public Hostapd Restart(Hostapd hostapd)
    {
        _programs.Remove(hostapd);
        hostapd.Dispose();
        return StartHostapd(hostapd.AccessPoint);
    }

    /// <summary>Starts the client's wpa_supplicant.</summary>
    public Station StartStation(string user, string keys = "WPA-EAP") => Keep(new Station(Lab.Topology, user, Radius.PasswordOf(user), Radius.Authority, line => _heard($"station: {line}"), keys));

    /// <summary>The client's user, how he is proved, and where he is; null: nobody is known.</summary>
    public (string Name, string Proof, string At)? User
    {
        get
        {
            var document = Lab.Ask($"/v1/clients/{LabTopology.ClientMac(0)}");
            return document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object && user.GetProperty("ap").GetString() is { } at
                ? (user.GetProperty("name").GetString()!, user.GetProperty("proof").GetString()!, at)
                : null;
        }
    }

    /// <summary>A conversation of the client with the server that has come about.</summary>
    public PingPong Open(int port)
    {
        var flow = Lab.Add(new PingPong(Lab.Topology, $"the client to port {port}", 0, new IPEndPoint(LabTopology.ServerAddress, port), 4_096, TimeSpan.FromMilliseconds(50)));
        Lab.WaitFor(() => flow.Bytes > 8_000, $"{flow.Name} does not come about: {flow.Failure}", TimeSpan.FromSeconds(60));
        return flow;
    }

    /// <summary>What has become of hostapd's questions for keys at an access point (0 is AP1).</summary>
    public JsonElement KeysOf(int accessPoint) => Lab.Status(accessPoint).GetProperty("radioKeys");

    /// <summary>One of those counts.</summary>
    public long Keys(int accessPoint, string count) => KeysOf(accessPoint).GetProperty(count).GetInt64();

    /// <summary>Says how far the test is.</summary>
    public void Say(string what) => _heard(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed.TotalSeconds:F1} s: {what}"));

    public void Dispose()
    {
        _programs.ForEach(p => p.Dispose());
        Lab.Dispose();
        foreach (var log in Directory.GetFiles(_logs))
        {
            _heard($"{Path.GetFileName(log)}:\n{File.ReadAllText(log)}");
        }

        Directory.Delete(_logs, recursive: true);
    }

    /// <summary>What hostapd is told of fast transitions.</summary>
    private IEnumerable<string> Fast =>
        ["wpa_key_mgmt=FT-EAP WPA-EAP", "mobility_domain=6d71", "ft_over_ds=0", "pmk_r1_push=0", "disable_pmksa_caching=1", "ft_r0_key_lifetime=3600", "rkh_pos_timeout=60", "rkh_neg_timeout=1", "rkh_pull_timeout=6000", $"r0kh=ff:ff:ff:ff:ff:ff * {_key}"];

    /// <summary>The link between each hostapd's bridge and its agent, and their key.</summary>
    private string GiveKeys(LabTopology topology)
    {
        foreach (var ap in topology.AccessPoints)
        {
            Tool.IpBatch(ap.Name, "link add ft0 type veth peer name ft1", "link set ft0 up", "link set ft1 up");
        }

        foreach (var ap in topology.AccessPoints.Take(2))
        {
            Tool.IpBatch(ap.Name, "link set ft0 master cl0");
        }

        var file = Path.Combine(topology.ScratchDirectory, "rrb.key");
        File.WriteAllText(file, _key + "\n");
        Tool.Run("chmod", ["600", file]);
        return file;
    }

    private static string SecretFile(LabTopology topology) => Path.Combine(topology.ScratchDirectory, "proxy.secret");

    private T Keep<T>(T program)
        where T : IDisposable
    {
        _programs.Add(program);
        return program;
    }
}
