using System.Globalization;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Radio.Tests;

/// <summary>The first client's radio, with Debian's wpa_supplicant.</summary>
internal sealed class Station : IDisposable
{
    private readonly Companion _program;
    private readonly string _folder;

    /// <param name="topology">The network.</param>
    /// <param name="user">The user.</param>
    /// <param name="password">His password.</param>
    /// <param name="authority">The file with the certificate of the server's authority.</param>
    /// <param name="heard">Is given what it says.</param>
    /// <param name="keys">How keys are made: WPA-EAP, FT-EAP.</param>
    public Station(LabTopology topology, string user, string password, string authority, Action<string>? heard, string keys = "WPA-EAP")
    {
        _folder = Directory.CreateDirectory(Path.Combine(topology.ScratchDirectory, "station")).FullName;
        var configuration = Path.Combine(_folder, "wpa.conf");
        File.WriteAllText(configuration, string.Create(CultureInfo.InvariantCulture, $$"""
            ctrl_interface={{_folder}}
            autoscan=periodic:2
            network={
              ssid="{{Hostapd.Network}}"
              key_mgmt={{keys}}
              proto=RSN
              pairwise=CCMP
              eap=PEAP
              identity="{{user}}"
              anonymous_identity="anonymous"
              password="{{password}}"
              ca_cert="{{authority}}"
              phase2="auth=MSCHAPV2"
              scan_freq={{Radios.Frequency}}
            }

            """));
        _program = new Companion(topology.Clients[0], heard, "wpa_supplicant", "-t", "-i", "eth0", "-D", "nl80211", "-c", configuration);
    }

    /// <summary>Everything it has said.</summary>
    public IReadOnlyCollection<string> Said => _program.Said;

    /// <summary>The access point with which it has completed all it takes to send; null: there is none.</summary>
    public string? At
    {
        get
        {
            var status = Ask("status").Split('\n').Select(l => l.Split('=', 2)).Where(l => l.Length == 2).DistinctBy(l => l[0], StringComparer.Ordinal).ToDictionary(l => l[0], l => l[1], StringComparer.Ordinal);
            return status.GetValueOrDefault("wpa_state") is "COMPLETED" ? status.GetValueOrDefault("bssid") : null;
        }
    }

    /// <summary>Whether that is an access point (0 is AP1).</summary>
    public bool IsAt(int accessPoint) => string.Equals(At, Radios.Bssid(accessPoint), StringComparison.Ordinal);

    /// <summary>What it answers on its control socket.</summary>
    public string Ask(params string[] command) => Tool.TryRun("wpa_cli", ["-p", _folder, "-i", "eth0", .. command]).Output;

    /// <summary>Has it turn to an access point (0 is AP1), once it has heard that.</summary>
    public void Roam(int accessPoint)
    {
        Patience.WaitFor(
            () =>
            {
                Ask("scan");
                return Ask("scan_results").Contains(Radios.Bssid(accessPoint), StringComparison.Ordinal);
            },
            "the client does not hear the access point");
        Assert.Contains("OK", Ask("roam", Radios.Bssid(accessPoint)), StringComparison.Ordinal);
        Patience.WaitFor(() => IsAt(accessPoint), "the client does not get in there");
    }

    public void Dispose() => _program.Dispose();
}
