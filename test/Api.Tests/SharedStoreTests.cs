using System.Net;
using static Masquerade.Api.Tests.FakeAgent;

namespace Masquerade.Api.Tests;

/// <summary>Two coordinators over a real Redis, each with its API.</summary>
public sealed class SharedStoreTests
{
    [Fact]
    [Trait("Req", "A-28")]
    public async Task Every_coordinator_knows_where_a_client_is_and_tells_the_moves_that_it_decided()
    {
        using var redis = new RedisProcess();
        var root = $"\"store\": {{ \"redis\": {{ \"servers\": \"{redis.EndPoint}\" }} }}, \"roaming\": {{ \"handOverTimeoutMilliseconds\": 10000 }},";
        await using var north = await TestSite.StartAsync(root: root);
        await using var south = await TestSite.StartAsync(root: root);
        var (first, second) = (await north.AgentAsync(1), await south.AgentAsync(2));
        await using var events = await EventReader.OpenAsync(south.Http, "/v1/events?type=clientRoamed");
        var epoch = (await first.ArriveAsync(1)).Epoch;
        await first.OpenAsync(1, epoch, 3);
        await TestSite.UntilAsync(async () => (await south.GetAsync("/v1/status")).GetProperty("apsConnected").GetInt32() == 2, "south does not hear of ap1");
        var next = (await second.ArriveAsync(1)).Epoch;
        await first.HandOverAsync(1, epoch);

        foreach (var site in new[] { north, south })
        {
            await TestSite.UntilAsync(
                async () => (await site.GetAsync($"/v1/clients/{Mac(1)}/location")).GetProperty("state").GetString() == "present", "the arrival stays incomplete");
            var here = await site.GetAsync($"/v1/clients/{Mac(1)}");
            Assert.Equal(("ap2", next.Value, 3), (here.GetProperty("at").GetString(), here.GetProperty("epoch").GetUInt64(), here.GetProperty("mappings").GetArrayLength()));
            Assert.InRange(here.GetProperty("since").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddSeconds(-30), DateTimeOffset.UtcNow.AddSeconds(1));
            Assert.Equal(3, (await site.AllAsync("/v1/connections?limit=2")).Rows.Count);
            Assert.Equal((1, 3), ((await site.GetAsync("/v1/status")).GetProperty("clients").GetInt32(), (await site.GetAsync("/v1/status")).GetProperty("mappings").GetInt32()));
        }

        var aps = (await south.AllAsync("/v1/aps?limit=1")).Rows;
        Assert.Equal([(true, false), (true, true)], aps.Select(a => (a.GetProperty("connected").GetBoolean(), a.GetProperty("here").GetBoolean())));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, aps[0].GetProperty("heartbeatAgeSeconds").ValueKind);

        // North took the hand-over, so north has the whole move.
        var told = (await north.GetAsync($"/v1/clients/{Mac(1)}")).GetProperty("trail").EnumerateArray().Concat((await south.GetAsync($"/v1/clients/{Mac(1)}")).GetProperty("trail").EnumerateArray()).ToList();
        var move = Assert.Single(told);
        Assert.Equal(("ap1", "ap2", "complete"), (move.GetProperty("from").GetString(), move.GetProperty("to").GetString(), move.GetProperty("outcome").GetString()));
        await second.DepartAsync(1, next);
        await second.ArriveAsync(1);
        await (await south.AgentAsync(3)).ArriveAsync(1, offers: 8);
        Assert.Equal(1, await north.MetricAsync("masq_sessions"));
        Assert.Equal(3, await north.MetricAsync("masq_nodes_connected"));
    }

    [Fact]
    public async Task Without_its_store_a_coordinator_lives_but_is_not_ready()
    {
        using var redis = new RedisProcess();
        await using var site = await TestSite.StartAsync(root: $"\"store\": {{ \"redis\": {{ \"servers\": \"{redis.EndPoint}\" }} }},");
        await (await site.AgentAsync(1)).ArriveAsync(1);
        Assert.Equal("ready", (await site.GetAsync("/v1/health/ready")).GetProperty("status").GetString());
        redis.Kill();
        var refused = await site.RefusedAsync(HttpMethod.Get, "/v1/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.Status);
        Assert.Contains("store", refused.Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await site.RefusedAsync(HttpMethod.Get, $"/v1/clients/{Mac(1)}/location")).Status);
        Assert.Equal("live", (await site.GetAsync("/v1/health/live")).GetProperty("status").GetString());
        redis.Start();
        await TestSite.UntilAsync(
            async () =>
            {
                using var response = await site.Http.GetAsync("/v1/health/ready");
                return response.IsSuccessStatusCode;
            },
            "it does not get ready again");
    }
}
