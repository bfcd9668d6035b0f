using System.Buffers;
using System.Text.Json;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>The coordinator's state as JSON, for operators: nodes, clients with their FAM, mappings with HAM and FAMs.</summary>
internal static class StatusDocument
{
    /// <summary>The most clients in it.</summary>
    public const int MaxClients = 1_000;

    public static byte[] Describe(CoordinatorCore core, IReadOnlyList<ClientRecord> clients, long unsent, Instant now, Action<Utf8JsonWriter> door)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteNumber("version", 1);
        json.WriteNumber("messagesReceived", core.MessagesReceived);
        json.WriteNumber("messagesSent", core.MessagesSent);
        json.WriteNumber("messagesUnsent", unsent);
        json.WriteNumber("claimsRefused", core.ClaimsRefused);
        if (core.Store.ClientCount is { } count)
        {
            json.WriteNumber("clientCount", count);
        }

        WriteStore(json, core);
        door(json);
        json.WriteStartArray("nodes");
        foreach (var node in core.Nodes.Nodes)
        {
            json.WriteStartObject();
            json.WriteString("node", node.Id.ToString());
            json.WriteBoolean("connected", node.IsConnected);
            json.WriteBoolean("here", node.IsHere);
            json.WriteNumber("overflows", node.Overflows);
            json.WriteString("peer", node.PeerEndpoint.ToString());
            json.WriteStartArray("addresses");
            foreach (var address in node.Addresses)
            {
                json.WriteStringValue(address.ToString());
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("clients");
        foreach (var client in clients)
        {
            Write(json, client, now);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteStore(Utf8JsonWriter json, CoordinatorCore core)
    {
        json.WriteStartObject("store");
        json.WriteBoolean("shared", core.Store.IsShared);
        json.WriteNumber("incarnation", core.Store.Incarnation);
        json.WriteNumber("decisionsUnderWay", core.DecisionsUnderWay);
        json.WriteNumber("requestsRefused", core.RequestsRefused);
        json.WriteNumber("messagesRelayed", core.MessagesRelayed);
        json.WriteNumber("recordsRenewed", core.RecordsRenewed);
        json.WriteStartObject("failures");
        foreach (var reason in Enum.GetValues<StoreFailure>().Where(r => r != StoreFailure.None))
        {
            json.WriteNumber(JsonNamingPolicy.CamelCase.ConvertName(reason.ToString()), core.StoreFailures(reason));
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, ClientRecord client, Instant now)
    {
        json.WriteStartObject();
        json.WriteString("client", client.Client.ToString());
        json.WriteString("fam", client.Fam.IsNone ? null : client.Fam.Name);
        json.WriteNumber("epoch", client.Epoch.Value);
        json.WriteBoolean("complete", client.Pending is null);
        json.WriteNumber("forSeconds", Math.Round((now - client.Since).TotalSeconds, 3));
        json.WriteStartArray("mappings");
        foreach (var entry in client.Mappings.Values.OrderBy(e => e.Record.Mapping))
        {
            json.WriteStartObject();
            json.WriteString("protocol", entry.Record.Mapping.Protocol.ToString());
            json.WriteString("client", entry.Record.ClientEndpoint.ToString());
            json.WriteString("masquerade", entry.Record.Mapping.Masquerade.ToString());
            if (entry.Record.Mapping.IsOfServer)
            {
                json.WriteString("server", entry.Record.Mapping.Server.ToString());
            }

            json.WriteString("ham", entry.Record.Ham.Name);
            json.WriteStartArray("fams");
            foreach (var fam in entry.Fams)
            {
                json.WriteStartObject();
                json.WriteString("node", fam.Node.Name);
                json.WriteString("endpoint", fam.Endpoint.ToString());
                json.WriteNumber("epoch", fam.Epoch.Value);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("servers");
            foreach (var connection in entry.Record.Connections)
            {
                json.WriteStringValue(connection.Server.ToString());
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
