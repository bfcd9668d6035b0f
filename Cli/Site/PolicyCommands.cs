using System.CommandLine;
using System.Text.Json;
using static Masquerade.Cli.Site.Printable;

namespace Masquerade.Cli.Site;

/// <summary><c>masq policy</c> and <c>masq explain</c>: what users may do.</summary>
internal static class PolicyCommands
{
    private const string Path = "/v1/users/policies";

    public static IEnumerable<Command> Create()
    {
        var policy = new Command("policy", "Show what users may do, or replace it.");
        policy.Subcommands.Add(Apply());
        policy.Subcommands.Add(Show());
        yield return policy;
        yield return Explain();
    }

    private static Command Apply()
    {
        var common = new SiteCommands.Common();
        var file = new Argument<string>("FILE") { Description = "The policy document; - reads it from standard input." };
        var check = new Option<bool>("--check") { Description = "Only say what is wrong with it, or what it would change." };
        var tag = new Option<string?>("--if-tag") { Description = "Only if this document holds (policy show --json tells its tag)." };
        var command = common.AddTo(new Command("apply", "Have a policy document hold, whole or not at all, at every access point at once.") { file, check, tag });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "policy apply", async () =>
        {
            var text = await ReadAsync(parse.GetValue(file)!, cancel).ConfigureAwait(false);
            using var api = common.Open(parse);
            var said = await api.PutAsync(Path + (parse.GetValue(check) ? "?check=true" : string.Empty), text, parse.GetValue(tag), cancel).ConfigureAwait(false);
            var output = parse.InvocationConfiguration.Output;
            if (parse.GetValue(common.Json))
            {
                await output.WriteLineAsync(said.GetRawText()).ConfigureAwait(false);
            }
            else
            {
                var applied = said.GetProperty("applied").GetBoolean();
                var changed = said.GetProperty("policies").GetArrayLength();
                await output.WriteLineAsync($"{(applied ? "it holds" : "it could hold")}: {(changed == 0 ? "no policy" : Of(said, "policies"))} {(applied ? "changed" : "would change")}").ConfigureAwait(false);
                await output.WriteLineAsync($"another policy for {Of(said, "clients")} clients of {Of(said, "users")} users").ConfigureAwait(false);
            }

            if (!said.GetProperty("told").GetBoolean())
            {
                throw new CliException("the coordinator's store could not say whom it concerns: access points hear of it when they next report");
            }
        }));
        return command;
    }

    private static Command Show()
    {
        var common = new SiteCommands.Common();
        var name = new Argument<string?>("NAME") { Description = "Only this policy's rules.", Arity = ArgumentArity.ZeroOrOne };
        var command = common.AddTo(new Command("show", "Print the policy document that holds, or one policy's rules with their numbers.") { name });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "policy show", async () =>
        {
            using var api = common.Open(parse);
            var holds = await api.GetAsync(Path, cancel).ConfigureAwait(false);
            var output = parse.InvocationConfiguration.Output;
            if (parse.GetValue(name) is not { } wanted)
            {
                await output.WriteLineAsync(parse.GetValue(common.Json) ? holds.GetRawText() : Lines(holds.GetProperty("document").GetString()!)).ConfigureAwait(false);
                return;
            }

            var policy = holds.GetProperty("policies").EnumerateArray().FirstOrDefault(p => string.Equals(p.GetProperty("policy").GetString(), wanted, StringComparison.Ordinal));
            if (policy.ValueKind != JsonValueKind.Object)
            {
                throw new CliException($"there is no policy {wanted}");
            }

            common.Write(parse, output, policy, () =>
            {
                var sheet = new Sheet("rule", wanted);
                foreach (var (index, rule) in policy.GetProperty("rules").EnumerateArray().Index())
                {
                    sheet.Add($"{index + 1}", Of(rule.GetString()!));
                }

                return sheet;
            });
        }));
        return command;
    }

    private static Command Explain()
    {
        var common = new SiteCommands.Common();
        var user = new Option<string?>("--user") { Description = "The user; his sessions are looked at, or what the document says if he has none." };
        var client = new Option<string?>("--client") { Description = "Instead of a user: the client with this MAC address.", HelpName = "MAC" };
        var to = new Option<string>("--to") { Description = "Whom the connection is opened to, such as 192.0.2.1:443.", Required = true, HelpName = "ADDR:PORT" };
        var from = new Option<string?>("--from") { Description = "Who opens it; without it the client's own address.", HelpName = "ADDR:PORT" };
        var protocol = new Option<string>("--protocol") { Description = "tcp, udp or icmp.", DefaultValueFactory = _ => "tcp" };
        var direction = new Option<string>("--direction") { Description = "out: the client opens it; in: the far end does.", DefaultValueFactory = _ => "out" };
        var at = new Option<string?>("--at") { Description = "When, by the site's clock, such as 2026-01-31T09:30; without it now.", HelpName = "TIME" };
        var command = common.AddTo(new Command("explain", "Say what becomes of a connection: by which policy and rule, and why the user has that policy.") { user, client, to, from, protocol, direction, at });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "explain", async () =>
        {
            (string Key, string? Value)[] parameters =
            [
                ("user", parse.GetValue(user)), ("client", parse.GetValue(client)), ("to", parse.GetValue(to)), ("from", parse.GetValue(from)), ("protocol", parse.GetValue(protocol)),
                ("direction", parse.GetValue(direction)), ("at", parse.GetValue(at)),
            ];
            using var api = common.Open(parse);
            var said = await api.GetAsync("/v1/users/explain?" + string.Join('&', parameters.Where(p => p.Value is not null).Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value!)}")), cancel).ConfigureAwait(false);
            common.Write(parse, parse.InvocationConfiguration.Output, said, () =>
            {
                var sheet = new Sheet("user", "client", "verdict", "policy", "because of", "rule", "which says");
                foreach (var answer in said.GetProperty("answers").EnumerateArray())
                {
                    var rule = answer.GetProperty("rule").GetInt32();
                    sheet.Add(Of(answer, "user"), Of(answer, "client"), Of(answer, "verdict"), Of(answer, "policy"), Of(answer, "why"), rule == 0 ? "-" : $"{rule}", rule == 0 ? "no rule matches" : Of(answer, "text"));
                }

                return sheet;
            });
        }));
        return command;
    }

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancel)
    {
        try
        {
            if (path is not "-")
            {
                return await File.ReadAllBytesAsync(path, cancel).ConfigureAwait(false);
            }

            using var text = new MemoryStream();
            using var input = Console.OpenStandardInput();
            await input.CopyToAsync(text, cancel).ConfigureAwait(false);
            return text.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{path}: {e.Message}");
        }
    }

    private static string Lines(string text) => string.Join('\n', text.TrimEnd().Split('\n').Select(l => Of(l.Replace("\t", "    ", StringComparison.Ordinal).TrimEnd('\r'))));
}
