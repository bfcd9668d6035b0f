using System.Text.Json;

namespace Masquerade.Auth.Filter;

/// <summary>Reads the parts of a policy document and writes down what is wrong with them.</summary>
internal sealed class PolicyDocumentReader(ICollection<PolicyMistake> mistakes)
{
    public void Note(string where, string found, string allowed)
    {
        if (mistakes.Count < FilterLimits.MaxMistakes)
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, found, allowed));
        }
    }

    /// <summary>The members of an object, in their order; none if it is not there.</summary>
    public OrderedDictionary<string, JsonElement> Members(JsonElement element, string where, int most)
    {
        var members = new OrderedDictionary<string, JsonElement>(StringComparer.Ordinal);
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            return members;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            Note(where, Text(element), "an object");
            return members;
        }

        foreach (var member in element.EnumerateObject())
        {
            if (members.Count >= most)
            {
                Note(where, "more", $"at most {most}");
                break;
            }

            if (!members.TryAdd(member.Name, member.Value))
            {
                Note(where.Length == 0 ? member.Name : $"{where}.{member.Name}", Text(member.Value), "each key once");
            }
        }

        return members;
    }

    /// <summary>A list of texts; a single one, or a number, may stand for a list of one.</summary>
    public List<string> Texts(JsonElement element, string where, int most)
    {
        var texts = new List<string>();
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            return texts;
        }

        if (element.ValueKind != JsonValueKind.Array)
        {
            AddText(texts, element, where);
            return texts;
        }

        if (element.GetArrayLength() > most)
        {
            Note(where, $"{element.GetArrayLength()} items", $"at most {most}");
            return texts;
        }

        var index = 0;
        foreach (var item in element.EnumerateArray())
        {
            AddText(texts, item, $"{where}[{index++}]");
        }

        return texts;
    }

    /// <summary>An object whose values are names of policies.</summary>
    public Dictionary<string, string> Names(JsonElement element, string where, int most, HashSet<string> policies)
    {
        var names = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in Members(element, where, most))
        {
            if (PolicyName(value, $"{where}.{key}", policies) is { } name && !names.TryAdd(key, name))
            {
                Note($"{where}.{key}", key, "each name once, in whatever case");
            }
        }

        return names;
    }

    /// <summary>The name of a policy that the document has; null, and a mistake, if it has none of that name.</summary>
    public string? PolicyName(JsonElement element, string where, HashSet<string> policies)
    {
        if (element.ValueKind == JsonValueKind.String && policies.Contains(element.GetString()!))
        {
            return element.GetString();
        }

        Note(where, Text(element), policies.Count == 0 ? "a policy: there are none" : "a policy: " + string.Join(", ", policies.Take(20)));
        return null;
    }

    public List<(string Name, string Policy, IReadOnlySet<string> Users)> Groups(JsonElement element, HashSet<string> policies)
    {
        var groups = new List<(string Name, string Policy, IReadOnlySet<string> Users)>();
        foreach (var (name, value) in Members(element, "groups", FilterLimits.MaxGroups))
        {
            var where = $"groups.{name}";
            var members = Members(value, where, 16);
            foreach (var key in members.Keys)
            {
                if (key is not ("policy" or "users"))
                {
                    Note($"{where}.{key}", "unknown key", "policy, users");
                }
            }

            if (!members.TryGetValue("policy", out var policy))
            {
                Note($"{where}.policy", string.Empty, "a policy");
            }
            else if (PolicyName(policy, $"{where}.policy", policies) is { } known)
            {
                groups.Add((name, known, Texts(members.GetValueOrDefault("users"), $"{where}.users", FilterLimits.MaxUsers).ToHashSet(StringComparer.OrdinalIgnoreCase)));
            }
        }

        return groups;
    }

    private void AddText(List<string> texts, JsonElement element, string where)
    {
        if (element.ValueKind is JsonValueKind.String)
        {
            texts.Add(element.GetString()!);
        }
        else if (element.ValueKind is JsonValueKind.Number)
        {
            texts.Add(element.GetRawText());
        }
        else
        {
            Note(where, Text(element), "a text");
        }
    }

    private static string Text(JsonElement element) => element.GetRawText();
}
