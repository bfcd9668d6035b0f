using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using static Masquerade.Api.Tests.FakeAgent;

namespace Masquerade.Api.Tests;

/// <summary>The event stream: order, resumption, filters, readers that do not read.</summary>
public sealed class EventTests
{
    [Fact]
    [Trait("Req", "A-28")]
    public async Task A_roam_is_one_event_with_from_to_and_gap()
    {
        await using var site = await TestSite.StartAsync(root: "\"roaming\": { \"handOverTimeoutMilliseconds\": 10000 },");
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        await using var events = await EventReader.OpenAsync(site.Http, "/v1/events");
        var epoch = (await first.ArriveAsync(1)).Epoch;
        await first.OpenAsync(1, epoch, 3);

        // Without a departure: the previous FAM hands over.
        var next = (await second.ArriveAsync(1)).Epoch;
        await Task.Delay(30);
        await first.HandOverAsync(1, epoch);
        await second.ReadAsync<Core.Control.ArrivalUpdate>();

        // With one; and then home to where it was.
        await second.DepartAsync(1, next);
        await Task.Delay(60);
        await first.ArriveAsync(1);

        var (arrived, moved, left, back) = (await Next(events), await Next(events), await Next(events), await Next(events));
        Assert.Equal(["clientArrived", "clientRoamed", "clientLeft", "clientRoamed"], new[] { arrived, moved, left, back }.Select(e => e.Type));
        Assert.Equal("ap1", arrived.Text("to"));
        Assert.Equal(("ap1", "ap2", "complete", 3), (moved.Text("from"), moved.Text("to"), moved.Text("outcome"), moved.Data.GetProperty("mappings").GetInt32()));
        Assert.Equal(next.Value, moved.Data.GetProperty("epoch").GetUInt64());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, moved.Data.GetProperty("absenceSeconds").ValueKind);
        Assert.InRange(moved.Data.GetProperty("handOverSeconds").GetDouble(), 0.025, 5);
        Assert.Equal(moved.Data.GetProperty("handOverSeconds").GetDouble(), moved.Data.GetProperty("gapSeconds").GetDouble());
        Assert.Equal(("ap2", "ap1"), (back.Text("from"), back.Text("to")));
        Assert.InRange(back.Data.GetProperty("absenceSeconds").GetDouble(), 0.055, 10);
        Assert.All(new[] { arrived, moved, left, back }, e => Assert.Equal(Mac(1).ToString(), e.Text("client")));
    }

    [Fact]
    public async Task A_previous_access_point_that_keeps_silent_and_one_that_is_overtaken_are_told()
    {
        await using var site = await TestSite.StartAsync();
        var aps = new[] { await site.AgentAsync(1), await site.AgentAsync(2), await site.AgentAsync(3) };
        await using var events = await EventReader.OpenAsync(site.Http, "/v1/events?type=clientRoamed,clientReturned");
        await aps[0].ArriveAsync(1);
        await aps[1].ArriveAsync(1);
        var silent = await Next(events);
        Assert.Equal("timedOut", silent.Text("outcome"));
        Assert.InRange(silent.Data.GetProperty("handOverSeconds").GetDouble(), 0.19, 5);
        await aps[2].ArriveAsync(1);
        var last = await aps[0].ArriveAsync(1);
        var (overtaken, final) = (await Next(events), await Next(events));
        Assert.Equal(("ap2", "ap3", "superseded"), (overtaken.Text("from"), overtaken.Text("to"), overtaken.Text("outcome")));
        Assert.Equal(("ap3", "ap1", last.Epoch.Value), (final.Text("from"), final.Text("to"), final.Data.GetProperty("epoch").GetUInt64()));
        await aps[0].DepartAsync(1, last.Epoch);
        await aps[0].ArriveAsync(1);
        var home = await Next(events);
        Assert.Equal(("clientReturned", "ap1", "ap1"), (home.Type, home.Text("from"), home.Text("to")));
    }

    [Fact]
    public async Task Events_come_in_order_and_a_broken_stream_goes_on_behind_the_last_one()
    {
        await using var site = await TestSite.StartAsync();
        var ap = await site.AgentAsync(1);
        await using var whole = await EventReader.OpenAsync(site.Http, "/v1/events");
        await using var broken = await EventReader.OpenAsync(site.Http, "/v1/events");
        for (var client = 1; client <= 20; client++)
        {
            await ap.ArriveAsync(client);
        }

        var head = await broken.TakeAsync(7);
        await broken.DisposeAsync();
        for (var client = 21; client <= 40; client++)
        {
            await ap.ArriveAsync(client);
        }

        await using var resumed = await EventReader.OpenAsync(site.Http, "/v1/events", head[^1].Id);
        var all = await whole.TakeAsync(40);
        var pieces = head.Concat(await resumed.TakeAsync(33)).ToList();
        Assert.Equal(Enumerable.Range(1, 40).Select(c => Mac(c).ToString()), all.Select(e => e.Text("client")!));
        Assert.Equal(all.Select(e => e.Id), pieces.Select(e => e.Id));
        Assert.Equal(all.Select(e => e.Data.GetRawText()), pieces.Select(e => e.Data.GetRawText()));
        var numbers = all.Select(e => e.Data.GetProperty("sequence").GetInt64()).ToList();
        Assert.Equal(Enumerable.Range((int)numbers[0], 40).Select(n => (long)n), numbers);
        Assert.All(all, e => Assert.EndsWith("." + e.Data.GetProperty("sequence").GetInt64().ToString(CultureInfo.InvariantCulture), e.Id, StringComparison.Ordinal));
    }

    [Fact]
    [Trait("Req", "A-28")]
    public async Task An_application_subscribes_to_its_clients_behind_what_it_has_asked()
    {
        await using var site = await TestSite.StartAsync();
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        for (var client = 1; client <= 3; client++)
        {
            await first.ArriveAsync(client);
        }

        // What happens between question and subscription is in the stream.
        var asOf = (await site.GetAsync($"/v1/clients/{Mac(2)}/location")).GetProperty("asOf").GetString();
        first.Dispose();
        await TestSite.UntilAsync(async () => (await site.GetAsync("/v1/status")).GetProperty("apsConnected").GetInt32() == 1, "ap1 stays connected");
        for (var client = 3; client >= 1; client--)
        {
            await second.ArriveAsync(client);
        }

        await using var two = await EventReader.OpenAsync(site.Http, $"/v1/events?client={Mac(2)},{Mac(3)}&since={asOf}");
        Assert.Equal([(Mac(3).ToString(), "ap2"), (Mac(2).ToString(), "ap2")], (await two.TakeAsync(2)).Select(e => (e.Text("client")!, e.Text("to")!)));
        await using var sessions = await EventReader.OpenAsync(site.Http, $"/v1/events?type=apDown&since={asOf}");
        Assert.Equal("ap1", (await Next(sessions)).Text("ap"));
    }

    [Fact]
    public async Task What_is_not_to_be_had_any_more_is_called_lost()
    {
        await using var site = await TestSite.StartAsync("\"eventHistory\": 16,");
        var ap = await site.AgentAsync(1);
        var begin = (await site.GetAsync("/v1/status")).GetProperty("asOf").GetString()!;
        for (var client = 1; client <= 30; client++)
        {
            await ap.ArriveAsync(client);
        }

        foreach (var place in new[] { begin, "0badc0de0bad.7", begin.Split('.')[0] + ".999999" })
        {
            await using var events = await EventReader.OpenAsync(site.Http, "/v1/events", place);
            var (lost, next) = (await Next(events), await Next(events));
            Assert.Equal("lost", lost.Type);
            Assert.Equal("clientArrived", next.Type);
            Assert.Equal(Mac(15).ToString(), next.Text("client"));

            // Its place is that of the events behind it.
            await using var again = await EventReader.OpenAsync(site.Http, "/v1/events", lost.Id);
            Assert.Equal(next.Id, (await Next(again)).Id);
        }
    }

    [Fact]
    public async Task A_reader_that_does_not_read_loses_its_stream_and_delays_nobody()
    {
        await using var site = await TestSite.StartAsync("\"streamPatienceMilliseconds\": 300, \"eventHistory\": 200,");
        var ap = await site.AgentAsync(1);
        using var sleeper = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4_096 };
        await sleeper.ConnectAsync(site.Api);
        await sleeper.SendAsync(Encoding.ASCII.GetBytes($"GET /v1/events HTTP/1.1\r\nHost: {site.Api}\r\n\r\n"));
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_api_streams") == 1, "the stream does not begin");
        var rounds = 0;
        await TestSite.UntilAsync(
            async () =>
            {
                // More than the kernel's buffers between the two hold.
                await ap.ClaimNonsenseAsync(2_000);
                rounds++;
                await ap.ArriveAsync(rounds);
                return await site.MetricAsync("masq_api_streams") == 0;
            },
            "the reader keeps its stream");
        var dropped = await site.MetricAsync("masq_api_streams_dropped_total{reason=\"stalled\"}") + await site.MetricAsync("masq_api_streams_dropped_total{reason=\"overrun\"}");
        Assert.Equal(1, dropped);
    }

    [Fact]
    public async Task There_are_no_more_streams_than_allowed_and_one_that_ends_makes_room()
    {
        await using var site = await TestSite.StartAsync("\"maxStreams\": 2,");
        await using var one = await EventReader.OpenAsync(site.Http, "/v1/events");
        var two = await EventReader.OpenAsync(site.Http, "/v1/events");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await site.RefusedAsync(HttpMethod.Get, "/v1/events")).Status);
        Assert.Equal(1, await site.MetricAsync("masq_api_refused_total{reason=\"too_many_streams\"}"));
        await two.DisposeAsync();
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_api_streams") == 1, "the stream stays open");
        await using var three = await EventReader.OpenAsync(site.Http, "/v1/events");
        await (await site.AgentAsync(1)).ArriveAsync(1);
        Assert.Equal(["apUp", "clientArrived"], (await three.TakeAsync(2)).Select(e => e.Type));
    }

    [Fact]
    public async Task A_stop_of_the_coordinator_ends_the_streams()
    {
        var site = await TestSite.StartAsync();
        await using var events = await EventReader.OpenAsync(site.Http, "/v1/events");
        var end = events.NextAsync();
        await site.DisposeAsync();
        try
        {
            Assert.Null(await end);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // The server has gone; it did not have the time to end the stream properly.
        }
    }

    private static async Task<Received> Next(EventReader events)
    {
        var next = await events.NextAsync();
        Assert.NotNull(next);
        return next;
    }
}
