using System.CommandLine;
using System.Text.Json;
using static Masquerade.Cli.Site.Printable;

namespace Masquerade.Cli.Site;

/// <summary><c>masq guest</c>: what a captive portal does, by hand.</summary>
internal static class GuestCommands
{
    private const int MostRows = 10_000;

    public static Command Create()
    {
        var guest = new Command("guest", "Admit guests for a time, or see who is admitted.");
        guest.Subcommands.Add(Admit());
        guest.Subcommands.Add(Revoke());
        guest.Subcommands.Add(List());
        return guest;
    }

    private static Command Admit()
    {
        var common = new SiteCommands.Common();
        var client = Client();
        var seconds = new Option<int>("--seconds") { Description = "For how long.", DefaultValueFactory = _ => 3_600 };
        var role = new Option<string?>("--role") { Description = "What he may do; without it the first of users.portal.roles." };
        var name = new Option<string?>("--name") { Description = "What he is called in lists; without it the MAC address." };
        var command = common.AddTo(new Command("admit", "Admit a guest; he stays so wherever he goes, and is captive again when his time is over.") { client, seconds, role, name });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "guest admit", async () =>
        {
            using var api = common.Open(parse);
            (string Key, string? Value)[] parameters = [("seconds", $"{parse.GetValue(seconds)}"), ("role", parse.GetValue(role)), ("name", parse.GetValue(name))];
            var query = string.Join('&', parameters.Where(p => p.Value is not null).Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value!)}"));
            var done = await api.PostAsync($"/v1/guests/{Uri.EscapeDataString(parse.GetValue(client)!)}?{query}", cancel).ConfigureAwait(false);
            common.Write(parse, parse.InvocationConfiguration.Output, done, () => Row(new Sheet("client", "guest", "role", "for"), done, TimeSpan.FromSeconds(done.GetProperty("seconds").GetInt32())));
        }));
        return command;
    }

    private static Command Revoke()
    {
        var common = new SiteCommands.Common();
        var client = Client();
        var command = common.AddTo(new Command("revoke", "Have an admitted guest be captive again, at once.") { client });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "guest revoke", async () =>
        {
            using var api = common.Open(parse);
            var done = await api.DeleteAsync($"/v1/guests/{Uri.EscapeDataString(parse.GetValue(client)!)}", cancel).ConfigureAwait(false);
            common.Write(parse, parse.InvocationConfiguration.Output, done, () =>
            {
                var sheet = new Sheet("client", "now");
                sheet.Add(Of(done, "client"), "is captive");
                return sheet;
            });
        }));
        return command;
    }

    private static Command List()
    {
        var common = new SiteCommands.Common();
        var command = common.AddTo(new Command("list", "List the guests who are admitted."));
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "guest list", () => common.RepeatAsync(parse, async output =>
        {
            using var api = common.Open(parse);
            var (rows, more) = await api.ListAsync("/v1/guests", MostRows, cancel).ConfigureAwait(false);
            common.Write(parse, output, rows, more, () => rows.Aggregate(
                new Sheet("client", "guest", "role", "for"), (sheet, row) => Row(sheet, row, row.GetProperty("ends").GetDateTimeOffset() - DateTimeOffset.UtcNow)));
        }, cancel)));
        return command;
    }

    private static Argument<string> Client() => new("MAC") { Description = "The guest's MAC address; the client has been here." };

    private static Sheet Row(Sheet sheet, JsonElement row, TimeSpan left)
    {
        sheet.Add(Of(row, "client"), Of(row, "user"), Of(row, "role"), Span(left));
        return sheet;
    }
}
