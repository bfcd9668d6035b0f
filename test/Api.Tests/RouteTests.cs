using System.Net;
using System.Text.Json;
using static Masquerade.Api.Tests.FakeAgent;

namespace Masquerade.Api.Tests;

/// <summary>Every route of documents, over real sockets, with agents that speak the control protocol.</summary>
public sealed class RouteTests
{
    [Fact]
    [Trait("Req", "A-28")]
    public async Task An_application_asks_where_a_client_is_now()
    {
        await using var site = await TestSite.StartAsync();
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        var epoch = (await first.ArriveAsync(7)).Epoch;
        var there = await site.GetAsync($"/v1/clients/{Mac(7)}/location");
        Assert.Equal(("present", "ap1", null), (there.GetProperty("state").GetString(), there.GetProperty("at").GetString(), there.GetProperty("previous").GetString()));
        Assert.Equal(epoch.Value, there.GetProperty("epoch").GetUInt64());
        Assert.Equal("10.77.0.7", Assert.Single(there.GetProperty("addresses").EnumerateArray()).GetString());
        Assert.InRange(there.GetProperty("since").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddSeconds(-30), DateTimeOffset.UtcNow.AddSeconds(1));

        await second.ArriveAsync(7);
        Assert.Equal("arriving", (await site.GetAsync($"/v1/clients/{Mac(7)}/location")).GetProperty("state").GetString());
        await first.HandOverAsync(7, epoch);
        await second.ReadAsync<Masquerade.Core.Control.ArrivalUpdate>();
        var here = await site.GetAsync($"/v1/clients/{Mac(7)}/location");
        Assert.Equal(("present", "ap2", "ap1"), (here.GetProperty("state").GetString(), here.GetProperty("at").GetString(), here.GetProperty("previous").GetString()));

        await second.DepartAsync(7, new Masquerade.Core.Flow.Epoch(here.GetProperty("epoch").GetUInt64()));
        var gone = await site.GetAsync($"/v1/clients/{Mac(7)}/location");
        Assert.Equal(("away", JsonValueKind.Null, "ap2"), (gone.GetProperty("state").GetString(), gone.GetProperty("at").ValueKind, gone.GetProperty("previous").GetString()));
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Get, $"/v1/clients/{Mac(8)}/location")).Status);
    }

    [Fact]
    [Trait("Req", "A-28")]
    public async Task A_client_has_a_trail_of_its_moves_with_their_times()
    {
        await using var site = await TestSite.StartAsync("\"trailLength\": 3,");
        var aps = new[] { await site.AgentAsync(1), await site.AgentAsync(2) };
        var epoch = (await aps[0].ArriveAsync(1)).Epoch;
        await aps[0].OpenAsync(1, epoch, 2);
        for (var move = 1; move <= 5; move++)
        {
            await aps[(move + 1) % 2].DepartAsync(1, epoch);
            await Task.Delay(60);
            epoch = (await aps[move % 2].ArriveAsync(1)).Epoch;
        }

        var client = await site.GetAsync($"/v1/clients/{Mac(1)}");
        var trail = client.GetProperty("trail").EnumerateArray().ToList();
        Assert.Equal(3, trail.Count);
        Assert.Equal([("ap1", "ap2"), ("ap2", "ap1"), ("ap1", "ap2")], trail.Select(t => (t.GetProperty("from").GetString()!, t.GetProperty("to").GetString()!)));
        Assert.Equal(epoch.Value, trail[0].GetProperty("epoch").GetUInt64());
        Assert.All(trail, t =>
        {
            Assert.Equal(("complete", 2), (t.GetProperty("outcome").GetString(), t.GetProperty("mappings").GetInt32()));
            Assert.InRange(t.GetProperty("absenceSeconds").GetDouble(), 0.05, 10);
            Assert.InRange(t.GetProperty("handOverSeconds").GetDouble(), 0, 1);
            Assert.Equal(t.GetProperty("absenceSeconds").GetDouble() + t.GetProperty("handOverSeconds").GetDouble(), t.GetProperty("gapSeconds").GetDouble(), 0.000_001);
        });
        Assert.Equal(2, client.GetProperty("mappings").GetArrayLength());
        Assert.Equal(("ap1", "192.0.2.1:40032"), (client.GetProperty("mappings")[0].GetProperty("ham").GetString(), client.GetProperty("mappings")[0].GetProperty("masquerade").GetString()));
        Assert.Equal("ap2", client.GetProperty("mappings")[0].GetProperty("fams")[0].GetProperty("node").GetString());
    }

    [Fact]
    public async Task Access_points_are_listed_with_their_figures_in_pages()
    {
        await using var site = await TestSite.StartAsync();
        var aps = new List<FakeAgent>();
        for (var i = 1; i <= 5; i++)
        {
            aps.Add(await site.AgentAsync(i));
        }

        var epoch = (await aps[0].ArriveAsync(1)).Epoch;
        await aps[0].OpenAsync(1, epoch, 3);
        await aps[0].DepartAsync(1, epoch);
        await aps[1].ArriveAsync(1);
        await aps[2].ArriveAsync(2);
        aps[4].Dispose();
        await TestSite.UntilAsync(
            async () => !(await site.GetAsync("/v1/aps")).GetProperty("items")[4].GetProperty("connected").GetBoolean(), "ap5 stays connected");

        var (rows, pages) = await site.AllAsync("/v1/aps?limit=2");
        Assert.Equal(3, pages);
        Assert.Equal(["ap1", "ap2", "ap3", "ap4", "ap5"], rows.Select(r => r.GetProperty("ap").GetString()!));
        Assert.Equal([0, 1, 1, 0, 0], rows.Select(r => r.GetProperty("clients").GetInt32()));
        Assert.Equal([3, 0, 0, 0, 0], rows.Select(r => r.GetProperty("mappingsAnchored").GetInt32()));
        Assert.Equal([0, 3, 0, 0, 0], rows.Select(r => r.GetProperty("mappingsServed").GetInt32()));
        Assert.Equal([true, true, true, true, false], rows.Select(r => r.GetProperty("connected").GetBoolean()));
        Assert.All(rows, r => Assert.InRange(r.GetProperty("heartbeatAgeSeconds").GetDouble(), 0, 60));
        Assert.All(rows, r => Assert.InRange(r.GetProperty("since").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddSeconds(-60), DateTimeOffset.UtcNow.AddSeconds(1)));
        Assert.Equal(("192.0.2.1", "192.0.2.1:4747"), (rows[0].GetProperty("addresses")[0].GetString(), rows[0].GetProperty("peer").GetString()));
        Assert.Equal((5, 4), await StatusAsync(site));
    }

    [Fact]
    public async Task Clients_and_connections_come_in_pages_without_gaps_and_doubles()
    {
        await using var site = await TestSite.StartAsync();
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        for (var client = 1; client <= 9; client++)
        {
            var ap = client % 3 == 0 ? second : first;
            await ap.OpenAsync(client, (await ap.ArriveAsync(client)).Epoch, client % 4);
        }

        var (clients, pages) = await site.AllAsync("/v1/clients?limit=2");
        Assert.Equal(5, pages);
        Assert.Equal(Enumerable.Range(1, 9).Select(c => Mac(c).ToString()), clients.Select(c => c.GetProperty("client").GetString()!));
        Assert.Equal(Enumerable.Range(1, 9).Select(c => c % 4), clients.Select(c => c.GetProperty("connectionCount").GetInt32()));
        Assert.Equal([3, 6, 9], (await site.AllAsync("/v1/clients?ap=ap2&limit=1")).Rows.Select(r => (int)(Core.Flow.MacAddress.Parse(r.GetProperty("client").GetString()!).Value & 255)));

        foreach (var limit in new[] { 1, 2, 3, 5, 1_000 })
        {
            var (rows, _) = await site.AllAsync($"/v1/connections?limit={limit}");
            string[] expected = [.. Enumerable.Range(1, 9).SelectMany(c => Enumerable.Range(0, c % 4).Select(i => $"{Mac(c)} {40_000 + (c * 32) + i}"))];
            Assert.Equal(expected, rows.Select(r => $"{r.GetProperty("client").GetString()} {r.GetProperty("masquerade").GetString()!.Split(':')[1]}"));
        }

        Assert.Equal(3, (await site.AllAsync($"/v1/connections?client={Mac(7)}&limit=2")).Rows.Count);
        Assert.Equal(6, (await site.AllAsync("/v1/connections?ap=ap2&limit=2")).Rows.Count);
        Assert.Equal(6, (await site.AllAsync("/v1/connections?ham=ap2&limit=2")).Rows.Count);
        var one = (await site.AllAsync($"/v1/connections?client={Mac(1)}&limit=9")).Rows.Single();
        Assert.Equal(
            ("tcp", "10.77.0.1:50000", "203.0.113.10:443", "ap1", "ap1", "established"),
            (one.GetProperty("protocol").GetString(), one.GetProperty("clientEndpoint").GetString(), one.GetProperty("server").GetString(), one.GetProperty("ham").GetString(),
                one.GetProperty("fam").GetString(), one.GetProperty("state").GetString()));
    }

    [Fact]
    [Trait("Req", "A-14")]
    public async Task Policies_are_listed_in_their_order()
    {
        await using var site = await TestSite.StartAsync(root: """
            "placement": [ { "at": "home", "clients": "02:00:00:00:00:07" }, { "at": "here", "protocol": "icmp" }, { "at": "central", "protocol": "tcp", "ports": [22, 5222] } ],
            """);
        var (rows, pages) = await site.AllAsync("/v1/policies?limit=2");
        Assert.Equal(2, pages);
        Assert.Equal(["home", "here", "central"], rows.Select(r => r.GetProperty("at").GetString()!));
        Assert.Equal([null, "icmp", "tcp"], rows.Select(r => r.GetProperty("protocol").GetString()));
        Assert.Equal([22, 5222], rows[2].GetProperty("ports").EnumerateArray().Select(p => p.GetInt32()));
        Assert.Equal("02:00:00:00:00:07", rows[0].GetProperty("clients")[0].GetString());
    }

    [Fact]
    public async Task Health_tells_that_it_lives_and_is_ready()
    {
        await using var site = await TestSite.StartAsync();
        Assert.Equal("live", (await site.GetAsync("/v1/health/live")).GetProperty("status").GetString());
        Assert.Equal("ready", (await site.GetAsync("/v1/health/ready")).GetProperty("status").GetString());
        Assert.InRange((await site.GetAsync("/v1/health")).GetProperty("storeSeconds").GetDouble(), 0, 3);
    }

    [Theory]
    [InlineData("/v1/aps?limit=0", "limit")]
    [InlineData("/v1/aps?limit=1001", "limit")]
    [InlineData("/v1/aps?limit=-1", "limit")]
    [InlineData("/v1/aps?limit=1&limit=2", "more than once")]
    [InlineData("/v1/aps?Limit=1", "limit, next")]
    [InlineData("/v1/clients?next=%F0%9F%92%A9", "next")]
    [InlineData("/v1/clients?next=QUJD", "next")]
    [InlineData("/v1/connections?next=QUJD", "next")]
    [InlineData("/v1/policies?next=QUJD", "next")]
    [InlineData("/v1/connections?client=me", "MAC address")]
    [InlineData("/v1/clients?ap=a%20b", "node's name")]
    [InlineData("/v1/clients/zz:00:00:00:00:01", "MAC address")]
    [InlineData("/v1/status?x", "no parameters")]
    [InlineData("/v1/events?type=everything", "type")]
    [InlineData("/v1/events?since=5", "since")]
    [InlineData("/v1/events?client=me", "MAC address")]
    public async Task A_wrong_request_is_told_what_is_wrong(string path, string told)
    {
        await using var site = await TestSite.StartAsync();
        var (status, detail) = await site.RefusedAsync(HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(told, detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_what_is_there_is_answered_and_only_GET()
    {
        await using var site = await TestSite.StartAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Get, "/")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Get, "/v2/aps")).Status);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await site.RefusedAsync(HttpMethod.Post, "/v1/aps")).Status);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await site.RefusedAsync(HttpMethod.Delete, $"/v1/clients/{Mac(1)}")).Status);
    }

    private static async Task<(int Known, int Connected)> StatusAsync(TestSite site)
    {
        var status = await site.GetAsync("/v1/status");
        Assert.Equal(("north", "own"), (status.GetProperty("coordinator").GetString(), status.GetProperty("store").GetString()));
        Assert.Equal((2, 2, 3, 3), (status.GetProperty("clients").GetInt32(), status.GetProperty("clientsPresent").GetInt32(), status.GetProperty("mappings").GetInt32(), status.GetProperty("connections").GetInt32()));
        return (status.GetProperty("aps").GetInt32(), status.GetProperty("apsConnected").GetInt32());
    }
}
