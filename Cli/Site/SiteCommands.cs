using System.CommandLine;
using System.Net.Sockets;
using System.Text.Json;
using Masquerade.Core.Flow;

namespace Masquerade.Cli.Site;

/// <summary><c>masq status | aps | clients | flows | events</c>: what a coordinator knows, by its API.</summary>
internal static class SiteCommands
{
    private const int Good = 0;
    private const int CannotTell = 1;
    private const string DefaultUrl = "http://127.0.0.1:4751";
    private const int MostRows = 10_000;

    public static IEnumerable<Command> Create()
    {
        yield return Status();
        yield return Table("aps", "List the access points: session, clients, mappings.", "/v1/aps", Views.Aps, []);
        var at = new Option<string?>("--at") { Description = "Only those at this access point." };
        yield return Table("clients", "List the clients: where each is, since when, its last move.", "/v1/clients", Views.Clients, [(at, "ap")]);
        var (client, fam, ham) = (ClientOption(), new Option<string?>("--at") { Description = "Only those of clients at this access point." }, new Option<string?>("--ham") { Description = "Only those anchored here." });
        yield return Table("flows", "List the connections: client, server, masquerade endpoint, HAM and FAM.", "/v1/connections", Views.Flows, [(client, "client"), (fam, "ap"), (ham, "ham")]);
        yield return Events();
        yield return Drain("drain", "Move what an access point anchors to others, without breaking a connection, and keep it so. Its last address goes when no client is there any more.", "is drained");
        yield return Drain("undrain", "Let a drained access point anchor again; it gets its addresses back.", "has all its addresses");
    }

    private static Command Drain(string name, string description, string end)
    {
        var common = new Common();
        var ap = new Argument<string>("AP") { Description = "The access point's name." };
        var wait = new Option<int>("--wait") { Description = "Wait so many seconds for the end of it, 0 to 86400; exit code 1 if it does not come.", DefaultValueFactory = _ => 0, HelpName = "SECONDS" };
        wait.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 86_400)
            {
                result.AddError("--wait must be from 0 to 86400.");
            }
        });
        var command = common.AddTo(new Command(name, description) { ap, wait });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => GuardAsync(parse, name, async () =>
        {
            using var api = common.Open(parse);
            var node = parse.GetValue(ap)!;
            var done = await api.PostAsync($"/v1/aps/{Uri.EscapeDataString(node)}/{name}", cancel).ConfigureAwait(false);
            var output = parse.InvocationConfiguration.Output;
            var until = Environment.TickCount64 + (parse.GetValue(wait) * 1_000L);
            var row = await ApAsync(api, node, cancel).ConfigureAwait(false);
            while (!IsOver(row, name is "drain") && Environment.TickCount64 < until)
            {
                await Task.Delay(200, cancel).ConfigureAwait(false);
                row = await ApAsync(api, node, cancel).ConfigureAwait(false);
            }

            var isOver = IsOver(row, name is "drain");
            if (parse.GetValue(common.Json))
            {
                await output.WriteLineAsync(row.GetRawText()).ConfigureAwait(false);
            }
            else
            {
                await output.WriteLineAsync(isOver ? $"{node} {end}" : $"{node}: {row.GetProperty("owned").GetArrayLength()} of its addresses are there, {row.GetProperty("clients").GetInt64()} clients").ConfigureAwait(false);
            }

            if (!isOver && parse.GetValue(wait) > 0)
            {
                throw new CliException($"{node} is not that far after {parse.GetValue(wait)} seconds; it goes on");
            }
        }));
        return command;
    }

    private static bool IsOver(JsonElement row, bool drained) => drained ? row.GetProperty("fenced").GetBoolean() : row.GetProperty("elsewhere").GetArrayLength() == 0;

    private static async Task<JsonElement> ApAsync(ApiClient api, string node, CancellationToken cancel)
    {
        var (rows, _) = await api.ListAsync("/v1/aps", MostRows, cancel).ConfigureAwait(false);
        return rows.FirstOrDefault(r => string.Equals(r.GetProperty("ap").GetString(), node, StringComparison.Ordinal)) is { ValueKind: JsonValueKind.Object } row ? row : throw new CliException($"there is no access point {node}");
    }

    private static Command Status()
    {
        var common = new Common();
        var local = new Option<string?>("--local")
        {
            Description = "Ask the agent on this machine instead, by its control socket (the only one under /run/masq if none is named).", Arity = ArgumentArity.ZeroOrOne, HelpName = "SOCKET",
        };
        var command = common.AddTo(new Command("status", "Show how a site is doing, or an access point with --local.") { local });
        command.SetAction((parse, cancel) => GuardAsync(parse, "status", () => common.RepeatAsync(parse, async output =>
        {
            if (parse.GetResult(local) is not null)
            {
                var state = await LocalSocket.ReadAsync(parse.GetValue(local) ?? string.Empty, cancel).ConfigureAwait(false);
                common.Write(parse, output, state, () => Views.Local(state));
                return;
            }

            using var api = common.Open(parse);
            var status = await api.GetAsync("/v1/status", cancel).ConfigureAwait(false);
            common.Write(parse, output, status, () => Views.Status(status));
        }, cancel)));
        return command;
    }

    private static Command Table(string name, string description, string path, Func<IEnumerable<JsonElement>, Sheet> view, (Option<string?> Option, string Parameter)[] filters)
    {
        var common = new Common();
        var limit = new Option<int>("--limit") { Description = $"The most rows, 1 to {MostRows}.", DefaultValueFactory = _ => MostRows };
        limit.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > MostRows)
            {
                result.AddError($"--limit must be from 1 to {MostRows}.");
            }
        });
        var command = common.AddTo(new Command(name, description) { limit });
        foreach (var (option, _) in filters)
        {
            command.Options.Add(option);
        }

        command.SetAction((parse, cancel) => GuardAsync(parse, name, () => common.RepeatAsync(parse, async output =>
        {
            using var api = common.Open(parse);
            var query = string.Join('&', filters.Where(f => parse.GetValue(f.Option) is not null).Select(f => $"{f.Parameter}={Uri.EscapeDataString(parse.GetValue(f.Option)!)}"));
            var (rows, more) = await api.ListAsync(query.Length == 0 ? path : $"{path}?{query}", parse.GetValue(limit), cancel).ConfigureAwait(false);
            common.Write(parse, output, rows, more, () => view(rows));
            if (more)
            {
                await parse.InvocationConfiguration.Error.WriteLineAsync($"masq {name}: these are the first {rows.Count}; there are more").ConfigureAwait(false);
            }
        }, cancel)));
        return command;
    }

    private static Command Events()
    {
        var common = new Common();
        var clients = new Option<string[]>("--client") { Description = "Only what concerns this client (several are allowed).", HelpName = "MAC", Arity = ArgumentArity.OneOrMore };
        var count = new Option<int>("--last", "-n") { Description = "How many of the latest events are shown first.", DefaultValueFactory = _ => 20 };
        clients.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string[]>() is { } all && all.Any(c => !MacAddress.TryParse(c, out _)))
            {
                result.AddError("--client takes MAC addresses such as 02:00:00:00:00:01.");
            }
        });
        count.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 1_000_000)
            {
                result.AddError("--last must be from 0 to 1000000.");
            }
        });
        var command = common.AddTo(new Command("events", "Show what has happened: moves of clients, access points that come and go, refusals. With --watch also what happens from now on.") { clients, count });
        command.SetAction((parse, cancel) => GuardAsync(parse, "events", async () =>
        {
            using var api = common.Open(parse);
            var output = parse.InvocationConfiguration.Output;
            string[] wanted = [.. (parse.GetValue(clients) ?? []).Select(c => MacAddress.Parse(c).ToString())];
            var follower = new EventFollower(
                api,
                wanted,
                happened => output.WriteLine(parse.GetValue(common.Json) ? happened.GetRawText() : Views.Event(happened)),
                text => parse.InvocationConfiguration.Error.WriteLine($"masq events: {text}"));
            await follower.RunAsync(parse.GetValue(count), parse.GetValue(common.Watch), cancel).ConfigureAwait(false);
        }));
        return command;
    }

    private static Option<string?> ClientOption()
    {
        var client = new Option<string?>("--client") { Description = "Only those of this client.", HelpName = "MAC" };
        client.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } text && !MacAddress.TryParse(text, out _))
            {
                result.AddError("--client takes a MAC address such as 02:00:00:00:00:01.");
            }
        });
        return client;
    }

    internal static async Task<int> GuardAsync(ParseResult parse, string name, Func<Task> act)
    {
        try
        {
            await act().ConfigureAwait(false);
            return Good;
        }
        catch (CliException e)
        {
            await parse.InvocationConfiguration.Error.WriteLineAsync($"masq {name}: {e.Message}").ConfigureAwait(false);
            return CannotTell;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or SocketException)
        {
            await parse.InvocationConfiguration.Error.WriteLineAsync($"masq {name}: the connection broke: {e.Message}").ConfigureAwait(false);
            return CannotTell;
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            await parse.InvocationConfiguration.Error.WriteLineAsync($"masq {name}: the answer is not what version 1 of the API says").ConfigureAwait(false);
            return CannotTell;
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C is how watching ends.
            return Good;
        }
    }

    /// <summary>The options that all of them have.</summary>
    internal sealed class Common
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

        private readonly Option<string> _url = new("--url")
        {
            Description = $"Where the coordinator's API is (or MASQ_URL; default {DefaultUrl}).", DefaultValueFactory = _ => Environment.GetEnvironmentVariable("MASQ_URL") is { Length: > 0 } url ? url : DefaultUrl,
        };

        private readonly Option<string?> _tokenFile = new("--token-file")
        {
            Description = "A file with the token, mode 0600 (or MASQ_TOKEN_FILE).", DefaultValueFactory = _ => Environment.GetEnvironmentVariable("MASQ_TOKEN_FILE") is { Length: > 0 } path ? path : null,
        };

        private readonly Option<string?> _authorities = new("--ca") { Description = "A file with the certificate of the authority that the API's certificate is from (PEM)." };

        public Option<bool> Json { get; } = new("--json") { Description = "Print JSON: the whole document, or one object per event." };

        public Option<bool> Watch { get; } = new("--watch") { Description = "Go on showing it until interrupted." };

        public Command AddTo(Command command)
        {
            foreach (var option in new Option[] { _url, _tokenFile, _authorities, Json, Watch })
            {
                command.Options.Add(option);
            }

            return command;
        }

        public ApiClient Open(ParseResult parse) => new(parse.GetValue(_url)!, parse.GetValue(_tokenFile), parse.GetValue(_authorities));

        /// <summary>Shows something once, or again and again.</summary>
        public async Task RepeatAsync(ParseResult parse, Func<TextWriter, Task> show, CancellationToken cancel)
        {
            var output = parse.InvocationConfiguration.Output;
            while (true)
            {
                using var page = new StringWriter();
                await show(page).ConfigureAwait(false);
                if (parse.GetValue(Watch) && IsTerminal(parse))
                {
                    // Home, and clear below: what is redrawn in place does not flicker.
                    await output.WriteAsync("\u001b[H\u001b[2J").ConfigureAwait(false);
                }

                await output.WriteAsync(page.ToString()).ConfigureAwait(false);
                await output.FlushAsync(cancel).ConfigureAwait(false);
                if (!parse.GetValue(Watch))
                {
                    return;
                }

                await Task.Delay(Interval, cancel).ConfigureAwait(false);
            }
        }

        public void Write(ParseResult parse, TextWriter output, JsonElement document, Func<Sheet> view)
        {
            if (parse.GetValue(Json))
            {
                output.WriteLine(document.GetRawText());
                return;
            }

            view().Write(output, IsTerminal(parse));
        }

        public void Write(ParseResult parse, TextWriter output, IReadOnlyList<JsonElement> rows, bool more, Func<Sheet> view)
        {
            if (parse.GetValue(Json))
            {
                output.WriteLine($"{{\"version\":1,\"more\":{(more ? "true" : "false")},\"items\":[{string.Join(',', rows.Select(r => r.GetRawText()))}]}}");
                return;
            }

            view().Write(output, IsTerminal(parse));
        }

        private bool IsTerminal(ParseResult parse) => !parse.GetValue(Json) && ReferenceEquals(parse.InvocationConfiguration.Output, Console.Out) && !Console.IsOutputRedirected;
    }
}
