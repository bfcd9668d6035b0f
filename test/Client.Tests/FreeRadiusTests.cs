using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Keys;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Peer;
using Masquerade.Auth.Radius;
using Masquerade.Client.Tls;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;
using Xunit.Abstractions;

namespace Masquerade.Client.Tests;

/// <summary>The EAP peer over OpenSSL against a real FreeRADIUS, with the key holder between them: both ends must come to the same keys.</summary>
[Trait("Req", "A-23")]
[Trait("Req", "A-24")]
public sealed class FreeRadiusTests : IDisposable
{
    private static readonly MacAddress Own = MacAddress.Parse("02:00:00:00:0a:0b");
    private readonly ITestOutputHelper _output;
    private readonly string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(9));
    private FreeRadiusProcess? _server;
    private ulong _exchange;

    public FreeRadiusTests(ITestOutputHelper output) => _output = output;

    public void Dispose()
    {
        if (_server is { } server)
        {
            _output.WriteLine(server.Log);
            server.Dispose();
        }
    }

    [Theory]
    [InlineData("tls", "1.2")]
    [InlineData("tls", "1.3")]
    [InlineData("ttls-pap", "1.2")]
    [InlineData("ttls-pap", "1.3")]
    [InlineData("ttls-mschapv2", "1.2")]
    [InlineData("ttls-mschapv2", "1.3")]
    public async Task Both_ends_come_to_the_same_key_and_the_second_time_is_shorter(string method, string tls)
    {
        var server = Start(tls, keeps: true);
        await using var radius = Radius();
        await using var holder = new KeyHolder(new KeyHolderSettings { Nas = new NasSettings { Identifier = "site", Ssid = "office" } }, radius);
        using var openSsl = new OpenSslClient(Options(server, method));
        using var peer = Peer(openSsl, method, _password);

        var rounds = new List<int>();
        for (var time = 0; time < 3; time++)
        {
            var (verdict, answer, count) = await AuthenticateAsync(holder, peer);
            _output.WriteLine($"{verdict} {peer.Failure} {peer.Detail} after {count} rounds, resumed: {peer.IsResumed}");
            Assert.Equal(EapPeerVerdict.Succeeded, verdict);
            var msk = new byte[SessionKey.MskLength];
            Assert.True(peer.TryTakeMsk(msk));
            Assert.True(SessionKey.TryDerive(msk, answer.Grant!.Session, Own, out var key));
            Assert.Equal(KeyAt(answer.Grant.Key!), KeyAt(key));

            // With TLS 1.3 a ticket is good once, and FreeRADIUS gives no other after a resumption.
            Assert.Equal(time == 1 || (time == 2 && tls is "1.2"), peer.IsResumed);
            rounds.Add(count);
        }

        Assert.True(rounds[1] < rounds[0], string.Join(' ', rounds));
    }

    [Theory]
    [InlineData("1.2")]
    [InlineData("1.3")]
    public async Task A_server_that_remembers_nothing_is_authenticated_in_full_again(string tls)
    {
        var server = Start(tls);
        await using var radius = Radius();
        await using var holder = new KeyHolder(new KeyHolderSettings { Nas = new NasSettings { Identifier = "site", Ssid = "office" } }, radius);
        using var openSsl = new OpenSslClient(Options(server, "ttls-mschapv2"));
        using var peer = Peer(openSsl, "ttls-mschapv2", _password);
        Assert.Equal(EapPeerVerdict.Succeeded, (await AuthenticateAsync(holder, peer)).Verdict);
        server.Kill();
        server.Start();
        Assert.Equal(EapPeerVerdict.Succeeded, (await AuthenticateAsync(holder, peer)).Verdict);
        Assert.False(peer.IsResumed);
    }

    [Theory]
    [InlineData("ttls-pap", "1.2")]
    [InlineData("ttls-pap", "1.3")]
    [InlineData("ttls-mschapv2", "1.2")]
    [InlineData("ttls-mschapv2", "1.3")]
    public async Task A_wrong_password_is_rejected(string method, string tls)
    {
        var server = Start(tls);
        Assert.Equal(EapPeerFailure.Rejected, await FailAsync(Options(server, method), method, "wrong"));
    }

    [Theory]
    [InlineData("tls", "1.2")]
    [InlineData("ttls-pap", "1.3")]
    public async Task A_server_of_another_authority_is_told_nothing(string method, string tls)
    {
        var server = Start(tls);
        using var other = new RadiusCertificates();
        var file = Path.Combine(server.Directory, "other.pem");
        await File.WriteAllTextAsync(file, other.AuthorityPem);
        Assert.Equal(EapPeerFailure.ServerNotTrusted, await FailAsync(Options(server, method) with { AuthorityFile = file }, method, _password));
        Assert.DoesNotContain("Login OK", server.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("radius.other", false)]
    [InlineData(".other", false)]
    [InlineData("dius.test", false)]
    [InlineData(".radius.test", false)]
    [InlineData(".test", true)]
    [InlineData("RADIUS.TEST", true)]
    public async Task Only_a_server_with_the_name_is_believed(string name, bool isGood)
    {
        var server = Start("1.3");
        Assert.Equal(isGood ? EapPeerFailure.None : EapPeerFailure.ServerNotTrusted, await FailAsync(Options(server, "ttls-pap") with { ServerName = name }, "ttls-pap", _password));
    }

    [Fact]
    public async Task A_server_whose_certificate_has_expired_is_told_nothing()
    {
        var server = Start("1.3");
        server.Kill();
        using (var expired = server.Certificates.Issue(FreeRadiusProcess.ServerName, DateTimeOffset.UtcNow.AddHours(-1)))
        using (var key = expired.GetECDsaPrivateKey()!)
        {
            await File.WriteAllTextAsync(Path.Combine(server.Directory, "server.pem"), expired.ExportCertificatePem());
            await File.WriteAllTextAsync(Path.Combine(server.Directory, "server.key"), key.ExportPkcs8PrivateKeyPem());
        }

        server.Start();
        Assert.Equal(EapPeerFailure.ServerNotTrusted, await FailAsync(Options(server, "ttls-pap"), "ttls-pap", _password));
    }

    [Theory]
    [InlineData("1.2")]
    [InlineData("1.3")]
    public async Task A_client_whose_certificate_the_server_does_not_know_is_told_so(string tls)
    {
        var server = Start(tls);
        using var other = new RadiusCertificates();
        var folder = Directory.CreateDirectory(Path.Combine(server.Directory, "other")).FullName;
        other.Write(folder, "alice");
        var options = Options(server, "tls") with { CertificateFile = Path.Combine(folder, "alice.pem"), KeyFile = Path.Combine(folder, "alice.key") };
        Assert.Equal(EapPeerFailure.Rejected, await FailAsync(options, "tls", _password));
    }

    [Fact]
    public async Task A_method_that_makes_no_key_is_declined()
    {
        var server = Start("1.2", "md5");
        var failure = await FailAsync(Options(server, "tls"), "tls", _password);
        Assert.Equal(EapPeerFailure.None, failure);
    }

    [Fact]
    public void Files_that_are_not_what_they_should_be_are_refused_with_words()
    {
        var folder = Directory.CreateTempSubdirectory("masq-client-").FullName;
        try
        {
            using var authority = new RadiusCertificates();
            var good = Path.Combine(folder, "ca.pem");
            File.WriteAllText(good, authority.AuthorityPem);
            authority.Write(folder, "alice");
            authority.Write(folder, "bob");
            var options = new OpenSslOptions { AuthorityFile = good, ServerName = "radius.test" };
            ITlsEngine engine;
            using (var openSsl = new OpenSslClient(options))
            {
                engine = openSsl.Create();
                engine.Begin();
                Assert.True(engine.Pending > 0);
                engine.Dispose();

                // What comes late finds nothing to write to.
                engine.Receive(new byte[1_000]);
                engine.Begin();
                Assert.Equal((0, 0, false), (engine.Read(new byte[10]), engine.Drain(new byte[10]), engine.TryExport("a", default, new byte[10])));
                engine = openSsl.Create();
                openSsl.Dispose();
                using var failed = openSsl.Create();
                Assert.Equal((TlsEngineState.Failed, "closed"), (failed.State, failed.Detail));
            }

            engine.Dispose();

            var noise = Path.Combine(folder, "noise.pem");
            File.WriteAllText(noise, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
            var encrypted = Path.Combine(folder, "encrypted.key");
            using (var key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
            {
                File.WriteAllText(encrypted, key.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 10_000)));
            }

            OpenSslOptions[] bad =
            [
                options with { AuthorityFile = string.Empty },
                options with { ServerName = string.Empty },
                options with { ServerName = "." },
                options with { AuthorityFile = Path.Combine(folder, "missing.pem") },
                options with { AuthorityFile = noise },
                options with { CertificateFile = noise },
                options with { CertificateFile = Path.Combine(folder, "alice.pem") },
                options with { CertificateFile = Path.Combine(folder, "alice.pem"), KeyFile = Path.Combine(folder, "bob.key") },
                options with { CertificateFile = Path.Combine(folder, "alice.pem"), KeyFile = encrypted },
            ];
            Assert.All(bad, o => _output.WriteLine(Assert.Throws<ClientException>(() => new OpenSslClient(o)).Message));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static byte[] KeyAt(SessionKey session)
    {
        using var key = session.DeriveFor(new NodeId("ap1"));
        var octets = new byte[AccessPointKey.Length];
        key.CopyTo(octets);
        return octets;
    }

    private static bool IsTls(string method) => method.StartsWith("tls", StringComparison.Ordinal);

    private FreeRadiusProcess Start(string tls, string offered = "tls", bool keeps = false) => _server = new FreeRadiusProcess(new FreeRadiusOptions
    {
        Method = offered,
        NewestTls = tls,
        KeepsSessions = keeps,
        Users = [new FreeRadiusUser("alice", _password)],
    });

    private static OpenSslOptions Options(FreeRadiusProcess server, string method) => new()
    {
        AuthorityFile = Path.Combine(server.Directory, "ca.pem"),
        ServerName = FreeRadiusProcess.ServerName,
        CertificateFile = IsTls(method) ? Path.Combine(server.Directory, "alice.pem") : null,
        KeyFile = IsTls(method) ? Path.Combine(server.Directory, "alice.key") : null,
    };

    private static EapPeer Peer(OpenSslClient openSsl, string method, string password) => new(
        new EapPeerConfig
        {
            Method = IsTls(method) ? EapType.Tls : EapType.Ttls,
            Identity = IsTls(method) ? "alice" : "anonymous",
            Tunnel = IsTls(method) ? null : new TunnelCredentials(method.EndsWith("pap", StringComparison.Ordinal) ? TunnelMethod.Pap : TunnelMethod.MsChapV2, "alice", System.Text.Encoding.UTF8.GetBytes(password)),
        },
        openSsl.Create,
        RandomNumberGenerator.Fill);

    private async Task<EapPeerFailure> FailAsync(OpenSslOptions options, string method, string password)
    {
        await using var radius = Radius();
        await using var holder = new KeyHolder(new KeyHolderSettings { Nas = new NasSettings { Identifier = "site", Ssid = "office" } }, radius);
        using var openSsl = new OpenSslClient(options);
        using var peer = Peer(openSsl, method, password);
        var (verdict, _, _) = await AuthenticateAsync(holder, peer);
        _output.WriteLine($"{verdict} {peer.Failure} {peer.Detail}");
        Assert.Equal(peer.Failure != EapPeerFailure.None, verdict == EapPeerVerdict.Failed);
        return peer.Failure;
    }

    private async Task<(EapPeerVerdict Verdict, KeyHolderAnswer Answer, int Rounds)> AuthenticateAsync(KeyHolder holder, EapPeer peer)
    {
        _exchange++;
        peer.Restart();
        Assert.Equal(EapPeerVerdict.Respond, peer.Receive([1, 1, 0, 5, 1]));
        for (var round = 1; ; round++)
        {
            Assert.True(round < 50, "it has no end");
            var answer = await holder.ExchangeAsync(new KeyHolderRequest { Node = new NodeId("ap1"), Client = Own, Exchange = _exchange, Eap = peer.Response.ToArray() });
            var verdict = peer.Receive(answer.Eap.Span);
            if (verdict is EapPeerVerdict.Succeeded or EapPeerVerdict.Failed)
            {
                Assert.Equal(verdict == EapPeerVerdict.Succeeded, answer.Outcome == EapOutcome.Accept);
                return (verdict, answer, round);
            }

            Assert.True(verdict == EapPeerVerdict.Respond, $"{peer.LastDrop}: {answer} {Convert.ToHexString(answer.Eap.Span)}");
        }
    }

    private RadiusClient Radius() => new(new RadiusClientSettings
    {
        Servers = [new RadiusServerSettings { Name = "freeradius", EndPoint = _server!.AuthEndPoint, Secret = new RadiusSecret(_server.Secret) }],
    });
}
