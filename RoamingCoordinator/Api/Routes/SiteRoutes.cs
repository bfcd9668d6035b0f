using System.Diagnostics;
using System.Globalization;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/status</c>, <c>/v1/policies</c> and <c>/v1/health</c>: the site as a whole.</summary>
internal static class SiteRoutes
{
    public static async Task StatusAsync(HttpContext context, Site site)
    {
        _ = new Query(context.Request);
        var census = await site.Register.CensusAsync(context.RequestAborted).ConfigureAwait(false);
        var core = await site.Inquiry.AskAsync(
            (core, _) => (
                Known: core.Nodes.Count, Connected: core.Nodes.Nodes.Count(n => n.IsConnected), core.MessagesReceived, core.MessagesSent, core.ClaimsRefused,
                Waiting: core.Nodes.Nodes.Sum(n => (long)n.PushesWaiting), AsOf: site.Chronicle.Ring.Last, Shared: core.Store.IsShared),
            context.RequestAborted).ConfigureAwait(false);
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("asOf", site.AsOf(core.AsOf));
            json.WriteString("coordinator", site.Name.Name);
            json.WriteString("started", Documents.Time(site.Started));
            json.WriteString("store", core.Shared ? "shared" : "own");
            json.WriteNumber("aps", core.Known);
            json.WriteNumber("apsConnected", core.Connected);
            json.WriteNumber("clients", census.Clients);
            json.WriteNumber("clientsPresent", census.Present);
            json.WriteNumber("mappings", census.Mappings);
            json.WriteNumber("connections", census.Connections);
            json.WriteNumber("messagesReceived", core.MessagesReceived);
            json.WriteNumber("messagesSent", core.MessagesSent);
            json.WriteNumber("claimsRefused", core.ClaimsRefused);
            json.WriteNumber("pushesWaiting", core.Waiting);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static async Task PoliciesAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "limit", "next");
        var (limit, after) = (query.Limit, query.After);
        var start = after.Length == 0 ? 0 : int.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : throw Query.Bad("next is not from an answer");
        IReadOnlyList<PlacementRule> rules = (site.Placement as PlacementRules)?.Rules ?? [];
        var shown = rules.Skip(start).Take(limit).ToList();
        var next = start + shown.Count < rules.Count ? (start + shown.Count).ToString(CultureInfo.InvariantCulture) : null;
        await Reply.JsonAsync(context, json => Documents.Page(json, site.AsOf(site.Chronicle.Ring.Last), next, shown, Documents.Rule)).ConfigureAwait(false);
    }

    /// <summary>Whether the process runs and its loop goes round.</summary>
    public static Task LiveAsync(HttpContext context, Site site) => HealthAsync(context, site, askStore: false);

    /// <summary>Whether it can also decide moves, which takes the store.</summary>
    public static Task ReadyAsync(HttpContext context, Site site) => HealthAsync(context, site, askStore: true);

    private static async Task HealthAsync(HttpContext context, Site site, bool askStore)
    {
        _ = new Query(context.Request);
        var from = Stopwatch.GetTimestamp();
        await site.Inquiry.AskAsync((_, _) => true, context.RequestAborted).ConfigureAwait(false);
        var loop = Stopwatch.GetElapsedTime(from);
        TimeSpan? store = null;
        if (askStore)
        {
            // Any client will do; that nobody has this address is an answer too.
            from = Stopwatch.GetTimestamp();
            await site.Inquiry.LoadAsync([new MacAddress(1)], context.RequestAborted).ConfigureAwait(false);
            store = Stopwatch.GetElapsedTime(from);
        }

        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("status", askStore ? "ready" : "live");
            json.WriteNumber("loopSeconds", Documents.Seconds(loop));
            if (store is { } took)
            {
                json.WriteNumber("storeSeconds", Documents.Seconds(took));
            }

            json.WriteEndObject();
        }).ConfigureAwait(false);
    }
}
