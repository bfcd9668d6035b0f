using System.Globalization;
using System.Net;
using Masquerade.Lab.FreeRadius;

namespace Masquerade.Testing;

/// <summary>eapol_test of hostapd: a supplicant, and an access point that speaks RADIUS, in one. It compares the keys that it is sent with its own MSK.</summary>
public static class EapolTest
{
    /// <summary>Authenticates a user.</summary>
    /// <param name="server">Whose certificates and users.</param>
    /// <param name="asked">Where the access point asks.</param>
    /// <param name="secret">What it shares with whoever is there.</param>
    /// <param name="mac">The client's MAC address.</param>
    /// <param name="method">TLS, PEAP or TTLS.</param>
    /// <param name="user">The user.</param>
    /// <param name="password">His password.</param>
    /// <param name="attributes">What the access point says of itself besides, each as eapol_test's <c>-N</c> has it.</param>
    /// <returns>Whether he is let in, and what it has said.</returns>
    public static (bool Succeeds, string Said) Run(FreeRadiusProcess server, IPEndPoint asked, string secret, string mac, string method, string user, string password, params string[] attributes)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(asked);
        var configuration = Path.Combine(server.Directory, $"{method}-{Guid.NewGuid():n}.conf");
        File.WriteAllText(configuration, $$"""
            network={
              key_mgmt=WPA-EAP
              eap={{method}}
              identity="{{user}}"
              password="{{password}}"
              ca_cert="{{server.Directory}}/ca.pem"
              client_cert="{{server.Directory}}/{{user}}.pem"
              private_key="{{server.Directory}}/{{user}}.key"
              phase2="auth=MSCHAPV2"
            }

            """);
        string[] arguments = ["-c", configuration, "-a", asked.Address.ToString(), "-p", asked.Port.ToString(CultureInfo.InvariantCulture), "-s", secret, "-M", mac, "-t", "20", .. attributes.SelectMany(a => new[] { "-N", a })];
        var (code, said, errors) = OutsideProgram.Run("eapol_test", arguments);
        return (code == 0, said + errors);
    }
}
