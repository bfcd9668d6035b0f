using System.Globalization;
using System.Text.Json;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/connections</c>: connections with their masquerade endpoint, HAM and FAM, in the order of client, mapping, server.</summary>
internal static class ConnectionRoute
{
    private const int MostLookedAt = 4_096;

    public static async Task ListAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "limit", "next", "client", "ap", "ham");
        var (limit, ap, ham, only) = (query.Limit, query.Node("ap"), query.Node("ham"), query.Client("client"));
        var place = Place.Parse(query.After);
        var asOf = site.Chronicle.Ring.Last;
        var rows = new List<Row>();
        var cut = false;
        bool Take(ClientView view)
        {
            if (!ap.IsNone && view.Record.Fam != ap)
            {
                return true;
            }

            foreach (var row in Rows(view.Record).Where(r => ham.IsNone || r.Mapping.Record.Ham == ham))
            {
                if (view.Record.Client == place.Client && row.CompareTo(place) <= 0)
                {
                    continue;
                }

                if (rows.Count == limit)
                {
                    cut = true;
                    return false;
                }

                rows.Add(row);
            }

            return true;
        }

        // The client at which the part before ended may have more.
        string? next = null;
        var first = only.IsNone ? place.Client : only;
        if (!first.IsNone && (await site.Inquiry.LoadAsync([first], context.RequestAborted).ConfigureAwait(false)).Clients[0] is { } begun)
        {
            Take(begun);
        }

        if (!cut && only.IsNone)
        {
            var last = await site.Register.WalkAsync(place.Client, MostLookedAt, Take, context.RequestAborted).ConfigureAwait(false);
            next = last.IsNone || cut ? null : last.ToString();
        }

        next = cut ? rows[^1].Place : next;
        await Reply.JsonAsync(context, json => Documents.Page(json, site.AsOf(asOf), next, rows, Write)).ConfigureAwait(false);
    }

    private static IEnumerable<Row> Rows(ClientRecord client) =>
        from mapping in Documents.InOrder(client)
        from connection in mapping.Record.Connections.OrderBy(c => c.Server)
        select new Row(client, mapping, connection);

    private static void Write(Utf8JsonWriter json, Row row)
    {
        var (client, mapping, connection) = row;
        json.WriteString("client", client.Client.ToString());
        json.WriteString("protocol", Documents.Protocol(mapping.Record.Mapping.Protocol));
        json.WriteString("clientEndpoint", mapping.Record.ClientEndpoint.ToString());
        json.WriteString("server", connection.Server.ToString());
        json.WriteString("masquerade", mapping.Record.Mapping.Masquerade.ToString());
        json.WriteString("ham", Documents.Name(mapping.Record.Ham));
        json.WriteString("fam", Documents.Name(client.Fam));
        var endpoint = client.Fam.IsNone ? TransportEndpoint.None : mapping.EndpointAt(client.Fam);
        json.WriteString("famEndpoint", endpoint.IsNone ? null : endpoint.ToString());
        json.WriteString("state", Documents.Camel(connection.State));
    }

    private sealed record Row(ClientRecord Client, MappingEntry Mapping, ConnectionRecord Connection)
    {
        public string Place => string.Create(
            CultureInfo.InvariantCulture, $"{Client.Client} {(int)Mapping.Record.Mapping.Protocol} {Mapping.Record.Mapping.Masquerade} {Connection.Server}");

        public int CompareTo(Place place)
        {
            var order = Mapping.Record.Mapping.Protocol.CompareTo(place.Protocol);
            order = order != 0 ? order : Mapping.Record.Mapping.Masquerade.CompareTo(place.Masquerade);
            return order != 0 ? order : Connection.Server.CompareTo(place.Server);
        }
    }

    /// <summary>Where a part ended: behind this connection, or, without one, behind this client.</summary>
    private sealed record Place(MacAddress Client, TransportProtocol Protocol, TransportEndpoint Masquerade, TransportEndpoint Server)
    {
        public static Place Parse(string text)
        {
            if (text.Length == 0)
            {
                return new Place(MacAddress.None, default, default, default);
            }

            var words = text.Split(' ');
            if (MacAddress.TryParse(words[0], out var client) && words.Length == 1)
            {
                // Behind the whole client: no connection is behind this.
                return new Place(client, (TransportProtocol)byte.MaxValue, default, default);
            }

            return words.Length == 4 && !client.IsNone && byte.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var protocol)
                && TransportEndpoint.TryParse(words[2], out var masquerade) && TransportEndpoint.TryParse(words[3], out var server)
                ? new Place(client, (TransportProtocol)protocol, masquerade, server)
                : throw Query.Bad("next is not from an answer");
        }
    }
}
