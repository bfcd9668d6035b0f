using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Tests;

/// <summary>docs/operations.md says what is counted.</summary>
public sealed class PageTests
{
    [Fact]
    public void Every_reason_of_a_refusal_is_explained_and_nothing_else()
    {
        var page = SourceTree.Read("docs/operations.md");
        var from = page.IndexOf("### When somebody is not let in", StringComparison.Ordinal);
        var rows = page[from..page.IndexOf("\n## ", from, StringComparison.Ordinal)].Split('\n').Where(l => l.StartsWith("| `", StringComparison.Ordinal)).Select(l => l.Split('`')[1]);
        var reasons = Enum.GetNames<Refusal>().Where(n => n != nameof(Refusal.None)).Select(n => char.ToLowerInvariant(n[0]) + n[1..]);
        Assert.Equal(reasons.Order(StringComparer.Ordinal), rows.Order(StringComparer.Ordinal));
    }
}
