using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/users</c>: who is denied, and denying somebody. Whose a client is stands with the client.</summary>
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
        var isKept = await site.Inquiry.AskAsync((core, now) => core.TryDeny(user, denied, now), context.RequestAborted).ConfigureAwait(false) ?? throw NoUsers();
        if (!isKept)
        {
            throw new NotAvailableException("the coordinator cannot keep it: its log says why");
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
