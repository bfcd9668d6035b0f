using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Masquerade.RoamingCoordinator.Server;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Masquerade.Api.Tests;

/// <summary>A coordinator with its API, in this process, on free ports of loopback.</summary>
internal sealed class TestSite : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new(TimeSpan.FromSeconds(90));
    private readonly SharedText _log = new();
    private readonly List<FakeAgent> _agents = [];
    private Task<int> _server = Task.FromResult(0);

    public IPEndPoint Agents { get; } = Loopback.FreeEndPoint();

    public IPEndPoint Api { get; } = Loopback.FreeEndPoint();

    public HttpClient Http { get; private set; } = null!;

    public string Log => _log.ToString();

    /// <summary>Starts one and waits until the API answers.</summary>
    /// <param name="api">More keys of the object <c>api</c>, each with a comma behind it.</param>
    /// <param name="root">More keys of the root, likewise.</param>
    /// <param name="scheme">http or https.</param>
    /// <param name="handler">For the client.</param>
    /// <param name="format">How the log is written.</param>
    public static async Task<TestSite> StartAsync(
        string api = "", string root = "", string scheme = "http", HttpMessageHandler? handler = null, LogFormat format = LogFormat.Text)
    {
        var site = new TestSite();
        var text = $$"""{ {{root}} "listen": "{{site.Agents}}", "name": "north", "api": { {{api}} "listen": "{{site.Api}}" } }""";
        var config = ServerConfig.Read(Encoding.UTF8.GetBytes(text), out var mistakes);
        Assert.Empty(mistakes);
        site.Http = new HttpClient(handler ?? new SocketsHttpHandler()) { BaseAddress = new Uri($"{scheme}://{site.Api}"), Timeout = TimeSpan.FromSeconds(20) };
        site._server = Task.Run(() => CoordinatorServer.RunAsync(config!, new LineLog(site._log, format), site._stop.Token));
        for (var i = 0; i < 500 && !site._server.IsCompleted; i++)
        {
            if (site.Log.Contains("API listens", StringComparison.Ordinal))
            {
                return site;
            }

            await Task.Delay(20);
        }

        var log = site.Log;
        await site.DisposeAsync();
        throw new InvalidOperationException($"the server does not come up: {log}");
    }

    public async Task<FakeAgent> AgentAsync(int number, params IReadOnlyList<Core.Flow.IpPrefix> takes)
    {
        var agent = await FakeAgent.ConnectAsync(Agents, number, takes);
        _agents.Add(agent);
        return agent;
    }

    public async Task<JsonElement> GetAsync(string path)
    {
        using var response = await Http.GetAsync(path);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{path}: {response.StatusCode} {text}");
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        using var document = JsonDocument.Parse(text);
        Assert.Equal(1, document.RootElement.GetProperty("version").GetInt32());
        return document.RootElement.Clone();
    }

    /// <summary>All rows of a list, page by page.</summary>
    public async Task<(List<JsonElement> Rows, int Pages)> AllAsync(string path)
    {
        var rows = new List<JsonElement>();
        var next = string.Empty;
        var pages = 0;
        while (true)
        {
            var page = await GetAsync(path + next);
            pages++;
            rows.AddRange(page.GetProperty("items").EnumerateArray());
            if (page.GetProperty("next").GetString() is not { } more)
            {
                return (rows, pages);
            }

            next = $"&next={more}";
        }
    }

    /// <summary>What is wrong with a request, as the API says it.</summary>
    public async Task<(HttpStatusCode Status, string Detail)> RefusedAsync(HttpMethod method, string path, Action<HttpRequestHeaders>? headers = null)
    {
        using var request = new HttpRequestMessage(method, path);
        headers?.Invoke(request.Headers);
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(string.Equals(response.Content.Headers.ContentType?.MediaType, "application/problem+json", StringComparison.Ordinal), $"{path}: {response.StatusCode} {text}");
        using var document = JsonDocument.Parse(text);
        Assert.Equal((int)response.StatusCode, document.RootElement.GetProperty("status").GetInt32());
        return (response.StatusCode, document.RootElement.GetProperty("detail").GetString()!);
    }

    /// <summary>One figure of the metrics.</summary>
    public async Task<double> MetricAsync(string sample)
    {
        var text = await Http.GetStringAsync("/metrics");
        var line = text.Split('\n').SingleOrDefault(l => l.StartsWith(sample + " ", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line[(sample.Length + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        for (var i = 0; i < 400; i++)
        {
            if (await condition())
            {
                return;
            }

            await Task.Delay(25);
        }

        Assert.Fail(what);
    }

    public async ValueTask DisposeAsync()
    {
        _agents.ForEach(a => a.Dispose());
        await _stop.CancelAsync();
        Assert.Equal(0, await _server.WaitAsync(TimeSpan.FromSeconds(10)));
        Http.Dispose();
        _stop.Dispose();
        await _log.DisposeAsync();
    }
}
