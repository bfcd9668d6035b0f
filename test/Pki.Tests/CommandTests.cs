using System.Text.Json;

namespace Masquerade.Pki.Tests;

/// <summary><c>masq pki</c> as an operator runs it, and the programs' checks of what it made.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("masq-pki-cli-").FullName;
    private readonly List<string> _outputs = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [Trait("Req", "A-27")]
    public void The_whole_life_of_a_site_by_command_and_no_secret_is_ever_printed()
    {
        var pki = Path.Combine(_folder, "pki");
        Masq(0, "init", "--dir", pki, "--site", "lab");
        Assert.Contains("already", Masq(1, "init", "--dir", pki), StringComparison.Ordinal);
        Masq(0, "issue", "--dir", pki, "--coordinator", "c1", "--ip", "192.0.2.2", "--dns", "c1.example.net");
        Assert.Contains("agent ap1", Masq(0, "issue", "--dir", pki, "--agent", "ap1", "--days", "20"), StringComparison.Ordinal);
        Assert.Contains("1 renewed", Masq(0, "renew", "--dir", pki), StringComparison.Ordinal);
        Assert.Contains("revoked: agent ap1", Masq(0, "revoke", "--dir", pki, "ap1"), StringComparison.Ordinal);
        Assert.Contains("revoked", Masq(0, "list", "--dir", pki), StringComparison.Ordinal);
        using var list = JsonDocument.Parse(Masq(0, "list", "--dir", pki, "--json"));
        var states = list.RootElement.GetProperty("certificates").EnumerateArray().Select(c => (c.GetProperty("name").GetString(), c.GetProperty("state").GetString()));
        Assert.Equal([("ap1", "revoked"), ("ap1", "revoked"), ("c1", "valid")], states);
        var own = Path.Combine(_folder, "own");
        Masq(0, "request", "--agent", "ap2", "--out", own);
        Masq(0, "issue", "--dir", pki, "--agent", "ap2", "--request", Path.Combine(own, "request.pem"));
        foreach (var command in new[] { "init", "issue", "request", "renew", "revoke", "list" })
        {
            Assert.Contains("Usage:", Masq(0, command, "--help"), StringComparison.Ordinal);
        }

        Masq(2, "issue", "--agent", "a b");
        Masq(2, "issue", "--agent", "a", "--coordinator", "b");
        Masq(1, "list", "--dir", Path.Combine(_folder, "nowhere"));
        CheckConfigurations(pki, own);

        // No output has a line of any key in it.
        var secrets = Directory.GetFiles(_folder, "key.pem", SearchOption.AllDirectories).SelectMany(File.ReadAllLines).Where(l => l.Length > 20 && !l.StartsWith('-')).ToList();
        Assert.True(secrets.Count >= 6);
        Assert.All(secrets, s => Assert.DoesNotContain(_outputs, o => o.Contains(s, StringComparison.Ordinal)));
        Assert.DoesNotContain(_outputs, o => o.Contains("PRIVATE", StringComparison.Ordinal));
    }

    private void CheckConfigurations(string pki, string own)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "etc"));
        var (agent, coordinator) = (Path.Combine(_folder, "etc", "agent.json"), Path.Combine(_folder, "etc", "coordinator.json"));
        string Tls(string folder, string key) =>
            $$"""{ "ca": "{{pki}}/ca.pem", "crl": "{{pki}}/crl.pem", "certificate": "{{folder}}/certificate.pem", "key": "{{key}}/key.pem" }""";
        void Agent(string name, string security) => File.WriteAllText(agent, $$"""
            { "node": "{{name}}", "coordinator": "192.0.2.2:4740", {{security}}
              "uplink": { "interface": "up0", "addresses": "10.1.1.10", "onLink": "10.1.1.0/24" },
              "client": { "interface": "cl0", "gatewayAddresses": "192.168.77.1", "prefixes": "192.168.77.0/24" } }
            """);
        Agent("ap2", $"\"tls\": {Tls($"{pki}/agents/ap2", own)},");
        Run(0, "AccessPoint/Agent", "masq-agent", "--config", agent, "--check");
        Agent("ap3", $"\"tls\": {Tls($"{pki}/agents/ap2", own)},");
        Assert.Contains("tls.certificate: \"", Run(2, "AccessPoint/Agent", "masq-agent", "--config", agent, "--check"), StringComparison.Ordinal);
        Agent("ap2", string.Empty);
        Assert.Contains("\"insecure\": true", Run(2, "AccessPoint/Agent", "masq-agent", "--config", agent, "--check"), StringComparison.Ordinal);
        Agent("ap2", "\"insecure\": true,");
        Run(0, "AccessPoint/Agent", "masq-agent", "--config", agent, "--check");
        File.WriteAllText(coordinator, $$"""{ "name": "c1", "listen": "0.0.0.0:4740", "tls": {{Tls($"{pki}/coordinators/c1", $"{pki}/coordinators/c1")}} }""");
        Run(0, "RoamingCoordinator/Server", "masq-coordinator", "--config", coordinator, "--check");
        File.WriteAllText(coordinator, """{ "name": "c1", "listen": "0.0.0.0:4740", "tls": { "ca": "/none", "certificate": "/none" } }""");
        Assert.Contains("tls.key: missing", Run(2, "RoamingCoordinator/Server", "masq-coordinator", "--config", coordinator, "--check"), StringComparison.Ordinal);
        File.WriteAllText(coordinator, """{ "insecure": true, "listen": "0.0.0.0:4740" }""");
        Run(0, "RoamingCoordinator/Server", "masq-coordinator", "--config", coordinator, "--check");
        Assert.Contains("can be reached from outside", Run(2, "RoamingCoordinator/Server", "masq-coordinator", "--listen", "192.0.2.2:4740", "--check"), StringComparison.Ordinal);
        Run(0, "RoamingCoordinator/Server", "masq-coordinator", "--listen", "[::1]:4740", "--check");
    }

    private string Masq(int code, params string[] arguments) => Run(code, "Cli", "masq", ["pki", .. arguments]);

    private string Run(int code, string project, string assembly, params string[] arguments)
    {
        var (exit, output) = OpenSsl.Start("dotnet", string.Empty, [SourceTree.Program(project, assembly), .. arguments]);
        Assert.True(exit == code, $"{assembly} {string.Join(' ', arguments)}: {exit}, not {code}\n{output}");
        _outputs.Add(output);
        return output;
    }
}
