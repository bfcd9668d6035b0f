using System.CommandLine;
using System.Net.Sockets;
using System.Text.Json;
using Masquerade.Cli.Site;

namespace Masquerade.Api.Tests;

/// <summary>The commands as clients of a real API.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-cli-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Tables_show_what_the_API_knows()
    {
        await using var site = await TestSite.StartAsync();
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        var epoch = (await first.ArriveAsync(1)).Epoch;
        await first.OpenAsync(1, epoch, 2);
        await first.DepartAsync(1, epoch);
        await second.ArriveAsync(1);
        await second.ArriveAsync(2);
        var url = $"--url=http://{site.Api}";

        var (code, text, _) = await RunAsync("status", url);
        Assert.Equal(0, code);
        Assert.Contains("access points connected  2 of 2", text, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^ap2 +up .* +2 +2 +0 +192\.0\.2\.2$", (await RunAsync("aps", url)).Output);
        Assert.Matches(@"(?m)^02:00:00:00:00:01  -  +ap2  present .*ap1 > ap2 in \d+ ms +10\.77\.0\.1$", (await RunAsync("clients", url)).Output);
        Assert.Equal(3, Lines((await RunAsync("clients", url, "--at", "ap2")).Output));
        Assert.Equal(1, Lines((await RunAsync("clients", url, "--at", "ap1")).Output));
        Assert.Matches(@"(?m)^02:00:00:00:00:01  tcp +10\.77\.0\.1:50000 +203\.0\.113\.10:443 +192\.0\.2\.1:40032 +ap1  ap2 ", (await RunAsync("flows", url)).Output);
        Assert.Equal(1, Lines((await RunAsync("flows", url, "--client", "02:00:00:00:00:02")).Output));
        var (events, error) = ((await RunAsync("events", url)).Output, (await RunAsync("clients", url, "--limit", "1")).Error);
        Assert.Contains("02:00:00:00:00:01 moved ap1 > ap2", events, StringComparison.Ordinal);
        Assert.Contains("ap1 is up", events, StringComparison.Ordinal);
        Assert.Contains("there are more", error, StringComparison.Ordinal);
        Assert.Equal(3, Lines((await RunAsync("events", url, "--client", "02:00:00:00:00:01")).Output));
        Assert.Equal(1, Lines((await RunAsync("events", url, "-n", "1")).Output));

        foreach (var command in new[] { "status", "aps", "clients", "flows" })
        {
            using var document = JsonDocument.Parse((await RunAsync(command, url, "--json")).Output);
            Assert.Equal(1, document.RootElement.GetProperty("version").GetInt32());
        }

        Assert.All((await RunAsync("events", url, "--json")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => JsonDocument.Parse(l).Dispose());
    }

    [Fact]
    public async Task Events_go_on_while_they_are_watched()
    {
        await using var site = await TestSite.StartAsync();
        var agent = await site.AgentAsync(1);
        await agent.ArriveAsync(1);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using var output = new SharedText();
        var watching = Command("events").Parse(["--watch", $"--url=http://{site.Api}", "--client", "02:00:00:00:00:01", "--client", "02:00:00:00:00:03"])
            .InvokeAsync(new InvocationConfiguration { Output = output, Error = output }, stop.Token);
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_api_streams") == 1 && output.ToString().Contains("01 arrived at ap1", StringComparison.Ordinal), "nothing is shown");
        await agent.ArriveAsync(2);
        await agent.ArriveAsync(3);
        await TestSite.UntilAsync(() => Task.FromResult(output.ToString().Contains("03 arrived at ap1", StringComparison.Ordinal)), "what happens is not shown");
        await stop.CancelAsync();
        Assert.Equal(0, await watching);
        Assert.Equal(2, Lines(output.ToString()));
    }

    [Fact]
    public async Task A_token_that_the_command_made_opens_the_API()
    {
        var hashes = Path.Combine(_folder.FullName, "tokens");
        var (code, token, _) = await RunAsync("token", "grafana", "--file", hashes);
        Assert.Equal(0, code);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(hashes));
        Assert.DoesNotContain(token.Trim(), await File.ReadAllTextAsync(hashes), StringComparison.Ordinal);
        await RunAsync("token", "second", "--file", hashes);
        Assert.Equal(2, (await File.ReadAllLinesAsync(hashes)).Length);
        await using var site = await TestSite.StartAsync($"\"tokens\": \"{hashes}\",");
        var url = $"--url=http://{site.Api}";
        var file = Path.Combine(_folder.FullName, "token");
        await File.WriteAllTextAsync(file, token);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(0, (await RunAsync("status", url, "--token-file", file)).Code);

        var (without, _, told) = await RunAsync("status", url);
        Assert.Equal(1, without);
        Assert.Contains("--token-file", told, StringComparison.Ordinal);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Contains("chmod 600", (await RunAsync("status", url, "--token-file", file)).Error, StringComparison.Ordinal);
        File.SetUnixFileMode(file, UnixFileMode.UserRead);
        Assert.Contains("unencrypted", (await RunAsync("status", "--url=http://192.0.2.1:4751", "--token-file", file)).Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "cannot be reached", "status", "--url=http://127.0.0.1:1")]
    [InlineData(1, "is not the address", "aps", "--url=nonsense")]
    [InlineData(1, "is not the address", "aps", "--url=ftp://127.0.0.1/")]
    [InlineData(1, "is not the address", "aps", "--url=http://127.0.0.1/v1")]
    [InlineData(1, "nothing.pem", "aps", "--ca=/nothing.pem")]
    [InlineData(1, "/nothing", "aps", "--token-file=/nothing")]
    [InlineData(1, "/nothing.sock", "status", "--local", "/nothing.sock")]
    [InlineData(1, "chosen", "flows", "--client", "not chosen")]
    [InlineData(1, "--limit", "clients", "--limit", "0")]
    public async Task What_cannot_be_told_is_said_why(int code, string told, params string[] arguments)
    {
        var (actual, _, error) = await RunAsync(arguments);
        Assert.Equal(code, actual);
        Assert.Contains(told == "chosen" ? "MAC address" : told, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_agent_on_this_machine_is_asked_by_its_socket()
    {
        const string State = """
            { "node": "ap7", "session": "Up", "coordinator": "north\u001b[2J", "neighbours": 3, "clients": [{}, {}], "mappingCount": 5, "connectionCount": 4,
              "portBlocks": { "size": 512, "clients": 3, "shared": 1, "free": 122 },
              "drops": { "Martian": 0, "NoMapping": 12 },
              "devices": { "uplink": { "name": "up0", "received": 10, "transmitted": 20, "kernelDrops": 1 }, "client": { "name": "cl0", "received": 1, "transmitted": 2, "kernelDrops": 0 } } }
            """;
        var path = Path.Combine(_folder.FullName, "ap7.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var texts = new Queue<string>([State, State, "[]", "{}", "no JSON"]);
        var serving = Task.Run(async () =>
        {
            while (texts.TryDequeue(out var text))
            {
                using var client = await listener.AcceptAsync();
                await client.SendAsync(System.Text.Encoding.UTF8.GetBytes(text));
            }
        });
        var (code, output, _) = await RunAsync("status", "--local", path);
        Assert.Equal(0, code);
        Assert.Matches(@"(?m)^node +ap7$", output);
        Assert.Matches(@"(?m)^dropped: NoMapping +12$", output);
        Assert.Matches(@"(?m)^blocks of ports +3 of clients, 1 shared, 122 free, 512 ports each$", output);
        Assert.DoesNotContain("Martian", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output);
        using (var document = JsonDocument.Parse((await RunAsync("status", "--json", "--local", path)).Output))
        {
            Assert.Equal(5, document.RootElement.GetProperty("mappingCount").GetInt32());
        }

        for (var i = 0; i < 3; i++)
        {
            var (wrong, _, error) = await RunAsync("status", "--local", path);
            Assert.Equal(1, wrong);
            Assert.NotEmpty(error);
        }

        await serving;
    }

    private static Command Command(string name) => name == "token" ? TokenCommand.Create() : SiteCommands.Create().Single(c => c.Name == name);

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        var code = await Command(arguments[0]).Parse(arguments[1..]).InvokeAsync(new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }

    private static int Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
}
