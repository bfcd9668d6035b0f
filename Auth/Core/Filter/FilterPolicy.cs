using System.Security.Cryptography;
using System.Text;

namespace Masquerade.Auth.Filter;

/// <summary>
/// A named list of rules. The first rule that matches a connection decides; what none matches is denied. A policy has one text form, by which it travels and is compared:
/// a line <c>policy NAME</c>, a line for each set that its rules use, and a line for each rule.
/// </summary>
public sealed class FilterPolicy
{
    private readonly byte[] _digest;

    private FilterPolicy(string name, IReadOnlyList<FilterRule> rules, string text)
    {
        Name = name;
        Rules = rules;
        Text = text;
        _digest = SHA256.HashData(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>A policy without rules: nothing passes.</summary>
    public static readonly FilterPolicy Nothing = new("nothing", [], "policy nothing\n");

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The rules, in order.</summary>
    public IReadOnlyList<FilterRule> Rules { get; }

    /// <summary>The text form: ASCII, a line feed behind every line, at most <see cref="FilterLimits.MaxPolicyText"/> characters.</summary>
    public string Text { get; }

    /// <summary>The SHA-256 of <see cref="Text"/>, 32 octets: by this name access points ask for it, and equal policies have equal ones, whoever made them.</summary>
    public ReadOnlyMemory<byte> Digest => _digest;

    /// <summary>Whether two policies say the same.</summary>
    public bool IsSameAs(FilterPolicy? other) => other is not null && Digest.Span.SequenceEqual(other.Digest.Span);

    /// <summary>Makes a policy from the texts of its rules.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="rules">Its rules, in order.</param>
    /// <param name="sets">The sets that they may name.</param>
    /// <param name="where">What mistakes are said to be in.</param>
    /// <param name="mistakes">Where every mistake is written down.</param>
    /// <returns>The policy; null if there are mistakes.</returns>
    public static FilterPolicy? Create(string name, IReadOnlyList<string> rules, FilterSets sets, string where, ICollection<PolicyMistake> mistakes)
    {
        var before = mistakes.Count;
        if (!FilterLimits.IsName(name))
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, name, FilterLimits.NameForm));
        }

        if (rules.Count > FilterLimits.MaxRules)
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, $"{rules.Count} rules", $"at most {FilterLimits.MaxRules}"));
            return null;
        }

        var read = new List<FilterRule>(rules.Count);
        for (var i = 0; i < rules.Count; i++)
        {
            if (RuleParser.TryParse(rules[i], sets, where, i + 1, mistakes, out var rule))
            {
                read.Add(rule!);
            }
        }

        if (mistakes.Count > before || read.Count < rules.Count)
        {
            return null;
        }

        var text = Write(name, read, sets);
        if (text.Length > FilterLimits.MaxPolicyText)
        {
            mistakes.Add(new PolicyMistake(where, 0, 0, $"{text.Length} characters with its sets", $"at most {FilterLimits.MaxPolicyText}"));
            return null;
        }

        return new FilterPolicy(name, read, text);
    }

    /// <summary>Reads the text form.</summary>
    /// <param name="text">The text.</param>
    /// <param name="mistakes">Where every mistake is written down.</param>
    /// <returns>The policy; null if there are mistakes.</returns>
    public static FilterPolicy? Parse(string text, ICollection<PolicyMistake> mistakes)
    {
        if (text.Length > FilterLimits.MaxPolicyText)
        {
            mistakes.Add(new PolicyMistake(string.Empty, 0, 0, $"{text.Length} characters", $"at most {FilterLimits.MaxPolicyText}"));
            return null;
        }

        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (lines.Length == 0 || !lines[0].StartsWith("policy ", StringComparison.Ordinal))
        {
            mistakes.Add(new PolicyMistake(string.Empty, 0, 0, lines.Length == 0 ? string.Empty : lines[0], "policy NAME in the first line"));
            return null;
        }

        var name = lines[0]["policy ".Length..];
        var sets = new FilterSets();
        var next = 1;
        for (; next < lines.Length && SetKind(lines[next]) is { } kind; next++)
        {
            var parts = lines[next].Split(' ');
            if (parts.Length != 3)
            {
                mistakes.Add(new PolicyMistake(name, 0, 0, lines[next], kind + " NAME LIST"));
                return null;
            }

            SetReader.Read(sets, kind is "address", parts[1], parts[2].Split(','), name, mistakes);
        }

        return mistakes.Count > 0 ? null : Create(name, lines[next..], sets, name, mistakes);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static string? SetKind(string line) =>
        line.StartsWith("address ", StringComparison.Ordinal) ? "address" : line.StartsWith("port ", StringComparison.Ordinal) ? "port" : null;

    private static string Write(string name, List<FilterRule> rules, FilterSets sets)
    {
        var text = new StringBuilder();
        text.Append("policy ").Append(name).Append('\n');
        foreach (var set in rules.SelectMany(rule => rule.AddressSets).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            text.Append("address ").Append(set).Append(' ').AppendJoin(',', sets.Addresses[set]).Append('\n');
        }

        foreach (var set in rules.SelectMany(rule => rule.PortSets).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            text.Append("port ").Append(set).Append(' ').AppendJoin(',', sets.Ports[set]).Append('\n');
        }

        foreach (var rule in rules)
        {
            text.Append(rule.Text).Append('\n');
        }

        return text.ToString();
    }
}
