using System.Text;
using Masquerade.Auth.Filter;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Filter;

/// <summary>docs/auth.md says what the language is: its examples are read here.</summary>
public sealed class PolicyPageTests
{
    private static readonly string s_page = SourceTree.Read("docs/auth.md");

    [Fact]
    public void Every_rule_on_the_page_is_one()
    {
        var mistakes = new List<PolicyMistake>();
        var sets = new FilterSets();
        foreach (var name in new[] { "dns", "lan", "games" })
        {
            SetReader.Read(sets, isAddresses: true, name, ["10.0.0.0/8"], name, mistakes);
        }

        var rules = Cells("### Rules", 1).Where(cell => cell.Contains(' ', StringComparison.Ordinal)).ToList();
        Assert.True(rules.Count >= 9);
        for (var i = 0; i < rules.Count; i++)
        {
            Assert.True(RuleParser.TryParse(rules[i], sets, "page", i + 1, mistakes, out _), string.Join('\n', mistakes));
        }
    }

    [Fact]
    public void The_document_on_the_page_is_one()
    {
        var from = s_page.IndexOf("```json", s_page.IndexOf("### Documents", StringComparison.Ordinal), StringComparison.Ordinal) + "```json".Length;
        var book = PolicyDocument.Parse(Encoding.UTF8.GetBytes(s_page[from..s_page.IndexOf("```", from, StringComparison.Ordinal)]), out var mistakes);
        Assert.True(book is not null, string.Join('\n', mistakes));
        Assert.Equal("staff", book.Resolve(new PolicyQuestion { User = "ada" }, []).Policy.Name);
    }

    [Fact]
    public void The_translations_on_the_page_are_made()
    {
        var (theirs, ours) = (Cells("### RADIUS rules", 1), Cells("### RADIUS rules", 2));
        Assert.Equal(4, theirs.Count);
        for (var i = 0; i < theirs.Count; i++)
        {
            Assert.Equal(ours[i], IpFilterRules.Translate([Encoding.ASCII.GetBytes(theirs[i])], [])!.Rules[0].Text);
        }
    }

    [Fact]
    public void Its_limits_are_the_codes()
    {
        foreach (var number in new[] { FilterLimits.MaxRules, FilterLimits.MaxRuleLength, FilterLimits.MaxPrefixes, FilterLimits.MaxPorts, FilterLimits.MaxPolicies, FilterLimits.MaxGroups, FilterLimits.MaxUsers, FilterLimits.MaxPolicyText })
        {
            Assert.Contains(number.ToString("N0", System.Globalization.CultureInfo.InvariantCulture), s_page[s_page.IndexOf("## Policies", StringComparison.Ordinal)..], StringComparison.Ordinal);
        }

        Assert.Equal(FilterLimits.MaxPolicies, FilterLimits.MaxSets);
    }

    private static List<string> Cells(string heading, int column)
    {
        var from = s_page.IndexOf(heading, StringComparison.Ordinal);
        var until = s_page.IndexOf("\n### ", from + 1, StringComparison.Ordinal);
        return [.. s_page[from..until].Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|')[column].Trim().Trim('`'))];
    }
}
