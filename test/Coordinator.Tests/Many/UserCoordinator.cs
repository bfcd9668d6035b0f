using System.Net;
using System.Text;
using System.Text.Json;
using Masquerade.Core.Control;
using Masquerade.RoamingCoordinator.Server;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>A coordinator that knows of users, in this process, over a Redis that it shares, with its API and files of its own.</summary>
internal sealed class UserCoordinator : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new(TimeSpan.FromSeconds(120));
    private readonly SharedText _log = new();
    private readonly IPEndPoint _listen = Loopback.FreeEndPoint();
    private readonly string _config;
    private Task<int> _server = Task.FromResult(0);
    private ulong _id = 100;

    public UserCoordinator(string name, IPEndPoint redis, DirectoryInfo folder, string policies, string denied = "")
    {
        var api = Loopback.FreeEndPoint();
        Http = new HttpClient { BaseAddress = new Uri($"http://{api}"), Timeout = TimeSpan.FromSeconds(20) };
        string Written(string file, string text)
        {
            var path = Path.Combine(folder.FullName, $"{name}-{file}");
            File.WriteAllText(path, text);
            return path;
        }

        (PolicyPath, DeniedPath) = (Written("policies.json", policies), Written("denied", denied));
        var keys = Path.Combine(folder.FullName, "site.keys");
        _config = $$"""
            {
              "listen": "{{_listen}}", "name": "{{name}}", "api": { "listen": "{{api}}" }, "store": { "redis": { "servers": ["{{redis}}"] } },
              "users": {
                "radius": [{ "server": "127.0.0.1:1", "secretFile": "{{Written("radius.secret", Guid.NewGuid().ToString("n"))}}" }],
                "siteKeyFile": "{{keys}}", "policies": "{{PolicyPath}}", "deniedFile": "{{DeniedPath}}",
                "trusted": [{ "client": "{{Client}}", "user": "alice" }, { "client": "{{OtherClient}}", "user": "bob" }]
              }
            }
            """;
        if (!File.Exists(keys))
        {
            File.WriteAllText(keys, $"1 {Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32))}");
        }
    }

    public HttpClient Http { get; }

    public string PolicyPath { get; }

    public string DeniedPath { get; }

    public string Log => _log.ToString();

    public async Task StartAsync()
    {
        var config = ServerConfig.Read(Encoding.UTF8.GetBytes(_config), out var mistakes);
        Assert.Empty(mistakes);
        _server = Task.Run(() => CoordinatorServer.RunAsync(config!, new LineLog(_log, LogFormat.Text), _stop.Token));
        await Wait.ForAsync(() => _server.IsCompleted || Log.Contains("API listens", StringComparison.Ordinal), () => Log);
        Assert.False(_server.IsCompleted, Log);
    }

    public async Task<ControlEnd> AgentAsync(ulong node)
    {
        var agent = await ControlEnd.ConnectAsync(_listen, patience: 20);
        await agent.SendAsync(new Hello { Id = 1, Node = Name(node), Incarnation = node, PeerEndpoint = At(node, 4_747), Addresses = [Address(node)] });
        await agent.ReadAsync<Welcome>();
        return agent;
    }

    public async Task<UserSession?> SessionAsync(ControlEnd agent, Core.Flow.MacAddress client)
    {
        await agent.SendAsync(new UserSessionQuery { Id = ++_id, Client = client });
        return (await agent.ReadAsync<UserSessionReply>()).Session;
    }

    public async Task<UserSession> ServeAsync(ControlEnd agent, Core.Flow.MacAddress client)
    {
        var session = await SessionAsync(agent, client);
        await agent.SendAsync(new UserSessionUsed { Id = ++_id, Client = client, Session = session!.Session, Proof = SessionProof.Trusted, Policy = session.Policy });
        Assert.Equal(AckStatus.Ok, (await agent.ReadAsync<Ack>()).Status);
        return session;
    }

    public async Task<string> TextAsync(ControlEnd agent, Octets policy)
    {
        await agent.SendAsync(new PolicyQuery { Id = ++_id, Policy = policy });
        return Encoding.UTF8.GetString((await agent.ReadAsync<PolicyReply>()).Text.Span);
    }

    public async Task<HttpStatusCode> OrderAsync(string path)
    {
        using var answer = await Http.PostAsync(path, null);
        return answer.StatusCode;
    }

    public async Task<HttpStatusCode> ApplyAsync(string document)
    {
        using var content = new StringContent(document);
        using var answer = await Http.PutAsync("/v1/users/policies", content);
        return answer.StatusCode;
    }

    public async Task<string[]> DeniedAsync()
    {
        using var document = JsonDocument.Parse(await Http.GetStringAsync("/v1/users/denied"));
        return [.. document.RootElement.GetProperty("denied").EnumerateArray().Select(d => d.GetString()!)];
    }

    public async Task<string> ExplainAsync(string user, string to)
    {
        using var document = JsonDocument.Parse(await Http.GetStringAsync($"/v1/users/explain?user={user}&to={to}"));
        return document.RootElement.GetProperty("answers")[0].GetProperty("text").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Assert.Equal(0, await _server.WaitAsync(TimeSpan.FromSeconds(20)));
        _stop.Dispose();
        Http.Dispose();
        await _log.DisposeAsync();
    }
}
