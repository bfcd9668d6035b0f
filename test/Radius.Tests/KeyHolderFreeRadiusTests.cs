using System.Security.Cryptography;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

/// <summary>The key holder between a client and a real FreeRADIUS.</summary>
[Trait("Req", "A-23")]
[Trait("Req", "A-24")]
public sealed class KeyHolderFreeRadiusTests(ITestOutputHelper output) : IDisposable
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:0a:0b");

    private readonly FreeRadiusProcess _server = new(new FreeRadiusOptions
    {
        Method = "tls",
        Users =
        [
            new FreeRadiusUser(
                "alice", "unused", "Session-Timeout = 3600", "Termination-Action = RADIUS-Request", "Idle-Timeout = 600", "Acct-Interim-Interval = 300", "Filter-Id = \"staff\"", "Filter-Id += \"printers\"",
                "Class = 0x0102", "Tunnel-Type:1 = VLAN", "Tunnel-Medium-Type:1 = IEEE-802", "Tunnel-Private-Group-Id:1 = \"42\"", "Reply-Message = \"Good morning\""),
            new FreeRadiusUser("bob", "hello"),
        ],
    });

    public void Dispose() => _server.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_with_a_certificate_is_let_in_and_the_session_has_all_that_the_server_said(bool tls)
    {
        using var access = _server.Certificates.Issue("access");
        await using var radius = Radius(tls ? access : null);
        await using var holder = Holder(radius);
        var answer = await AuthenticateAsync(holder, "alice", 1);
        output.WriteLine(_server.Log);

        Assert.Equal(EapOutcome.Accept, answer.Outcome);
        Assert.Equal(3, answer.Eap.Span[0]);
        var grant = answer.Grant!;
        Assert.Equal("alice", grant.User);
        Assert.NotNull(grant.Key);
        Assert.Equal(Client, grant.Key.Client);
        Assert.False(grant.Session.IsNone);
        var terms = grant.Terms;
        Assert.Equal((3_600, 600, 300), (terms.SessionTimeout!.Value.TotalSeconds, terms.IdleTimeout!.Value.TotalSeconds, terms.InterimInterval!.Value.TotalSeconds));
        Assert.True(terms.Reauthenticates);
        Assert.Equal(["staff", "printers"], terms.FilterIds);
        Assert.Equal("0102", Convert.ToHexString(Assert.Single(terms.Class)));
        Assert.Equal("42", terms.Segment);
        Assert.Equal("Good morning", terms.ReplyMessage);
        Assert.True(SessionTermsReader.TryRead(terms.Octets.Span, out var again, out _));
        Assert.Equal(("42", 2), (again.Segment, again.FilterIds.Count));
        Assert.True(holder.Counters[KeyHolderCount.Challenges] > 3);
    }

    [Fact]
    public async Task A_client_without_a_good_certificate_is_refused()
    {
        using var stranger = new RadiusCertificates();
        await using var radius = Radius(null);
        await using var holder = Holder(radius);
        var answer = await AuthenticateAsync(holder, "alice", 1, stranger);
        Assert.Equal((EapOutcome.Reject, KeyHolderCount.Rejects), (answer.Outcome, answer.Reason));
        Assert.Equal(4, answer.Eap.Span[0]);
        Assert.Null(answer.Grant);
    }

    [Theory]
    [InlineData(true, EapOutcome.Reject)]
    [InlineData(false, EapOutcome.Accept)]
    public async Task EAP_MD5_makes_no_key_and_is_refused_where_links_are_protected(bool isKeyed, EapOutcome expected)
    {
        await using var radius = Radius(null);
        await using var holder = Holder(radius);
        var offered = await holder.ExchangeAsync(Word([2, 1, 0, 8, 1, .. "bob"u8]));
        var challenge = (await holder.ExchangeAsync(Word([2, offered.Eap.Span[1], 0, 6, 3, 4]))).Eap.ToArray();
        Assert.Equal(4, challenge[4]);
#pragma warning disable CA5351
        var proof = MD5.HashData([challenge[1], .. "hello"u8, .. challenge[6..(6 + challenge[5])]]);
#pragma warning restore CA5351
        var answer = await holder.ExchangeAsync(Word([2, challenge[1], 0, 22, 4, 16, .. proof]));
        Assert.Equal(expected, answer.Outcome);
        Assert.Equal(isKeyed ? KeyHolderCount.NoKey : KeyHolderCount.Accepts, answer.Reason);
        Assert.Equal(isKeyed ? 4 : 3, answer.Eap.Span[0]);
        Assert.Null(answer.Grant?.Key);

        KeyHolderRequest Word(byte[] eap) => Request(1, eap) with { IsKeyed = isKeyed };
    }

    private static KeyHolderRequest Request(ulong exchange, ReadOnlyMemory<byte> eap) => new() { Node = new NodeId("ap1"), Client = Client, Exchange = exchange, Eap = eap };

    private static KeyHolder Holder(RadiusClient radius) => new(new KeyHolderSettings { Nas = new NasSettings { Identifier = "site", Ssid = "office" } }, radius);

    private async Task<KeyHolderAnswer> AuthenticateAsync(KeyHolder holder, string user, ulong exchange, RadiusCertificates? authority = null)
    {
        using var certificate = (authority ?? _server.Certificates).Issue(user);
        await using var peer = new EapTlsPeer(user, certificate, _server.Certificates.Authority);
        var answer = await holder.ExchangeAsync(Request(exchange, peer.Identity));
        while (answer.Outcome == EapOutcome.Continue)
        {
            answer = await holder.ExchangeAsync(Request(exchange, await peer.AnswerAsync(answer.Eap)));
        }

        return answer;
    }

    private RadiusClient Radius(System.Security.Cryptography.X509Certificates.X509Certificate2? tls) => new(new RadiusClientSettings
    {
        Servers =
        [
            new RadiusServerSettings
            {
                Name = "freeradius",
                EndPoint = tls is null ? _server.AuthEndPoint : _server.TlsEndPoint,
                Secret = tls is null ? new RadiusSecret(_server.Secret) : RadiusSecret.RadSec,
                Tls = tls is null ? null : new RadiusTls { Certificate = tls, Authorities = [_server.Certificates.Authority], ServerName = FreeRadiusProcess.ServerName },
            },
        ],
    });
}
