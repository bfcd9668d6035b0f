using System.Security.Cryptography;
using System.Text;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Lab.Users;

/// <summary>A FreeRADIUS beside a site's coordinator that knows some users by passwords made for the run, and the programs with which clients say who they are.</summary>
internal sealed class RadiusSite : IDisposable
{
    private readonly Dictionary<string, string> _passwords;
    private readonly FreeRadiusProcess _server;
    private readonly Action<string>? _heard;

    /// <summary>Starts the server.</summary>
    /// <param name="topology">Where.</param>
    /// <param name="heard">Is given what the clients' programs say; null: nobody listens.</param>
    /// <param name="users">The users' names.</param>
    public RadiusSite(LabTopology topology, Action<string>? heard, params IEnumerable<string> users)
    {
        _heard = heard;
        _passwords = users.ToDictionary(u => u, _ => Convert.ToHexString(RandomNumberGenerator.GetBytes(12)), StringComparer.Ordinal);
        _server = new FreeRadiusProcess(new FreeRadiusOptions
        {
            Prefix = ["ip", "netns", "exec", topology.Coordinator.Name],
            AuthPort = 1812,
            AccountingPort = 1813,
            TlsPort = 2083,
            KeepsGrants = true,
            Users = [.. _passwords.Select(p => new FreeRadiusUser(p.Key, p.Value))],
        });
    }

    /// <summary>What the site's programs are to be told of it.</summary>
    public LabUsers Users => new(_server.AuthEndPoint, _server.AccountingEndPoint, _server.Secret);

    /// <summary>The users' passwords, and what else nobody may write down who is told it.</summary>
    public IReadOnlyList<(string What, byte[] Octets)> Secrets =>
    [
        .. _passwords.Select(p => ($"password of {p.Key}", Encoding.ASCII.GetBytes(p.Value))), ("RADIUS secret", Encoding.ASCII.GetBytes(_server.Secret)),
        .. MasterKeys.Select((key, i) => ($"master session key {i + 1}", key)),
    ];

    /// <summary>The master session keys of those who were let in, in order.</summary>
    public IReadOnlyList<byte[]> MasterKeys => _server.MasterKeys;

    /// <summary>What the server has written of accounting.</summary>
    public string Accounting => _server.Accounting;

    /// <summary>A user's password.</summary>
    public string PasswordOf(string user) => _passwords[user];

    /// <summary>Starts <c>masq client</c> on a client.</summary>
    public MasqClient StartMasqClient(NetNamespace where, int client, string user) => new(_heard, where, client, user, _passwords[user], Authority, FreeRadiusProcess.ServerName);

    /// <summary>Starts wpa_supplicant on a client.</summary>
    /// <param name="where">The client, or who says that he is it.</param>
    /// <param name="client">The client's number, from 0.</param>
    /// <param name="user">The user.</param>
    /// <param name="method">PEAP or TTLS.</param>
    public WpaSupplicant StartWpaSupplicant(NetNamespace where, int client, string user, string method = "PEAP") => new(_heard, where, client, method, user, _passwords[user], Authority);

    /// <summary>How often the server has let a client in.</summary>
    public int LoginsOf(int client)
    {
        var station = LabTopology.ClientMac(client).Replace(':', '-');
        return _server.Log.Split('\n').Count(l => l.Contains("Login OK", StringComparison.Ordinal) && l.Contains(station, StringComparison.OrdinalIgnoreCase) && !l.Contains("via TLS tunnel", StringComparison.Ordinal));
    }

    public void Dispose() => _server.Dispose();

    /// <summary>The file with the certificate of the server's authority.</summary>
    public string Authority => Path.Combine(_server.Directory, "ca.pem");
}
