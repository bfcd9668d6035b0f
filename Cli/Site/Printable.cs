using System.Globalization;
using System.Text.Json;

namespace Masquerade.Cli.Site;

/// <summary>Texts for a terminal: what comes from elsewhere must not steer it.</summary>
internal static class Printable
{
    public static string Of(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));

    /// <summary>A property as a text; "-" if there is none.</summary>
    public static string Of(JsonElement row, string name) => !row.TryGetProperty(name, out var value) ? "-" : value.ValueKind switch
    {
        JsonValueKind.String => Of(value.GetString()!),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "yes",
        JsonValueKind.False => "no",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "-" : string.Join(' ', value.EnumerateArray().Select(v => Of(v.ToString()))),
        _ => "-",
    };

    /// <summary>How long ago a time is.</summary>
    public static string Age(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var time) ? Span(DateTimeOffset.UtcNow - time) : "-";

    /// <summary>A time span in the unit that suits it.</summary>
    public static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 0 } => "0 s",
        { TotalMilliseconds: < 1_000 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms"),
        { TotalSeconds: < 120 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s"),
        { TotalMinutes: < 120 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} min"),
        { TotalHours: < 48 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0} d"),
    };

    /// <summary>A property with seconds as a time span.</summary>
    public static string Seconds(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? Span(TimeSpan.FromSeconds(value.GetDouble())) : "-";
}
