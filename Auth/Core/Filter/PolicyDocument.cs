using System.Text.Json;

namespace Masquerade.Auth.Filter;

/// <summary>
/// Reads a policy document: JSON with the keys <c>addresses</c>, <c>ports</c>, <c>policies</c>, <c>groups</c>, <c>users</c>, <c>denied</c>, <c>segments</c>, <c>roles</c>, <c>default</c>. All mistakes
/// of a document are found at once, and a document with a mistake is not taken in part.
/// </summary>
public static class PolicyDocument
{
    private static readonly JsonDocumentOptions s_lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 8 };

    /// <summary>Reads a document from UTF-8.</summary>
    /// <param name="utf8">The document; comments and trailing commas may stay.</param>
    /// <param name="mistakes">Every mistake, up to <see cref="FilterLimits.MaxMistakes"/>.</param>
    /// <returns>The book; null if there are mistakes.</returns>
    public static PolicyBook? Parse(ReadOnlyMemory<byte> utf8, out IReadOnlyList<PolicyMistake> mistakes)
    {
        var found = new List<PolicyMistake>();
        mistakes = found;
        try
        {
            using var document = JsonDocument.Parse(utf8, s_lenient);
            return Read(document.RootElement, found);
        }
        catch (JsonException e)
        {
            found.Add(new PolicyMistake(string.Empty, 0, 0, $"line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}", "JSON (comments and trailing commas may stay)"));
            return null;
        }
        catch (InvalidOperationException)
        {
            // JsonDocument finds an unpaired surrogate only when the text is asked for.
            found.Add(new PolicyMistake(string.Empty, 0, 0, "a text that is no Unicode", "JSON in UTF-8"));
            return null;
        }
    }

    /// <summary>Reads a document that is part of a larger one.</summary>
    /// <param name="root">The object.</param>
    /// <param name="mistakes">Where every mistake is written down.</param>
    /// <returns>The book; null if there are mistakes.</returns>
    public static PolicyBook? Read(JsonElement root, ICollection<PolicyMistake> mistakes)
    {
        var reader = new PolicyDocumentReader(mistakes);
        var members = reader.Members(root, string.Empty, 16);
        foreach (var key in members.Keys)
        {
            if (key is not ("addresses" or "ports" or "policies" or "groups" or "users" or "denied" or "segments" or "roles" or "default"))
            {
                reader.Note(key, "unknown key", "addresses, ports, policies, groups, users, denied, segments, roles, default");
            }
        }

        var sets = new FilterSets();
        foreach (var (kind, isAddresses) in new[] { ("addresses", true), ("ports", false) })
        {
            foreach (var (name, items) in reader.Members(members.GetValueOrDefault(kind), kind, FilterLimits.MaxSets))
            {
                var where = $"{kind}.{name}";
                SetReader.Read(sets, isAddresses, name, reader.Texts(items, where, FilterLimits.MaxPrefixes), where, mistakes);
            }
        }

        var policies = new Dictionary<string, FilterPolicy>(StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, rules) in reader.Members(members.GetValueOrDefault("policies"), "policies", FilterLimits.MaxPolicies))
        {
            names.Add(name);
            var policy = FilterPolicy.Create(name, reader.Texts(rules, $"policies.{name}", FilterLimits.MaxRules), sets, $"policies.{name}", mistakes);
            if (policy is not null && !FilterProgram.Fits(policy))
            {
                reader.Note($"policies.{name}", "too many rules with too many different addresses", $"what compiles to {FilterLimits.MaxProgramBytes >> 20} MiB");
            }
            else if (policy is not null)
            {
                policies.Add(name, policy);
            }
        }

        var book = new PolicyBook
        {
            Policies = policies,
            Groups = reader.Groups(members.GetValueOrDefault("groups"), names),
            Users = reader.Names(members.GetValueOrDefault("users"), "users", FilterLimits.MaxUsers, names),
            Denied = reader.Texts(members.GetValueOrDefault("denied"), "denied", FilterLimits.MaxUsers).ToHashSet(StringComparer.OrdinalIgnoreCase),
            Segments = reader.Names(members.GetValueOrDefault("segments"), "segments", FilterLimits.MaxGroups, names),
            Roles = reader.Names(members.GetValueOrDefault("roles"), "roles", FilterLimits.MaxGroups, names),
            Default = members.TryGetValue("default", out var usual) ? reader.PolicyName(usual, "default", names) : null,
        };
        return mistakes.Count == 0 ? book : null;
    }
}
