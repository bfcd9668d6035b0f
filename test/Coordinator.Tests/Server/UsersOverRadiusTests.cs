using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
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
public sealed partial class UsersOverRadiusTests : IAsyncLifetime
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
    private readonly IPEndPoint _api = Loopback.FreeEndPoint();
    private readonly string _siteKey = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
    private readonly string _password = Guid.NewGuid().ToString("n");
    private readonly string _secret = Guid.NewGuid().ToString("n");
    private readonly string _token = Guid.NewGuid().ToString("n");
    private readonly string _portalToken = Guid.NewGuid().ToString("n");
    private readonly FreeRadiusProcess _radius;
    private Task<int> _server = Task.FromResult(0);
    private readonly ITestOutputHelper _output;
    private ulong _id = 100;

    public UsersOverRadiusTests(ITestOutputHelper output)
    {
        _output = output;
        _radius = new FreeRadiusProcess(new FreeRadiusOptions { Users = [new FreeRadiusUser("alice", _password, "Session-Timeout = 3600"), new FreeRadiusUser("bob", "builder")] });
    }

    public Task InitializeAsync() => Task.CompletedTask;

    private async Task StartAsync(LogFormat format = LogFormat.Text, bool withTokens = false)
    {
        string Written(string name, string text)
        {
            var path = Path.Combine(_folder.FullName, name);
            File.WriteAllText(path, text);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return path;
        }

        string Hashed(string name, string token) => Written(name, $"{name} sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)))}\n");
        var tokens = withTokens ? $", \"tokens\": \"{Hashed("operator", _token)}\", \"guestTokens\": \"{Hashed("portal", _portalToken)}\"" : string.Empty;

        var config = ServerConfig.Read(
            Encoding.UTF8.GetBytes($$"""
                {
                  "listen": "{{_listen}}", "name": "north", "api": { "listen": "{{_api}}"{{tokens}} },
                  "users": {
                    "radius": [{ "server": "{{_radius.AuthEndPoint}}", "secretFile": "{{Written("radius.secret", _radius.Secret)}}" }],
                    "siteKeyFile": "{{Written("site.keys", $"1 {_siteKey}")}}",
                    "policies": "{{Written("policies.json", Policies)}}", "guests": true, "portal": { "roles": "guest" },
                    "trusted": [{ "client": "02:00:00:00:00:77", "user": "printer" }],
                    "dynamicAuthorisation": { "listen": "{{_changes}}", "clients": [{ "address": "127.0.0.1", "secretFile": "{{Written("changes.secret", _secret)}}" }] },
                    "proxy": { "listen": "{{_proxy}}", "clients": [{ "address": "127.0.0.1", "secretFile": "{{Written("proxy.secret", _secret)}}", "node": "ap1", "radios": ["02:00:00:00:0b:01", "02:00:00:00:0b:02"] }] }
                  }
                }
                """),
            out var mistakes);
        Assert.Empty(mistakes);
        _server = Task.Run(() => CoordinatorServer.RunAsync(config!, new LineLog(_log, format), _stop.Token));
        await Wait.ForAsync(() => _server.IsCompleted || _log.ToString().Contains("API listens", StringComparison.Ordinal), () => _log.ToString());
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
        await StartAsync();
        using var agent = await GreetedAsync(1);
        LetIn(Client, "alice", _password);
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

        // An access point that has not heard of it is told whether it asks or says that it uses it (decision 42).
        await agent.SendAsync(new UserSessionQuery { Id = ++_id, Client = Client, Known = session.Session });
        var reply = await agent.ReadAsync<UserSessionReply>();
        Assert.Equal((session.Session, "disconnected by the RADIUS server", "guest"), (reply.Ended, reply.Reason, reply.Session!.User));
        await agent.SendAsync(new UserSessionUsed { Id = ++_id, Client = Client, Session = session.Session, Proof = SessionProof.Link });
        var again = await agent.ReadAsync<UserSessionChange>();
        Assert.Equal((session.Session, null, "disconnected by the RADIUS server"), (again.Session, again.Now, again.Reason));
        Assert.Equal("guest", (await SessionAsync(agent, Client)).User);
    }

    [Fact]
    public async Task Sessions_that_cannot_be_found_or_changed_or_removed_are_refused_with_their_Error_Cause()
    {
        await StartAsync();
        using var agent = await GreetedAsync(1);
        LetIn(Client, "alice", _password);
        LetIn(OtherClient, "alice", _password);
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
        await StartAsync();
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
        Assert.False(EapolTest.Run(_radius, _proxy, _secret, Client.ToString(), "TTLS", "alice", _password).Succeeds);
        Assert.Equal("bob", (await SessionAsync(agent, Client)).User);
    }

    /// <summary>Marker secrets: each that there is, in each form that it could be written in, is looked for in everything that comes out.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-24")]
    public async Task No_secret_is_in_anything_that_is_written_or_answered(bool isJson)
    {
        await StartAsync(isJson ? LogFormat.Json : LogFormat.Text, withTokens: true);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{_api}"), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", _token) } };
        using var status = JsonDocument.Parse(await http.GetStringAsync("/v1/status"));
        var begin = status.RootElement.GetProperty("asOf").GetString();
        using var agent = await GreetedAsync(1);
        var said = LetIn(Client, "alice", _password);
        var session = await SessionAsync(agent, Client);
        await UsedAsync(agent, session, Client);
        var answers = new StringBuilder();
        foreach (var path in new[]
        {
            "/v1/status", "/v1/aps", "/v1/clients", $"/v1/clients/{Client}", $"/v1/clients/{Client}/location", "/v1/connections", "/v1/policies", "/v1/users/denied", "/v1/users/policies", "/v1/guests",
            "/v1/users/explain?user=alice&to=192.0.2.1:1", "/v1/health", "/metrics", "/v1/nothing", $"/v1/clients/{_secret[..4]}",
        })
        {
            using var answer = await http.GetAsync(path);
            answers.AppendLine(await answer.Content.ReadAsStringAsync());
        }

        // The portal's token, where it opens something, and where it does not; and one that is nobody's.
        foreach (var (token, path) in new[] { (_portalToken, "/v1/guests/02:00:00:00:00:66?seconds=60"), (_portalToken, $"/v1/guests/{Client}?seconds=9&role=unheard-of"), (_portalToken, "/v1/users/bob/deny"), (_token + "x", $"/v1/guests/{Client}") })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await http.SendAsync(request);
            Assert.False(answer.IsSuccessStatusCode);
            answers.AppendLine(await answer.Content.ReadAsStringAsync()).AppendLine(answer.Headers.ToString());
        }

        Radclient("coa", "User-Name = alice\nFilter-Id = quarantine\n");
        Radclient("coa", "User-Name = alice\nFilter-Id = unheard-of\n");
        Radclient("disconnect", "User-Name = alice\n");
        using (var denied = await http.PostAsync("/v1/users/alice/deny", null))
        {
            answers.AppendLine(await denied.Content.ReadAsStringAsync());
        }

        Assert.False(EapolTest.Run(_radius, _proxy, _secret, OtherClient.ToString(), "PEAP", "alice", _password).Succeeds);
        using (var stream = await http.GetStreamAsync($"/v1/events?since={begin}"))
        {
            using var reader = new StreamReader(stream);
            for (var line = string.Empty; !line.Contains("userSessionEnded", StringComparison.Ordinal);)
            {
                line = await reader.ReadLineAsync(_stop.Token) ?? throw new InvalidOperationException("the stream of events has ended");
                answers.AppendLine(line);
            }
        }

        // A configuration in which the secrets themselves stand where something else should.
        ServerConfig.Read(
            Encoding.UTF8.GetBytes($$"""{ "users": { "radius": [{ "server": "127.0.0.1:1", "secretFile": "{{_folder}}/nothing" }], "siteKeyFile": "{{Path.Combine(_folder.FullName, "radius.secret")}}", "proxy": { "clients": [] } } }"""),
            out var mistakes);
        Assert.NotEmpty(mistakes);
        answers.AppendJoin('\n', mistakes);

        var msk = Convert.FromHexString(MskLine().Match(said).Groups[1].Value.Replace(" ", string.Empty, StringComparison.Ordinal));
        var key = HKDF.DeriveKey(
            HashAlgorithmName.SHA256, msk, 32, Encoding.ASCII.GetBytes("Masquerade session key 1"), [.. session.Session.Span, .. Convert.FromHexString(Client.ToString().Replace(":", string.Empty, StringComparison.Ordinal))]);
        var everything = $"{_log}\n{answers}\n{session}";
        Assert.Contains("alice", _log.ToString(), StringComparison.Ordinal);
        Assert.Contains("alice", answers.ToString(), StringComparison.Ordinal);
        foreach (var (what, secret) in new (string, byte[])[]
        {
            ("RADIUS secret", Encoding.ASCII.GetBytes(_radius.Secret)), ("CoA and proxy secret", Encoding.ASCII.GetBytes(_secret)), ("password", Encoding.ASCII.GetBytes(_password)), ("API token", Encoding.ASCII.GetBytes(_token)), ("portal's token", Encoding.ASCII.GetBytes(_portalToken)), ("MSK", msk), ("session key", key),
            ("access point key", session.Key.Span.ToArray()), ("site key", Convert.FromHexString(_siteKey)),
        })
        {
            foreach (var form in new[] { Convert.ToHexString(secret), Convert.ToBase64String(secret).TrimEnd('='), Convert.ToHexString(secret.AsSpan(0, 16)), Encoding.Latin1.GetString(secret), BitConverter.ToString(secret), string.Join(", ", secret), string.Join(',', secret) })
            {
                Assert.False(everything.Contains(form, StringComparison.OrdinalIgnoreCase), $"{what} is written out");
            }
        }

        // What is looked for would be found.
        Assert.Contains(Convert.ToHexString(session.Session.Span), everything, StringComparison.OrdinalIgnoreCase);
    }

    [GeneratedRegex(@"Derived key - hexdump\(len=64\): ([0-9a-f ]+)")]
    private static partial Regex MskLine();

    private string LetIn(MacAddress client, string user, string password, params string[] attributes)
    {
        var (isIn, said) = EapolTest.Run(_radius, _proxy, _secret, client.ToString(), "PEAP", user, password, attributes);
        if (!isIn)
        {
            _output.WriteLine(said + _log);
        }

        Assert.True(isIn);
        Assert.Contains("MPPE keys OK: 1  mismatch: 0", said, StringComparison.Ordinal);
        return said;
    }

    private string Radclient(string command, string attributes)
    {
        var asked = OutsideProgram.Run(
            "radclient", ["-x", "-r", "3", "-t", "10", _changes.ToString(), command, _secret], $"{attributes}Event-Timestamp = {DateTimeOffset.UtcNow.ToUnixTimeSeconds()}\nMessage-Authenticator = 0x00\n");
        _output.WriteLine(asked.Output + asked.Errors);
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
