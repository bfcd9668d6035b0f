using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>What clients and servers say that they should not: truncated, repeated, forged, replayed.</summary>
[Trait("Req", "A-23")]
public sealed class HostileInputTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1, AuthenticatorDrop.EapCode)]
    [InlineData(3, AuthenticatorDrop.EapCode)]
    [InlineData(4, AuthenticatorDrop.EapCode)]
    [InlineData(5, AuthenticatorDrop.InvalidEap)]
    [InlineData(0, AuthenticatorDrop.InvalidEap)]
    public void A_client_cannot_say_what_only_an_authenticator_says(byte code, AuthenticatorDrop reason)
    {
        var bench = new Bench();
        bench.Start();
        for (var id = 0; id < 256; id++)
        {
            byte[] eap = code is 3 or 4 ? [code, (byte)id, 0, 4] : [code, (byte)id, 0, 6, 1, 65];
            Assert.Equal(EapolVerdict.Dropped, bench.Frame(Bench.Alice, EapolType.Packet, eap));
        }

        Assert.Equal(256, bench.Stats[reason]);
        Assert.Empty(bench.Asked);
        Assert.Empty(bench.Ports);
        bench.Authenticate(isStarted: true);
    }

    [Fact]
    public void Only_the_identifier_that_is_out_is_answered_with_and_only_once()
    {
        var bench = new Bench();
        bench.Start();
        var right = bench.LastId;
        for (var id = 0; id < 256; id++)
        {
            if (id != right)
            {
                Assert.Equal(EapolVerdict.Dropped, bench.Respond((byte)id, EapType.Identity, "mallory"u8));
            }
        }

        Assert.Equal(255, bench.Stats[AuthenticatorDrop.Identifier]);
        Assert.Equal(EapolVerdict.Taken, bench.Respond(right, EapType.Identity, "alice"u8));
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(EapolVerdict.Dropped, bench.Respond(right, EapType.Identity, "mallory"u8));
        }

        Assert.Equal(100, bench.Stats[AuthenticatorDrop.NotAwaited]);
        Assert.Equal("alice", Assert.Single(bench.Asked).Identity);
    }

    [Fact]
    public void An_identity_request_is_answered_with_an_identity_and_nothing_else()
    {
        var bench = new Bench();
        bench.Start();
        Assert.Equal(EapolVerdict.Dropped, bench.Respond(bench.LastId, EapType.Nak, [25]));
        Assert.Equal(EapolVerdict.Dropped, bench.Respond(bench.LastId, EapType.Peap, [1]));
        Assert.Equal(2, bench.Stats[AuthenticatorDrop.NotIdentity]);
        Assert.Equal(EapolVerdict.Dropped, bench.Respond(bench.LastId, EapType.Identity, new byte[254]));
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.IdentityLength]);
        Assert.Equal(EapolVerdict.Taken, bench.Respond(bench.LastId, EapType.Identity, new byte[253]));
    }

    [Fact]
    public void A_response_longer_than_what_is_passed_on_is_dropped()
    {
        var bench = new Bench(new AuthenticatorConfig { MaxEapToServer = 1_100 });
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(9)));
        Assert.Equal(EapolVerdict.Dropped, bench.Respond(9, EapType.Peap, new byte[1_096]));
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.TooLong]);
        Assert.Equal(EapolVerdict.Taken, bench.Respond(9, EapType.Peap, new byte[1_095]));
        Assert.Equal(1_100, bench.Asked[^1].Eap.Length);
    }

    [Fact]
    public void A_Nak_goes_to_the_server_for_it_has_the_choice()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(9, EapType.Tls)));
        Assert.Equal(EapolVerdict.Taken, bench.Respond(9, EapType.Nak, [25]));
        Assert.Equal(new byte[] { 2, 9, 0, 6, 3, 25 }, bench.Asked[^1].Eap);
    }

    [Theory]
    [InlineData("0109000504")]
    [InlineData("0109000505")]
    [InlineData("0109000506")]
    [InlineData("0109000CFE00000000000004")]
    [InlineData("0109000CFE00000000000006")]
    public void A_method_without_a_key_is_refused_on_a_keyed_port_and_passed_on_elsewhere(string hex)
    {
        var request = Convert.FromHexString(hex);
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, request));
        Assert.Equal(EapCode.Failure, (EapCode)bench.Last[0]);
        Assert.Equal([$"{Bench.Alice} - MethodWithoutKey"], bench.Ports);
        Assert.Equal(1, bench.Stats.MethodsWithoutKey);
        Assert.False(bench.Answer(EapOutcome.Accept));

        bench = new Bench(new AuthenticatorConfig { KeyedPort = false });
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, request));
        Assert.Equal(request, bench.Last);
    }

    [Fact]
    public void An_acceptance_without_a_method_is_refused_on_a_keyed_port()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Accept));
        Assert.Equal([$"{Bench.Alice} - MethodWithoutKey"], bench.Ports);
        Assert.Equal(EapCode.Failure, (EapCode)bench.Last[0]);

        bench = new Bench(new AuthenticatorConfig { KeyedPort = false });
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Accept));
        Assert.True(bench.Port.IsAuthorised);
    }

    [Theory]
    [InlineData("")]
    [InlineData("01")]
    [InlineData("0209000519")]
    [InlineData("03090004")]
    [InlineData("04090004")]
    [InlineData("0109000A19")]
    [InlineData("01090004")]
    public void A_server_that_says_nothing_of_use_ends_the_authentication(string hex)
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Convert.FromHexString(hex)));
        Assert.Equal([$"{Bench.Alice} - ServerFault"], bench.Ports);
        Assert.Equal(1, bench.Stats.ServerFaults);
    }

    [Fact]
    public void A_request_that_does_not_fit_the_link_is_never_sent()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(9, EapType.Peap, new byte[1_491])));
        Assert.Equal(1_496, bench.Last.Length);
        bench.Respond(9, EapType.Peap, [1]);
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(10, EapType.Peap, new byte[1_492])));
        Assert.Equal(1, bench.Stats.ServerFaults);
        Assert.Equal(4, bench.Last.Length);
    }

    [Fact]
    public void A_server_that_never_ends_is_taken_for_one_that_rejects()
    {
        var bench = new Bench();
        bench.Start();
        bench.Identify();
        var rounds = 0;
        for (byte id = 1; bench.Port.PaeState == PaeState.Authenticating; id++, rounds++)
        {
            Assert.True(rounds < 1_000);
            Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(id)));
            bench.Respond(id, EapType.Peap, [1]);
        }

        Assert.Equal(100, rounds);
        Assert.Equal(1, bench.Stats.TooManyRounds);
    }

    [Fact]
    public void Answers_of_the_server_are_taken_once_and_for_their_own_exchange()
    {
        var bench = new Bench();
        Assert.False(bench.Answer(EapOutcome.Accept, exchange: 1));
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.AnswerUnknownClient]);
        bench.Start();
        Assert.False(bench.Answer(EapOutcome.Accept, exchange: 0));
        bench.Identify();
        var exchange = bench.Port.Exchange;
        foreach (var wrong in new[] { 0ul, exchange - 1, exchange + 1, ulong.MaxValue })
        {
            foreach (var outcome in Enum.GetValues<EapOutcome>())
            {
                Assert.False(bench.Answer(outcome, Bench.Request(9), wrong));
            }
        }

        Assert.Equal(17, bench.Stats[AuthenticatorDrop.AnswerExchange]);
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(9)));
        Assert.False(bench.Answer(EapOutcome.Continue, Bench.Request(9)));
        Assert.False(bench.Answer(EapOutcome.Accept));
        Assert.Equal(2, bench.Stats[AuthenticatorDrop.AnswerNotAwaited]);
        bench.Respond(9, EapType.Peap, [1]);

        // The answer of the round before, once more and late.
        Assert.False(bench.Answer(EapOutcome.Continue, Bench.Request(9)));
        Assert.Equal(1, bench.Stats[AuthenticatorDrop.AnswerRepeated]);
        Assert.True(bench.Answer(EapOutcome.Accept));
        Assert.False(bench.Answer(EapOutcome.Reject));
        Assert.False(bench.Answer(EapOutcome.Accept));
        Assert.True(bench.Port.IsAuthorised);
        Assert.Single(bench.Ports);
    }

    [Fact]
    public void Frames_from_group_addresses_and_from_none_make_no_port()
    {
        var bench = new Bench();
        foreach (var client in new[] { MacAddress.None, MacAddress.Broadcast, EapolFrame.GroupAddress })
        {
            Assert.Equal(EapolVerdict.Dropped, bench.Start(client));
        }

        Assert.Equal(3, bench.Stats[AuthenticatorDrop.SourceAddress]);
        Assert.Equal(0, bench.Table.Count);
        Assert.Empty(bench.Sent);
    }

    [Fact]
    public void Every_frame_of_an_authentication_cut_off_anywhere_does_nothing()
    {
        // Three clients in three states hear every beginning of every frame; then they go on as if nothing had been.
        var bench = new Bench();
        byte[][] frames =
        [
            [1, 0, 0, 10, 2, 1, 0, 10, 1, 97, 108, 105, 99, 101],
            [1, 0, 0, 7, 2, 1, 0, 7, 25, 1, 2],
            [1, 0, 0, 14, 2, 1, 0, 14, 254, 0, 55, 42, 0, 0, 0, 1, 5, 6],
        ];
        bench.Start();
        bench.Rounds();
        foreach (var frame in frames)
        {
            for (var length = 0; length < frame.Length; length++)
            {
                Assert.Equal(EapolVerdict.Dropped, bench.Table.OnEapol(Bench.Alice, frame.AsSpan(0, length), bench.Now));

                // And with the EAPOL length made to fit what is left.
                if (length >= 4)
                {
                    var cut = frame[..length];
                    cut[3] = (byte)(length - 4);
                    Assert.Equal(EapolVerdict.Dropped, bench.Table.OnEapol(Bench.Alice, cut, bench.Now));
                }
            }
        }

        var stats = bench.Stats;
        Assert.Equal(frames.Length * 4, stats[AuthenticatorDrop.InvalidEapol]);
        Assert.Equal(frames.Sum(frame => frame.Length - 4), stats[AuthenticatorDrop.EapolLength]);
        Assert.Equal(stats[AuthenticatorDrop.EapolLength], stats.EapLengthErrorFramesRx);
        Assert.Equal(frames.Sum(frame => frame.Length - 4), stats[AuthenticatorDrop.InvalidEap]);
        Assert.True(bench.Answer(EapOutcome.Accept));
    }

    [Fact]
    public void Unknown_types_are_counted_as_the_MIB_has_it()
    {
        var bench = new Bench();
        for (var type = 0; type < 256; type++)
        {
            if (type is 4 or > 8)
            {
                Assert.Equal(EapolVerdict.Dropped, bench.Frame(Bench.Alice, (EapolType)type, [1, 2, 3]));
            }
        }

        Assert.Equal(248, bench.Stats.InvalidEapolFramesRx);
        Assert.Equal(248, bench.Stats[AuthenticatorDrop.EapolType]);
        Assert.Equal(0, bench.Table.Count);
    }

    [Fact]
    public void A_recorded_authentication_played_back_authorises_nobody()
    {
        var bench = new Bench();
        bench.Start();
        var recorded = new List<byte[]>();
        bench.Rounds();
        recorded.AddRange(bench.Asked.Select(asked => asked.Eap));
        Assert.True(bench.Answer(EapOutcome.Accept));
        bench.Logoff();
        var asked = bench.Asked.Count;
        var authorised = bench.Ports.Count;
        for (var time = 0; time < 100; time++)
        {
            bench.Pass(700);
            bench.Start();
            foreach (var eap in recorded)
            {
                bench.Frame(Bench.Alice, EapolType.Packet, eap);
            }
        }

        // Once in 256 times the identifier fits; the server then begins an exchange of its own, with which nothing recorded has to do.
        Assert.InRange(bench.Asked.Count - asked, 0, 10);
        Assert.Equal(authorised, bench.Ports.Count);
        Assert.Equal(0, bench.Table.AuthorisedCount);
    }

    [Fact]
    public void Random_frames_and_answers_leave_a_table_that_still_authenticates()
    {
        var random = Seed.Fresh(output);
        var bench = new Bench(new AuthenticatorConfig { MaxUnanswered = 8, MaxExchanges = 8, MaxHeld = 4, MaxAuthorised = 16, QuietPeriod = TimeSpan.FromSeconds(5) });
        var clients = Enumerable.Range(1, 40).Select(number => new MacAddress(0x0200_0000_0000ul + (uint)number)).ToArray();
        var buffer = new byte[64];
        for (var round = 0; round < 60_000; round++)
        {
            var client = clients[random.NextInt(clients.Length)];
            switch (random.NextInt(12))
            {
                case 0:
                    bench.Start(client);
                    break;
                case 1 when random.Chance(0.2):
                    bench.Logoff(client);
                    break;
                case 2:
                    bench.Table.Disconnect(client, (UnauthorisedReason)random.NextInt(8), bench.Now);
                    break;
                case 3:
                    bench.Table.Reauthenticate(client, bench.Now);
                    break;
                case 4:
                    bench.Pass(random.NextDouble() * random.NextDouble() * 20);
                    break;
                case 5 when random.Chance(0.01):
                    bench.Table.SetPortControl((PortControl)random.NextInt(3), bench.Now);
                    bench.Table.SetPortControl(PortControl.Auto, bench.Now);
                    break;
                case 6 or 7:
                    var eap = Bench.Request((byte)random.NextInt(256), random.Chance(0.1) ? EapType.Md5Challenge : EapType.Peap);
                    bench.Answer((EapOutcome)random.NextInt(5), random.Chance(0.1) ? eap.AsSpan(0, random.NextInt(6)) : eap, bench.Table.Find(client)?.Exchange ?? 7, (uint)random.NextInt(30), random.Chance(0.5), client);
                    break;
                case 8 or 9 when bench.Sent.Exists(sent => sent.Client == client):
                    bench.Respond(bench.LastTo(client)[1], random.Chance(0.5) ? EapType.Identity : EapType.Peap, [65], client);
                    break;
                default:
                    for (var i = 0; i < buffer.Length; i++)
                    {
                        buffer[i] = (byte)random.NextInt(i is 1 or 2 or 4 or 6 ? 4 : i is 3 or 7 ? 64 : 256);
                    }

                    bench.Table.OnEapol(client, buffer.AsSpan(0, random.NextInt(buffer.Length)), bench.Now);
                    break;
            }

            Assert.True(bench.Table.UnansweredCount <= 8 && bench.Table.ExchangeCount <= 8 && bench.Table.HeldCount <= 4 && bench.Table.AuthorisedCount <= 16);
            Assert.Equal(bench.Table.Count, bench.Table.UnansweredCount + bench.Table.ExchangeCount + bench.Table.HeldCount + bench.Table.AuthorisedCount);
            if (bench.Sent.Count > 1_000)
            {
                bench.Sent.RemoveRange(0, 900);
            }
        }

        foreach (var client in clients)
        {
            bench.Table.Disconnect(client, UnauthorisedReason.LinkLost, bench.Now);
        }

        Assert.Equal(0, bench.Table.Count);
        bench.Pass(5);
        bench.Authenticate();
    }
}
