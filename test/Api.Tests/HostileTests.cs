using System.Net.Sockets;
using System.Text;
using Masquerade.RoamingCoordinator.Server;

namespace Masquerade.Api.Tests;

/// <summary>What nobody should send, and the coordinator that goes on all the same.</summary>
public sealed class HostileTests
{
    [Fact]
    public async Task Garbage_is_answered_or_cut_off_and_nothing_else_happens()
    {
        const int Seed = 20_261_121;
        await using var site = await TestSite.StartAsync();
        var random = new Random(Seed);
        byte[][] requests =
        [
            Encoding.ASCII.GetBytes("GET / HTTP/9.9\r\n\r\n"),
            Encoding.ASCII.GetBytes("GET /v1/aps HTTP/1.1\r\n\r\n"),
            Encoding.ASCII.GetBytes($"GET /{new string('a', 10_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Encoding.ASCII.GetBytes($"GET /v1/aps HTTP/1.1\r\nHost: localhost\r\nX: {new string('a', 40_000)}\r\n\r\n"),
            Encoding.ASCII.GetBytes("GET /v1/aps HTTP/1.1\r\nHost: localhost\r\n" + string.Concat(Enumerable.Range(0, 200).Select(i => $"X{i}: 1\r\n")) + "\r\n"),
            Encoding.ASCII.GetBytes("GET /v1/aps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"),
            Encoding.ASCII.GetBytes("POST /v1/aps HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            Encoding.ASCII.GetBytes("GET /v1/clients/%00%ff/location HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Encoding.ASCII.GetBytes("GET /v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
            .. Enumerable.Range(0, 40).Select(_ =>
            {
                var junk = new byte[random.Next(1, 2_000)];
                random.NextBytes(junk);
                return junk;
            }),
        ];
        for (var i = 0; i < requests.Length; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(site.Api);
            await socket.SendAsync(requests[i]);
            socket.Shutdown(SocketShutdown.Send);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            var buffer = new byte[65_536];
            try
            {
                var read = await socket.ReceiveAsync(buffer, limit.Token);
                Assert.True(read == 0 || Encoding.ASCII.GetString(buffer, 0, read).StartsWith("HTTP/1.1 ", StringComparison.Ordinal), $"request {i}, seed {Seed}");
                Assert.DoesNotContain("root:", Encoding.ASCII.GetString(buffer, 0, read), StringComparison.Ordinal);
            }
            catch (SocketException)
            {
                // Cut off.
            }
        }

        Assert.DoesNotContain("error", site.Log, StringComparison.Ordinal);
        Assert.Equal("north", (await site.GetAsync("/v1/status")).GetProperty("coordinator").GetString());
    }

    [Fact]
    public async Task Connections_are_bounded_and_a_silent_one_does_not_stay()
    {
        await using var site = await TestSite.StartAsync("\"maxConnections\": 8,");
        var agent = await site.AgentAsync(1);
        var idle = new List<Socket>();
        try
        {
            for (var i = 0; i < 60; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                idle.Add(socket);
                try
                {
                    await socket.ConnectAsync(site.Api);
                    await socket.SendAsync("GET /v1"u8.ToArray());
                }
                catch (SocketException)
                {
                    // One too many, and already told so.
                }
            }

            // Agents do not feel it.
            await agent.ArriveAsync(1);

            // Whoever says nothing makes room after the time that headers may take.
            await TestSite.UntilAsync(
                async () =>
                {
                    try
                    {
                        return await site.MetricAsync("masq_api_refused_total{reason=\"too_many_connections\"}") >= 52;
                    }
                    catch (Exception e) when (e is HttpRequestException or SocketException)
                    {
                        return false;
                    }
                },
                "silent connections stay");
        }
        finally
        {
            idle.ForEach(s => s.Dispose());
        }
    }

    [Fact]
    public async Task Many_who_ask_at_once_are_answered_or_told_to_come_again()
    {
        await using var site = await TestSite.StartAsync("\"maxQuestions\": 2,");
        var agent = await site.AgentAsync(1);
        for (var client = 1; client <= 50; client++)
        {
            await agent.ArriveAsync(client);
        }

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => site.Http.GetAsync($"/v1/clients/{FakeAgent.Mac(1 + (i % 50))}")));
        Assert.All(answers, a => Assert.True((int)a.StatusCode is 200 or 503, a.StatusCode.ToString()));
        Assert.All(answers.Where(a => (int)a.StatusCode == 503), a => Assert.NotNull(a.Headers.RetryAfter));
        Assert.Contains(answers, a => (int)a.StatusCode == 200);
        Array.ForEach(answers, a => a.Dispose());
        await agent.ArriveAsync(51);
    }

    [Fact]
    public async Task The_log_can_be_read_by_programs()
    {
        string log;
        await using (var site = await TestSite.StartAsync(format: LogFormat.Json))
        {
            var agent = await site.AgentAsync(1);
            await agent.ArriveAsync(1);
            await agent.ClaimNonsenseAsync(1);
            await agent.ArriveAsync(2);
            log = site.Log;
        }

        var lines = log.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => System.Text.Json.JsonDocument.Parse(l).RootElement).ToList();
        Assert.All(lines, l => Assert.InRange(l.GetProperty("time").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-2), DateTimeOffset.UtcNow.AddSeconds(1)));
        var moved = lines.First(l => l.TryGetProperty("event", out var name) && name.GetString() == "clientMoved");
        Assert.Equal((FakeAgent.Mac(1).ToString(), "ap1", 0, true), (moved.GetProperty("client").GetString(), moved.GetProperty("to").GetString(), moved.GetProperty("mappings").GetInt32(), moved.GetProperty("complete").GetBoolean()));
        var refused = lines.Single(l => l.GetProperty("level").GetString() == "warning");
        Assert.Equal(("claimRefused", "Invalid"), (refused.GetProperty("event").GetString(), refused.GetProperty("kind").GetString()));
        Assert.Contains(lines, l => l.TryGetProperty("message", out var text) && text.GetString()!.Contains("API listens", StringComparison.Ordinal));
    }
}
