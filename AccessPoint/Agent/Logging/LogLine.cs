using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>When and why a mapping's record is written.</summary>
/// <param name="Reason">The reason.</param>
/// <param name="End">When it ended, milliseconds since 1970; 0 if that is not known.</param>
/// <param name="After">If it is not known: it was alive then, or 0.</param>
/// <param name="Before">If it is not known: it was not alive here any more then.</param>
/// <param name="To">The node that goes on with it; none if it has ended.</param>
internal readonly record struct LoggedEnd(string Reason, long End, long After = 0, long Before = 0, NodeId To = default);

/// <summary>
/// The lines of the log of mappings, one JSON object each. The words are the project's; <c>docs/operations.md</c> has the information elements of RFC 8158 beside them.
/// </summary>
internal static class LogLine
{
    /// <summary>A mapping's whole life.</summary>
    public const string Whole = "mapping";

    /// <summary>The whole time for which a client had a block of ports. In other records a block is what has a last port and no protocol.</summary>
    public const string Block = "block";

    /// <summary>A mapping has begun; its end has a line of its own.</summary>
    public const string Begin = "begin";

    /// <summary>Another node goes on with a mapping, and will write its record.</summary>
    public const string Moved = "moved";

    /// <summary>In the journal: a mapping that lives.</summary>
    public const string Live = "live";

    /// <summary>In the journal: one that does not any more.</summary>
    public const string Gone = "gone";

    /// <summary>In the journal: so far it is right.</summary>
    public const string Known = "known";

    /// <summary>A mapping's line, or a block's.</summary>
    public static byte[] Of(string record, NodeId node, LoggedMapping mapping, LoggedEnd end = default) => Write(writer =>
    {
        writer.WriteString("record", record is Whole && mapping.IsBlock ? Block : record);
        writer.WriteString("ham", node.Name);
        WriteId(writer, mapping.Mapping, mapping.LastPort);
        WriteClient(writer, mapping.Client, mapping.ClientEndpoint, mapping.IsBlock);
        WriteTime(writer, "start", mapping.Start);
        if (mapping.Since != 0)
        {
            WriteTime(writer, "since", mapping.Since);
        }

        if (mapping.Adopted != 0)
        {
            WriteTime(writer, "adopted", mapping.Adopted);
        }

        if (record is Whole or Moved)
        {
            WriteTime(writer, "end", end.End);
            if (end.End == 0)
            {
                // It may have begun after the journal was last known to be right.
                WriteTime(writer, "endAfter", end.After == 0 ? 0 : Math.Max(end.After, mapping.Start));
                WriteTime(writer, "endBefore", end.Before);
            }

            writer.WriteString("reason", end.Reason);
            if (!end.To.IsNone)
            {
                writer.WriteString("to", end.To.Name);
            }
        }

        if (record is Live && !mapping.FamAddress.IsNone)
        {
            writer.WriteString("fam", mapping.FamAddress.ToString());
        }

        if (record is not Begin)
        {
            writer.WriteStartArray("accessPoints");
            mapping.AccessPoints.ForEach(writer.WriteStringValue);
            writer.WriteEndArray();
            if (mapping.FurtherAccessPoints.Count > 0)
            {
                writer.WriteStartArray("furtherAccessPoints");
                mapping.FurtherAccessPoints.ForEach(writer.WriteStringValue);
                writer.WriteEndArray();
            }

            writer.WriteNumber("moves", mapping.Moves);
        }
    });

    /// <summary>A connection with its destination, written by the access point that serves the client.</summary>
    public static byte[] Of(NodeId node, ConnectionOpened opened, long at) => Write(writer =>
    {
        writer.WriteString("record", "connection");
        writer.WriteString("node", node.Name);
        writer.WriteString("ham", opened.Ham.Name);
        WriteId(writer, opened.Mapping);
        WriteClient(writer, opened.Client, opened.ClientEndpoint);
        writer.WriteString("destination", opened.Server.Address.ToString());
        writer.WriteNumber("destinationPort", opened.Server.Port);
        WriteTime(writer, "start", at);
    });

    /// <summary>So much is missing: before this line, since the last one of its kind.</summary>
    /// <param name="node">This node.</param>
    /// <param name="count">How many.</param>
    /// <param name="where">What had no room for them.</param>
    /// <param name="at">When this is told.</param>
    /// <param name="since">When the first of them was lost; 0 if that is not known.</param>
    public static byte[] OfLost(NodeId node, long count, string where, long at, long since = 0) => Write(writer =>
    {
        writer.WriteString("record", "lost");
        writer.WriteString("ham", node.Name);
        writer.WriteNumber("count", count);
        writer.WriteString("where", where);
        if (since != 0)
        {
            WriteTime(writer, "since", since);
        }

        WriteTime(writer, "time", at);
    });

    /// <summary>In the journal: all that had happened until then is in it.</summary>
    public static byte[] OfKnown(NodeId node, long until) => Write(writer =>
    {
        writer.WriteString("record", Known);
        writer.WriteString("ham", node.Name);
        WriteTime(writer, "time", until);
    });

    /// <summary>Until when a journal says that it is right; false if the line says nothing of it.</summary>
    public static bool TryReadKnown(ReadOnlyMemory<byte> line, out long until)
    {
        until = 0;
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && TryText(root, "record", out var record) && record is Known && (until = TimeOf(root, "time")) != 0;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>In the journal: a mapping, or a block, is not alive any more.</summary>
    public static byte[] OfGone(LoggedMapping mapping) => Write(writer =>
    {
        writer.WriteString("record", Gone);
        WriteId(writer, mapping.Mapping, mapping.LastPort);
    });

    /// <summary>Reads a mapping's or a block's line back; false for anything else.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> line, out string record, out LoggedMapping mapping)
    {
        (record, mapping) = (string.Empty, null!);
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !TryText(root, "record", out record) || !TryEndpoint(root, "address", "port", out var masquerade))
            {
                return false;
            }

            TransportProtocol number = default;
            if (TryEndpoint(root, "address", "lastPort", out var last) ? last.Port < masquerade.Port || last.Port == 0 || root.TryGetProperty("protocol", out _)
                : !TryText(root, "protocol", out var protocol) || !Enum.TryParse(protocol, ignoreCase: true, out number))
            {
                return false;
            }

            if (!TryEndpoint(root, "clientAddress", "clientPort", out var client) && last.Port != 0 && TryText(root, "clientAddress", out var own) && IpAddress.TryParse(own, out var ownAddress))
            {
                client = new TransportEndpoint(ownAddress, 0);
            }

            TryEndpoint(root, "server", "serverPort", out var server);
            mapping = new LoggedMapping
            {
                Mapping = new MappingId(number, masquerade, server),
                LastPort = last.Port,
                Since = TimeOf(root, "since"),
                Client = TryText(root, "client", out var mac) && MacAddress.TryParse(mac, out var address) ? address : MacAddress.None,
                ClientEndpoint = client,
                Start = TimeOf(root, "start"),
                Adopted = TimeOf(root, "adopted"),
                AccessPoints = Names(root, "accessPoints"),
                FurtherAccessPoints = Names(root, "furtherAccessPoints"),
                Moves = root.TryGetProperty("moves", out var moves) && moves.ValueKind == JsonValueKind.Number && moves.TryGetInt32(out var count) ? count : 0,
            };
            mapping.RestoreFam(TryText(root, "fam", out var fam) && IpAddress.TryParse(fam, out var famAddress) ? famAddress : IpAddress.None);
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The end of a line that was being written when the agent died, or no text.
            return false;
        }
    }

    private static byte[] Write(Action<Utf8JsonWriter> content)
    {
        var line = new ArrayBufferWriter<byte>(384);
        using (var writer = new Utf8JsonWriter(line))
        {
            writer.WriteStartObject();
            content(writer);
            writer.WriteEndObject();
        }

        line.Write("\n"u8);
        return line.WrittenSpan.ToArray();
    }

    private static void WriteId(Utf8JsonWriter writer, MappingId mapping, ushort lastPort = 0)
    {
        if (lastPort == 0)
        {
            writer.WriteString("protocol", mapping.Protocol switch { TransportProtocol.Tcp => "tcp", TransportProtocol.Udp => "udp", _ => "icmp" });
        }

        writer.WriteString("address", mapping.Masquerade.Address.ToString());
        writer.WriteNumber("port", mapping.Masquerade.Port);
        if (mapping.IsOfServer)
        {
            // Without it nobody could tell the mapping from others of the same endpoint (RFC 6888 REQ-12).
            writer.WriteString("server", mapping.Server.Address.ToString());
            writer.WriteNumber("serverPort", mapping.Server.Port);
        }

        if (lastPort != 0)
        {
            writer.WriteNumber("lastPort", lastPort);
        }
    }

    private static void WriteClient(Utf8JsonWriter writer, MacAddress client, TransportEndpoint endpoint, bool hasNoPort = false)
    {
        writer.WriteString("client", client.ToString());
        if (endpoint.IsNone)
        {
            return;
        }

        writer.WriteString("clientAddress", endpoint.Address.ToString());
        if (!hasNoPort)
        {
            writer.WriteNumber("clientPort", endpoint.Port);
        }
    }

    private static void WriteTime(Utf8JsonWriter writer, string name, long milliseconds)
    {
        if (milliseconds is <= 0 or > 253_402_300_799_999)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteString(name, DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
    }

    private static List<string> Names(JsonElement root, string name) => root.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array
        ? [.. list.EnumerateArray().Where(a => a.ValueKind == JsonValueKind.String).Select(a => a.GetString()!).TakeLast(LoggedMapping.MostAccessPoints)]
        : [];

    private static bool TryText(JsonElement root, string name, out string text)
    {
        text = root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : string.Empty;
        return text.Length > 0;
    }

    private static bool TryEndpoint(JsonElement root, string address, string port, out TransportEndpoint endpoint)
    {
        endpoint = TransportEndpoint.None;
        if (!TryText(root, address, out var text) || !IpAddress.TryParse(text, out var parsed) || !root.TryGetProperty(port, out var number)
            || number.ValueKind != JsonValueKind.Number || !number.TryGetUInt16(out var value))
        {
            return false;
        }

        endpoint = new TransportEndpoint(parsed, value);
        return true;
    }

    private static long TimeOf(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var time) ? time.ToUnixTimeMilliseconds() : 0;
}
