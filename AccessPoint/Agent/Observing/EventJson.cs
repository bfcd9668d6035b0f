using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Observing;

/// <summary>
/// Writes an engine's event as one JSON object: its name, the node, both clocks, and its properties in camel case. Times are the monotonic clock in nanoseconds,
/// which all agents of one machine share, and UTC.
/// </summary>
internal static class EventJson
{
    private static readonly ConcurrentDictionary<Type, PropertyInfo[]> Properties = new();

    public static void Write(Utf8JsonWriter writer, NodeId node, EngineEvent engineEvent, Instant at, DateTimeOffset wall)
    {
        var type = engineEvent.GetType();
        writer.WriteStartObject();
        writer.WriteString("event", type.Name);
        writer.WriteString("node", node.Name);
        writer.WriteNumber("monotonicNs", at.Nanoseconds);
        writer.WriteString("time", wall.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture));
        foreach (var property in Properties.GetOrAdd(type, static t => t.GetProperties(BindingFlags.Public | BindingFlags.Instance)))
        {
            var name = char.ToLowerInvariant(property.Name[0]) + property.Name[1..];
            switch (property.GetValue(engineEvent))
            {
                case bool flag:
                    writer.WriteBoolean(name, flag);
                    break;
                case int number:
                    writer.WriteNumber(name, number);
                    break;
                case long number:
                    writer.WriteNumber(name, number);
                    break;
                case Epoch epoch:
                    writer.WriteNumber(name, epoch.Value);
                    break;
                case NodeId { IsNone: true } or null:
                    writer.WriteNull(name);
                    break;
                case var other:
                    writer.WriteString(name, other.ToString());
                    break;
            }
        }

        writer.WriteEndObject();
    }
}
