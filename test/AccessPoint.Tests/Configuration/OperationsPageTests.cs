using System.Text.RegularExpressions;
using Masquerade.Core.Diagnostics;

namespace Masquerade.AccessPoint.Tests.Configuration;

/// <summary>docs/operations.md says what the programs do.</summary>
public sealed partial class OperationsPageTests
{
    [Fact, Trait("Req", "A-29")]
    public void Every_drop_reason_is_explained_and_nothing_else()
    {
        var page = Page();
        var table = page[page.IndexOf("## Why packets were dropped", StringComparison.Ordinal)..];
        Assert.Equal(Enum.GetNames<DropReason>().Where(n => n != nameof(DropReason.None)).Order(), FirstCells(table).Order());
    }

    internal static string Page()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "docs", "operations.md");
            if (File.Exists(path))
            {
                return File.ReadAllText(path);
            }
        }

        throw new FileNotFoundException("docs/operations.md");
    }

    internal static IEnumerable<string> FirstCells(string table) => Row().Matches(table).Select(m => m.Groups[1].Value);

    [GeneratedRegex(@"^\| `(?<1>[^`]+)` \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Row();
}
