using System.Globalization;
using System.Net;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Radio.Tests;

/// <summary>Debian's hostapd at an access point's radio: WPA2-Enterprise, and whatever else a test tells it.</summary>
internal sealed class Hostapd : IDisposable
{
    public const string Network = "lab";
    private readonly LabTopology _topology;
    private readonly int _accessPoint;
    private readonly Companion _program;

    /// <param name="topology">The network.</param>
    /// <param name="accessPoint">The access point, 0 is AP1.</param>
    /// <param name="server">The RADIUS server.</param>
    /// <param name="secret">What it shares with it.</param>
    /// <param name="heard">Is given what it says.</param>
    /// <param name="more">Further lines of its configuration.</param>
    public Hostapd(LabTopology topology, int accessPoint, IPEndPoint server, string secret, Action<string>? heard, params IEnumerable<string> more)
    {
        (_topology, _accessPoint) = (topology, accessPoint);
        var where = Directory.CreateDirectory(Path.Combine(topology.ScratchDirectory, string.Create(CultureInfo.InvariantCulture, $"hostapd{accessPoint + 1}"))).FullName;
        var configuration = Path.Combine(where, "hostapd.conf");
        File.WriteAllText(configuration, $"""
            interface={Radios.AccessPointRadio}
            bridge=cl0
            driver=nl80211
            ctrl_interface={where}
            ssid={Network}
            hw_mode=g
            channel=1
            ieee80211n=0
            ap_isolate=1
            ieee8021x=1
            wpa=2
            wpa_pairwise=CCMP
            own_ip_addr=10.1.{accessPoint + 1}.2
            nas_identifier=ap{accessPoint + 1}.lab
            auth_server_addr={server.Address}
            auth_server_port={server.Port}
            auth_server_shared_secret={secret}
            {string.Join('\n', more.DefaultIfEmpty("wpa_key_mgmt=WPA-EAP"))}

            """);
        _program = new Companion(topology.AccessPoints[accessPoint], heard, "hostapd", configuration);
    }

    /// <summary>Its control socket.</summary>
    public static string ControlOf(LabTopology topology, int accessPoint) => Path.Combine(topology.ScratchDirectory, string.Create(CultureInfo.InvariantCulture, $"hostapd{accessPoint + 1}"), Radios.AccessPointRadio);

    /// <summary>The access point, 0 is AP1.</summary>
    public int AccessPoint => _accessPoint;

    /// <summary>Whether its radio is on.</summary>
    public bool IsOn => Has("AP-ENABLED");

    /// <summary>Whether it has begun to authenticate anybody.</summary>
    public bool HasAskedForIdentity => Has("CTRL-EVENT-EAP-STARTED");

    /// <summary>What it answers on its control socket.</summary>
    public string Ask(params string[] command) => Tool.TryRun("hostapd_cli", ["-p", Path.GetDirectoryName(ControlOf(_topology, _accessPoint))!, "-i", Radios.AccessPointRadio, .. command]).Output;

    /// <summary>What it says of a client.</summary>
    public string StationOf(int client) => Ask("sta", LabTopology.ClientMac(client));

    private bool Has(string word) => _program.Said.Any(l => l.Contains(word, StringComparison.Ordinal));

    public void Dispose() => _program.Dispose();
}
