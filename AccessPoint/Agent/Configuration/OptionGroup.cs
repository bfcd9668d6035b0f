using System.Reflection;
using System.Text.Json;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>
/// Reads a record of limits and times whose properties are whole numbers and time spans, so that every knob of an engine is a key without a list that could fall behind.
/// (Standalone is no knob but follows from the coordinator's absence.) <c>MaxMappings</c> becomes <c>maxMappings</c>; <c>DrainTimeout</c>, a time span, becomes <c>drainTimeoutMilliseconds</c>.
/// </summary>
internal static class OptionGroup
{
    private const int MostOfAnything = 16_777_216;
    private const double MostMilliseconds = 30.0 * 24 * 3600 * 1000;

    /// <summary>The keys of a record, with what each may be.</summary>
    public static IEnumerable<(string Key, string Allowed, string Default)> Keys(object defaults)
    {
        foreach (var property in Settings(defaults.GetType()))
        {
            yield return (KeyOf(property), AllowedFor(property), ShowValue(property.GetValue(defaults)!));
        }
    }

    public static void Read(ConfigObject source, object target)
    {
        foreach (var property in Settings(target.GetType()))
        {
            var key = KeyOf(property);
            var allowed = AllowedFor(property);
            var present = property.GetValue(target)!;
            object value = present switch
            {
                int number => source.Optional(key, Values.Number(1, MostOfAnything), allowed, number),
                TimeSpan span => source.Optional(key, Values.Milliseconds(0.1, MostMilliseconds), allowed, span),
                bool flag => source.Optional(key, Flag, allowed, flag),
                Enum choice => source.Optional(key, Choice(choice.GetType()), allowed, choice),
                _ => throw new InvalidOperationException($"{property.Name}: settings are whole numbers, time spans, flags and choices"),
            };
            property.SetValue(target, value);
        }

        source.Finish();
    }

    public static void Write(Utf8JsonWriter writer, string name, object settings)
    {
        writer.WriteStartObject(name);
        foreach (var property in Settings(settings.GetType()))
        {
            switch (property.GetValue(settings))
            {
                case int number:
                    writer.WriteNumber(KeyOf(property), number);
                    break;
                case TimeSpan span:
                    writer.WriteNumber(KeyOf(property), span.TotalMilliseconds);
                    break;
                case bool flag:
                    writer.WriteBoolean(KeyOf(property), flag);
                    break;
                case Enum choice:
                    writer.WriteString(KeyOf(property), Camel(choice.ToString()));
                    break;
            }
        }

        writer.WriteEndObject();
    }

    private static PropertyInfo[] Settings(Type type) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p is { CanRead: true, CanWrite: true } && !string.Equals(p.Name, nameof(Fam.FamConfig.Standalone), StringComparison.Ordinal))];

    private static string KeyOf(PropertyInfo property) =>
        Camel(property.Name) + (property.PropertyType == typeof(TimeSpan) ? "Milliseconds" : string.Empty);

    private static string AllowedFor(PropertyInfo property) =>
        property.PropertyType == typeof(int) ? $"a whole number from 1 to {MostOfAnything}"
        : property.PropertyType == typeof(TimeSpan) ? $"milliseconds from 0.1 to {MostMilliseconds:F0}"
        : property.PropertyType == typeof(bool) ? "true or false"
        : "one of " + string.Join(", ", Enum.GetNames(property.PropertyType).Select(Camel));

    private static string ShowValue(object value) => value switch
    {
        TimeSpan span => span.TotalMilliseconds.ToString(System.Globalization.CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        Enum choice => Camel(choice.ToString()),
        _ => Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!,
    };

    private static bool Flag(JsonElement element, out bool value)
    {
        value = element.ValueKind == JsonValueKind.True;
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False;
    }

    private static ValueParser<Enum> Choice(Type type) => (JsonElement element, out Enum value) =>
    {
        value = (Enum)Enum.GetValues(type).GetValue(0)!;
        if (!Values.Text(element, out var text))
        {
            return false;
        }

        var name = Array.Find(Enum.GetNames(type), n => string.Equals(Camel(n), text, StringComparison.Ordinal));
        value = name is null ? value : (Enum)Enum.Parse(type, name);
        return name is not null;
    };

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];
}
