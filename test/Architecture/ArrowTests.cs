using System.Reflection;
using System.Text.RegularExpressions;

namespace Masquerade.Architecture.Tests;

public sealed partial class ArrowTests
{
    public static TheoryData<string, string[], string> Arrows => new()
    {
        { "Masquerade.Core", [], "Core is what vendors build on; whatever it used, everybody would have to carry" },
        { "Masquerade.Ham", ["Masquerade.Core"], "a HAM must be usable without a FAM, in a central host" },
        { "Masquerade.Fam", ["Masquerade.Core"], "a FAM knows its node's HAM only by the contract ILocalAnchor" },
        { "Masquerade.RoamingCoordinator", ["Masquerade.Core"], "agent and coordinator share nothing but Core's messages, so that each can be replaced" },
        { "Masquerade.Auth", ["Masquerade.Core"], "whoever builds an authenticator or a supplicant needs no translator" },
        { "Masquerade.Auth.Radius", ["Masquerade.Core", "Masquerade.Auth"], "RADIUS is an adapter: a proxy and a client use it without a coordinator" },
        { "Masquerade.Auth.KeyHolder", ["Masquerade.Core", "Masquerade.Auth", "Masquerade.Auth.Radius"], "the key holder can run apart from the coordinator" },
        { "Masquerade.Client", ["Masquerade.Core", "Masquerade.Configuration", "Masquerade.Auth"], "a client has nothing of the site's: neither access point nor coordinator" },
        { "Masquerade.AccessPoint", ["Masquerade.Core", "Masquerade.Ham", "Masquerade.Fam", "Masquerade.Auth"], "the node composes the engines and must run in a simulation, without an agent" },
        { "Masquerade.Configuration", ["Masquerade.Core"], "how settings are read is the same for every program" },
        { "Masquerade.RoamingCoordinator.Redis", ["Masquerade.Core", "Masquerade.RoamingCoordinator"], "the adapter knows the coordinator's contracts; nobody but the server knows the adapter" },
        { "Masquerade.RoamingCoordinator.Api", ["Masquerade.Core", "Masquerade.Configuration", "Masquerade.RoamingCoordinator"], "operators look at the coordinator; it does not know them" },
        { "masq-coordinator", ["Masquerade.Core", "Masquerade.Configuration", "Masquerade.RoamingCoordinator", "Masquerade.RoamingCoordinator.Api", "Masquerade.RoamingCoordinator.Redis", "Masquerade.Auth", "Masquerade.Auth.Radius", "Masquerade.Auth.KeyHolder", "Masquerade.Pki"], "the coordinator runs where no access point is" },
        { "masq-agent", ["Masquerade.Core", "Masquerade.Configuration", "Masquerade.Ham", "Masquerade.Fam", "Masquerade.AccessPoint", "Masquerade.Auth", "Masquerade.Pki"], "an agent speaks to the coordinator by messages only" },
        { "Masquerade.Pki", ["Masquerade.Core"], "agent, coordinator and the authority's commands share it, so it may know none of them" },
    };

    [Theory]
    [MemberData(nameof(Arrows))]
    public void Arrows_point_at_Core(string assembly, string[] allowed, string reason)
    {
        foreach (var reference in Assembly.Load(assembly).GetReferencedAssemblies().Select(r => r.Name!))
        {
            if (reference.StartsWith("Masquerade", StringComparison.Ordinal) || reference.StartsWith("masq", StringComparison.Ordinal))
            {
                Assert.True(allowed.Contains(reference), $"{assembly} must not use {reference}: {reason}");
            }
        }
    }

    [Theory]
    [InlineData("Masquerade.Core")]
    [InlineData("Masquerade.Ham")]
    [InlineData("Masquerade.Fam")]
    [InlineData("Masquerade.Auth")]
    [InlineData("Masquerade.RoamingCoordinator")]
    [InlineData("Masquerade.AccessPoint")]
    [InlineData("Masquerade.Pki")]
    public void Packages_for_firmware_depend_on_nothing_but_the_runtime(string assembly)
    {
        foreach (var reference in Assembly.Load(assembly).GetReferencedAssemblies().Select(r => r.Name!))
        {
            Assert.True(
                reference.StartsWith("System.", StringComparison.Ordinal) || reference.StartsWith("Masquerade.", StringComparison.Ordinal),
                $"{assembly} uses {reference}: a vendor would have to ship it");
        }
    }

    [Theory]
    [InlineData("Masquerade.Core/Masquerade.Core.csproj")]
    [InlineData("Masquerade.Ham/Masquerade.Ham.csproj")]
    [InlineData("Masquerade.Fam/Masquerade.Fam.csproj")]
    [InlineData("Auth/Core/Auth.csproj")]
    [InlineData("RoamingCoordinator/Core/RoamingCoordinator.csproj")]
    [InlineData("AccessPoint/Node/AccessPoint.Node.csproj")]
    public void Engines_are_under_the_ban_of_clocks_sockets_tasks_and_chance(string project)
    {
        var text = SourceTree.Read(project);
        Assert.Contains("<MasqueradeSansIo>true</MasqueradeSansIo>", text, StringComparison.Ordinal);
        Assert.Contains("<IsAotCompatible>true</IsAotCompatible>", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_ban_says_why()
    {
        var lines = File.ReadAllLines(Path.Combine(SourceTree.Root, "BannedSymbols.txt"));
        Assert.True(lines.Length > 10);
        Assert.All(lines, line => Assert.Matches(@"^[TNMPF]:[\w.`()]+;.{20,}$", line));
    }

    [Fact]
    public void README_has_just_the_two_commands_and_every_document_is_linked()
    {
        var readme = SourceTree.Read("README.md");
        Assert.Equal(["./masq demo", "./masq test"], CommandLine().Matches(readme).Select(m => m.Groups[1].Value));
        var all = readme + SourceTree.Read("docs/ARCHITECTURE.md");
        foreach (var document in Directory.GetFiles(Path.Combine(SourceTree.Root, "docs"), "*.md"))
        {
            Assert.Contains(Path.GetFileName(document), all, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_room_has_one_purpose_and_rarely_over_400_lines()
    {
        foreach (var file in Directory.EnumerateFiles(SourceTree.Root, "*.cs", SearchOption.AllDirectories))
        {
            if (!file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))
            {
                Assert.True(File.ReadLines(file).Count() <= 480, $"{file} has over 480 lines: is it one purpose?");
            }
        }
    }

    [GeneratedRegex(@"^    (\S.*)$", RegexOptions.Multiline)]
    private static partial Regex CommandLine();
}
