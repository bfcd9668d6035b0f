using System.Security.Cryptography;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Lab.Users;

/// <summary>What a site with users has besides: a FreeRADIUS beside the coordinator, two employees with passwords made for the run, and the policies of employees and guests.</summary>
internal sealed class AuthSite : IDisposable
{
    /// <summary>Employees may not open connections to these server ports; they may open all others.</summary>
    public const int FirstForbidden = 9_000;

    /// <summary>Guests may open connections to these server ports only.</summary>
    public const int FirstPortal = 8_000;

    private static readonly string s_policies = $$"""
        {
          "addresses": { "server": ["{{LabTopology.ServerAddress}}", "{{LabTopology.ServerAddress6}}"] },
          "policies": {
            "staff": ["deny out tcp to any port {{FirstForbidden}}-{{FirstForbidden + 999}}", "allow out any"],
            "guest": ["allow out tcp to @server port {{FirstPortal}}-{{FirstPortal + 999}}"]
          },
          "groups": { "staff": { "policy": "staff", "users": ["{{Ada}}", "{{Bob}}"] } },
          "roles": { "guest": "guest" }
        }
        """;

    private readonly Dictionary<string, string> _passwords = new(StringComparer.Ordinal);
    private FreeRadiusProcess? _radius;

    /// <summary>The employee with <c>masq client</c>.</summary>
    public const string Ada = "ada";

    /// <summary>The employee with wpa_supplicant.</summary>
    public const string Bob = "bob";

    /// <summary>Starts the RADIUS server, and says what the programs are to be told.</summary>
    public LabUsers Prepare(LabTopology topology)
    {
        foreach (var user in (string[])[Ada, Bob])
        {
            _passwords[user] = Convert.ToHexString(RandomNumberGenerator.GetBytes(12));
        }

        _radius = new FreeRadiusProcess(new FreeRadiusOptions
        {
            Prefix = ["ip", "netns", "exec", topology.Coordinator.Name],
            AuthPort = 1812,
            AccountingPort = 1813,
            TlsPort = 2083,
            Users = [.. _passwords.Select(p => new FreeRadiusUser(p.Key, p.Value))],
        });
        return new LabUsers(_radius.AuthEndPoint, _radius.AccountingEndPoint, _radius.Secret) { Guests = true, Policies = s_policies };
    }

    /// <summary>Starts <c>masq client</c> on a client.</summary>
    public MasqClient StartMasqClient(LabTopology topology, int client, string user) =>
        new(heard: null, topology.Clients[client], client, user, _passwords[user], Authority, FreeRadiusProcess.ServerName);

    /// <summary>Starts wpa_supplicant on a client.</summary>
    public WpaSupplicant StartWpaSupplicant(LabTopology topology, int client, string user) =>
        new(heard: null, topology.Clients[client], client, "PEAP", user, _passwords[user], Authority);

    /// <summary>How often the RADIUS server has let a client in.</summary>
    public int LoginsOf(int client)
    {
        var station = LabTopology.ClientMac(client).Replace(':', '-');
        return _radius!.Log.Split('\n').Count(l => l.Contains("Login OK", StringComparison.Ordinal) && l.Contains(station, StringComparison.OrdinalIgnoreCase) && !l.Contains("via TLS tunnel", StringComparison.Ordinal));
    }

    public void Dispose() => _radius?.Dispose();

    private string Authority => Path.Combine(_radius!.Directory, "ca.pem");
}
