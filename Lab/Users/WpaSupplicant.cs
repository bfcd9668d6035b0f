using System.Globalization;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Lab.Users;

/// <summary>Debian's wpa_supplicant on a client's wire: nothing of ours is on the client.</summary>
internal sealed class WpaSupplicant : IDisposable
{
    private readonly Companion _program;
    private readonly string _file;

    /// <param name="heard">Is given what it says; null: nobody listens.</param>
    /// <param name="client">The client.</param>
    /// <param name="number">The client's number, from 0.</param>
    /// <param name="method">PEAP or TTLS.</param>
    /// <param name="user">The user.</param>
    /// <param name="password">His password.</param>
    /// <param name="authority">The file with the certificate of the server's authority.</param>
    public WpaSupplicant(Action<string>? heard, NetNamespace client, int number, string method, string user, string password, string authority)
    {
        _file = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"mqs{Environment.ProcessId}-{client.Name}-{number}.conf"));
        File.WriteAllText(_file, $$"""
                ap_scan=0
                fast_reauth=1
                network={
                  key_mgmt=IEEE8021X
                  eapol_flags=0
                  eap={{method}}
                  identity="{{user}}"
                  anonymous_identity="anonymous"
                  password="{{password}}"
                  ca_cert="{{authority}}"
                  phase2="auth=MSCHAPV2"
                }

                """);

        _program = new Companion(client, heard, "wpa_supplicant", "-i", "eth0", "-D", "wired", "-c", _file);
    }

    public void Dispose()
    {
        _program.Dispose();
        File.Delete(_file);
    }
}
