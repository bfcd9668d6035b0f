using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Masquerade.RoamingCoordinator.Server;

namespace Masquerade.Api.Tests;

/// <summary>Who may ask: tokens, HTTPS, and what a coordinator refuses to start with.</summary>
public sealed class AccessTests : IDisposable
{
    private const string Token = "4f1c0a6e2b3d4c5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-api-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    [Trait("Req", "A-28")]
    public async Task Without_the_right_token_nothing_is_told()
    {
        var file = Tokens($"# for tests\nfirst {Hash("another")}\n\nsecond {Hash(Token)}\n");
        await using var site = await TestSite.StartAsync($"\"tokens\": \"{file}\",");
        string[] paths = ["/v1/status", "/v1/aps", "/v1/clients", "/v1/clients/02:00:00:00:00:01/location", "/v1/connections", "/v1/policies", "/v1/health", "/v1/events", "/metrics", "/nothing"];
        foreach (var path in paths)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await site.RefusedAsync(HttpMethod.Get, path)).Status);
        }

        string[] wrong = ["", "Bearer", "Bearer ", $"Basic {Token}", $"Bearer {Token[..^1]}", $"Bearer {Token}0", $"Bearer {new string('a', 5_000)}", $"Bearer {Hash(Token)}", Token];
        foreach (var text in wrong)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await site.RefusedAsync(HttpMethod.Get, "/v1/status", h => h.TryAddWithoutValidation("Authorization", text))).Status);
        }

        // Load balancers have no token.
        Assert.Equal("live", (await site.GetAsync("/v1/health/live")).GetProperty("status").GetString());
        Assert.Equal("ready", (await site.GetAsync("/v1/health/ready")).GetProperty("status").GetString());

        site.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        Assert.Equal("north", (await site.GetAsync("/v1/status")).GetProperty("coordinator").GetString());
        Assert.Equal(paths.Length + wrong.Length, await site.MetricAsync("masq_api_refused_total{reason=\"unauthorized\"}"));
        Assert.DoesNotContain(Token, site.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_changed_token_file_counts_at_once_and_a_broken_one_changes_nothing()
    {
        var file = Tokens($"first {Hash(Token)}\n");
        await using var site = await TestSite.StartAsync($"\"tokens\": \"{file}\",");
        site.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        await site.GetAsync("/v1/status");
        Tokens("this is not a line with a hash\n");
        await TestSite.UntilAsync(
            async () =>
            {
                await site.GetAsync("/v1/status");
                return site.Log.Contains("line 1 is not NAME sha256:HEX", StringComparison.Ordinal);
            },
            "the broken file is not noticed");
        Assert.DoesNotContain("this is not a line", site.Log, StringComparison.Ordinal);
        Tokens($"second {Hash("something else")}\n");
        await TestSite.UntilAsync(
            async () =>
            {
                using var response = await site.Http.GetAsync("/v1/status");
                return response.StatusCode == HttpStatusCode.Unauthorized;
            },
            "a token that was taken back still opens");
    }

    [Theory]
    [InlineData("0644", "", "chmod 600")]
    [InlineData("0600", "no tokens at all", "line 1")]
    [InlineData("0600", "# only a remark", "0 tokens")]
    [InlineData("", "", "no such file")]
    public async Task A_token_file_that_cannot_be_used_ends_the_start(string mode, string text, string told)
    {
        var file = Path.Combine(_folder.FullName, "none");
        if (mode.Length > 0)
        {
            file = Tokens(text.Length > 0 ? text : $"a {Hash(Token)}");
            File.SetUnixFileMode(file, (UnixFileMode)Convert.ToInt32(mode, 8));
        }

        var (code, log) = await StartAsync($"{{ \"listen\": \"127.0.0.1:1\", \"api\": {{ \"listen\": \"127.0.0.1:1\", \"tokens\": \"{file}\" }} }}");
        Assert.Equal(1, code);
        Assert.Contains(told, log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("evil.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("192.0.2.1", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost.evil.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("LOCALHOST:9", HttpStatusCode.OK)]
    [InlineData("127.0.0.1", HttpStatusCode.OK)]
    [InlineData("[::1]:4751", HttpStatusCode.OK)]
    public async Task Without_tokens_a_web_page_cannot_have_a_browser_ask(string host, HttpStatusCode expected)
    {
        await using var site = await TestSite.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/status") { Headers = { Host = host } };
        using var response = await site.Http.SendAsync(request);
        Assert.Equal(expected, response.StatusCode);
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task HTTPS_shows_the_certificate_and_a_changed_one_after_a_change()
    {
        var first = Certificate();
        var seen = new LastSeen();
        using var handler = new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.Zero,
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) => seen.Add(certificate),
            },
        };
        await using var site = await TestSite.StartAsync(
            $"\"certificate\": \"{Path.Combine(_folder.FullName, "api.pem")}\", \"key\": \"{Path.Combine(_folder.FullName, "api.key")}\", \"tokens\": \"{Tokens($"a {Hash(Token)}")}\",",
            scheme: "https",
            handler: handler);
        site.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        await site.GetAsync("/v1/status");
        Assert.Equal(first, seen.Last);
        Assert.InRange(await site.MetricAsync("masq_api_certificate_expiry_timestamp_seconds"), DateTimeOffset.UtcNow.ToUnixTimeSeconds(), DateTimeOffset.UtcNow.AddDays(3).ToUnixTimeSeconds());
        var second = Certificate();
        await TestSite.UntilAsync(
            async () =>
            {
                await site.GetAsync("/v1/status");
                return seen.Last == second;
            },
            "the new certificate is not used");
        using var plain = new HttpClient();
        await Assert.ThrowsAnyAsync<Exception>(() => plain.GetAsync(new Uri($"http://{site.Api}/v1/status")));
    }

    [Theory]
    [InlineData("\"listen\": \"0.0.0.0:4751\"", "api.certificate api.tokens")]
    [InlineData("\"listen\": \"[2001:db8::1]:4751\", \"tokens\": \"/t\"", "api.certificate")]
    [InlineData("\"listen\": \"192.0.2.1:4751\", \"certificate\": \"/c\", \"key\": \"/k\"", "api.tokens")]
    [InlineData("\"certificate\": \"/c\"", "api.key")]
    [InlineData("\"key\": \"/k\"", "api.certificate")]
    [InlineData("\"listen\": \"somewhere\"", "api.listen")]
    [InlineData("\"listen\": \"127.0.0.1\"", "api.listen")]
    [InlineData("\"colour\": 1, \"maxStreams\": 0", "api.colour api.maxStreams")]
    public void Beyond_loopback_it_takes_a_certificate_and_tokens(string api, string wrong)
    {
        Assert.Null(ServerConfig.Read(Encoding.UTF8.GetBytes($"{{ \"api\": {{ {api} }} }}"), out var mistakes));
        Assert.Equal(wrong.Split(' '), mistakes.Select(m => m.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_the_start_if_it_was_asked_for()
    {
        await using var site = await TestSite.StartAsync();
        var (code, log) = await StartAsync($"{{ \"listen\": \"127.0.0.1:1\", \"api\": {{ \"listen\": \"{site.Api}\" }} }}");
        Assert.Equal(1, code);
        Assert.Contains("cannot listen on", log, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Log)> StartAsync(string text)
    {
        // The agents' port is replaced by a free one.
        using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var free = probe.LocalEndpoint.ToString()!;
        probe.Stop();
        var config = ServerConfig.Read(Encoding.UTF8.GetBytes(text.Replace("\"listen\": \"127.0.0.1:1\", \"api\"", $"\"listen\": \"{free}\", \"api\"", StringComparison.Ordinal)), out var mistakes);
        Assert.Empty(mistakes);
        await using var log = new StringWriter();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var code = await CoordinatorServer.RunAsync(config!, new LineLog(TextWriter.Synchronized(log)), stop.Token);
        Assert.False(stop.IsCancellationRequested, "it went on");
        return (code, log.ToString());
    }

    private static string Hash(string token) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    private string Tokens(string text)
    {
        var path = Path.Combine(_folder.FullName, "tokens");
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    /// <summary>Makes a certificate of its own and returns its serial number.</summary>
    private string Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=api", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(2));
        File.WriteAllText(Path.Combine(_folder.FullName, "api.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Path.Combine(_folder.FullName, "api.pem"), certificate.ExportCertificatePem());
        return certificate.SerialNumber;
    }

    /// <summary>Remembers the certificate that was seen last.</summary>
    private sealed class LastSeen
    {
        public string? Last { get; private set; }

        public bool Add(X509Certificate? certificate)
        {
            Last = (certificate as X509Certificate2)?.SerialNumber;
            return true;
        }
    }
}
