using System.Globalization;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/guests</c>: what a captive portal asks, and nothing else (A-26).</summary>
internal static class GuestRoute
{
    private const int MaxName = 64;
    private const int MostLookedAt = 4_096;

    public static async Task ListAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "limit", "next");
        var (limit, after) = (query.Limit, query.After);
        var start = after.Length == 0 ? MacAddress.None : MacAddress.TryParse(after, out var mac) ? mac : throw Query.Bad("next is not from an answer");
        _ = await RulesAsync(context, site).ConfigureAwait(false);
        var (asOf, now) = (site.Chronicle.Ring.Last, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
        var found = new List<(MacAddress Client, UserRecord User, NodeId At)>();
        var last = await site.Register.WalkAsync(
            start,
            MostLookedAt,
            view =>
            {
                if (view.Record.User is { } user && GuestStep.IsAdmitted(user) && !user.HasEnded(now))
                {
                    found.Add((view.Record.Client, user, view.Record.Fam));
                }

                return found.Count < limit;
            },
            context.RequestAborted).ConfigureAwait(false);
        await Reply.JsonAsync(context, json => Documents.Page(json, site.AsOf(asOf), last.IsNone ? null : last.ToString(), found, (writer, guest) =>
        {
            writer.WriteString("client", guest.Client.ToString());
            writer.WriteString("user", guest.User.User);
            writer.WriteString("role", guest.User.Role);
            writer.WriteString("began", Documents.Time(DateTimeOffset.FromUnixTimeMilliseconds(guest.User.Began)));
            writer.WriteString("ends", Documents.Time(DateTimeOffset.FromUnixTimeMilliseconds(guest.User.Ends)));
            writer.WriteString("ap", Documents.Name(guest.At));
        })).ConfigureAwait(false);
    }

    public static async Task AdmitAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "seconds", "role", "name");
        Browsers.MayNotChange(context);
        var (client, rules) = (Client(context), await RulesAsync(context, site).ConfigureAwait(false));
        var longest = (int)rules.Longest.TotalSeconds;
        var seconds = int.TryParse(query.One("seconds"), NumberStyles.None, CultureInfo.InvariantCulture, out var asked) && asked >= 1 && asked <= longest
            ? asked
            : throw Query.Bad($"seconds is a whole number from 1 to {longest}");
        var role = query.One("role") ?? rules.Roles[0];
        if (!rules.Roles.Contains(role, StringComparer.Ordinal))
        {
            throw new ProblemException(StatusCodes.Status403Forbidden, $"a portal may give the roles {string.Join(", ", rules.Roles)}");
        }

        var name = query.One("name") ?? client.ToString();
        if (name.Length is 0 or > MaxName || name.Any(char.IsControl))
        {
            throw Query.Bad($"name has 1 to {MaxName} characters");
        }

        var outcome = await site.Inquiry.AskLaterAsync<GuestOutcome>(
            (core, now, answer) => core.AdmitGuest(client, name, role, TimeSpan.FromSeconds(seconds), said => answer.TrySetResult(said), now), context.RequestAborted).ConfigureAwait(false);
        ThrowIfNotKept(outcome, "admitted");
        ThrowIfNotDone(outcome);
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("client", client.ToString());
            json.WriteString("user", GuestStep.Prefix + name);
            json.WriteString("role", role);
            json.WriteNumber("seconds", seconds);
            json.WriteEndObject();
        }).ConfigureAwait(false);

        void ThrowIfNotDone(GuestOutcome said)
        {
            switch (said)
            {
                case GuestOutcome.Unknown:
                    throw new ProblemException(StatusCodes.Status404NotFound, $"no client {client} is known");
                case GuestOutcome.HasUser:
                    throw new ProblemException(StatusCodes.Status409Conflict, $"{client} has a user who has authenticated");
                case GuestOutcome.Refused:
                    throw new ProblemException(StatusCodes.Status409Conflict, $"no policy is for the role {role}, guests are not let in, or this one is denied");
                case GuestOutcome.Denied:
                    throw new ProblemException(StatusCodes.Status409Conflict, $"{client} is the device of a user who is denied: it is no guest while that stands");
            }
        }
    }

    public static async Task RevokeAsync(HttpContext context, Site site)
    {
        _ = new Query(context.Request);
        Browsers.MayNotChange(context);
        _ = await RulesAsync(context, site).ConfigureAwait(false);
        var client = Client(context);
        var outcome = await site.Inquiry.AskLaterAsync<GuestOutcome>(
            (core, now, answer) => core.RevokeGuest(client, said => answer.TrySetResult(said), now), context.RequestAborted).ConfigureAwait(false);
        ThrowIfNotKept(outcome, "revoked");
        if (outcome != GuestOutcome.Done)
        {
            throw new ProblemException(StatusCodes.Status404NotFound, $"{client} is no admitted guest");
        }

        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("client", client.ToString());
            json.WriteBoolean("admitted", false);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static void ThrowIfNotKept(GuestOutcome outcome, string order)
    {
        switch (outcome)
        {
            case GuestOutcome.Failed:
                throw new NotAvailableException($"the guest is not {order}: the store has no room for it, or cannot be reached");
            case GuestOutcome.Unsure:
                throw new NotAvailableException($"the store has not said whether it has kept it: the guest may be {order} or not");
        }
    }

    private static MacAddress Client(HttpContext context) => Query.Mac(context.Request.RouteValues["mac"]?.ToString() ?? string.Empty);

    private static async Task<GuestRules> RulesAsync(HttpContext context, Site site) =>
        await site.Inquiry.AskAsync((core, _) => core.Guests, context.RequestAborted).ConfigureAwait(false)
            ?? throw new ProblemException(StatusCodes.Status404NotFound, "this coordinator has no portal: there is no section \"users.portal\"");
}
