using System.Net;
using System.Text.Json;
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
    private readonly List<IDisposable> _programs = [];
    private RadiusSite? _radius;

    /// <param name="output">The test's, for what the clients' programs say.</param>
    /// <param name="change">What the programs are told besides of users; nothing if null.</param>
    public UserSite(ITestOutputHelper output, Func<LabUsers, LabUsers>? change = null) => Lab = new LabSite(
        _ =>
        {
            var users = _radius!.Users with { Agent = new Dictionary<string, string>(StringComparer.Ordinal) { ["quietPeriodMilliseconds"] = "1000", ["askAgainMilliseconds"] = "500" } };
            return new DemoOptions { Users = change is null ? users : change(users) };
        },
        topology => _radius = new RadiusSite(topology, output.Lines(), "alice", "bob"));

    public LabSite Lab { get; }

    public RadiusSite Radius => _radius!;

    public void Dispose()
    {
        _programs.ForEach(s => s.Dispose());
        Lab.Dispose();
    }

    /// <summary>Has a client say who its user is, with Debian's wpa_supplicant, and waits until he is in at an access point.</summary>
    public void LetIn(int client, string user, string ap, string method = "PEAP")
    {
        Supplicate(Lab.Topology.Clients[client], client, user, method);
        WaitForUser(client, user, ap);
    }

    /// <summary>wpa_supplicant for a user, wherever.</summary>
    public void Supplicate(NetNamespace where, int number, string user, string method = "PEAP") => _programs.Add(Radius.StartWpaSupplicant(where, number, user, method));

    /// <summary><c>masq client</c> for a user.</summary>
    public MasqClient Protect(int client, string user)
    {
        var program = Radius.StartMasqClient(Lab.Topology.Clients[client], client, user);
        _programs.Add(program);
        Lab.WaitFor(() => program.Told("linkProtected").Count == 1, "no protected link", TimeSpan.FromSeconds(60));
        return program;
    }

    public void WaitForUser(int client, string user, string ap, string? proof = null) => Lab.WaitFor(
        () => UserOf(client) is { } known && string.Equals(known.Name, user, StringComparison.Ordinal) && string.Equals(known.At, ap, StringComparison.Ordinal) && (proof is null || string.Equals(known.Proof, proof, StringComparison.Ordinal)),
        $"{user} does not get in at {ap}",
        TimeSpan.FromSeconds(30));

    /// <summary>Moves a client, whose supplicant runs, and waits until its user is in.</summary>
    public void Walk(int client, string user, int to)
    {
        Lab.Move(client, to);
        WaitForUser(client, user, $"ap{to + 1}");
    }

    /// <summary>How many packets an access point (0 is AP1) has dropped for a reason.</summary>
    public long Dropped(int accessPoint, string reason) => Lab.Status(accessPoint).GetProperty("drops").TryGetProperty(reason, out var count) ? count.GetInt64() : 0;

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
