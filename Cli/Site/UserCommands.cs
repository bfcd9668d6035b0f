using System.CommandLine;
using System.Text.Json;

namespace Masquerade.Cli.Site;

/// <summary><c>masq user</c>: who may use the site.</summary>
internal static class UserCommands
{
    public static Command Create()
    {
        var user = new Command("user", "Deny users, or see who is denied.");
        user.Subcommands.Add(Change("deny", "End all sessions of a user at once, at every access point, and let him in no more.", "is denied"));
        user.Subcommands.Add(Change("allow", "Let a denied user in again.", "may come in"));
        user.Subcommands.Add(Denied());
        return user;
    }

    private static Command Change(string name, string description, string end)
    {
        var common = new SiteCommands.Common();
        var user = new Argument<string>("NAME") { Description = "The user's name, as the RADIUS server knows it; upper and lower case are the same." };
        var command = common.AddTo(new Command(name, description) { user });
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, $"user {name}", async () =>
        {
            using var api = common.Open(parse);
            var done = await api.PostAsync($"/v1/users/{Uri.EscapeDataString(parse.GetValue(user)!)}/{name}", cancel).ConfigureAwait(false);
            common.Write(parse, parse.InvocationConfiguration.Output, done, () => Row(new Sheet("user", "now"), parse.GetValue(user)!, end));
        }));
        return command;
    }

    private static Command Denied()
    {
        var common = new SiteCommands.Common();
        var command = common.AddTo(new Command("denied", "List the users who are denied."));
        command.Options.Remove(common.Watch);
        command.SetAction((parse, cancel) => SiteCommands.GuardAsync(parse, "user denied", async () =>
        {
            using var api = common.Open(parse);
            var denied = await api.GetAsync("/v1/users/denied", cancel).ConfigureAwait(false);
            common.Write(parse, parse.InvocationConfiguration.Output, denied, () => denied.GetProperty("denied").EnumerateArray().Aggregate(new Sheet("user", "now"), (sheet, name) => Row(sheet, name.GetString()!, "is denied")));
        }));
        return command;
    }

    private static Sheet Row(Sheet sheet, string user, string state)
    {
        sheet.Add(Printable.Of(user), state);
        return sheet;
    }
}
