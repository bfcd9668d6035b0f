using System.Text.RegularExpressions;

namespace Masquerade.Architecture.Tests;

/// <summary>docs/rfc-compliance.md says nothing that is not so: the tests that it names are there.</summary>
public sealed partial class ComplianceTests
{
    [Fact]
    public void Every_test_that_is_named_exists()
    {
        var tests = Directory.EnumerateFiles(Path.Combine(SourceTree.Root, "test"), "*.cs", SearchOption.AllDirectories).Where(p => !p.Contains("/obj/", StringComparison.Ordinal))
            .ToLookup(p => Path.GetFileNameWithoutExtension(p), File.ReadAllText, StringComparer.Ordinal);
        var named = TestName().Matches(SourceTree.Read("docs/rfc-compliance.md")).Select(m => (Class: m.Groups[1].Value, Test: m.Groups[2].Value)).Distinct().ToList();
        Assert.True(named.Count > 30, $"only {named.Count} tests are named");
        foreach (var (type, test) in named)
        {
            Assert.True(tests[type].Any(text => Regex.IsMatch(text, $@"\[(Fact|Theory)[\s\S]*public (void|async Task) {test}\(")), $"{type}.{test} is named and does not exist");
        }
    }

    /// <summary>Who meets a row shows it, or says why there is nothing to show.</summary>
    [Fact]
    public void Every_row_has_a_state_and_whoever_meets_one_names_a_test_or_a_reason()
    {
        var rows = SourceTree.Read("docs/rfc-compliance.md").Split('\n').Where(l => l.StartsWith("| REQ", StringComparison.Ordinal) || l.StartsWith("| section", StringComparison.Ordinal)).ToList();
        Assert.True(rows.Count > 60, $"only {rows.Count} rows");
        foreach (var row in rows)
        {
            var cells = row.Trim('|', ' ').Split(" | ");
            Assert.True(cells.Length >= 3 && cells[2].Trim(' ', '|').Length > 0, $"no state: {row}");
            Assert.False(cells.Length < 4 && string.Equals(cells[2].Trim(' ', '|'), "met", StringComparison.Ordinal), $"met, and nothing shows it: {row}");
        }
    }

    [GeneratedRegex(@"`(\w+Tests)\.(\w+)`")]
    private static partial Regex TestName();
}
