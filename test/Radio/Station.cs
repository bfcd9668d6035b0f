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

    /// <summary>How often an access point has refused it a fast transition, or an authentication anywhere has failed.</summary>
    public int RefusalsOf(int accessPoint) => _program.Said.Count(
        l => l.Contains($"CTRL-EVENT-AUTH-REJECT {Radios.Bssid(accessPoint)} auth_type=2 ", StringComparison.Ordinal) || l.Contains("CTRL-EVENT-EAP-FAILURE", StringComparison.Ordinal));

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

    /// <summary>Has it walk to an access point, and waits until it is there.</summary>
    /// <param name="accessPoint">The access point, 0 is AP1.</param>
    /// <param name="attempt">Called before each attempt.</param>
    public void Roam(int accessPoint, Action? attempt = null)
    {
        Hear(accessPoint);
        Turn(() => IsAt(accessPoint), accessPoint, "the client does not get in there", attempt);
    }

    /// <summary>Waits until it has heard an access point.</summary>
    public void Hear(int accessPoint) => Patience.WaitFor(
        () =>
        {
            Ask("scan");
            return Ask("scan_results").Contains(Radios.Bssid(accessPoint), StringComparison.Ordinal);
        },
        "the client does not hear the access point");

    /// <summary>Has it turn to an access point, as often as it takes: its kernel waits for an answer for 0.6 s, which in the machine may be too short for one who has to ask others for a key, and the next time has it.</summary>
    /// <param name="until">When it is done.</param>
    /// <param name="accessPoint">The access point, 0 is AP1.</param>
    /// <param name="otherwise">What is said if it never is.</param>
    /// <param name="attempt">Called before each attempt.</param>
    public void Turn(Func<bool> until, int accessPoint, string otherwise, Action? attempt = null)
    {
        var next = 0L;
        Patience.WaitFor(
            () =>
            {
                if (Environment.TickCount64 >= next)
                {
                    attempt?.Invoke();
                    Ask("bssid_ignore", "clear");
                    Ask("roam", Radios.Bssid(accessPoint));
                    next = Environment.TickCount64 + 15_000;
                }

                return until();
            },
            otherwise);
    }

    public void Dispose() => _program.Dispose();
}
