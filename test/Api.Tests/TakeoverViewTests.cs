using System.CommandLine;
using System.Net;
using System.Text.Json;
using Masquerade.Cli.Site;
using Masquerade.Core.Flow;

namespace Masquerade.Api.Tests;

/// <summary>What operators see of an access point that fails, of its addresses, and of its return.</summary>
public sealed class TakeoverViewTests
{
    private static readonly IpPrefix Link = IpPrefix.Parse("192.0.2.0/24");

    [Fact]
    [Trait("Req", "A-16")]
    public async Task A_failure_and_a_return_are_events_and_figures_and_stand_in_the_list_of_access_points()
    {
        await using var site = await TestSite.StartAsync(root: "\"roaming\": { \"returnAfterMilliseconds\": 1500 },");
        await using var events = await EventReader.OpenAsync(site.Http, "/v1/events?type=apFailed,addressMoved");
        var failing = await site.AgentAsync(1);
        var other = await site.AgentAsync(2, Link);
        using var end = new CancellationTokenSource();
        using var failure = new CancellationTokenSource();
        var dying = failing.LiveAsync(failure.Token);
        var living = other.LiveAsync(end.Token);
        var before = await site.GetAsync("/v1/aps");
        Assert.Equal(("192.0.2.1", "", false, false), Row(before, 0));
        Assert.Equal(("192.0.2.2", "", false, false), Row(before, 1));

        await failure.CancelAsync();
        await dying;
        failing.Dispose();
        var failed = await Next(events);
        Assert.Equal(("apFailed", "ap1", 1), (failed.Type, failed.Text("ap"), failed.Data.GetProperty("addresses").GetInt32()));
        var moved = await Next(events);
        Assert.Equal(("addressMoved", "192.0.2.1", "ap1", "ap2"), (moved.Type, moved.Text("address"), moved.Text("from"), moved.Text("to")));
        Assert.True(moved.Data.GetProperty("epoch").GetUInt64() > 0);
        var after = await site.GetAsync("/v1/aps");
        Assert.Equal(("", "192.0.2.1 at ap2", true, true), Row(after, 0));
        Assert.Equal(("192.0.2.2 192.0.2.1", "", false, false), Row(after, 1));
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_addresses_moving") == 0, "the address does not settle");
        Assert.Equal((1, 1, 1, 1), await FiguresAsync(site));
        var table = await RunAsync("aps", $"--url=http://{site.Api}");
        Assert.Matches(@"(?m)^ap1 +FAILED .* - \(192\.0\.2\.1 at ap2\)$", table);
        Assert.Matches(@"(?m)^ap2 +up .* 192\.0\.2\.2 192\.0\.2\.1$", table);

        // It is back: fenced at first, and then what it was.
        var living1 = (await site.AgentAsync(1, Link)).LiveAsync(end.Token);
        Assert.Equal(("", "192.0.2.1 at ap2", false, true), Row(await site.GetAsync("/v1/aps"), 0));
        Assert.Matches(@"(?m)^ap1 +fenced ", await RunAsync("aps", $"--url=http://{site.Api}"));
        var back = await Next(events);
        Assert.Equal(("addressMoved", "192.0.2.1", "ap2", "ap1"), (back.Type, back.Text("address"), back.Text("from"), back.Text("to")));
        Assert.Equal(("192.0.2.1", "", false, false), Row(await site.GetAsync("/v1/aps"), 0));
        Assert.Equal((1, 2, 0, 0), await FiguresAsync(site));
        var told = await RunAsync("events", $"--url=http://{site.Api}");
        Assert.Contains("ap1 has FAILED; its addresses (1) go to others", told, StringComparison.Ordinal);
        Assert.Contains("192.0.2.1 belongs to ap1 now, no longer to ap2", told, StringComparison.Ordinal);
        await end.CancelAsync();
        await Task.WhenAll(living, living1);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public async Task An_access_point_is_drained_and_put_back_by_request_and_by_command()
    {
        await using var site = await TestSite.StartAsync();
        await using var events = await EventReader.OpenAsync(site.Http, "/v1/events?type=apDrained,apUndrained,addressMoved");
        using var end = new CancellationTokenSource();
        var agents = new[] { (await site.AgentAsync(1, Link)).LiveAsync(end.Token), (await site.AgentAsync(2, Link)).LiveAsync(end.Token) };
        Assert.Matches("ap1", await RunAsync("drain", "ap1", $"--url=http://{site.Api}", "--wait", "10"));
        Assert.Equal(("apDrained", "ap1"), ((await Next(events)) is var drained ? (drained.Type, drained.Text("ap")) : default));
        var moved = await Next(events);
        Assert.Equal(("addressMoved", "192.0.2.1", "ap2"), (moved.Type, moved.Text("address"), moved.Text("to")));
        var row = (await site.GetAsync("/v1/aps")).GetProperty("items")[0];
        Assert.True(row.GetProperty("draining").GetBoolean());
        Assert.Matches(@"(?m)^ap1 +drained ", await RunAsync("aps", $"--url=http://{site.Api}"));

        using var answer = await site.Http.PostAsync(new Uri("/v1/aps/ap1/undrain", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("apUndrained", (await Next(events)).Type);
        moved = await Next(events);
        Assert.Equal(("addressMoved", "192.0.2.1", "ap1"), (moved.Type, moved.Text("address"), moved.Text("to")));
        await end.CancelAsync();
        await Task.WhenAll(agents);
    }

    [Fact]
    public async Task Draining_is_refused_to_pages_in_browsers_and_for_names_that_nobody_has()
    {
        await using var site = await TestSite.StartAsync();
        using var agent = await site.AgentAsync(1);
        Assert.Equal(HttpStatusCode.Forbidden, (await site.RefusedAsync(HttpMethod.Post, "/v1/aps/ap1/drain", h => h.Add("Origin", "http://localhost"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await site.RefusedAsync(HttpMethod.Post, "/v1/aps/ap1/drain", h => h.Add("Sec-Fetch-Site", "none"))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Post, "/v1/aps/ap7/drain")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Post, "/v1/aps/no%20name/drain")).Status);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await site.RefusedAsync(HttpMethod.Get, "/v1/aps/ap1/drain")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await site.RefusedAsync(HttpMethod.Post, "/v1/aps/ap1/drain?now=1")).Status);
        Assert.False((await site.GetAsync("/v1/aps")).GetProperty("items")[0].GetProperty("draining").GetBoolean());
    }

    private static async Task<(double Failed, double Moved, double Elsewhere, double Fenced)> FiguresAsync(TestSite site) =>
        (await site.MetricAsync("masq_nodes_failed_total"), await site.MetricAsync("masq_addresses_moved_total{reason=\"failure\"}") + await site.MetricAsync("masq_addresses_moved_total{reason=\"return\"}"), await site.MetricAsync("masq_addresses_elsewhere"),
            await site.MetricAsync("masq_nodes_fenced"));

    private static (string Owned, string Elsewhere, bool Failed, bool Fenced) Row(JsonElement list, int index)
    {
        var row = list.GetProperty("items")[index];
        return (
            string.Join(' ', row.GetProperty("owned").EnumerateArray().Select(a => a.GetString())),
            string.Join(' ', row.GetProperty("elsewhere").EnumerateArray().Select(e => $"{e.GetProperty("address").GetString()} at {e.GetProperty("at").GetString()}")),
            row.GetProperty("failed").GetBoolean(),
            row.GetProperty("fenced").GetBoolean());
    }

    private static async Task<Received> Next(EventReader events) => (await events.NextAsync())!;

    private static async Task<string> RunAsync(params string[] arguments)
    {
        await using var output = new SharedText();
        var root = new RootCommand();
        foreach (var command in SiteCommands.Create())
        {
            root.Add(command);
        }

        Assert.Equal(0, await root.Parse(arguments).InvokeAsync(new InvocationConfiguration { Output = output, Error = output }));
        return output.ToString();
    }
}
