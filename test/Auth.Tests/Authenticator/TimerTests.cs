using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Core.Control;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>Retransmissions, timeouts and ends of sessions.</summary>
[Trait("Req", "A-23")]
public sealed class TimerTests
{
    [Fact]
    public void A_silent_client_is_asked_at_growing_distances_and_then_forgotten()
    {
        var bench = new Bench();
        var began = bench.Now;
        bench.Start();
        var times = new List<double>();
        while (bench.Table.Count > 0)
        {
            var before = bench.Sent.Count;
            bench.Now = bench.Table.NextDeadline;
            bench.Table.Advance(bench.Now);
            if (bench.Sent.Count > before)
            {
                times.Add(Math.Round((bench.Now - began).TotalSeconds));
            }
        }

        // 3, 6, 12 and at most 20 s (RFC 3748 section 4.3), five repetitions, then once more from the beginning with another identifier: reAuthMax is 2.
        Assert.Equal([3, 9, 21, 41, 61, 81, 84, 90, 102, 122, 142], times);
        Assert.Equal(162, Math.Round((bench.Now - began).TotalSeconds));
        Assert.Single(bench.Sent.Take(6).Select(sent => sent.Eap[1]).Distinct());
        Assert.NotEqual(bench.Sent[0].Eap[1], bench.Sent[6].Eap[1]);
        Assert.Equal(10, bench.Stats.Retransmissions);
        Assert.Equal(2, bench.Stats.AuthTimeoutsWhileAuthenticating);
        Assert.Empty(bench.Ports);
        Assert.Equal(Instant.Never, bench.Table.NextDeadline);
    }

    [Fact]
    public void A_request_is_repeated_as_it_was_and_its_late_response_taken_once()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        var request = Bench.Request(77, EapType.Tls, 1, 2, 3);
        Assert.True(bench.Answer(EapOutcome.Continue, request));
        bench.Pass(3.1);
        Assert.Equal(request, bench.Sent[^1].Eap);
        Assert.Equal(request, bench.Sent[^2].Eap);
        Assert.Equal(EapolVerdict.Taken, bench.Respond(77, EapType.Tls, [9]));
        Assert.Equal(EapolVerdict.Dropped, bench.Respond(77, EapType.Tls, [9]));
        Assert.Equal(2, bench.Asked.Count);
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.NotAwaited]);
    }

    [Fact]
    public void Round_trips_that_were_measured_set_the_time_of_a_repetition()
    {
        var bench = new Bench();
        bench.Start();
        bench.Pass(0.9);
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(50)));

        // 0.9 s and four times half of it: 2.7 s, instead of 3 s at first.
        var sent = bench.Sent.Count;
        bench.Pass(2.6);
        Assert.Equal(sent, bench.Sent.Count);
        bench.Pass(0.2);
        Assert.Equal(sent + 1, bench.Sent.Count);

        // What was sent twice measures nothing, and no estimate goes below the least.
        bench.Respond(50, EapType.Peap, [1]);
        for (byte id = 51; id < 90; id++)
        {
            Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(id)));
            bench.Respond(id, EapType.Peap, [1]);
        }

        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(90)));
        sent = bench.Sent.Count;
        bench.Pass(0.95);
        Assert.Equal(sent, bench.Sent.Count);
        bench.Pass(0.1);
        Assert.Equal(sent + 1, bench.Sent.Count);
    }

    [Fact]
    public void A_server_may_say_how_long_its_client_thinks()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(50), timeout: 15));
        var sent = bench.Sent.Count;
        bench.Pass(14.9);
        Assert.Equal(sent, bench.Sent.Count);
        bench.Pass(0.2);
        Assert.Equal(sent + 1, bench.Sent.Count);
    }

    [Fact]
    public void A_silent_server_is_given_its_time_and_then_the_authentication_begins_again()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        var exchange = bench.Port.Exchange;
        bench.Pass(29.9);
        Assert.Equal(BackendState.Response, bench.Port.BackendState);
        bench.Pass(0.2);
        Assert.Equal(EapType.Identity, (EapType)bench.Last[4]);
        Assert.Equal(1, bench.Stats.AuthTimeoutsWhileAuthenticating);

        // Its late answer is to an exchange that is over.
        Assert.False(bench.Answer(EapOutcome.Accept, exchange: exchange));
        bench.Identify();
        Assert.NotEqual(exchange, bench.Port.Exchange);
        Assert.False(bench.Answer(EapOutcome.Accept, exchange: exchange));
        Assert.Equal(2, bench.Stats[AuthenticatorDrop.AnswerExchange]);
        bench.Pass(31);
        Assert.Equal(0, bench.Table.Count);
    }

    [Fact]
    public void A_server_that_is_not_to_be_had_is_not_asked_in_haste()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Unavailable));
        Assert.False(bench.Answer(EapOutcome.Unavailable));
        var sent = bench.Sent.Count;
        bench.Pass(2.9);
        Assert.Equal(sent, bench.Sent.Count);
        bench.Pass(0.2);
        Assert.Equal(sent + 1, bench.Sent.Count);
        Assert.Empty(bench.Ports);
        bench.Authenticate(isStarted: true);
    }

    [Fact]
    public void A_session_ends_when_the_server_said()
    {
        var bench = new Bench();
        bench.Authenticate(timeout: 600);
        bench.Pass(599.9);
        Assert.True(bench.Port.IsAuthorised);
        bench.Pass(0.2);
        Assert.Equal($"{Bench.Alice} - SessionTimeout", bench.Ports[^1]);
        Assert.Equal(EapCode.Failure, (EapCode)bench.Last[0]);
        Assert.Equal(0, bench.Table.Count);
    }

    [Fact]
    public void A_session_is_renewed_when_the_server_said_so()
    {
        var bench = new Bench();
        bench.Authenticate(timeout: 600, again: true);
        bench.Pass(600.1);
        Assert.True(bench.Port.IsAuthorised);
        Assert.Equal(EapType.Identity, (EapType)bench.Last[4]);
        bench.Authenticate(isStarted: true, timeout: 600, again: true);
        Assert.Equal($"{Bench.Alice} + Reauthenticated", bench.Ports[^1]);
        bench.Pass(599);
        Assert.Equal(2, bench.Ports.Count);

        // And it ends if the client does not answer.
        bench.Pass(200);
        Assert.Equal($"{Bench.Alice} - ClientTimeout", bench.Ports[^1]);
        Assert.Equal(0, bench.Table.Count);
    }

    [Fact]
    public void A_client_that_only_ever_starts_does_not_prolong_its_session()
    {
        var bench = new Bench();
        bench.Authenticate(timeout: 600, again: true);
        bench.Pass(600.1);
        for (var i = 0; i < 17; i++)
        {
            bench.Start();
            Assert.True(bench.Port.IsAuthorised);
            bench.Pass(10);
        }

        bench.Start();
        bench.Pass(10);
        Assert.Equal($"{Bench.Alice} - SessionTimeout", bench.Ports[^1]);
    }

    [Fact]
    public void Starts_alone_do_not_end_a_session()
    {
        var bench = new Bench();
        bench.Authenticate();
        for (var i = 0; i < 50; i++)
        {
            bench.Start();
            bench.Pass(2);
        }

        Assert.True(bench.Port.IsAuthorised);
        Assert.Single(bench.Ports);
        bench.Authenticate(isStarted: true);
    }

    [Fact]
    public void Ports_authenticate_again_by_themselves_where_that_is_wanted()
    {
        var bench = new Bench(new AuthenticatorConfig { ReAuthEnabled = true });
        bench.Authenticate();
        Assert.Equal(bench.Now + TimeSpan.FromSeconds(3_600), bench.Port.SessionEnd);
        bench.Pass(3_600.1);
        Assert.True(bench.Port.IsAuthorised);
        Assert.Equal(1, bench.Stats.AuthReauthsWhileAuthenticated);

        bench = new Bench();
        bench.Authenticate();
        Assert.Equal(Instant.Never, bench.Port.SessionEnd);
        Assert.Equal(Instant.Never, bench.Table.NextDeadline);
    }

    [Fact]
    public void Starts_come_no_faster_than_the_pause_between_them()
    {
        var bench = new Bench();
        bench.Start();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(EapolVerdict.Dropped, bench.Start());
        }

        Assert.Single(bench.Sent);
        Assert.Equal(100, bench.Stats[AuthenticatorDrop.StartPause]);
        bench.Pass(1.1);
        Assert.Equal(EapolVerdict.Taken, bench.Start());
        Assert.Equal(2, bench.Sent.Count);
        Assert.NotEqual(bench.Sent[0].Eap[1], bench.Sent[1].Eap[1]);
        Assert.Equal(1, bench.Stats.AuthEapStartsWhileAuthenticating);
    }
}
