using System.CommandLine;
using System.Net;
using System.Text;
using System.Text.Json;
using Masquerade.Cli.Site;
using Masquerade.Core.Control;

namespace Masquerade.Api.Tests;

/// <summary>What users may do, as operators read, change and question it; and guests, as a portal admits them.</summary>
public sealed class PolicyRouteTests : IDisposable
{
    private const string Before = """
        {
          // Comments may stay.
          "addresses": { "dns": ["192.0.2.53"] },
          "policies": {
            "staff": ["deny out tcp to any port 25", "allow out any"],
            "guest": ["allow out udp to @dns port 53", "allow out tcp to 192.0.2.80 port 443"],
            "internet": ["deny out any to 10.0.0.0/8", "limit 5mbit out any"],
            "hours": ["allow out any at mon-fri 08:00-18:00"]
          },
          "groups": { "night": { "policy": "hours", "users": ["eve"] } },
          "users": { "boss": "internet" },
          "roles": { "guest": "guest", "admitted": "internet" },
          "default": "staff"
        }
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-policies-");

    private string PolicyPath => Path.Combine(_folder.FullName, "policies.json");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    [Trait("Req", "A-27")]
    public async Task A_document_is_applied_whole_kept_and_told_once_to_each_access_point_that_serves_somebody_whom_it_concerns()
    {
        await using var site = await StartAsync();
        var (one, two) = (await site.AgentAsync(1), await site.AgentAsync(2));
        var guest = await one.SessionAsync(1);
        var printer = await two.SessionAsync(0x77);
        await one.UsedAsync(1, guest);
        await two.UsedAsync(0x77, printer);
        var tag = (await site.GetAsync("/v1/users/policies")).GetProperty("tag").GetString();

        // What is only looked at changes nothing.
        var next = Before.Replace("port 443", "port 443,8443", StringComparison.Ordinal);
        var said = await PutAsync(site, next, "?check=true");
        Assert.Equal((HttpStatusCode.OK, false, 1, 1), (said.Status, said.Body.GetProperty("applied").GetBoolean(), said.Body.GetProperty("clients").GetInt32(), said.Body.GetProperty("users").GetInt32()));
        Assert.Equal(tag, (await site.GetAsync("/v1/users/policies")).GetProperty("tag").GetString());

        said = await PutAsync(site, next, tag: tag);
        Assert.Equal("guest", said.Body.GetProperty("policies").EnumerateArray().Single().GetString());
        var change = await one.ReadAsync<UserSessionChange>();
        Assert.NotEqual(guest.Policy, change.Now!.Policy);
        Assert.Contains("port 443,8443", await one.PolicyAsync(change.Now), StringComparison.Ordinal);
        await one.SendAsync(new Ack { Id = change.Id, Status = AckStatus.Ok });
        Assert.Equal(next, await File.ReadAllTextAsync(PolicyPath));
        Assert.Equal(next, (await site.GetAsync("/v1/users/policies")).GetProperty("document").GetString());

        // Whoever is not concerned hears nothing: the next that this one hears is an answer.
        await two.SendAsync(new UserSessionQuery { Id = 9_000, Client = FakeAgent.Mac(0x77) });
        var heard = await two.UntilAsync<UserSessionReply>();
        Assert.Equal(printer.Policy, Assert.IsType<UserSessionReply>(heard[^1]).Session!.Policy);
        Assert.DoesNotContain(heard, m => m is UserSessionChange);

        // Another has been there meanwhile.
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await PutAsync(site, Before, tag: tag)).Status);
    }

    [Fact]
    [Trait("Req", "A-26")]
    public async Task A_document_with_mistakes_is_not_taken_in_part_and_all_mistakes_are_told()
    {
        await using var site = await StartAsync();
        var wrong = Before.Replace("allow out any\"", "alow out any\"", StringComparison.Ordinal).Replace("@dns port 53", "@dsn port 53", StringComparison.Ordinal).Replace("\"default\": \"staff\"", "\"default\": \"staf\"", StringComparison.Ordinal);
        var said = await PutAsync(site, wrong);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, said.Status);
        var mistakes = said.Body.GetProperty("mistakes").EnumerateArray().Select(m => m.GetString()!).ToList();
        Assert.Contains(mistakes, m => m.StartsWith("policies.staff rule 2, column 1", StringComparison.Ordinal));
        Assert.Contains(mistakes, m => m.StartsWith("policies.guest rule 1, column", StringComparison.Ordinal));
        Assert.Contains(mistakes, m => m.StartsWith("default", StringComparison.Ordinal));
        Assert.Equal(Before, await File.ReadAllTextAsync(PolicyPath));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await PutAsync(site, "{")).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await PutAsync(site, new string(' ', (8 << 20) + 1))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await PutAsync(site, Before, "?check=perhaps")).Status);
        Assert.Equal(Before, (await site.GetAsync("/v1/users/policies")).GetProperty("document").GetString());

        // Where it cannot be kept it does not hold either.
        _folder.CreateSubdirectory("policies.json.new");
        Assert.Equal(HttpStatusCode.Conflict, (await PutAsync(site, Before.Replace("443", "444", StringComparison.Ordinal))).Status);
        Assert.Equal(Before, (await site.GetAsync("/v1/users/policies")).GetProperty("document").GetString());
    }

    /// <summary>Who begins to send and does not go on holds up nobody else.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public async Task A_document_that_comes_slowly_blocks_no_other()
    {
        await using var site = await StartAsync();
        using var slow = new System.Net.Sockets.TcpClient();
        await slow.ConnectAsync(site.Api);
        await slow.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"PUT /v1/users/policies HTTP/1.1\r\nHost: {site.Api}\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"));

        // It is read from then on.
        var heard = new byte[25];
        await slow.GetStream().ReadExactlyAsync(heard).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(heard), StringComparison.Ordinal);
        await slow.GetStream().WriteAsync("{ "u8.ToArray());
        Assert.Equal(HttpStatusCode.OK, (await PutAsync(site, Before.Replace("443", "444", StringComparison.Ordinal))).Status);
    }

    [Fact]
    [Trait("Req", "A-26")]
    public async Task It_is_explained_by_which_rule_of_which_policy_and_why_that_one()
    {
        await using var site = await StartAsync();
        var agent = await site.AgentAsync(1);
        await agent.UsedAsync(1, await agent.SessionAsync(1));
        Assert.Equal(("deny", "staff", 1, "the default"), await ExplainAsync("user=bob&to=198.51.100.1:25"));
        Assert.Equal(("allow", "staff", 2, "the default"), await ExplainAsync("user=bob&to=198.51.100.1:25&protocol=udp"));
        Assert.Equal(("limit", "internet", 2, "the user's own policy"), await ExplainAsync("user=BOSS&to=[2001:db8::1]:443"));
        Assert.Equal(("deny", "internet", 1, "the user's own policy"), await ExplainAsync("user=boss&to=10.1.2.3:443"));
        Assert.Equal(("deny", "internet", 0, "the user's own policy"), await ExplainAsync("user=boss&to=10.1.2.3:443&direction=in&from=192.0.2.1:99"));
        Assert.Equal(("allow", "guest", 1, "role guest"), await ExplainAsync($"client={FakeAgent.Mac(1)}&to=192.0.2.53:53&protocol=udp"));
        Assert.Equal(("deny", "guest", 0, "role guest"), await ExplainAsync($"client={FakeAgent.Mac(1)}&to=192.0.2.54:53&protocol=udp"));
        Assert.Equal(("allow", "hours", 1, "group night"), await ExplainAsync("user=eve&to=192.0.2.1&protocol=icmp&at=2026-01-26T09:30"));
        Assert.Equal(("deny", "hours", 0, "group night"), await ExplainAsync("user=eve&to=192.0.2.1&protocol=icmp&at=2026-01-25T09:30"));
        (await site.Http.PostAsync("/v1/users/bob/deny", null)).Dispose();
        Assert.Equal(("deny", "nothing", 0, "the user is denied"), await ExplainAsync("user=Bob&to=198.51.100.1:80"));

        foreach (var bad in new[] { "to=1.2.3.4:5", "user=a&client=02:00:00:00:00:01&to=1.2.3.4:5", "user=a", "user=a&to=1.2.3.4:5&protocol=sctp", "user=a&to=1.2.3.4:5&direction=up", "user=a&to=1.2.3.4:5&at=noon", "user=a&to=1.2.3.4:5&from=[::1]:5" })
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await site.RefusedAsync(HttpMethod.Get, "/v1/users/explain?" + bad)).Status);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Get, "/v1/users/explain?client=02:00:00:00:09:09&to=1.2.3.4:5")).Status);

        async Task<(string, string, int, string)> ExplainAsync(string query)
        {
            var answer = (await site.GetAsync("/v1/users/explain?" + query)).GetProperty("answers").EnumerateArray().Single();
            return (answer.GetProperty("verdict").GetString()!, answer.GetProperty("policy").GetString()!, answer.GetProperty("rule").GetInt32(), answer.GetProperty("why").GetString()!);
        }
    }

    [Fact]
    [Trait("Req", "A-26")]
    public async Task A_portal_admits_a_guest_for_a_time_with_a_token_that_opens_nothing_else()
    {
        var (tokens, portals) = (Path.Combine(_folder.FullName, "tokens"), Path.Combine(_folder.FullName, "portals"));
        var operators = (await RunAsync("token", "operator", "--file", tokens)).Output.Trim();
        var portal = (await RunAsync("token", "portal", "--file", portals)).Output.Trim();
        await using var site = await StartAsync($"\"tokens\": \"{tokens}\", \"guestTokens\": \"{portals}\",");
        var agent = await site.AgentAsync(1);
        site.Http.DefaultRequestHeaders.Authorization = new("Bearer", operators);
        Assert.Empty((await site.GetAsync("/v1/guests")).GetProperty("items").EnumerateArray());
        site.Http.DefaultRequestHeaders.Authorization = new("Bearer", portal);
        foreach (var closed in new[] { "/v1/clients", "/v1/users/denied", "/v1/users/policies", "/v1/guestsandmore", "/metrics" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await site.RefusedAsync(HttpMethod.Get, closed)).Status);
        }

        var path = $"/v1/guests/{FakeAgent.Mac(1)}";
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Post, path + "?seconds=60")).Status);
        var captive = await agent.SessionAsync(1);
        await agent.UsedAsync(1, captive);
        using (var done = await site.Http.PostAsync(path + "?seconds=60&name=room%207", null))
        {
            Assert.Equal(HttpStatusCode.OK, done.StatusCode);
        }

        var change = await agent.ReadAsync<UserSessionChange>();
        Assert.Equal(("guest:room 7", 60U), (change.Now!.User, change.Now.SecondsLeft));
        Assert.StartsWith("policy internet", await agent.PolicyAsync(change.Now), StringComparison.Ordinal);
        await agent.SendAsync(new Ack { Id = change.Id, Status = AckStatus.Ok });
        var row = (await site.GetAsync("/v1/guests")).GetProperty("items").EnumerateArray().Single();
        Assert.Equal(("guest:room 7", "admitted", FakeAgent.Mac(1).ToString()), (row.GetProperty("user").GetString(), row.GetProperty("role").GetString(), row.GetProperty("client").GetString()));
        foreach (var bad in new[] { "", "?seconds=0", "?seconds=604801", "?seconds=60&name=%07" })
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await site.RefusedAsync(HttpMethod.Post, path + bad)).Status);
        }

        Assert.Equal(HttpStatusCode.Forbidden, (await site.RefusedAsync(HttpMethod.Post, path + "?seconds=60&role=guest")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await site.RefusedAsync(HttpMethod.Post, path + "?seconds=60", headers => headers.Add("Origin", "https://example.org"))).Status);
        using (var done = await site.Http.DeleteAsync(path))
        {
            Assert.Equal(HttpStatusCode.OK, done.StatusCode);
        }

        var again = (await agent.ReadAsync<UserSessionChange>()).Now!;
        Assert.Equal(("guest", captive.Policy, captive.Session), (again.User, again.Policy, again.Session));
        Assert.Equal(HttpStatusCode.NotFound, (await site.RefusedAsync(HttpMethod.Delete, path)).Status);
        site.Http.DefaultRequestHeaders.Authorization = new("Bearer", operators);
        Assert.Equal((1.0, 1.0), (await site.MetricAsync("masq_guests_admitted_total"), await site.MetricAsync("masq_guests_revoked_total")));
    }

    [Fact]
    public async Task The_commands_show_apply_explain_and_admit()
    {
        await using var site = await StartAsync();
        var agent = await site.AgentAsync(1);
        await agent.UsedAsync(1, await agent.SessionAsync(1));
        var url = $"--url=http://{site.Api}";
        Assert.Equal(Before, (await RunAsync("policy", "show", url)).Output.TrimEnd());
        Assert.Matches(@"(?m)^1 +deny out tcp to any port 25$", (await RunAsync("policy", "show", "staff", url)).Output);
        Assert.Contains("no policy nobody", (await RunAsync("policy", "show", "nobody", url)).Error, StringComparison.Ordinal);
        var file = Path.Combine(_folder.FullName, "next.json");
        await File.WriteAllTextAsync(file, Before.Replace("port 53", "port 5353", StringComparison.Ordinal));
        var (code, text, _) = await RunAsync("policy", "apply", file, "--check", url);
        Assert.Equal((0, "it could hold: guest would change\nanother policy for 1 clients of 1 users\n"), (code, text));
        Assert.Contains("it holds: guest changed", (await RunAsync("policy", "apply", file, url)).Output, StringComparison.Ordinal);
        Assert.Contains("412", (await RunAsync("policy", "apply", file, "--if-tag", "0123456789abcdef", url)).Error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, """{ "policies": { "a": ["allow sideways any", "deny out tcp port 99999"] } }""");
        var error = (await RunAsync("policy", "apply", file, url)).Error;
        Assert.Contains("  policies.a rule 1, column 7", error, StringComparison.Ordinal);
        Assert.Contains("  policies.a rule 2, column", error, StringComparison.Ordinal);

        Assert.Matches(@"(?m)^bob +- +deny +staff +the default +1 +deny out tcp to any port 25$", (await RunAsync("explain", "--user", "bob", "--to", "198.51.100.1:25", url)).Output);
        using (var document = JsonDocument.Parse((await RunAsync("explain", "--client", FakeAgent.Mac(1).ToString(), "--to", "192.0.2.99:1", "--json", url)).Output))
        {
            Assert.Equal(0, document.RootElement.GetProperty("answers")[0].GetProperty("rule").GetInt32());
        }

        Assert.Matches(@"(?m)^02:00:00:00:00:01 +guest:02:00:00:00:00:01 +admitted +30 min$", (await RunAsync("guest", "admit", "02:00:00:00:00:01", "--seconds", "1800", url)).Output);
        Assert.Contains("guest:02:00:00:00:00:01", (await RunAsync("guest", "list", url)).Output, StringComparison.Ordinal);
        Assert.Contains("is captive", (await RunAsync("guest", "revoke", "02:00:00:00:00:01", url)).Output, StringComparison.Ordinal);
        Assert.Contains("is no admitted guest", (await RunAsync("guest", "revoke", "02:00:00:00:00:01", url)).Error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        var root = new RootCommand { TokenCommand.Create(), GuestCommands.Create() };
        foreach (var command in PolicyCommands.Create())
        {
            root.Subcommands.Add(command);
        }

        await using var output = new SharedText();
        await using var error = new SharedText();
        var code = await root.Parse(arguments).InvokeAsync(new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }

    private static async Task<(HttpStatusCode Status, JsonElement Body)> PutAsync(TestSite site, string document, string query = "", string? tag = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/users/policies" + query) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(document)) };
        request.Headers.ExpectContinue = true;
        if (tag is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{tag}\"");
        }

        using var response = await site.Http.SendAsync(request);
        using var body = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return (response.StatusCode, body.RootElement.Clone());
    }

    private async Task<TestSite> StartAsync(string api = "")
    {
        await File.WriteAllTextAsync(PolicyPath, Before);
        var secret = Path.Combine(_folder.FullName, "radius.secret");
        await File.WriteAllTextAsync(secret, Guid.NewGuid().ToString("n"));
        return await TestSite.StartAsync(api, $$"""
            "users": {
              "radius": [{ "server": "127.0.0.1:1", "secretFile": "{{secret}}" }], "policies": "{{PolicyPath}}", "guests": true,
              "portal": {}, "trusted": [{ "client": "{{FakeAgent.Mac(0x77)}}", "user": "printer" }]
            },
            """);
    }
}
