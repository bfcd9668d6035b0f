using System.Net;
using System.Text;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;
using Masquerade.RoamingCoordinator.Server;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Server;

/// <summary>
/// A coordinator between real programs: FreeRADIUS knows the users, eapol_test is an access point that authenticates by itself and asks by RADIUS, radclient is the server that changes sessions. What the access point's agent is
/// told is read from its control session.
/// </summary>
#pragma warning disable CA1001 // xunit disposes it through IAsyncLifetime.
[Trait("Req", "A-23")]
[Trait("Req", "A-27")]
public sealed class UsersOverRadiusTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Policies = """
        {
          "policies": { "staff": ["allow out any"], "quarantine": ["allow out udp to 192.0.2.53 port 53"] },
          "roles": { "guest": "quarantine" },
          "default": "staff"
        }
        """;

    private readonly CancellationTokenSource _stop = new(TimeSpan.FromSeconds(120));
    private readonly SharedText _log = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-users-");
    private readonly IPEndPoint _listen = Loopback.FreeEndPoint();
    private readonly IPEndPoint _proxy = Loopback.FreeEndPoint();
    private readonly IPEndPoint _changes = Loopback.FreeEndPoint();
    private readonly string _secret = Guid.NewGuid().ToString("n");
    private readonly FreeRadiusProcess _radius = new(new FreeRadiusOptions { Users = [new FreeRadiusUser("alice", "wonder", "Session-Timeout = 3600"), new FreeRadiusUser("bob", "builder")] });
    private Task<int> _server = Task.FromResult(0);
    private ulong _id = 100;

    public async Task InitializeAsync()
    {
        string Written(string name, string text)
        {
            var path = Path.Combine(_folder.FullName, name);
            File.WriteAllText(path, text);
            return path;
        }

        var config = ServerConfig.Read(
            Encoding.UTF8.GetBytes($$"""
                {
                  "listen": "{{_listen}}", "name": "north", "api": { "listen": "none" },
                  "users": {
                    "radius": [{ "server": "{{_radius.AuthEndPoint}}", "secretFile": "{{Written("radius.secret", _radius.Secret)}}" }],
                    "policies": "{{Written("policies.json", Policies)}}", "guests": true,
                    "trusted": [{ "client": "02:00:00:00:00:77", "user": "printer" }],
                    "dynamicAuthorisation": { "listen": "{{_changes}}", "clients": [{ "address": "127.0.0.1", "secretFile": "{{Written("changes.secret", _secret)}}" }] },
                    "proxy": { "listen": "{{_proxy}}", "clients": [{ "address": "127.0.0.1", "secretFile": "{{Written("proxy.secret", _secret)}}", "node": "ap1" }] }
                  }
                }
                """),
            out var mistakes);
        Assert.Empty(mistakes);
        _server = Task.Run(() => CoordinatorServer.RunAsync(config!, new LineLog(_log), _stop.Token));
        await Wait.ForAsync(() => _server.IsCompleted || _log.ToString().Contains("listens on", StringComparison.Ordinal), () => _log.ToString());
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        Assert.Equal(0, await _server.WaitAsync(TimeSpan.FromSeconds(20)));
        _stop.Dispose();
        _radius.Dispose();
        _folder.Delete(recursive: true);
        await _log.DisposeAsync();
    }

    [Fact]
    public async Task A_user_of_an_access_point_that_asks_by_RADIUS_is_changed_and_disconnected_where_he_is()
    {
        using var agent = await GreetedAsync(1);
        LetIn(Client, "alice", "wonder");
        var session = await SessionAsync(agent, Client);
        Assert.Equal(("alice", UserSession.KeyLength, false), (session.User, session.Key.Length, session.IsTrusted));
        Assert.InRange(session.SecondsLeft, 3_500U, 3_600U);
        Assert.StartsWith("policy staff", await TextAsync(agent, session), StringComparison.Ordinal);
        await UsedAsync(agent, session, Client);

        // One message says all of it.
        Assert.Contains("Received CoA-ACK", Radclient("coa", "User-Name = alice\nFilter-Id = quarantine\nSession-Timeout = 60\nTunnel-Type:1 = VLAN\nTunnel-Medium-Type:1 = IEEE-802\nTunnel-Private-Group-Id:1 = \"20\"\n"), StringComparison.Ordinal);
        var change = await agent.ReadAsync<UserSessionChange>();
        Assert.Equal((Client, session.Session, session.Session, "20"), (change.Client, change.Session, change.Now!.Session, change.Now.Segment));
        Assert.InRange(change.Now.SecondsLeft, 55U, 60U);
        Assert.StartsWith("policy quarantine", await TextAsync(agent, change.Now), StringComparison.Ordinal);
        Assert.Equal(session.Key, change.Now.Key);
        await agent.SendAsync(new Ack { Id = change.Id, Status = AckStatus.Ok });

        // What cannot be is not done in part.
        var refused = Radclient("coa", "User-Name = alice\nFilter-Id = unheard-of\nSession-Timeout = 7\n");
        Assert.Contains("Error-Cause = Invalid-Attribute-Value", refused, StringComparison.Ordinal);
        var kept = await SessionAsync(agent, Client);
        Assert.InRange(kept.SecondsLeft, 20U, 60U);
        Assert.Equal(change.Now.Policy, kept.Policy);

        // By the name that accounting has; in other letters; and once.
        var name = Convert.ToHexString(session.Session.Span);
        Assert.Contains("Received Disconnect-ACK", Radclient("disconnect", $"User-Name = ALICE\nAcct-Session-Id = {name}\n"), StringComparison.Ordinal);
        var ended = await agent.ReadAsync<UserSessionChange>();
        Assert.Equal((session.Session, null), (ended.Session, ended.Now));
        await agent.SendAsync(new Ack { Id = ended.Id, Status = AckStatus.Ok });
        Assert.Contains("Error-Cause = Session-Context-Not-Found", Radclient("disconnect", $"Acct-Session-Id = {name}\n"), StringComparison.Ordinal);
        Assert.Equal("guest", (await SessionAsync(agent, Client)).User);
    }

    [Fact]
    public async Task Sessions_that_cannot_be_found_or_changed_or_removed_are_refused_with_their_Error_Cause()
    {
        using var agent = await GreetedAsync(1);
        LetIn(Client, "alice", "wonder");
        LetIn(OtherClient, "alice", "wonder");
        Assert.Contains("Error-Cause = Session-Context-Not-Found", Radclient("coa", "User-Name = nobody\nFilter-Id = staff\n"), StringComparison.Ordinal);
        Assert.Contains("Error-Cause = Session-Context-Not-Found", Radclient("disconnect", "User-Name = bob\nCalling-Station-Id = 02-00-00-00-00-01\n"), StringComparison.Ordinal);
        Assert.Contains("Error-Cause = Multiple-Session-Selection-Unsupported", Radclient("coa", "User-Name = alice\nFilter-Id = staff\n"), StringComparison.Ordinal);
        Assert.Contains("Received CoA-ACK", Radclient("coa", "User-Name = alice\nCalling-Station-Id = 02-00-00-00-00-02\nFilter-Id = quarantine\n"), StringComparison.Ordinal);

        // What the site has given by itself it would give again.
        Assert.True((await SessionAsync(agent, MacAddress.Parse("02:00:00:00:00:77"))).IsTrusted);
        Assert.Contains("Error-Cause = Session-Context-Not-Removable", Radclient("disconnect", "User-Name = printer\n"), StringComparison.Ordinal);
        Assert.Contains("Error-Cause = Administratively-Prohibited", Radclient("coa", "Calling-Station-Id = 02-00-00-00-00-77\nFilter-Id = staff\n"), StringComparison.Ordinal);

        Assert.Contains("Received Disconnect-ACK", Radclient("disconnect", "User-Name = alice\n"), StringComparison.Ordinal);
        Assert.Equal("guest", (await SessionAsync(agent, Client)).User);
        Assert.Equal("guest", (await SessionAsync(agent, OtherClient)).User);
        Assert.DoesNotContain(_secret, _log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_is_denied_gets_in_by_no_door()
    {
        using var agent = await GreetedAsync(1);
        var (isIn, _) = EapolTest.Run(_radius, _proxy, _secret, Client.ToString(), "PEAP", "bob", "wrong");
        Assert.False(isIn);
        LetIn(Client, "bob", "builder");
        Assert.Equal("bob", (await SessionAsync(agent, Client)).User);

        // Another user does not get the address of one that is served.
        await UsedAsync(agent, await SessionAsync(agent, Client), Client);
        using var other = await GreetedAsync(2);
        await other.SendAsync(new Arrive { Id = ++_id, Client = Client });
        await other.ReadAsync<ArriveReply>();
        Assert.False(EapolTest.Run(_radius, _proxy, _secret, Client.ToString(), "TTLS", "alice", "wonder").Succeeds);
        Assert.Equal("bob", (await SessionAsync(agent, Client)).User);
    }

    private void LetIn(MacAddress client, string user, string password)
    {
        var (isIn, said) = EapolTest.Run(_radius, _proxy, _secret, client.ToString(), "PEAP", user, password);
        if (!isIn)
        {
            output.WriteLine(said + _log);
        }

        Assert.True(isIn);
        Assert.Contains("MPPE keys OK: 1  mismatch: 0", said, StringComparison.Ordinal);
    }

    private string Radclient(string command, string attributes)
    {
        var asked = OutsideProgram.Run(
            "radclient", ["-x", "-r", "3", "-t", "10", _changes.ToString(), command, _secret], $"{attributes}Event-Timestamp = {DateTimeOffset.UtcNow.ToUnixTimeSeconds()}\nMessage-Authenticator = 0x00\n");
        output.WriteLine(asked.Output + asked.Errors);
        return asked.Output;
    }

    private async Task<UserSession> SessionAsync(ControlEnd agent, MacAddress client)
    {
        await agent.SendAsync(new UserSessionQuery { Id = ++_id, Client = client });
        return (await agent.ReadAsync<UserSessionReply>()).Session!;
    }

    private async Task<string> TextAsync(ControlEnd agent, UserSession session)
    {
        await agent.SendAsync(new PolicyQuery { Id = ++_id, Policy = session.Policy });
        return Encoding.UTF8.GetString((await agent.ReadAsync<PolicyReply>()).Text.Span);
    }

    private async Task UsedAsync(ControlEnd agent, UserSession session, MacAddress client)
    {
        await agent.SendAsync(new UserSessionUsed { Id = ++_id, Client = client, Session = session.Session, Proof = SessionProof.Link, Policy = session.Policy });
        Assert.Equal(AckStatus.Ok, (await agent.ReadAsync<Ack>()).Status);
    }

    private async Task<ControlEnd> GreetedAsync(ulong node)
    {
        var agent = await ControlEnd.ConnectAsync(_listen, patience: 20);
        await agent.SendAsync(new Hello { Id = 1, Node = Name(node), Incarnation = node, PeerEndpoint = At(node, 4_747), Addresses = [Address(node)] });
        await agent.ReadAsync<Welcome>();
        return agent;
    }
}
