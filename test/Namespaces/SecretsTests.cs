using System.Security.Cryptography;
using System.Text;
using Masquerade.Lab.Net;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Marker secrets at a whole site with the real programs: each that there is, in each form that it could be written in, is looked for in everything that comes out of agents, coordinator and <c>masq client</c>.</summary>
public sealed class SecretsTests(ITestOutputHelper output)
{
    private static readonly byte[] s_sessionSalt = "Masquerade session key 1"u8.ToArray();
    private static readonly byte[] s_accessPointLabel = "Masquerade access point key 1\0"u8.ToArray();

    [Fact]
    [Trait("Req", "A-24")]
    public void No_secret_is_in_anything_that_the_programs_of_a_site_write_or_answer()
    {
        var logs = Directory.CreateTempSubdirectory("masq-secrets-");
        var before = Environment.GetEnvironmentVariable("MASQ_LAB_LOGS");
        Environment.SetEnvironmentVariable("MASQ_LAB_LOGS", logs.FullName);
        try
        {
            var heard = new Recorder(output);
            var secrets = Run(heard);
            var written = logs.GetFiles("*.log").ToDictionary(f => f.Name, f => File.ReadAllText(f.FullName), StringComparer.Ordinal);
            Assert.Equal(["ap1.log", "ap2.log", "ap3.log", "north.log"], written.Keys.Order(StringComparer.Ordinal));
            var everything = $"{string.Join('\n', written.Values)}\n{heard.Text}";

            // What is looked for would be found: all of them write something, it is about alice, and her session's name is no secret.
            Assert.All(written.Values, Assert.NotEmpty);
            Assert.Contains("alice", written["north.log"], StringComparison.Ordinal);
            Assert.Contains("linkProtected", heard.Text, StringComparison.Ordinal);
            Assert.Contains("\"session\":", heard.Text, StringComparison.Ordinal);
            foreach (var (what, secret) in secrets)
            {
                foreach (var form in FormsOf(secret))
                {
                    Assert.False(everything.Contains(form, StringComparison.OrdinalIgnoreCase), $"{what} is written out");
                }
            }

            output.WriteLine($"{secrets.Count} secrets, each in {FormsOf(new byte[32]).Count()} forms, in {everything.Length} characters");
        }
        finally
        {
            Environment.SetEnvironmentVariable("MASQ_LAB_LOGS", before);
            logs.Delete(recursive: true);
        }
    }

    private static IReadOnlyList<(string What, byte[] Octets)> Run(Recorder heard)
    {
        using var site = new UserSite(heard);
        site.Lab.Move(0, 0);
        site.Lab.Move(1, 1);
        var alice = site.Protect(0, "alice");
        site.WaitForUser(0, "alice", "ap1", "handshake");
        var session = Convert.FromHexString(site.Lab.Ask($"/v1/clients/{LabTopology.ClientMac(0)}").GetProperty("user").GetProperty("session").GetString()!);
        var master = Assert.Single(site.Radius.MasterKeys);
        Assert.Equal(64, master.Length);
        site.Lab.Move(0, 1);
        site.WaitForUser(0, "alice", "ap2", "handshake");
        site.LetIn(1, "bob", "ap2");
        foreach (var path in new[]
        {
            "/v1/status", "/v1/aps", "/v1/clients", $"/v1/clients/{LabTopology.ClientMac(0)}", $"/v1/clients/{LabTopology.ClientMac(0)}/location", "/v1/connections", "/v1/users/policies", "/v1/users/denied",
            "/v1/users/explain?user=alice&to=10.1.100.2:1", "/metrics", "/v1/nothing",
        })
        {
            heard.Note(site.Lab.AskText(path));
        }

        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            heard.Note(site.Lab.Status(k).GetRawText());
        }

        // How it goes on after a denial is written down too.
        heard.Note(site.Lab.Post("/v1/users/alice/deny").GetRawText());
        site.Lab.WaitFor(() => site.UserOf(0) is null, "alice stays");
        foreach (var told in alice.Events)
        {
            heard.Note(told.GetRawText());
        }

        alice.Interrupt();
        byte[] client = [.. Convert.FromHexString(LabTopology.ClientMac(0).Replace(":", string.Empty, StringComparison.Ordinal))];
        var key = HKDF.DeriveKey(HashAlgorithmName.SHA256, master, 32, s_sessionSalt, [.. session, .. client]);
        var siteKey = File.ReadAllText(Directory.GetFiles(site.Lab.Topology.ScratchDirectory, "site.keys", SearchOption.AllDirectories).Single()).Split(' ', '\n')[1];
        return
        [
            .. site.Radius.Secrets, ("session key", key), ("site key", Convert.FromHexString(siteKey)),
            .. Enumerable.Range(1, LabTopology.AccessPointCount).Select(k => $"ap{k}").Select(ap => ($"key of {ap}", HKDF.Expand(HashAlgorithmName.SHA256, key, 32, [.. s_accessPointLabel, .. Encoding.ASCII.GetBytes(ap), 0, .. client, .. session]))),
        ];
    }

    private static IEnumerable<string> FormsOf(byte[] secret) =>
    [
        Convert.ToHexString(secret), Convert.ToHexString(secret.AsSpan(0, Math.Min(16, secret.Length))), Convert.ToBase64String(secret).TrimEnd('='), Encoding.Latin1.GetString(secret), BitConverter.ToString(secret),
        BitConverter.ToString(secret).Replace('-', ':'), BitConverter.ToString(secret).Replace('-', ' '), string.Join(", ", secret), string.Join(',', secret),
    ];

    /// <summary>What the programs beside the site say, kept and passed on.</summary>
    private sealed class Recorder(ITestOutputHelper output) : ITestOutputHelper
    {
        private readonly StringBuilder _text = new();

        public string Text
        {
            get
            {
                lock (_text)
                {
                    return _text.ToString();
                }
            }
        }

        public void Note(string text)
        {
            lock (_text)
            {
                _text.AppendLine(text);
            }
        }

        public void WriteLine(string message)
        {
            Note(message);
            output.WriteLine(message);
        }

        public void WriteLine(string format, params object[] args) => WriteLine(string.Format(System.Globalization.CultureInfo.InvariantCulture, format, args));
    }
}
