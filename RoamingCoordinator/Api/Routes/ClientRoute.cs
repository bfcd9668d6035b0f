using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/clients</c>: the clients, one of them, and where it is now .</summary>
internal static class ClientRoute
{
    /// <summary>Clients that one request looks at to find those that it selects.</summary>
    private const int MostLookedAt = 4_096;

    public static async Task ListAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "limit", "next", "ap");
        var (limit, after, ap) = (query.Limit, query.After, query.Node("ap"));
        var start = after.Length == 0 ? MacAddress.None : MacAddress.TryParse(after, out var mac) ? mac : throw Query.Bad("next is not from an answer");
        var asOf = site.Chronicle.Ring.Last;
        var found = new List<ClientView>();
        var last = await site.Register.WalkAsync(
            start,
            MostLookedAt,
            view =>
            {
                if (ap.IsNone || view.Record.Fam == ap)
                {
                    found.Add(view);
                }

                return found.Count < limit;
            },
            context.RequestAborted).ConfigureAwait(false);
        await Reply.JsonAsync(context, json => Documents.Page(json, site.AsOf(asOf), last.IsNone ? null : last.ToString(), found, Documents.Client)).ConfigureAwait(false);
    }

    public static async Task OneAsync(HttpContext context, Site site)
    {
        var (view, asOf) = await FindAsync(context, site).ConfigureAwait(false);
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("asOf", site.AsOf(asOf));
            Documents.Client(json, view);
            Documents.Mappings(json, view.Record);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static async Task LocationAsync(HttpContext context, Site site)
    {
        var (view, asOf) = await FindAsync(context, site).ConfigureAwait(false);
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("asOf", site.AsOf(asOf));
            Documents.Location(json, view);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task<(ClientView View, long AsOf)> FindAsync(HttpContext context, Site site)
    {
        _ = new Query(context.Request);
        var client = Query.Mac(context.Request.RouteValues["mac"]?.ToString() ?? string.Empty);
        var found = await site.Inquiry.LoadAsync([client], context.RequestAborted).ConfigureAwait(false);
        return (found.Clients[0] ?? throw new ProblemException(StatusCodes.Status404NotFound, $"no client {client} is known"), found.AsOf);
    }
}
