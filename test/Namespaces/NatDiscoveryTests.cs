using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// What a client's own program finds out about the translator in front of it by RFC 5780: coturn's <c>turnutils_natdiscovery</c> asks coturn's server, which has two addresses and two
/// ports. It asks from the same two ports at rest, elsewhere, and when another access point has its address, and has to be told the same each time.
/// </summary>
public sealed partial class NatDiscoveryTests(ITestOutputHelper output)
{
    private const string SecondAddress = "10.1.100.3";
    private const int Attempts = 4;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("addressAndPortDependent", "Address and Port Dependent")]
    [InlineData("addressDependent", "Address Dependent")]
    [InlineData("endpointIndependent", "Endpoint Independent")]
    [Trait("Req", "N-01")]
    [Trait("Req", "N-02")]
    [Trait("Req", "A-15")]
    [Trait("Rfc", "4787 REQ-1")]
    [Trait("Rfc", "4787 REQ-8")]
    [Trait("Rfc", "4787 REQ-11")]
    public void Somebody_else_finds_the_same_mapping_and_filter_at_rest_after_a_walk_and_after_a_takeover(string policy, string filter)
    {
        using var site = LabSite.WithTakeover(sharedLink: true, new DemoOptions { Fam = new Dictionary<string, string>(StringComparer.Ordinal) { ["udpFiltering"] = $"\"{policy}\"" } });
        Tool.Run("ip", ["-n", site.Topology.Server.Name, "addr", "add", $"{SecondAddress}/24", "dev", "eth0"]);
        using var server = Start(site);
        site.Move(0, 0);
        var (mapping, filtering) = Discover("at rest");
        site.Move(0, 1);
        Assert.Equal((mapping, filtering), Discover("at AP2"));
        Assert.Equal(0, LabTopology.AccessPointOf(mapping.Address));

        site.Network!.Kill(0);
        site.WaitFor(() => site.OwnerOf(mapping.Address) > 0, "nobody has taken the address over", s_patience);
        Assert.Equal((mapping, filtering), Discover("after a takeover"));

        (IPEndPoint Mapping, IPEndPoint Filtering) Discover(string when) =>
            (Ask(site, when, "-m", 40_001, "Endpoint Independent Mapping"), Ask(site, when, "-f", 40_002, $"{filter} Filtering"));
    }

    /// <summary>Asks for a kind of behaviour until the answer is the one that is wanted; a datagram that is lost makes it look stricter, and what is looser than it should be looks so each time.</summary>
    private IPEndPoint Ask(LabSite site, string when, string kind, int port, string wanted)
    {
        var client = LabTopology.ClientAddress(0).ToString();
        var said = string.Empty;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            (_, said, var errors) = Tool.TryRun("ip",
            [
                "netns", "exec", site.Topology.Clients[0].Name, "turnutils_natdiscovery", kind, "-L", client, "-l", port.ToString(CultureInfo.InvariantCulture), LabTopology.ServerAddress.ToString(),
            ]);
            said += errors;
            var seen = Reflexive().Matches(said).Select(m => IPEndPoint.Parse(m.Groups[1].Value)).ToList();
            var verdict = Verdict().Matches(said).Select(m => m.Groups[1].Value).LastOrDefault();

            // Without an answer from the second address it takes the mapping for what it was before.
            if (string.Equals(verdict, wanted, StringComparison.Ordinal) && seen.Count > 0 && (kind is "-f" || seen.Count == 2))
            {
                output.WriteLine($"{when}: {verdict}, {client}:{port} is {seen[0]}");
                return Assert.Single(seen.Distinct());
            }
        }

        Assert.Fail($"{when}, {wanted} is not found but: {said}");
        return null!;
    }

    private Companion Start(LabSite site)
    {
        var scratch = site.Topology.ScratchDirectory;
        var server = new Companion(
            site.Topology.Server, heard: null, "turnserver", "-n", "-S", "--no-cli", "--no-tls", "--no-dtls", "-m", "1", "-L", LabTopology.ServerAddress.ToString(), "-L", SecondAddress,
            "--userdb", Path.Combine(scratch, "turndb"), "--pidfile", Path.Combine(scratch, "turn.pid"), "--log-file", "stdout");
        try
        {
            site.WaitFor(
                () => Tool.Run("ip", ["netns", "exec", site.Topology.Server.Name, "ss", "-Hlun"]).Split('\n').Count(l => l.Contains(":3478 ", StringComparison.Ordinal) || l.Contains(":3479 ", StringComparison.Ordinal)) == 4,
                "turnserver does not listen at two addresses and two ports", s_patience);
            return server;
        }
        catch
        {
            output.WriteLine(string.Join('\n', server.Said));
            server.Dispose();
            throw;
        }
    }

    [GeneratedRegex(@"UDP reflexive addr: (\S+)")]
    private static partial Regex Reflexive();

    [GeneratedRegex(@"NAT with (.*)!")]
    private static partial Regex Verdict();
}
