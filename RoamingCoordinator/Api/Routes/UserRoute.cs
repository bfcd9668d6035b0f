using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Steps;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/users</c>: who is denied, and denying somebody (A-27). Whose a client is stands with the client.</summary>
internal static class UserRoute
{
    public static async Task DeniedAsync(HttpContext context, Site site)
    {
        _ = new Query(context.Request);
        var denied = await site.Inquiry.AskAsync((core, _) => core.DeniedUsers, context.RequestAborted).ConfigureAwait(false) ?? throw NoUsers();
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            Documents.Strings(json, "denied", denied);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static async Task DenyAsync(HttpContext context, Site site, bool denied)
    {
        _ = new Query(context.Request);
        Browsers.MayNotChange(context);
        var user = (string?)context.Request.RouteValues["user"] ?? string.Empty;
        var outcome = await site.Inquiry.AskLaterAsync<UserChangeOutcome?>(
            (core, now, answer) => core.Deny(user, denied, said => answer.TrySetResult(said), now), context.RequestAborted).ConfigureAwait(false) ?? throw NoUsers();
        if (outcome != UserChangeOutcome.Done)
        {
            throw new NotAvailableException(outcome == UserChangeOutcome.Unsure
                ? $"the store has not said whether it has kept it: {user} may be {(denied ? "denied" : "allowed")} or not"
                : "the coordinator cannot keep it, and nothing has changed: its log says why");
        }

        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("user", user);
            json.WriteBoolean("denied", denied);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static ProblemException NoUsers() => new(StatusCodes.Status404NotFound, "this coordinator knows of no users: it has no section \"users\"");
}
