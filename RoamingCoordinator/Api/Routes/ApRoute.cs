using System.Text.Json;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Microsoft.AspNetCore.Http;
using Elsewhere = (Masquerade.Core.Flow.IpAddress Address, Masquerade.Core.Flow.NodeId Home, Masquerade.Core.Flow.NodeId Owner, bool ByLoad);

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/aps</c>: the access points and other nodes.</summary>
internal static class ApRoute
{
    private const int MostAddresses = 64;

    public static async Task ListAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "limit", "next");
        var (limit, after) = (query.Limit, query.After);
        var census = await site.Register.CensusAsync(context.RequestAborted).ConfigureAwait(false);
        var (rows, asOf) = await site.Inquiry.AskAsync(
            (core, now) =>
            {
                // Once for all rows: there may be many nodes, and many addresses that have moved.
                var elsewhere = core.Nodes.Elsewhere.ToList();
                var (gone, guests) = (elsewhere.ToLookup(e => e.Home), elsewhere.ToLookup(e => e.Owner));
                return (
                    core.Nodes.Nodes.Where(n => string.CompareOrdinal(n.Id.Name, after) > 0).Take(limit + 1).Select(n => Row(n, core, site, gone[n.Id], guests[n.Id], now)).ToList(),
                    site.Chronicle.Ring.Last);
            },
            context.RequestAborted).ConfigureAwait(false);
        var more = rows.Count > limit;
        var shown = more ? rows.Take(limit).ToList() : rows;
        await Reply.JsonAsync(context, json => Documents.Page(json, site.AsOf(asOf), more ? shown[^1].Node.Name : null, shown, (w, row) => Write(w, row, census))).ConfigureAwait(false);
    }

    /// <summary>Drains an access point or lets it anchor again. What comes of it is seen in the list.</summary>
    public static async Task DrainAsync(HttpContext context, Site site, bool isDrained)
    {
        _ = new Query(context.Request);
        Browsers.MayNotChange(context);
        var node = new NodeId((string?)context.Request.RouteValues["ap"] ?? string.Empty);
        var failure = NodeId.IsValid(node.Name)
            ? await site.Inquiry.AskLaterAsync<StoreFailure?>(
                (core, now, answer) =>
                {
                    if (!core.TryDrain(node, isDrained, now, failure => answer.TrySetResult(failure)))
                    {
                        answer.TrySetResult(null);
                    }
                },
                context.RequestAborted).ConfigureAwait(false)
            : null;
        switch (failure)
        {
            case null:
                throw new ProblemException(StatusCodes.Status404NotFound, "no access point of this name has been here");
            case StoreFailure.None:
                await Reply.JsonAsync(context, json =>
                {
                    json.WriteStartObject();
                    json.WriteNumber("version", Documents.Version);
                    json.WriteString("ap", node.Name);
                    json.WriteBoolean("draining", isDrained);
                    json.WriteEndObject();
                }).ConfigureAwait(false);
                break;
            default:
                throw new NotAvailableException($"the store cannot take it: {failure}");
        }
    }

    private static ApRow Row(NodeState node, CoordinatorCore core, Site site, IEnumerable<Elsewhere> gone, IEnumerable<Elsewhere> guests, Instant now)
    {
        var today = DateTimeOffset.UtcNow;
        var elsewhere = gone.Take(MostAddresses).ToList();
        return new ApRow(
            node.Id, node.IsConnected, node.IsHere, site.Chronicle.SessionSince(node.Id) is { } since ? today - (now - since) : null, node.PeerEndpoint, node.Addresses,
            node.IsHere || (!node.IsConnected && node.LastHeard != Instant.Zero) ? now - node.LastHeard : null,
            node.PushesWaiting,
            [.. node.Addresses.Where(a => !elsewhere.Exists(e => e.Address == a)), .. guests.Take(MostAddresses).Select(g => g.Address)],
            elsewhere,
            node.HasFailed,
            node.IsDraining,
            node.Addresses.Count > 0 && core.Nodes.IsFenced(node));
    }

    private static void Write(Utf8JsonWriter json, ApRow row, Census census)
    {
        var figures = census.Nodes.GetValueOrDefault(row.Node) ?? new NodeFigures();
        json.WriteString("ap", row.Node.Name);
        json.WriteBoolean("connected", row.Connected);
        json.WriteBoolean("here", row.Here);
        json.WriteString("since", row.Since is { } since ? Documents.Time(since) : null);
        if (row.Silence is { } silence)
        {
            json.WriteNumber("heartbeatAgeSeconds", Documents.Seconds(silence));
        }
        else
        {
            // Its heartbeats go to another coordinator.
            json.WriteNull("heartbeatAgeSeconds");
        }

        json.WriteString("peer", row.Peer.ToString());
        Documents.Strings(json, "addresses", row.Addresses.Take(MostAddresses).Select(a => a.ToString()));
        Documents.Strings(json, "owned", row.Owned.Take(MostAddresses).Select(a => a.ToString()));
        json.WriteStartArray("elsewhere");
        foreach (var (address, _, owner, byLoad) in row.Elsewhere)
        {
            json.WriteStartObject();
            json.WriteString("address", address.ToString());
            json.WriteString("at", Documents.Name(owner));
            json.WriteBoolean("byLoad", byLoad);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteBoolean("failed", row.Failed);
        json.WriteBoolean("fenced", row.Fenced);
        json.WriteBoolean("draining", row.Draining);
        json.WriteNumber("clients", figures.Clients);
        json.WriteNumber("mappingsServed", figures.Served);
        json.WriteNumber("mappingsAnchored", figures.Anchored);
        json.WriteNumber("pushesWaiting", row.PushesWaiting);
    }

    private sealed record ApRow(
        NodeId Node, bool Connected, bool Here, DateTimeOffset? Since, TransportEndpoint Peer, IReadOnlyList<IpAddress> Addresses, TimeSpan? Silence, int PushesWaiting,
        IReadOnlyList<IpAddress> Owned, IReadOnlyList<Elsewhere> Elsewhere, bool Failed, bool Draining, bool Fenced);
}
