using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>How the log is written.</summary>
internal enum LogFormat
{
    /// <summary>Lines for people.</summary>
    Text,

    /// <summary>One JSON object per line.</summary>
    Json,
}

/// <summary>One line per event, with wall time, for a terminal, a service manager's journal or a collector of logs. Texts from outside are made printable.</summary>
internal sealed class LineLog(TextWriter output, LogFormat format = LogFormat.Text)
{
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly ConcurrentDictionary<Type, PropertyInfo[]> Properties = new();

    private readonly Lock _gate = new();

    /// <summary>Writes a text.</summary>
    public void Write(string level, string text) => Write(level, text, null);

    /// <summary>Writes an event; in JSON with its properties apart.</summary>
    public void Write(string level, CoordinatorEvent happened) => Write(level, format == LogFormat.Text ? happened.ToString() : string.Empty, happened);

    private void Write(string level, string text, CoordinatorEvent? happened)
    {
        var time = DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        var line = format == LogFormat.Json ? Object(time, level, text, happened) : $"{time} {level} {Printable(text)}";
        lock (_gate)
        {
            output.WriteLine(line);
        }
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));

    private static string Object(string time, string level, string text, CoordinatorEvent? happened)
    {
        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line, Json))
        {
            json.WriteStartObject();
            json.WriteString("time", time);
            json.WriteString("level", level);
            if (happened is null)
            {
                json.WriteString("message", text);
            }
            else
            {
                WriteProperties(json, happened);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(line.ToArray());
    }

    private static void WriteProperties(Utf8JsonWriter json, CoordinatorEvent happened)
    {
        json.WriteString("event", Camel(happened.GetType().Name));
        foreach (var property in Properties.GetOrAdd(happened.GetType(), type => type.GetProperties(BindingFlags.Public | BindingFlags.Instance)))
        {
            var name = Camel(property.Name);
            switch (property.GetValue(happened))
            {
                case bool flag:
                    json.WriteBoolean(name, flag);
                    break;
                case int or long:
                    json.WriteNumber(name, Convert.ToInt64(property.GetValue(happened), CultureInfo.InvariantCulture));
                    break;
                case { } value:
                    json.WriteString(name, value.ToString());
                    break;
            }
        }
    }

    private static string Camel(string name) => string.Concat(char.ToLowerInvariant(name[0]).ToString(), name.AsSpan(1));
}
