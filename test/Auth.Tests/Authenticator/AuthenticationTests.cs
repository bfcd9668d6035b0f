using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>What happens between a client and a server that both do as they should.</summary>
[Trait("Req", "A-23")]
public sealed class AuthenticationTests
{
    [Fact]
    public void A_client_that_starts_is_asked_who_it_is_and_passed_through_to_the_server()
    {
        var bench = new Bench();
        Assert.Equal(EapolVerdict.Taken, bench.Start());
        Assert.Equal(EapCode.Request, (EapCode)bench.Last[0]);
        Assert.Equal(EapType.Identity, (EapType)bench.Last[4]);
        Assert.Equal(PaeState.Authenticating, bench.Port.PaeState);
        Assert.Equal(BackendState.Request, bench.Port.BackendState);
        Assert.Empty(bench.Asked);

        bench.Rounds();
        Assert.Equal(3, bench.Asked.Count);
        Assert.All(bench.Asked, asked => Assert.Equal("alice", asked.Identity));
        Assert.Single(bench.Asked.Select(asked => asked.Exchange).Distinct());
        Assert.Equal("alice"u8.ToArray(), bench.Asked[0].Eap[5..]);
        Assert.False(bench.Port.IsAuthorised);
        Assert.Empty(bench.Ports);

        Assert.True(bench.Answer(EapOutcome.Accept));
        Assert.Equal(new byte[] { 3, bench.Asked[^1].Eap[1], 0, 4 }, bench.Last);
        Assert.Equal([$"{Bench.Alice} + Authenticated"], bench.Ports);
        Assert.Equal(PaeState.Authenticated, bench.Port.PaeState);
        Assert.Equal(BackendState.Idle, bench.Port.BackendState);
        Assert.Equal(1, bench.Table.AuthorisedCount);
        Assert.Equal(1, bench.Table.Count);
        Assert.Equal("alice"u8.ToArray(), bench.Port.Identity.ToArray());
    }

    [Fact]
    public void The_counters_are_those_of_the_MIB()
    {
        var bench = new Bench();
        bench.Authenticate();
        var stats = bench.Stats;
        Assert.Equal((4, 4), (stats.EapolFramesRx, stats.EapolFramesTx));
        Assert.Equal((1, 0, 1, 2), (stats.EapolStartFramesRx, stats.EapolLogoffFramesRx, stats.EapolRespIdFramesRx, stats.EapolRespFramesRx));
        Assert.Equal((1, 2), (stats.EapolReqIdFramesTx, stats.EapolReqFramesTx));
        Assert.Equal((1, 1, 1), (stats.EntersConnecting, stats.EntersAuthenticating, stats.AuthSuccessWhileAuthenticating));
        Assert.Equal((3, 2, 3, 1, 0), (stats.BackendResponses, stats.BackendAccessChallenges, stats.BackendOtherRequestsToSupplicant, stats.BackendAuthSuccesses, stats.BackendAuthFails));
        Assert.Equal(1, stats.LastEapolFrameVersion);
        Assert.Equal(Bench.Alice, stats.LastEapolFrameSource);
    }

    [Fact]
    public void A_client_that_the_shell_has_seen_is_asked_without_a_start()
    {
        var bench = new Bench();
        Assert.True(bench.Table.Begin(Bench.Alice, bench.Now));
        Assert.True(bench.Table.Begin(Bench.Alice, bench.Now));
        Assert.Single(bench.Sent);
        Assert.False(bench.Table.Begin(MacAddress.Broadcast, bench.Now));
        Assert.False(bench.Table.Begin(MacAddress.None, bench.Now));
        bench.Authenticate(isStarted: true);
    }

    [Fact]
    public void A_rejected_client_is_told_and_not_heard_for_the_quiet_period()
    {
        var bench = new Bench();
        bench.Start();
        bench.Rounds();
        Assert.True(bench.Answer(EapOutcome.Reject));
        Assert.Equal(new byte[] { 4, bench.Asked[^1].Eap[1], 0, 4 }, bench.Last);
        Assert.Equal([$"{Bench.Alice} - Rejected"], bench.Ports);
        Assert.Equal(PaeState.Held, bench.Port.PaeState);
        Assert.Equal(1, bench.Table.HeldCount);

        var sent = bench.Sent.Count;
        bench.Pass(59);
        Assert.Equal(EapolVerdict.Dropped, bench.Start());
        Assert.Equal(EapolVerdict.Dropped, bench.Logoff());
        Assert.Equal(EapolVerdict.Dropped, bench.Identify());
        Assert.Equal(3, bench.Stats[AuthenticatorDrop.Held]);
        Assert.Equal(sent, bench.Sent.Count);

        bench.Pass(1.1);
        Assert.Equal(sent + 1, bench.Sent.Count);
        Assert.Equal(1, bench.Table.UnansweredCount);
        bench.Authenticate(isStarted: true);
    }

    [Fact]
    public void The_outcome_decides_and_not_the_EAP_packet_that_comes_with_it()
    {
        // RFC 3579 section 2.6.3: an Access-Reject with an EAP-Success inside is a rejection.
        var bench = new Bench();
        bench.Start();
        bench.Rounds();
        Assert.True(bench.Answer(EapOutcome.Reject, [3, bench.Asked[^1].Eap[1], 0, 4]));
        Assert.Equal(EapCode.Failure, (EapCode)bench.Last[0]);
        Assert.False(bench.Port.IsAuthorised);

        bench = new Bench();
        bench.Start();
        bench.Rounds();
        Assert.True(bench.Answer(EapOutcome.Accept, [4, bench.Asked[^1].Eap[1], 0, 4]));
        Assert.Equal(EapCode.Success, (EapCode)bench.Last[0]);
        Assert.True(bench.Port.IsAuthorised);
    }

    [Fact]
    public void A_client_that_logs_off_is_unauthorised_and_forgotten()
    {
        var bench = new Bench();
        bench.Authenticate();
        Assert.Equal(EapolVerdict.Taken, bench.Logoff());
        Assert.Equal($"{Bench.Alice} - Logoff", bench.Ports[^1]);
        Assert.Equal(0, bench.Table.Count);
        Assert.Equal(1, bench.Stats.AuthEapLogoffWhileAuthenticated);
        Assert.Equal(EapolVerdict.Dropped, bench.Logoff());
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.UnknownClient]);

        bench.Start();
        bench.Logoff();
        Assert.Equal(1, bench.Stats.AuthEapLogoffWhileAuthenticating);
        Assert.Equal(0, bench.Table.Count);
        Assert.Equal(2, bench.Ports.Count);
    }

    [Fact]
    public void A_logoff_is_not_obeyed_where_the_link_says_who_is_there()
    {
        var bench = new Bench(new AuthenticatorConfig { ObeyLogoff = false });
        bench.Authenticate();
        Assert.Equal(EapolVerdict.Dropped, bench.Logoff());
        Assert.True(bench.Port.IsAuthorised);
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.LogoffNotObeyed]);
    }

    [Fact]
    public void A_client_authenticates_again_without_losing_its_session()
    {
        var bench = new Bench();
        bench.Authenticate();
        var first = bench.Port.Exchange;
        Assert.True(bench.Table.Reauthenticate(Bench.Alice, bench.Now));
        Assert.True(bench.Port.IsAuthorised);
        Assert.Equal(1, bench.Stats.AuthReauthsWhileAuthenticated);
        bench.Authenticate(isStarted: true);
        Assert.NotEqual(first, bench.Port.Exchange);
        Assert.Equal([$"{Bench.Alice} + Authenticated", $"{Bench.Alice} + Reauthenticated"], bench.Ports);

        bench.Pass(2);
        Assert.Equal(EapolVerdict.Taken, bench.Start());
        Assert.Equal(1, bench.Stats.AuthEapStartsWhileAuthenticated);
        Assert.True(bench.Port.IsAuthorised);
        bench.Rounds();
        Assert.True(bench.Answer(EapOutcome.Reject));
        Assert.Equal($"{Bench.Alice} - Rejected", bench.Ports[^1]);
        Assert.Equal(0, bench.Table.AuthorisedCount);
        Assert.False(bench.Table.Reauthenticate(Bench.Alice, bench.Now));
        Assert.False(bench.Table.Reauthenticate(new MacAddress(0x0200_0000_0099), bench.Now));
    }

    [Fact]
    public void Disconnecting_tells_the_client_and_forgets_it()
    {
        var bench = new Bench();
        bench.Authenticate();
        Assert.True(bench.Table.Disconnect(Bench.Alice, UnauthorisedReason.Administrative, bench.Now));
        Assert.Equal(EapCode.Failure, (EapCode)bench.Last[0]);
        Assert.Equal($"{Bench.Alice} - Administrative", bench.Ports[^1]);
        Assert.Equal(0, bench.Table.Count);
        Assert.False(bench.Table.Disconnect(Bench.Alice, UnauthorisedReason.Administrative, bench.Now));

        bench.Pass(2);
        bench.Authenticate();
        var sent = bench.Sent.Count;
        Assert.True(bench.Table.Disconnect(Bench.Alice, UnauthorisedReason.LinkLost, bench.Now));
        Assert.Equal(sent, bench.Sent.Count);
    }

    [Fact]
    public void Forced_ports_ask_nobody()
    {
        var bench = new Bench(new AuthenticatorConfig { PortControl = PortControl.ForceAuthorised });
        bench.Start();
        Assert.Equal(EapCode.Success, (EapCode)bench.Last[0]);
        Assert.Equal([$"{Bench.Alice} + Forced"], bench.Ports);
        Assert.Equal(PaeState.ForceAuth, bench.Port.PaeState);
        Assert.Equal(EapolVerdict.Dropped, bench.Respond(bench.LastId, EapType.Identity, "alice"u8));
        Assert.Equal(EapolVerdict.Dropped, bench.Logoff());
        Assert.Equal(2, bench.Stats[AuthenticatorDrop.Forced]);

        bench.Table.SetPortControl(PortControl.ForceUnauthorised, bench.Now);
        Assert.Equal(EapCode.Failure, (EapCode)bench.Last[0]);
        Assert.Equal($"{Bench.Alice} - Forced", bench.Ports[^1]);
        Assert.Equal(PaeState.ForceUnauth, bench.Port.PaeState);
        var bob = new MacAddress(0x0200_0000_000B);
        Assert.Equal(EapolVerdict.Dropped, bench.Start(bob));
        Assert.Equal(EapCode.Failure, (EapCode)bench.LastTo(bob)[0]);
        Assert.Null(bench.Table.Find(bob));

        bench.Table.SetPortControl(PortControl.Auto, bench.Now);
        Assert.Equal(EapType.Identity, (EapType)bench.LastTo(Bench.Alice)[4]);
        bench.Authenticate(isStarted: true);
        bench.Table.SetPortControl(PortControl.Auto, bench.Now);
        Assert.True(bench.Port.IsAuthorised);
        Assert.DoesNotContain(bench.Asked, asked => asked.Client != Bench.Alice);
    }

    [Fact]
    public void Frames_that_are_others_business_are_handed_back()
    {
        var bench = new Bench();
        foreach (var type in new[] { EapolType.Key, EapolType.Mka, EapolType.AnnouncementGeneric, EapolType.AnnouncementSpecific, EapolType.AnnouncementRequest })
        {
            Assert.Equal(EapolVerdict.NotMine, bench.Frame(Bench.Alice, type, [1, 2, 3]));
        }

        Assert.Equal(0, bench.Table.Count);
    }

    [Theory]
    [InlineData(nameof(AuthenticatorConfig.ReAuthMax))]
    [InlineData(nameof(AuthenticatorConfig.Version))]
    [InlineData(nameof(AuthenticatorConfig.MaxUnanswered))]
    [InlineData(nameof(AuthenticatorConfig.RetransmitInitial))]
    public void A_value_out_of_its_range_is_named(string name)
    {
        var config = name switch
        {
            nameof(AuthenticatorConfig.ReAuthMax) => new AuthenticatorConfig { ReAuthMax = 0 },
            nameof(AuthenticatorConfig.Version) => new AuthenticatorConfig { Version = 4 },
            nameof(AuthenticatorConfig.MaxUnanswered) => new AuthenticatorConfig { MaxUnanswered = 0 },
            _ => new AuthenticatorConfig { RetransmitInitial = TimeSpan.FromSeconds(21) },
        };
        Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(() => new Bench(config)).ParamName);
    }
}
