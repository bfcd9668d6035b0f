using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Auth.Tests.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Handshake;

/// <summary>The 4-way handshake between two sides that follow it, over links that lose, repeat and delay.</summary>
public sealed class HandshakeTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-24")]
    public void Four_messages_prove_both_sides_and_protect_the_link()
    {
        var pair = new HandshakePair();
        var messages = pair.Complete();
        pair.AssertEstablished();
        Assert.Equal(LinkCiphers.GcmAes128, pair.Ap.Cipher);
        Assert.Equal(LinkCiphers.GcmAes128, pair.Client.Cipher);
        Assert.Equal(new NodeId("ap1"), pair.Client.Node);
        Assert.Equal(HandshakePair.Session, pair.Keys.Session);
        Assert.All(messages, m => Assert.True(m.Length is > 0 and <= HandshakeFrame.MaxLength));
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void At_the_next_access_point_two_round_trips_do_and_no_authentication()
    {
        var first = new HandshakePair(1);
        first.Complete();
        var second = new HandshakePair(2, "ap2", first.Keys);
        second.Complete();
        second.AssertEstablished();
        Assert.Equal(new NodeId("ap2"), second.Client.Node);

        // The first link is as it was, and what is protected for one access point opens at no other.
        first.AssertTraffic();
        var frame = Channels.Protect(second.ClientChannel, Channels.Frame(100));
        Assert.Equal(ProtectionDrop.Forged, Channels.Validate(first.ApChannel, frame).Drop);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void An_access_point_with_the_key_of_another_gets_nowhere()
    {
        var pair = new HandshakePair(1, "ap2", keyOf: "ap1");
        Assert.Empty(pair.ToAp(pair.ToClient(pair.Start()), out var drop));
        Assert.Equal(HandshakeDrop.BadMic, drop);
        Assert.False(pair.Ap.IsProven);
        Assert.False(pair.ApChannel.IsProtecting);
        Assert.Equal(SessionId.None, pair.Keys.Session);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void A_longest_name_fits_and_a_session_that_is_known_is_the_only_one()
    {
        var name = new string('x', NodeId.MaxLength);
        var pair = new HandshakePair(1, name);
        pair.Complete();
        pair.AssertEstablished();
        var other = new HandshakePair(2, "ap2", pair.Keys, session: new SessionId(5, 5));
        Assert.Empty(other.ToClient(other.Start(), out var drop));
        Assert.Equal(HandshakeDrop.UnknownSession, drop);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void A_client_that_has_kept_its_session_needs_no_MSK()
    {
        Assert.True(SessionKey.TryDerive(HandshakePair.Msk, HandshakePair.Session, Channels.Client.Address, out var session));
        var pair = new HandshakePair(1, "ap7", SupplicantKeys.FromSession(session));
        pair.Complete();
        pair.AssertEstablished();
    }

    /// <summary>hostapd: four tries, 100 ms after the first, a second after each other.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void Who_is_not_answered_sends_again_four_times_in_all_and_then_gives_up()
    {
        foreach (var answered in new[] { false, true })
        {
            var pair = new HandshakePair();
            var begin = pair.Now;
            var counters = new List<ulong> { Counter(answered ? pair.ToAp(pair.ToClient(pair.Start())) : pair.Start()) };
            foreach (var milliseconds in new[] { 100, 1100, 2100 })
            {
                Assert.Equal(begin + TimeSpan.FromMilliseconds(milliseconds), pair.Ap.NextDeadline);
                pair.Now = pair.Ap.NextDeadline - TimeSpan.FromTicks(1);
                Assert.Empty(pair.AdvanceAp());
                pair.Now = pair.Ap.NextDeadline;
                counters.Add(Counter(pair.AdvanceAp()));
            }

            Assert.Equal(counters.Order().Distinct(), counters);
            pair.Now = begin + TimeSpan.FromMilliseconds(3100);
            Assert.Equal(pair.Now, pair.Ap.NextDeadline);
            Assert.Empty(pair.AdvanceAp());
            Assert.Equal((HandshakeState.Failed, HandshakeFailure.Timeout, Instant.Never), (pair.Ap.State, pair.Ap.Failure, pair.Ap.NextDeadline));
            Assert.False(pair.Ap.IsProven);

            // It may be tried again.
            pair.Complete();
            pair.AssertEstablished();
        }
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_client_that_nobody_turns_to_gives_up()
    {
        var pair = new HandshakePair();
        Assert.Equal(Instant.FromMilliseconds(11_000), pair.Client.NextDeadline);
        pair.Client.Advance(pair.Client.NextDeadline - TimeSpan.FromTicks(1));
        Assert.Equal(HandshakeState.Opening, pair.Client.State);
        pair.Client.Advance(pair.Client.NextDeadline);
        Assert.Equal((HandshakeState.Failed, HandshakeFailure.Timeout), (pair.Client.State, pair.Client.Failure));
        Assert.Empty(pair.ToClient(pair.Start()));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Over_links_that_lose_repeat_and_delay_both_sides_agree_or_the_access_point_gives_up()
    {
        var chance = Seed.Fresh(output);
        var established = 0;
        for (var run = 0; run < 400; run++)
        {
            var pair = new HandshakePair(chance.NextUInt64());
            var inFlight = new List<(bool ToAp, byte[] Pdu)>();
            void Send(bool toAp, byte[] pdu)
            {
                for (var copies = chance.NextInt(3); pdu.Length > 0 && copies > 0; copies--)
                {
                    inFlight.Add((toAp, pdu));
                }
            }

            Send(false, pair.Start());
            while (inFlight.Count > 0 || pair.Ap.State is HandshakeState.Opening or HandshakeState.Proving)
            {
                if (inFlight.Count == 0 || chance.Chance(0.2))
                {
                    pair.Now = pair.Ap.State is HandshakeState.Opening or HandshakeState.Proving ? pair.Ap.NextDeadline : pair.Now;
                    Send(false, pair.Ap.State is HandshakeState.Opening or HandshakeState.Proving ? pair.AdvanceAp() : []);
                    continue;
                }

                var index = chance.NextInt(inFlight.Count);
                var (toAp, pdu) = inFlight[index];
                inFlight.RemoveAt(index);
                Send(!toAp, toAp ? pair.ToAp(pdu) : pair.ToClient(pdu));
            }

            if (pair.Ap.State == HandshakeState.Established)
            {
                established++;
                pair.AssertEstablished();
            }
            else
            {
                Assert.Equal(HandshakeFailure.Timeout, pair.Ap.Failure);
                Assert.Equal(HandshakeFailure.None, pair.Client.Failure);
            }
        }

        output.WriteLine($"{established} of 400 established");
        Assert.InRange(established, 200, 400);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void New_keys_follow_old_ones_without_a_lost_frame()
    {
        var pair = new HandshakePair(macsec: new MacsecConfig { NewKeyFrom = 30 });
        pair.Complete();
        var keys = new HashSet<int>();
        for (var round = 2; round < 22; round++)
        {
            while (!pair.Ap.WantsNewKeys)
            {
                pair.AssertTraffic();
            }

            var first = pair.Start();
            pair.AssertTraffic();
            var second = pair.ToClient(first);
            pair.AssertTraffic();
            var third = pair.ToAp(second);
            pair.AssertTraffic();
            var fourth = pair.ToClient(third);
            pair.AssertTraffic();
            Assert.True(pair.Ap.IsProven);
            pair.ToAp(fourth);
            pair.AssertEstablished();
            Assert.False(pair.Ap.WantsNewKeys);
            Assert.Equal(round, pair.Client.Rounds);
            keys.Add(Channels.Protect(pair.ClientChannel, Channels.Frame(60))[14] & 3);
        }

        Assert.Equal(4, keys.Count);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Keys_are_made_anew_after_their_time_and_a_client_that_does_not_answer_is_proven_no_more()
    {
        var pair = new HandshakePair(atAccessPoint: new HandshakeConfig { NewKeysAfter = TimeSpan.FromHours(1) });
        pair.Complete();
        Assert.Equal(pair.Now + TimeSpan.FromHours(1), pair.Ap.NextDeadline);
        pair.Now = pair.Ap.NextDeadline;
        var first = pair.AdvanceAp();
        pair.ToAp(pair.ToClient(pair.ToAp(pair.ToClient(first))));
        pair.AssertEstablished();
        Assert.Equal(2, pair.Client.Rounds);

        pair.Now = pair.Ap.NextDeadline;
        Assert.NotEmpty(pair.AdvanceAp());
        while (pair.Ap.NextDeadline != Instant.Never)
        {
            Assert.True(pair.Ap.IsProven);
            pair.Now = pair.Ap.NextDeadline;
            pair.AdvanceAp();
        }

        Assert.False(pair.Ap.IsProven);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void An_access_point_that_has_forgotten_everything_gets_its_client_back_by_the_handshake_alone()
    {
        var pair = new HandshakePair();
        for (var i = 0; i < 6; i++)
        {
            pair.Complete();
            pair.Complete();
            pair.AssertEstablished();
            var lost = Channels.Protect(pair.ClientChannel, Channels.Frame(100));
            pair.RestartAp();
            Assert.Equal(ProtectionDrop.NoKey, Channels.Validate(pair.ApChannel, lost).Drop);
            pair.Complete();
            pair.AssertEstablished();
            Assert.NotEqual(ProtectionDrop.None, Channels.Validate(pair.ApChannel, lost).Drop);
            pair.RestartAp();
        }
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_handshake_that_was_given_up_halfway_does_not_block_the_next()
    {
        var pair = new HandshakePair();
        pair.Complete();
        for (var i = 0; i < 9; i++)
        {
            // The client has the new keys, the access point never hears so.
            pair.ToClient(pair.ToAp(pair.ToClient(pair.Start())));
            while (pair.Ap.NextDeadline != Instant.Never)
            {
                pair.Now = pair.Ap.NextDeadline;
                pair.AdvanceAp();
            }

            Assert.Equal(HandshakeState.Failed, pair.Ap.State);
            pair.Complete();
            pair.AssertEstablished();
        }
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void Where_something_else_protects_the_link_the_handshake_proves_the_client_and_no_more()
    {
        var proof = new HandshakeConfig { Ciphers = LinkCiphers.ProofOnly };
        var pair = new HandshakePair(atAccessPoint: proof, atClient: proof);
        pair.Complete();
        Assert.True(pair.Ap.IsProven);
        Assert.Equal((LinkCiphers.ProofOnly, LinkCiphers.ProofOnly), (pair.Ap.Cipher, pair.Client.Cipher));
        Assert.False(pair.ApChannel.IsProtecting);
        Assert.Throws<ArgumentException>(() => new HandshakeAuthenticator(pair.Key, Channels.AccessPoint, new HandshakeConfig(), span => span.Clear(), null));
        Assert.Throws<ArgumentException>(() => new HandshakeAuthenticator(pair.Key, Channels.Client, proof, span => span.Clear(), null));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Nonces_and_keys_are_new_each_time()
    {
        var pair = new HandshakePair();
        var nonces = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 20; i++)
        {
            var messages = pair.Complete();
            Assert.True(nonces.Add(Nonce(messages[0])));
            Assert.True(nonces.Add(Nonce(messages[1])));
            Assert.Equal(Nonce(messages[0]), Nonce(messages[2]));
        }
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Neither_side_says_its_keys()
    {
        var pair = new HandshakePair();
        pair.Complete();
        var text = $"{pair.Keys} {pair.Key} {new HandshakeConfig()}";
        foreach (var secret in new[] { HandshakePair.Msk, pair.Key.Bytes.ToArray() })
        {
            Assert.DoesNotContain(Convert.ToHexString(secret)[..8], text, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static ulong Counter(byte[] pdu) => EapolKeyFrame.TryParse(pdu, out var frame, out _) ? frame.ReplayCounter : 0;

    private static string Nonce(byte[] pdu) => EapolKeyFrame.TryParse(pdu, out var frame, out _) ? Convert.ToHexString(frame.Nonce) : string.Empty;
}
