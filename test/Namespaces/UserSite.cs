using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Masquerade.Lab.Users;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>A site with a FreeRADIUS of its own beside the coordinator, and two users, alice and bob.</summary>
internal sealed class UserSite : IDisposable
{
    private readonly ITestOutputHelper _output;
    private readonly List<WpaSupplicant> _supplicants = [];
    private readonly Dictionary<string, string> _passwords = new(StringComparer.Ordinal)
    {
        ["alice"] = Convert.ToHexString(RandomNumberGenerator.GetBytes(8)), ["bob"] = Convert.ToHexString(RandomNumberGenerator.GetBytes(8)),
    };

    private FreeRadiusProcess? _radius;

    public UserSite(ITestOutputHelper output, Func<LabUsers, LabUsers> change)
    {
        _output = output;
        Lab = new LabSite(
            _ => new DemoOptions
            {
                Users = change(new LabUsers(_radius!.AuthEndPoint, _radius.AccountingEndPoint, _radius.Secret)
                {
                    Agent = new Dictionary<string, string>(StringComparer.Ordinal) { ["quietPeriodMilliseconds"] = "1000", ["askAgainMilliseconds"] = "500" },
                }),
            },
            topology => _radius = new FreeRadiusProcess(new FreeRadiusOptions
            {
                Prefix = ["ip", "netns", "exec", topology.Coordinator.Name],
                AuthPort = 1812,
                AccountingPort = 1813,
                TlsPort = 2083,
                Users = [.. _passwords.Select(p => new FreeRadiusUser(p.Key, p.Value))],
            }));
    }

    public LabSite Lab { get; }

    public void Dispose()
    {
        _supplicants.ForEach(s => s.Dispose());
        Lab.Dispose();
        _radius?.Dispose();
    }

    /// <summary>Has a client say who its user is, with Debian's wpa_supplicant, and waits until he is in at an access point.</summary>
    public void LetIn(int client, string user, string ap)
    {
        _supplicants.Add(new WpaSupplicant(_output.Lines(), Lab.Topology.Clients[client], client, "PEAP", user, _passwords[user], Path.Combine(_radius!.Directory, "ca.pem")));
        WaitForUser(client, user, ap);
    }

    /// <summary>wpa_supplicant for a user, wherever.</summary>
    public WpaSupplicant Supplicate(NetNamespace where, int number, string user) => new(_output.Lines(), where, number, "PEAP", user, _passwords[user], Path.Combine(_radius!.Directory, "ca.pem"));

    public void WaitForUser(int client, string user, string ap) =>
        Lab.WaitFor(() => UserOf(client) is { } known && string.Equals(known.Name, user, StringComparison.Ordinal) && string.Equals(known.At, ap, StringComparison.Ordinal), $"{user} does not get in at {ap}", TimeSpan.FromSeconds(30));

    /// <summary>A conversation with a port of the server.</summary>
    public PingPong Talk(int client, int port) =>
        Lab.Add(new PingPong(Lab.Topology, $"client {client + 1} to port {port}", client, new IPEndPoint(LabTopology.ServerAddress, port), 4_096, TimeSpan.FromMilliseconds(10)));

    /// <summary>One that has come about.</summary>
    public PingPong Open(int client, int port)
    {
        var flow = Talk(client, port);
        Lab.WaitFor(() => flow.Bytes > 20_000, $"{flow.Name} does not come about: {flow.Failure}", TimeSpan.FromSeconds(30));
        return flow;
    }

    /// <summary>The client's user and where he is; null if nobody is known.</summary>
    public (string Name, string Proof, string At)? UserOf(int client)
    {
        var document = Lab.Ask($"/v1/clients/{LabTopology.ClientMac(client)}");
        return document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object && user.GetProperty("ap").GetString() is { } at
            ? (user.GetProperty("name").GetString()!, user.GetProperty("proof").GetString()!, at)
            : null;
    }

    /// <summary>Waits until a flow has ended, and says when its last octet came.</summary>
    public long Ended(PingPong flow)
    {
        var bytes = -1L;
        Lab.WaitFor(
            () =>
            {
                var before = bytes;
                bytes = flow.Bytes;
                Thread.Sleep(300);
                return before == flow.Bytes;
            },
            $"{flow.Name} goes on",
            TimeSpan.FromSeconds(20));
        return flow.LastProgress;
    }
}
