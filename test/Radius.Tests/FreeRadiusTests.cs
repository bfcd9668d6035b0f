using System.Net;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Auth.Radius;
using Masquerade.Lab.FreeRadius;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

/// <summary>The client against a FreeRADIUS that somebody else wrote.</summary>
[Trait("Req", "A-23")]
public sealed class FreeRadiusTests(ITestOutputHelper output) : IDisposable
{
    private static readonly byte[] Identity = [2, 1, 0, 8, 1, .. "bob"u8];

    private readonly FreeRadiusProcess _server = new(new FreeRadiusOptions { Users = [new FreeRadiusUser("bob", "hello")], Method = "md5" });

    public void Dispose() => _server.Dispose();

    private static RadiusAttributeWriter Start => new RadiusAttributeWriter()
        .Add(RadiusAttributeType.UserName, "bob").Add(RadiusAttributeType.NasIdentifier, "test").AddLong(RadiusAttributeType.EapMessage, Identity);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_challenges_an_identity_and_answers_Status_Server_and_accounting(bool tls)
    {
        using var certificate = _server.Certificates.Issue("access");
        await using var client = new RadiusClient(new RadiusClientSettings { Servers = [Settings(tls, accounting: false, certificate)] });
        await using var accounting = new RadiusClient(new RadiusClientSettings { Servers = [Settings(tls, accounting: true, certificate)] });

        var challenge = await client.SendAsync(RadiusCode.AccessRequest, Start);
        output.WriteLine(_server.Log);
        Assert.Equal(RadiusOutcome.Answered, challenge.Outcome);
        Assert.Equal(RadiusCode.AccessChallenge, challenge.Packet.Code);
        Assert.True(challenge.Packet.TryGet(RadiusAttributeType.State, out _));
        Assert.Equal(1, challenge.Packet.Concatenate(RadiusAttributeType.EapMessage)![0]);
        Assert.Equal(RadiusOutcome.Answered, (await client.SendAsync(RadiusCode.StatusServer, new RadiusAttributeWriter())).Outcome);

        var record = new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").Add(RadiusAttributeType.AcctStatusType, 1u).Add(RadiusAttributeType.AcctSessionId, "0123");
        Assert.Equal(RadiusCode.AccountingResponse, (await accounting.SendAsync(RadiusCode.AccountingRequest, record)).Packet.Code);
        Assert.Contains("Acct-Session-Id = \"0123\"", _server.Accounting, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_secret_is_answered_by_nobody()
    {
        await using var client = new RadiusClient(new RadiusClientSettings
        {
            Servers = [Settings(tls: false, accounting: false, null) with { Secret = new RadiusSecret("not what they share") }],
            Times = new RadiusTimes { Initial = TimeSpan.FromMilliseconds(100), Count = 2 },
        });
        Assert.Equal(RadiusOutcome.NoAnswer, (await client.SendAsync(RadiusCode.AccessRequest, Start)).Outcome);
    }

    [Fact]
    public async Task A_TLS_server_of_another_authority_or_name_is_not_spoken_to()
    {
        using var stranger = new RadiusCertificates();
        using var certificate = _server.Certificates.Issue("access");
        var good = Settings(tls: true, accounting: false, certificate);
        RadiusServerSettings[] wrong =
        [
            good with { Tls = good.Tls! with { Authorities = [stranger.Authority] } },
            good with { Tls = good.Tls! with { ServerName = "elsewhere.test" } },
        ];
        foreach (var settings in wrong)
        {
            await using var client = new RadiusClient(new RadiusClientSettings { Servers = [settings] });
            Assert.Equal(RadiusOutcome.NoAnswer, (await client.SendAsync(RadiusCode.AccessRequest, Start)).Outcome);
            Assert.Equal(1, client.Servers[0].Counters[RadiusCount.ConnectionsLost]);
            Assert.True(client.Servers[0].IsDead);
        }
    }

    [Fact]
    public async Task A_TLS_connection_that_ended_is_made_anew()
    {
        using var certificate = _server.Certificates.Issue("access");
        await using var client = new RadiusClient(new RadiusClientSettings { Servers = [Settings(tls: true, accounting: false, certificate)] });
        Assert.Equal(RadiusOutcome.Answered, (await client.SendAsync(RadiusCode.AccessRequest, Start)).Outcome);
        _server.Kill();
        await Wait.ForAsync(() => client.Servers[0].Counters[RadiusCount.ConnectionsLost] == 1, () => "the end of the connection went unnoticed");
        Assert.Equal(RadiusOutcome.NoAnswer, (await client.SendAsync(RadiusCode.AccessRequest, Start)).Outcome);
        _server.Start();
        output.WriteLine(_server.Log);
        Assert.Equal(RadiusOutcome.Answered, (await client.SendAsync(RadiusCode.AccessRequest, Start)).Outcome);
    }

    private RadiusServerSettings Settings(bool tls, bool accounting, X509Certificate2? certificate) => new()
    {
        Name = "freeradius",
        EndPoint = tls ? _server.TlsEndPoint : accounting ? _server.AccountingEndPoint : _server.AuthEndPoint,
        Secret = tls ? RadiusSecret.RadSec : new RadiusSecret(_server.Secret),
        Tls = tls ? new RadiusTls { Certificate = certificate!, Authorities = [_server.Certificates.Authority], ServerName = FreeRadiusProcess.ServerName } : null,
    };
}
