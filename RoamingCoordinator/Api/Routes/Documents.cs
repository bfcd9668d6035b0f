using System.Globalization;
using System.Text.Json;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Observing;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary>Writes what is known as JSON. Version 1: names stay, names may be added.</summary>
internal static class Documents
{
    public const int Version = 1;

    /// <summary>Rows of lists within a row; the whole number stands beside them.</summary>
    private const int MostInner = 100;

    public static void Page<T>(Utf8JsonWriter json, string asOf, string? next, IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        json.WriteStartObject();
        json.WriteNumber("version", Version);
        json.WriteString("asOf", asOf);
        json.WriteStartArray("items");
        foreach (var item in items)
        {
            json.WriteStartObject();
            write(json, item);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("next", next is null ? null : Query.Cursor(next));
        json.WriteEndObject();
    }

    public static void Client(Utf8JsonWriter json, ClientView view)
    {
        Location(json, view);
        User(json, view.Record.User);
        json.WriteNumber("mappingCount", view.Record.Mappings.Count);
        json.WriteNumber("connectionCount", view.Record.Mappings.Values.Sum(m => m.Record.Connections.Count));
        json.WriteStartArray("trail");
        foreach (var roam in view.Trail)
        {
            json.WriteStartObject();
            Roam(json, roam);
            json.WriteString("arrived", Time(roam.Arrived));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Whose client it is; what the store keeps sealed stays where it is.</summary>
    private static void User(Utf8JsonWriter json, UserRecord? user)
    {
        if (user is null)
        {
            json.WriteNull("user");
            return;
        }

        json.WriteStartObject("user");
        json.WriteString("name", user.User);
        json.WriteString("session", Convert.ToHexStringLower(user.Session.Span));
        json.WriteString("ap", Name(user.At));
        json.WriteString("proof", Camel(user.Proof));
        json.WriteBoolean("protected", user.Proof == SessionProof.Handshake);
        json.WriteString("began", Time(DateTimeOffset.FromUnixTimeMilliseconds(user.Began)));
        json.WriteString("ends", user.Ends == 0 ? null : Time(DateTimeOffset.FromUnixTimeMilliseconds(user.Ends)));
        json.WriteString("segment", user.Segment);
        json.WriteEndObject();
    }

    public static void Location(Utf8JsonWriter json, ClientView view)
    {
        var record = view.Record;
        json.WriteString("client", record.Client.ToString());
        json.WriteString("state", record.Fam.IsNone ? "away" : record.Pending is null ? "present" : "arriving");
        json.WriteString("at", Name(record.Fam));
        json.WriteString("previous", Name(record.PreviousFam));
        Strings(json, "also", record.Further.Select(f => f.Node.Name!));
        json.WriteString("since", Time(view.Since));
        json.WriteNumber("epoch", record.Epoch.Value);
        Strings(json, "addresses", record.Addresses.Select(a => a.ToString()));
    }

    public static void Mappings(Utf8JsonWriter json, ClientRecord record)
    {
        json.WriteStartArray("mappings");
        foreach (var entry in InOrder(record).Take(MostInner))
        {
            json.WriteStartObject();
            json.WriteString("protocol", Protocol(entry.Record.Mapping.Protocol));
            json.WriteString("clientEndpoint", entry.Record.ClientEndpoint.ToString());
            json.WriteString("masquerade", entry.Record.Mapping.Masquerade.ToString());
            if (entry.Record.Mapping.IsOfServer)
            {
                json.WriteString("server", entry.Record.Mapping.Server.ToString());
            }

            json.WriteString("ham", Name(entry.Record.Ham));
            json.WriteNumber("anchorEpoch", entry.Record.AnchorEpoch.Value);
            json.WriteStartArray("fams");
            foreach (var fam in entry.Fams)
            {
                json.WriteStartObject();
                json.WriteString("node", Name(fam.Node));
                json.WriteString("endpoint", fam.Endpoint.ToString());
                json.WriteNumber("epoch", fam.Epoch.Value);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("connectionCount", entry.Record.Connections.Count);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Mappings in an order that stays.</summary>
    public static IOrderedEnumerable<MappingEntry> InOrder(ClientRecord record) =>
        record.Mappings.Values.OrderBy(e => e.Record.Mapping);

    public static void Roam(Utf8JsonWriter json, Roam roam)
    {
        json.WriteString("from", Name(roam.From));
        json.WriteString("to", Name(roam.To));
        json.WriteNumber("epoch", roam.Epoch.Value);
        json.WriteString("outcome", Camel(roam.Outcome));
        if (roam.Absence is { } absence)
        {
            json.WriteNumber("absenceSeconds", Seconds(absence));
        }
        else
        {
            json.WriteNull("absenceSeconds");
        }

        json.WriteNumber("handOverSeconds", Seconds(roam.HandOver));
        json.WriteNumber("gapSeconds", Seconds(roam.Gap));
        json.WriteNumber("mappings", roam.Mappings);
    }

    public static void Rule(Utf8JsonWriter json, PlacementRule rule)
    {
        json.WriteString("at", rule.AtHome ? "@home" : rule.Node.IsNone ? "here" : rule.Node.Name);
        Strings(json, "from", rule.From.Select(n => n.Name!).Order(StringComparer.Ordinal).Take(MostInner));
        json.WriteNumber("fromCount", rule.From.Count);
        json.WriteString("protocol", rule.Protocol is { } protocol ? Protocol(protocol) : null);
        json.WriteStartArray("ports");
        foreach (var port in rule.Ports.Order().Take(MostInner))
        {
            json.WriteNumberValue(port);
        }

        json.WriteEndArray();
        json.WriteNumber("portCount", rule.Ports.Count);
        Strings(json, "clients", rule.Clients.Order().Take(MostInner).Select(c => c.ToString()));
        json.WriteNumber("clientCount", rule.Clients.Count);
    }

    /// <summary>One event as the stream tells it.</summary>
    public static void Event(Utf8JsonWriter json, SiteEvent happened)
    {
        json.WriteStartObject();
        json.WriteNumber("version", Version);
        json.WriteNumber("sequence", happened.Sequence);
        json.WriteString("time", Time(happened.Time));
        json.WriteString("type", happened.Type);
        if (!happened.Client.IsNone)
        {
            json.WriteString("client", happened.Client.ToString());
        }

        switch (happened)
        {
            case ApUp up:
                json.WriteString("ap", Name(up.Node));
                json.WriteBoolean("restarted", up.Restarted);
                break;
            case ApDown down:
                json.WriteString("ap", Name(down.Node));
                json.WriteString("reason", down.Reason);
                break;
            case ApReplaced replaced:
                json.WriteString("ap", Name(replaced.Node));
                break;
            case ApBehind behind:
                json.WriteString("ap", Name(behind.Node));
                json.WriteNumber("lost", behind.Lost);
                break;
            case ApFailed failed:
                json.WriteString("ap", Name(failed.Node));
                json.WriteNumber("addresses", failed.Addresses);
                break;
            case ApDrained drained:
                json.WriteString("ap", drained.Node.Name);
                break;
            case AddressChanged moved:
                json.WriteString("address", moved.Address.ToString());
                json.WriteString("from", Name(moved.From));
                json.WriteString("to", Name(moved.To));
                json.WriteNumber("epoch", moved.Epoch.Value);
                json.WriteString("reason", Camel(moved.Cause));
                break;
            case ClientArrived arrived:
                json.WriteString("to", Name(arrived.At));
                json.WriteNumber("epoch", arrived.Epoch.Value);
                break;
            case ClientFound found:
                json.WriteString("to", Name(found.At));
                json.WriteNumber("epoch", found.Epoch.Value);
                json.WriteNumber("mappings", found.Mappings);
                break;
            case ClientRoamed roamed:
                Roam(json, roamed.Roam);
                break;
            case Observing.ClientLeft left:
                json.WriteString("from", Name(left.From));
                json.WriteNumber("epoch", left.Epoch.Value);
                json.WriteNumber("mappings", left.Mappings);
                break;
            case Refused refused:
                json.WriteString("ap", Name(refused.Node));
                json.WriteString("kind", Camel(refused.Kind));
                json.WriteString("reason", refused.Reason);
                break;
            case UserIn user:
                json.WriteString("user", user.User);
                json.WriteString("ap", Name(user.Node));
                break;
            case UserAt served:
                json.WriteString("user", served.User);
                json.WriteString("ap", Name(served.Node));
                json.WriteString("proof", Camel(served.Proof));
                break;
            case UserChanged changed:
                json.WriteString("user", changed.User);
                json.WriteString("reason", changed.Reason);
                break;
            case GuestIn guest:
                json.WriteString("user", guest.User);
                json.WriteString("role", guest.Role);
                json.WriteString("ends", Time(guest.Ends));
                break;
            case GuestOut guest:
                json.WriteString("user", guest.User);
                break;
            case UserOut ended:
                json.WriteString("user", ended.User);
                json.WriteString("reason", ended.Reason);
                break;
            case PlacementRefused looped:
                json.WriteString("ap", Name(looped.Node));
                json.WriteNumber("count", looped.Count);
                break;
            case StoreFailed failed:
                json.WriteString("reason", Camel(failed.Reason));
                json.WriteNumber("count", failed.Count);
                break;
        }

        json.WriteEndObject();
    }

    public static void Strings(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    public static string? Name(NodeId node) => node.IsNone ? null : node.Name;

    public static string Protocol(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => "tcp",
        TransportProtocol.Udp => "udp",
        _ => "icmp",
    };

    public static string Camel<T>(T value)
        where T : struct, Enum
    {
        var text = value.ToString();
        return string.Concat(char.ToLowerInvariant(text[0]).ToString(), text.AsSpan(1));
    }

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    /// <summary>As exact as it is known (100 ns), so that sums are right.</summary>
    public static double Seconds(TimeSpan span) => Math.Round(span.TotalSeconds, 7);
}
