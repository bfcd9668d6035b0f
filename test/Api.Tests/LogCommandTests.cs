using System.CommandLine;
using System.Text.Json;
using Masquerade.Cli.Logs;

namespace Masquerade.Api.Tests;

/// <summary><c>masq log who</c> over files as agents write them.</summary>
public sealed class LogCommandTests : IDisposable
{
    private const string Ended =
        """{"record":"mapping","ham":"ap1","protocol":"udp","address":"198.51.100.7","port":40001,"client":"02:00:00:00:00:11","clientAddress":"192.168.77.11","clientPort":5000,"start":"2026-05-04T21:10:00.120Z","end":"2026-05-04T21:25:13.004Z","reason":"ended","accessPoints":["ap1","ap2"],"moves":1}""";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-cli-log-");

    private string Log => Path.Combine(_folder.FullName, "mappings.log");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact, Trait("Req", "N-12")]
    public async Task A_complaint_s_endpoint_and_time_name_one_client()
    {
        File.WriteAllLines(Log + ".2", [Ended]);
        File.WriteAllLines(Log + ".1", [With("02:00:00:00:00:12", "2026-05-04T21:40:00Z", "2026-05-04T21:41:00Z"), "{\"record\":\"map"]);
        File.WriteAllLines(Log, [With("02:00:00:00:00:13", "2026-05-04T22:00:00Z", "2026-05-04T22:01:00Z", port: 40_002), With("02:00:00:00:00:14", "2026-05-04T21:10:00Z", "2026-05-04T21:20:00Z", protocol: "tcp")]);
        Assert.Equal((0, "02:00:00:00:00:11"), await WhoAsync("198.51.100.7:40001", "--protocol", "udp", "--at", "2026-05-04T21:15:03Z"));
        Assert.Equal((0, "02:00:00:00:00:14"), await WhoAsync("198.51.100.7:40001", "--protocol", "tcp", "--at", "2026-05-04 21:15:03"));
        Assert.Equal((0, "02:00:00:00:00:12"), await WhoAsync("198.51.100.7:40001", "--at", "2026-05-04T21:40:30Z"));
        Assert.Equal((0, "02:00:00:00:00:11 02:00:00:00:00:12"), await WhoAsync("198.51.100.7:40001", "--protocol", "udp"));
        Assert.Equal((1, string.Empty), await WhoAsync("198.51.100.7:40001", "--at", "2026-05-04T21:25:14Z"));
        Assert.Equal((0, "02:00:00:00:00:11"), await WhoAsync("198.51.100.7:40001", "--at", "2026-05-04T21:25:14Z", "--within", "1"));
        Assert.Equal((1, string.Empty), await WhoAsync("198.51.100.8:40001"));

        var (code, text, _) = await RunAsync("198.51.100.7:40001", "--protocol", "udp", "--at", "2026-05-04T21:15:03Z");
        Assert.Equal(0, code);
        Assert.Matches(@"(?m)^02:00:00:00:00:11  192\.168\.77\.11 5000 +udp +2026-05-04T21:10:00\.120Z  2026-05-04T21:25:13\.004Z  ap1  ap1 ap2 +ended$", text);
    }

    /// <summary>Two clients had one endpoint at one time, each towards a server of its own.</summary>
    [Fact, Trait("Req", "N-12"), Trait("Req", "N-01")]
    public async Task Of_clients_that_shared_an_endpoint_the_server_tells_which()
    {
        string Towards(string client, string server, string end) =>
            $$"""{"record":"mapping","ham":"ap1","protocol":"tcp","address":"198.51.100.7","port":40001,"server":"{{server}}","serverPort":443,"client":"{{client}}","start":"2026-05-04T21:10:00Z","end":{{end}},"reason":"ended","accessPoints":["ap1"],"moves":0}""";
        File.WriteAllLines(Log, [Towards("02:00:00:00:00:11", "203.0.113.9", "\"2026-05-04T21:20:00Z\""), Towards("02:00:00:00:00:12", "203.0.113.10", "\"2026-05-04T21:20:00Z\"")]);
        File.WriteAllLines(Log + ".live", [
            Towards("02:00:00:00:00:13", "203.0.113.11", "null").Replace("\"mapping\"", "\"live\"", StringComparison.Ordinal),
            Towards("02:00:00:00:00:14", "203.0.113.12", "null").Replace("\"mapping\"", "\"live\"", StringComparison.Ordinal),
            """{"record":"gone","protocol":"tcp","address":"198.51.100.7","port":40001,"server":"203.0.113.12","serverPort":443}"""]);
        string[] asked = ["198.51.100.7:40001", "--protocol", "tcp", "--at", "2026-05-04T21:15:03Z"];
        Assert.Equal((0, "02:00:00:00:00:11 02:00:00:00:00:12 02:00:00:00:00:13"), await WhoAsync(asked));
        Assert.Equal((0, "02:00:00:00:00:11"), await WhoAsync([.. asked, "--server", "203.0.113.9:443"]));
        Assert.Equal((0, "02:00:00:00:00:12"), await WhoAsync([.. asked, "--server", "203.0.113.10"]));
        Assert.Equal((1, string.Empty), await WhoAsync([.. asked, "--server", "203.0.113.9:80"]));
        Assert.Equal(2, (await RunAsync([.. asked, "--server", "somewhere"])).Code);
        Assert.Contains("towards 203.0.113.9:443 alone", (await RunAsync([.. asked, "--server", "203.0.113.9"])).Output, StringComparison.Ordinal);
    }

    [Fact, Trait("Req", "N-12")]
    public async Task What_lives_is_found_and_what_is_not_certain_is_said_to_be_so()
    {
        File.WriteAllLines(Log, [
            """{"record":"mapping","ham":"ap1","protocol":"udp","address":"2001:db8::7","port":7,"client":"02:00:00:00:00:15","start":"2026-05-04T20:00:00Z","end":null,"endAfter":"2026-05-04T20:30:00Z","endBefore":"2026-05-04T21:00:00Z","reason":"agentLost","accessPoints":[],"moves":0}""",
            """{"record":"lost","ham":"ap1","count":5,"where":"queue","time":"2026-05-04T21:00:00Z"}"""]);
        File.WriteAllLines(Log + ".live", [
            Live("02:00:00:00:00:16", 40_001), Live("02:00:00:00:00:17", 40_002), """{"record":"gone","protocol":"udp","address":"198.51.100.7","port":40001}"""]);
        Assert.Equal((1, string.Empty), await WhoAsync("198.51.100.7:40001", "--at", "2026-05-04T22:00:00Z"));
        Assert.Equal((0, "02:00:00:00:00:17"), await WhoAsync("198.51.100.7:40002", "--at", "2026-05-04T22:00:00Z"));
        foreach (var (at, certain) in new[] { ("2026-05-04T20:15:00Z", true), ("2026-05-04T20:45:00Z", false) })
        {
            var (code, text, error) = await RunAsync("[2001:db8::7]:7", "--at", at, "--json");
            using var document = JsonDocument.Parse(text);
            Assert.Equal((0, certain), (code, document.RootElement.GetProperty("records")[0].GetProperty("certain").GetBoolean()));
            Assert.Equal(5, document.RootElement.GetProperty("missing").GetInt64());
            Assert.Contains("5 records found no room", error, StringComparison.Ordinal);
        }

        Assert.Equal((1, string.Empty), await WhoAsync("[2001:db8::7]:7", "--at", "2026-05-04T21:00:01Z"));
    }

    /// <summary>Logs of several nodes: an address went from one to the other, with the mapping.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task Of_a_mapping_that_went_with_its_address_the_whole_record_counts()
    {
        var other = Path.Combine(_folder.FullName, "ap2.log");
        File.WriteAllLines(Log, [Ended.Replace("\"mapping\"", "\"moved\"", StringComparison.Ordinal).Replace("21:25:13.004", "21:12:00", StringComparison.Ordinal).Replace("\"reason\"", "\"to\":\"ap2\",\"reason\"", StringComparison.Ordinal)]);
        File.WriteAllLines(other, [Ended.Replace("\"ham\":\"ap1\"", "\"ham\":\"ap2\"", StringComparison.Ordinal)]);
        var (_, text, _) = await RunAsync("198.51.100.7:40001", "--at", "2026-05-04T21:11:00Z", "--json", "--file", other);
        using var document = JsonDocument.Parse(text);
        Assert.Equal("ap2", Assert.Single(document.RootElement.GetProperty("records").EnumerateArray()).GetProperty("ham").GetString());
        Assert.Contains("ap2 goes on with it", (await RunAsync("198.51.100.7:40001")).Output.Replace("ap2  ", string.Empty, StringComparison.Ordinal), StringComparison.Ordinal);
    }

    /// <summary>Of a node whose clients have blocks of ports a line tells who had 64 of them, of all protocols; a port in the midst that was another client's has a line of its own.</summary>
    [Fact, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-14")]
    public async Task Whose_block_of_ports_it_was_tells_who_it_was()
    {
        File.WriteAllLines(Log + ".1", [
            """{"record":"begin","ham":"ap1","address":"198.51.100.7","port":39936,"lastPort":39999,"client":"02:00:00:00:00:11","clientAddress":"192.168.77.11","start":"2026-05-04T21:00:00Z"}"""]);
        File.WriteAllLines(Log, [
            """{"record":"block","ham":"ap1","address":"198.51.100.7","port":39936,"lastPort":39999,"client":"02:00:00:00:00:11","clientAddress":"192.168.77.11","start":"2026-05-04T21:00:00Z","end":"2026-05-04T22:00:00Z","reason":"ended","accessPoints":["ap1","ap2"],"moves":1}""",
            With("02:00:00:00:00:12", "2026-05-04T21:10:00Z", "2026-05-04T21:20:00Z", port: 39_940),
            With("02:00:00:00:00:13", "2026-05-04T21:10:00Z", "2026-05-04T21:20:00Z")]);
        File.WriteAllLines(Log + ".live", [
            """{"record":"live","ham":"ap1","address":"198.51.100.7","port":40064,"lastPort":40127,"client":"02:00:00:00:00:14","start":"2026-05-04T21:30:00Z","since":"2026-05-04T20:30:00Z","accessPoints":[],"moves":0}""",
            """{"record":"live","ham":"ap1","address":"198.51.100.7","port":40128,"lastPort":40191,"client":"02:00:00:00:00:15","start":"2026-05-04T21:30:00Z","accessPoints":[],"moves":0}""",
            """{"record":"gone","address":"198.51.100.7","port":40128,"lastPort":40191}""",
            Known("2026-05-04T21:45:00Z")]);
        Assert.Equal((0, "02:00:00:00:00:11"), await WhoAsync("198.51.100.7:39936", "--protocol", "tcp", "--at", "2026-05-04T21:15:03Z"));
        Assert.Equal((0, "02:00:00:00:00:11"), await WhoAsync("198.51.100.7:39999", "--at", "2026-05-04T21:15:03Z"));
        Assert.Equal((1, string.Empty), await WhoAsync("198.51.100.7:39999", "--at", "2026-05-04T22:00:01Z"));
        Assert.Equal((0, "02:00:00:00:00:13"), await WhoAsync("198.51.100.7:40001", "--at", "2026-05-04T21:15:03Z"));
        Assert.Equal((0, "02:00:00:00:00:12"), await WhoAsync("198.51.100.7:39940", "--protocol", "udp", "--at", "2026-05-04T21:15:03Z"));
        Assert.Equal((0, "02:00:00:00:00:11"), await WhoAsync("198.51.100.7:39940", "--protocol", "udp", "--at", "2026-05-04T21:25:03Z"));
        Assert.Equal((0, "02:00:00:00:00:11 02:00:00:00:00:12"), await WhoAsync("198.51.100.7:39940", "--at", "2026-05-04T21:15:03Z"));
        Assert.Equal((1, string.Empty), await WhoAsync("198.51.100.7:40130"));
        foreach (var (at, certain) in new[] { ("2026-05-04T21:45:00Z", true), ("2026-05-04T20:45:00Z", false) })
        {
            using var document = JsonDocument.Parse((await RunAsync("198.51.100.7:40100", "--at", at, "--json")).Output);
            Assert.Equal(certain, Assert.Single(document.RootElement.GetProperty("records").EnumerateArray()).GetProperty("certain").GetBoolean());
        }

        Assert.Equal((1, string.Empty), await WhoAsync("198.51.100.7:40100", "--at", "2026-05-04T20:29:00Z"));
        var (_, text, _) = await RunAsync("198.51.100.7:39936");
        Assert.Matches(@"(?m)^02:00:00:00:00:11  192\.168\.77\.11 +any +2026-05-04T21:00:00Z  2026-05-04T22:00:00Z  ap1  ap1 ap2 +ended, ports 39936 to 39999$", text);
    }

    /// <summary>Each line about a mapping adds to what is known of it; none hides another.</summary>
    [Theory, Trait("Req", "N-12")]
    [InlineData("moved", false)]
    [InlineData("moved", true)]
    [InlineData("agentLost", false)]
    [InlineData("agentLost", true)]
    public async Task A_mapping_that_has_moved_or_was_lost_and_lives_is_found(string how, bool sameNode)
    {
        var there = sameNode ? Log : Path.Combine(_folder.FullName, "ap2.log");
        File.WriteAllLines(Log, [how is "moved" ? Moved("21:12:00", "ap2") : Lost("21:12:00", "21:14:00")]);
        File.WriteAllText(there, sameNode ? File.ReadAllText(there) : string.Empty);
        File.WriteAllLines(there + ".live", [OnlyLive("2026-05-04T21:10:00.120Z"), Known("2026-05-04T23:00:00Z")]);
        foreach (var (at, certain) in new[] { ("21:11:00", true), ("21:13:00", true), ("22:00:00", true), ("23:30:00", false) })
        {
            var (code, found, said) = await CertainAsync($"2026-05-04T{at}Z", there);
            Assert.Equal((0, "02:00:00:00:00:11", certain), (code, found, said));
        }
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_mapping_that_has_moved_twice_is_found_until_the_second_time()
    {
        var other = Path.Combine(_folder.FullName, "ap2.log");
        File.WriteAllLines(other, [Moved("21:12:00", "ap2")]);
        File.WriteAllLines(Log, [Moved("21:20:00", "ap3")]);
        Assert.Equal((0, "02:00:00:00:00:11", true), await CertainAsync("2026-05-04T21:15:00Z", other));
        Assert.Equal(1, (await RunAsync("198.51.100.7:40001", "--at", "2026-05-04T21:21:00Z", "--file", other)).Code);
        Assert.Contains("ap3 goes on with it", (await RunAsync("198.51.100.7:40001", "--file", other)).Output, StringComparison.Ordinal);
    }

    /// <summary>An agent that died left a journal; what has become of its mappings another's log tells.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task What_a_journal_left_behind_is_not_certain_for_ever_and_not_the_last_word()
    {
        File.WriteAllLines(Log + ".live", [OnlyLive("2026-05-04T21:10:00.120Z"), Known("2026-05-04T21:11:00Z")]);
        Assert.Equal((0, "02:00:00:00:00:11", true), await CertainAsync("2026-05-04T21:11:00Z"));
        Assert.Equal((0, "02:00:00:00:00:11", false), await CertainAsync("2026-05-05T21:11:00Z"));
        var other = Path.Combine(_folder.FullName, "ap2.log");
        File.WriteAllLines(other, [Lost("21:12:00", "21:14:00")]);
        Assert.Equal((0, "02:00:00:00:00:11", false), await CertainAsync("2026-05-04T21:13:00Z", other));
        Assert.Equal(1, (await RunAsync("198.51.100.7:40001", "--at", "2026-05-04T21:15:00Z", "--file", other)).Code);

        // Not even when it was right is known: it began then, and that is all.
        File.WriteAllLines(Log + ".live", [OnlyLive("2026-05-04T21:10:00.120Z")]);
        Assert.Equal((0, "02:00:00:00:00:11", false), await CertainAsync("2026-05-04T21:10:01Z"));
        Assert.Equal((0, "02:00:00:00:00:11", true), await CertainAsync("2026-05-04T21:10:00.120Z"));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_beginning_alone_is_not_certain_for_ever()
    {
        File.WriteAllLines(Log, [OnlyLive("2026-05-04T21:10:00.120Z").Replace("\"live\"", "\"begin\"", StringComparison.Ordinal)]);
        Assert.Equal((0, "02:00:00:00:00:11", false), await CertainAsync("2026-05-04T22:00:00Z"));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task When_events_were_lost_nothing_that_was_alive_is_certain()
    {
        File.WriteAllLines(Log + ".live", [OnlyLive("2026-05-04T21:10:00.120Z"), Known("2026-05-04T23:00:00Z")]);
        foreach (var (where, ham, certain) in new[] { ("queue", "ap1", false), ("queue", "ap2", true), ("syslog", "ap1", true) })
        {
            File.WriteAllLines(Log, [$$"""{"record":"lost","ham":"{{ham}}","count":2,"where":"{{where}}","since":"2026-05-04T21:30:00Z","time":"2026-05-04T21:40:00Z"}"""]);
            Assert.Equal((0, "02:00:00:00:00:11", true), await CertainAsync("2026-05-04T21:29:00Z"));
            Assert.Equal((0, "02:00:00:00:00:11", certain), await CertainAsync("2026-05-04T21:35:00Z"));
            Assert.Equal((0, "02:00:00:00:00:11", certain), await CertainAsync("2026-05-04T22:00:00Z"));
        }
    }

    [Fact, Trait("Req", "N-12")]
    public async Task Of_two_clients_at_the_same_time_neither_is_certain()
    {
        File.WriteAllLines(Log, [Ended, With("02:00:00:00:00:12", "2026-05-04T21:20:00Z", "2026-05-04T21:30:00Z"), With("02:00:00:00:00:13", "2026-05-04T21:20:00Z", "2026-05-04T21:24:00Z", protocol: "tcp")]);
        Assert.Equal((0, "02:00:00:00:00:11", true), await CertainAsync("2026-05-04T21:15:00Z"));
        Assert.Equal((0, "02:00:00:00:00:12", true), await CertainAsync("2026-05-04T21:26:00Z"));
        var (_, text, _) = await RunAsync("198.51.100.7:40001", "--at", "2026-05-04T21:22:00Z", "--json");
        using var document = JsonDocument.Parse(text);
        Assert.Equal(
            [("02:00:00:00:00:11", false), ("02:00:00:00:00:12", false), ("02:00:00:00:00:13", true)],
            document.RootElement.GetProperty("records").EnumerateArray().Select(r => (r.GetProperty("client").GetString()!, r.GetProperty("certain").GetBoolean())).OrderBy(r => r.Item1, StringComparer.Ordinal));
    }

    [Theory, Trait("Req", "N-12")]
    [InlineData(1, "--at", "9999-12-31T23:59:59Z", "--within", "10")]
    [InlineData(1, "--at", "0001-01-01T00:00:00Z", "--within", "10")]
    [InlineData(2, "--within", "1e300")]
    [InlineData(2, "--within", "NaN")]
    public async Task Times_at_the_ends_of_time_end_nothing(int code, params string[] arguments)
    {
        File.WriteAllLines(Log, [Ended]);
        File.WriteAllLines(Log + ".live", [OnlyLive("2026-05-04T21:10:00.120Z").Replace("40001", "40002", StringComparison.Ordinal), Known("9999-12-31T23:59:59Z")]);
        var (found, _, said) = await RunAsync(["198.51.100.7:40001", .. arguments]);
        Assert.Equal(code, found);
        Assert.Contains(code == 1 ? "no record of" : "--within", said, StringComparison.Ordinal);
        Assert.Equal(code == 2 ? 2 : arguments[1][0] == '9' ? 0 : 1, (await RunAsync(["198.51.100.7:40002", .. arguments])).Code);
    }

    [Fact, Trait("Req", "N-12")]
    public async Task Mistakes_are_named()
    {
        Assert.Equal(2, (await RunAsync("198.51.100.7:40001")).Code);
        File.WriteAllText(Log, string.Empty);
        Assert.Equal(2, (await RunAsync("198.51.100.7")).Code);
        Assert.Equal(2, (await RunAsync("198.51.100.7:40001", "--at", "noon")).Code);
        Assert.Equal(1, (await RunAsync("198.51.100.7:40001")).Code);
    }

    private static string With(string client, string start, string end, int port = 40_001, string protocol = "udp") =>
        $$"""{"record":"mapping","ham":"ap1","protocol":"{{protocol}}","address":"198.51.100.7","port":{{port}},"client":"{{client}}","start":"{{start}}","end":"{{end}}","reason":"ended"}""";

    private static string Live(string client, int port) =>
        $$"""{"record":"live","ham":"ap1","protocol":"udp","address":"198.51.100.7","port":{{port}},"client":"{{client}}","start":"2026-05-04T21:00:00Z","accessPoints":["ap1"],"moves":0}""";

    private static string Moved(string end, string to) => Ended.Replace("\"mapping\"", "\"moved\"", StringComparison.Ordinal).Replace("21:25:13.004", end, StringComparison.Ordinal)
        .Replace("\"reason\":\"ended\"", $"\"reason\":\"addressMoved\",\"to\":\"{to}\"", StringComparison.Ordinal);

    private static string Lost(string after, string before) => Ended.Replace("\"ended\"", "\"agentLost\"", StringComparison.Ordinal)
        .Replace("\"end\":\"2026-05-04T21:25:13.004Z\"", $"\"end\":null,\"endAfter\":\"2026-05-04T{after}Z\",\"endBefore\":\"2026-05-04T{before}Z\"", StringComparison.Ordinal);

    private static string OnlyLive(string start) => Live("02:00:00:00:00:11", 40_001).Replace("2026-05-04T21:00:00Z", start, StringComparison.Ordinal);

    private static string Known(string time) => $$"""{"record":"known","ham":"ap1","time":"{{time}}"}""";

    /// <summary>The exit code, the only client that is told, and whether it is certain.</summary>
    private async Task<(int Code, string Client, bool Certain)> CertainAsync(string at, string? other = null)
    {
        var (code, text, _) = await RunAsync(["198.51.100.7:40001", "--at", at, "--json", .. other is null || other == Log ? (string[])[] : ["--file", other]]);
        using var document = JsonDocument.Parse(text);
        var records = document.RootElement.GetProperty("records");
        Assert.True(records.GetArrayLength() == 1, text);
        return (code, records[0].GetProperty("client").GetString()!, records[0].GetProperty("certain").GetBoolean());
    }

    private async Task<(int Code, string Clients)> WhoAsync(params string[] arguments)
    {
        var (code, text, _) = await RunAsync([.. arguments, "--json"]);
        using var document = JsonDocument.Parse(text);
        return (code, string.Join(' ', document.RootElement.GetProperty("records").EnumerateArray().Select(r => r.GetProperty("client").GetString())));
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        await using var output = new SharedText();
        await using var error = new SharedText();
        var parsed = LogCommand.Create().Parse(["who", .. arguments, "--file", Log]);
        var code = await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }
}
