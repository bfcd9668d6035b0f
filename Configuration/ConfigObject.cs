using System.Text.Json;

namespace Masquerade.Configuration;

/// <summary>Turns one JSON value into a setting.</summary>
/// <typeparam name="T">The setting's type.</typeparam>
/// <returns>False if the value is not one of those that are allowed.</returns>
public delegate bool ValueParser<T>(JsonElement element, out T value);

/// <summary>
/// Reads one JSON object key by key and writes every mistake down instead of stopping at the first: who starts an agent on a hundred access points wants to know all at once.
/// </summary>
public sealed class ConfigObject
{
    private readonly Dictionary<string, JsonElement> _members = new(StringComparer.Ordinal);
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly List<ConfigMistake> _mistakes;

    /// <summary>Starts reading an object.</summary>
    /// <param name="element">The object; undefined stands for one without members.</param>
    /// <param name="path">Its path from the root, such as <c>uplink.neighbours</c>; empty for the root.</param>
    /// <param name="mistakes">Where mistakes are written down.</param>
    public ConfigObject(JsonElement element, string path, List<ConfigMistake> mistakes)
    {
        _path = path;
        _mistakes = mistakes;
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            return;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add(new ConfigMistake(path, Text(element), "an object"));
            return;
        }

        foreach (var member in element.EnumerateObject())
        {
            if (!_members.TryAdd(member.Name, member.Value))
            {
                mistakes.Add(new ConfigMistake(PathOf(member.Name), Text(member.Value), "each key once"));
            }
        }
    }

    /// <summary>The path of a key of this object.</summary>
    public string PathOf(string key) => _path.Length == 0 ? key : _path + "." + key;

    /// <summary>Whether a key is there.</summary>
    public bool Has(string key) => _members.ContainsKey(key);

    /// <summary>A setting without a default.</summary>
    public T Required<T>(string key, ValueParser<T> parse, string allowed, T otherwise)
    {
        if (!Has(key))
        {
            _asked.Add(key);
            _mistakes.Add(new ConfigMistake(PathOf(key), string.Empty, allowed));
            return otherwise;
        }

        return Optional(key, parse, allowed, otherwise);
    }

    /// <summary>A setting with a default.</summary>
    public T Optional<T>(string key, ValueParser<T> parse, string allowed, T otherwise)
    {
        _asked.Add(key);
        if (!_members.TryGetValue(key, out var element))
        {
            return otherwise;
        }

        if (parse(element, out var value))
        {
            return value;
        }

        _mistakes.Add(new ConfigMistake(PathOf(key), Text(element), allowed));
        return otherwise;
    }

    /// <summary>A list; a single value may stand for a list of one.</summary>
    public List<T> List<T>(string key, ValueParser<T> parse, string allowed, int atLeast, int atMost)
    {
        _asked.Add(key);
        var values = new List<T>();
        var seen = new HashSet<T>();
        if (!_members.TryGetValue(key, out var element))
        {
            if (atLeast > 0)
            {
                _mistakes.Add(new ConfigMistake(PathOf(key), string.Empty, $"a list of {atLeast} to {atMost}: {allowed}"));
            }

            return values;
        }

        var items = element.ValueKind == JsonValueKind.Array ? [.. element.EnumerateArray()] : new[] { element };
        for (var i = 0; i < items.Length; i++)
        {
            var path = element.ValueKind == JsonValueKind.Array ? $"{PathOf(key)}[{i}]" : PathOf(key);
            if (!parse(items[i], out var value))
            {
                _mistakes.Add(new ConfigMistake(path, Text(items[i]), allowed));
            }
            else if (!seen.Add(value))
            {
                _mistakes.Add(new ConfigMistake(path, Text(items[i]), "each value once"));
            }
            else
            {
                values.Add(value);
            }
        }

        if (items.Length < atLeast || items.Length > atMost)
        {
            _mistakes.Add(new ConfigMistake(PathOf(key), $"{items.Length} values", $"a list of {atLeast} to {atMost}: {allowed}"));
        }

        return values;
    }

    /// <summary>An object below this one; without members if it is not there.</summary>
    public ConfigObject Object(string key)
    {
        _asked.Add(key);
        return new ConfigObject(_members.GetValueOrDefault(key), PathOf(key), _mistakes);
    }

    /// <summary>A list of objects; a single one may stand for a list of one.</summary>
    public IReadOnlyList<ConfigObject> Objects(string key, int atMost)
    {
        _asked.Add(key);
        if (!_members.TryGetValue(key, out var element))
        {
            return [];
        }

        var isList = element.ValueKind == JsonValueKind.Array;
        var items = isList ? [.. element.EnumerateArray()] : new[] { element };
        if (items.Length > atMost)
        {
            _mistakes.Add(new ConfigMistake(PathOf(key), $"{items.Length} objects", $"at most {atMost}"));
            return [];
        }

        return [.. items.Select((item, i) => new ConfigObject(item, isList ? $"{PathOf(key)}[{i}]" : PathOf(key), _mistakes))];
    }

    /// <summary>The members as they are; for objects whose keys are data.</summary>
    public IEnumerable<KeyValuePair<string, JsonElement>> Members()
    {
        foreach (var member in _members)
        {
            _asked.Add(member.Key);
            yield return member;
        }
    }

    /// <summary>Writes down a mistake that only shows when settings are looked at together.</summary>
    public void Mistake(string key, string value, string allowed) => _mistakes.Add(new ConfigMistake(PathOf(key), value, allowed));

    /// <summary>Call last: whatever has not been asked for is not a key.</summary>
    public void Finish()
    {
        foreach (var member in _members)
        {
            if (!_asked.Contains(member.Key))
            {
                _mistakes.Add(new ConfigMistake(PathOf(member.Key), "unknown key", string.Join(", ", _asked.Order(StringComparer.Ordinal))));
            }
        }
    }

    /// <summary>A value as it is written, shortened if it is long.</summary>
    public static string Text(JsonElement element)
    {
        const int LongEnough = 80;
        var text = element.GetRawText();
        return text.Length <= LongEnough ? text : text[..LongEnough] + "...";
    }
}
