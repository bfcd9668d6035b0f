using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace Masquerade.Configuration;

/// <summary>
/// Reads a record of limits and times whose properties are whole numbers and time spans, so that every knob of an engine is a key without a list that could fall behind.
/// Properties of other types are no knobs. <c>MaxMappings</c> becomes <c>maxMappings</c>; <c>DrainTimeout</c>, a time span, becomes <c>drainTimeoutMilliseconds</c>.
/// </summary>
public static class OptionGroup
{
    private const int MostOfAnything = 16_777_216;
    private const double MostMilliseconds = 30.0 * 24 * 3600 * 1000;

    /// <summary>The keys of a record, with what each may be.</summary>
    /// <param name="defaults">The record.</param>
    /// <param name="except">Properties that are no knobs.</param>
    public static IEnumerable<(string Key, string Allowed, string Default)> Keys(object defaults, params string[] except)
    {
        foreach (var property in Settings(defaults.GetType(), except))
        {
            yield return (KeyOf(property), AllowedFor(property), ShowValue(property.GetValue(defaults)!));
        }
    }

    /// <summary>Reads all knobs of a record from an object, and calls what else is in the object a mistake.</summary>
    /// <param name="source">The object.</param>
    /// <param name="target">The record, with its defaults.</param>
    /// <param name="except">Properties that are no knobs.</param>
    public static void Read(ConfigObject source, object target, params string[] except)
    {
        foreach (var property in Settings(target.GetType(), except))
        {
            var key = KeyOf(property);
            var allowed = AllowedFor(property);
            var present = property.GetValue(target)!;
            object value = present switch
            {
                int number => source.Optional(key, Values.Number((int)BoundsOf(property).Least, (int)BoundsOf(property).Most), allowed, number),
                TimeSpan span => source.Optional(key, Values.Milliseconds(BoundsOf(property).Least, BoundsOf(property).Most), allowed, span),
                bool flag => source.Optional(key, Values.Flag, allowed, flag),
                Enum choice => source.Optional(key, Choice(choice.GetType()), allowed, choice),
                _ => present,
            };
            property.SetValue(target, value);
        }

        source.Finish();
    }

    /// <summary>Writes all knobs of a record as an object that can be read again.</summary>
    public static void Write(Utf8JsonWriter writer, string name, object settings, params string[] except)
    {
        writer.WriteStartObject(name);
        WriteMembers(writer, settings, except);
        writer.WriteEndObject();
    }

    /// <summary>Writes all knobs of a record into an object that has been begun.</summary>
    public static void WriteMembers(Utf8JsonWriter writer, object settings, params string[] except)
    {
        foreach (var property in Settings(settings.GetType(), except))
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
    }

    private static PropertyInfo[] Settings(Type type, string[] except) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p is { CanRead: true, CanWrite: true } && IsKnob(p.PropertyType) && !except.Contains(p.Name, StringComparer.Ordinal))];

    private static bool IsKnob(Type type) => type == typeof(int) || type == typeof(TimeSpan) || type == typeof(bool) || type.IsEnum;

    private static string KeyOf(PropertyInfo property) =>
        Camel(property.Name) + (property.PropertyType == typeof(TimeSpan) ? "Milliseconds" : string.Empty);

    private static string AllowedFor(PropertyInfo property)
    {
        var (least, most) = BoundsOf(property);
        return property.PropertyType == typeof(int) ? $"a whole number from {Show(least)} to {Show(most)}"
            : property.PropertyType == typeof(TimeSpan) ? $"milliseconds from {Show(least)} to {Show(most)}"
            : property.PropertyType == typeof(bool) ? "true or false"
            : "one of " + string.Join(", ", Enum.GetNames(property.PropertyType).Select(Camel));
    }

    /// <summary>What <see cref="RangeAttribute"/> says (of a time span: in milliseconds), or what suits any setting.</summary>
    private static (double Least, double Most) BoundsOf(PropertyInfo property)
    {
        if (property.GetCustomAttribute<RangeAttribute>() is { } range)
        {
            return (Convert.ToDouble(range.Minimum, CultureInfo.InvariantCulture), Convert.ToDouble(range.Maximum, CultureInfo.InvariantCulture));
        }

        return property.PropertyType == typeof(int) ? (1, MostOfAnything) : (0.1, MostMilliseconds);
    }

    private static string Show(double number) => number.ToString(CultureInfo.InvariantCulture);

    private static string ShowValue(object value) => value switch
    {
        TimeSpan span => span.TotalMilliseconds.ToString(CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        Enum choice => Camel(choice.ToString()),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

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
