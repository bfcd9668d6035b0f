using System.Text.Json;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>Turns the text of one JSON value into a setting.</summary>
internal delegate bool ValueParser<T>(JsonElement element, out T value);

/// <summary>
/// Reads one JSON object key by key and writes every mistake down instead of stopping at the first: who starts an agent on a hundred access points wants to know all at once.
/// </summary>
internal sealed class ConfigObject
{
    private readonly Dictionary<string, JsonElement> _members = new(StringComparer.Ordinal);
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly List<ConfigMistake> _mistakes;

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

    public string PathOf(string key) => _path.Length == 0 ? key : _path + "." + key;

    public bool Has(string key) => _members.ContainsKey(key);

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

    public ConfigObject Object(string key)
    {
        _asked.Add(key);
        return new ConfigObject(_members.GetValueOrDefault(key), PathOf(key), _mistakes);
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

    public static string Text(JsonElement element)
    {
        const int LongEnough = 80;
        var text = element.GetRawText();
        return text.Length <= LongEnough ? text : text[..LongEnough] + "...";
    }
}
