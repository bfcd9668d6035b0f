using System.Globalization;
using Masquerade.Lab.Net;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Debian's wpa_supplicant on a client's wire: nothing of ours is on the client.</summary>
internal sealed class Supplicant : IDisposable
{
    private readonly Companion _program;
    private readonly string _file;

    /// <param name="output">Where what it says is put.</param>
    /// <param name="client">The client.</param>
    /// <param name="number">The client's number, from 0.</param>
    /// <param name="method">PEAP or TTLS.</param>
    /// <param name="user">The user.</param>
    /// <param name="password">His password.</param>
    /// <param name="authority">The file with the certificate of the server's authority.</param>
    public Supplicant(ITestOutputHelper output, NetNamespace client, int number, string method, string user, string password, string authority)
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

        _program = new Companion(output, client, "wpa_supplicant", "-i", "eth0", "-D", "wired", "-c", _file);
    }

    public void Dispose()
    {
        _program.Dispose();
        File.Delete(_file);
    }
}
