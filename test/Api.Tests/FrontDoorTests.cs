using System.Text.RegularExpressions;
using Masquerade.Cli;
using Masquerade.Testing;

namespace Masquerade.Api.Tests;

/// <summary>The script <c>./masq</c>, by which people get to the commands.</summary>
public sealed partial class FrontDoorTests
{
    [Fact]
    [Trait("Req", "A-27")]
    public void Every_command_is_reached_by_the_script_and_stands_in_its_help()
    {
        var script = SourceTree.Read("masq");
        var reached = Labels().Matches(script).SelectMany(m => m.Groups[1].Value.Split('|', StringSplitOptions.TrimEntries)).ToHashSet(StringComparer.Ordinal);
        var help = script[script.IndexOf("usage: ./masq", StringComparison.Ordinal)..script.IndexOf("\nEOF\n", StringComparison.Ordinal)];
        foreach (var command in Commands.Create().Subcommands.Select(c => c.Name))
        {
            Assert.True(reached.Contains(command), $"./masq {command} is not passed on");
            Assert.Matches($@"\b{command}\b", help);
        }
    }

    /// <summary>Words of the script's choice between its commands.</summary>
    [GeneratedRegex(@"^  ([a-z][a-z |]*)\)$", RegexOptions.Multiline)]
    private static partial Regex Labels();
}
