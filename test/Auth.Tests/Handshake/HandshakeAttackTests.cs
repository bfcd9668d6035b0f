using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Auth.Tests.Protection;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Handshake;

/// <summary>Messages that were altered, cut off, forged, repeated or sent to the wrong side.</summary>
public sealed class HandshakeAttackTests(ITestOutputHelper output)
{
    private const LinkCiphers Both = LinkCiphers.ProofOnly | LinkCiphers.GcmAes128;

    /// <summary>KRACK (CVE-2017-13077).</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void Message_3_a_thousand_times_changes_nothing()
    {
        var pair = new HandshakePair();
        var messages = pair.Complete();
        var underWay = Channels.Protect(pair.ApChannel, Channels.Frame(100));
        Assert.Equal(ProtectionDrop.None, Channels.Validate(pair.ClientChannel, underWay).Drop);
        Channels.Protect(pair.ClientChannel, Channels.Frame(100));
        var left = pair.ClientChannel.PacketNumbersLeft;
        for (var i = 0; i < 1000; i++)
        {
            Assert.Empty(pair.ToClient(messages[2], out var drop));
            Assert.Equal(HandshakeDrop.StaleCounter, drop);
        }

        Assert.Equal(left, pair.ClientChannel.PacketNumbersLeft);
        Assert.Equal(ProtectionDrop.Replayed, Channels.Validate(pair.ClientChannel, underWay).Drop);
        Assert.Equal(1, pair.Client.Rounds);
        pair.AssertEstablished();
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void An_access_point_that_repeats_message_3_is_answered_and_the_key_stays_as_it_is()
    {
        var pair = new HandshakePair();
        pair.ToClient(pair.ToAp(pair.ToClient(pair.Start())));
        Channels.Protect(pair.ClientChannel, Channels.Frame(100));
        Channels.Protect(pair.ClientChannel, Channels.Frame(100));
        var left = pair.ClientChannel.PacketNumbersLeft;
        byte[] fourth = [];
        for (var i = 0; i < 3; i++)
        {
            pair.Now = pair.Ap.NextDeadline;
            fourth = pair.ToClient(pair.AdvanceAp(), out var drop);
            Assert.Equal(HandshakeDrop.None, drop);
            Assert.NotEmpty(fourth);
        }

        Assert.Equal(left, pair.ClientChannel.PacketNumbersLeft);
        Assert.Equal(1, pair.Client.Rounds);
        pair.ToAp(fourth);
        pair.AssertEstablished();
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_flood_of_forged_first_messages_displaces_no_key_that_is_in_use()
    {
        var chance = Seed.Fresh(output);
        var pair = new HandshakePair();
        pair.Complete();
        for (var i = 0; i < 5_000; i++)
        {
            pair.ToClient(Forge(chance, chance.Chance(0.5) ? "ap1" : $"evil{i % 50}", chance.Chance(0.5) ? HandshakePair.Session : new SessionId(1, (ulong)i), ulong.MaxValue));
        }

        pair.AssertEstablished();

        // Nor do they keep new keys from being made.
        pair.Complete();
        pair.AssertEstablished();
        Assert.Equal(2, pair.Client.Rounds);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Forged_first_messages_between_the_true_ones_do_not_stop_the_first_handshake()
    {
        var chance = Seed.Fresh(output);
        var pair = new HandshakePair();
        pair.ToClient(Forge(chance, "evil", new SessionId(6, 6), 1));
        var second = pair.ToClient(pair.Start());
        for (var i = 0; i < 1_000; i++)
        {
            Assert.NotEmpty(pair.ToClient(Forge(chance, "ap1", HandshakePair.Session, (ulong)i)));
        }

        for (var i = 0; i < 3; i++)
        {
            Assert.NotEmpty(pair.ToClient(Forge(chance, "evil", new SessionId(7, (ulong)i), 1)));
        }

        pair.ToAp(pair.ToClient(pair.ToAp(second)));
        pair.AssertEstablished();
        Assert.Equal(HandshakePair.Session, pair.Keys.Session);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void An_offer_that_was_made_weaker_on_the_way_is_found_out()
    {
        var config = new HandshakeConfig { Ciphers = Both };
        var pair = new HandshakePair(atAccessPoint: config, atClient: config);
        var first = pair.Start();

        // The offer is the last octet of message 1, which nothing protects.
        Assert.Equal((byte)Both, first[^1]);
        first[^1] = (byte)LinkCiphers.ProofOnly;
        var third = pair.ToAp(pair.ToClient(first));
        Assert.NotEmpty(third);
        Assert.Empty(pair.ToClient(third, out var drop));
        Assert.Equal(HandshakeDrop.Contradiction, drop);
        Assert.Equal((HandshakeState.Failed, HandshakeFailure.Downgraded), (pair.Client.State, pair.Client.Failure));
        Assert.False(pair.Ap.IsProven);
        Assert.False(pair.ClientChannel.IsProtecting);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_protected_link_is_never_made_weaker_by_new_keys()
    {
        var config = new HandshakeConfig { Ciphers = Both };
        var pair = new HandshakePair(atAccessPoint: config, atClient: config);
        pair.Complete();
        Assert.Equal(LinkCiphers.GcmAes128, pair.Client.Cipher);
        var first = pair.Start();
        Assert.Equal((byte)LinkCiphers.GcmAes128, first[^1]);
        var altered = first.ToArray();
        altered[^1] = (byte)LinkCiphers.ProofOnly;
        Assert.Empty(pair.ToClient(altered, out var drop));
        Assert.Equal(HandshakeDrop.NoCommonCipher, drop);
        pair.ToAp(pair.ToClient(pair.ToAp(pair.ToClient(first))));
        pair.AssertEstablished();
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_client_that_chooses_what_was_not_offered_gets_nothing()
    {
        var pair = new HandshakePair(atClient: new HandshakeConfig { Ciphers = LinkCiphers.ProofOnly });
        var first = pair.Start();
        Assert.Empty(pair.ToClient(first, out var drop));
        Assert.Equal(HandshakeDrop.NoCommonCipher, drop);
        first[^1] = (byte)Both;
        Assert.Empty(pair.ToAp(pair.ToClient(first), out drop));
        Assert.Equal(HandshakeDrop.Contradiction, drop);
        Assert.Equal((HandshakeState.Failed, HandshakeFailure.NoCommonCipher, false), (pair.Ap.State, pair.Ap.Failure, pair.Ap.IsProven));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Messages_of_an_earlier_handshake_are_of_no_use_in_a_later_one()
    {
        var pair = new HandshakePair();
        var old = pair.Complete();
        var second = pair.ToClient(pair.Start());
        Assert.Empty(pair.ToAp(old[1], out var drop));
        Assert.Equal(HandshakeDrop.StaleCounter, drop);

        // What is answered to an old message 1 is made with an old nonce and a new one: nobody takes it.
        Assert.Empty(pair.ToAp(pair.ToClient(old[0]), out drop));
        Assert.Equal(HandshakeDrop.StaleCounter, drop);
        var third = pair.ToAp(second);
        Assert.Empty(pair.ToAp(second, out drop));
        Assert.Equal(HandshakeDrop.Unexpected, drop);
        Assert.Empty(pair.ToAp(old[3], out drop));
        Assert.Equal(HandshakeDrop.StaleCounter, drop);

        // A client that has begun anew does not take an old message 3 either: its nonce is another one.
        var fresh = new HandshakePair(99);
        fresh.ToClient(fresh.Start());
        Assert.Empty(fresh.ToClient(old[2], out drop));
        Assert.Equal(HandshakeDrop.BadMic, drop);

        pair.ToAp(pair.ToClient(third));
        pair.AssertEstablished();
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Messages_that_come_back_to_who_sent_them_are_dropped()
    {
        var pair = new HandshakePair();
        var first = pair.Start();
        Assert.Empty(pair.ToAp(first, out var drop));
        Assert.Equal(HandshakeDrop.Unexpected, drop);
        var second = pair.ToClient(first);
        Assert.Empty(pair.ToClient(second, out drop));
        Assert.Equal(HandshakeDrop.Unexpected, drop);
        var third = pair.ToAp(second);
        Assert.Empty(pair.ToAp(third, out drop));
        Assert.Equal(HandshakeDrop.Unexpected, drop);
        var fourth = pair.ToClient(third);
        Assert.Empty(pair.ToClient(fourth, out drop));
        Assert.Equal(HandshakeDrop.Unexpected, drop);
        pair.ToAp(fourth);
        pair.AssertEstablished();
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Whoever_asks_for_a_handshake_again_and_again_does_not_keep_it_from_ending()
    {
        var pair = new HandshakePair();
        var second = pair.ToClient(pair.Start());
        Assert.Empty(pair.Start());
        var third = pair.ToAp(second);
        Assert.Empty(pair.Start());
        pair.ToAp(pair.ToClient(third));
        pair.AssertEstablished();
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void No_altered_message_establishes_anything_and_the_true_one_still_does()
    {
        for (var which = 0; which < 4; which++)
        {
            var length = new HandshakePair().Complete()[which].Length;
            for (var bit = 0; bit < length * 8; bit += which == 0 ? 1 : 3)
            {
                var pair = new HandshakePair();
                var message = pair.Start();
                for (var i = 0; i < which; i++)
                {
                    message = i % 2 == 0 ? pair.ToClient(message) : pair.ToAp(message);
                }

                var altered = message.ToArray();
                altered[bit / 8] ^= (byte)(1 << (bit % 8));
                var toAp = which % 2 == 1;
                var answer = toAp ? pair.ToAp(altered) : pair.ToClient(altered);

                // Message 1 has no MIC: what is answered to an altered one does not get further than the access point.
                Assert.True(which == 0 || answer.Length == 0, $"message {which + 1} was taken with bit {bit} altered");
                Assert.Equal(which < 2 ? HandshakeState.Opening : HandshakeState.Proving, pair.Ap.State);
                Assert.Equal(which < 3 ? 0 : 1, pair.Client.Rounds);
                if (which == 0 && answer.Length > 0)
                {
                    answer = pair.ToAp(answer);
                    Assert.True(answer.Length == 0 || IsHarmless(bit), $"an altered message 1 got through: bit {bit}");
                    continue;
                }

                for (var i = which; i < 4; i++)
                {
                    message = i % 2 == 0 ? pair.ToClient(message) : pair.ToAp(message);
                }

                pair.AssertEstablished();
            }
        }
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Messages_cut_off_anywhere_are_dropped()
    {
        var pair = new HandshakePair();
        var message = pair.Start();
        for (var which = 0; which < 4; which++)
        {
            var toAp = which % 2 == 1;
            for (var length = 0; length < message.Length; length++)
            {
                Assert.Empty(toAp ? pair.ToAp(message.AsSpan(0, length), out var drop) : pair.ToClient(message.AsSpan(0, length), out drop));
                Assert.Equal(HandshakeDrop.Malformed, drop);
            }

            message = toAp ? pair.ToAp(message) : pair.ToClient(message);
        }

        pair.AssertEstablished();
        Assert.Equal(HandshakeCounters.ReasonCount, Enum.GetValues<HandshakeDrop>().Length);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Random_octets_in_any_state_are_dropped_with_a_reason()
    {
        var chance = Seed.Fresh(output);
        var pair = new HandshakePair();
        var message = pair.Start();
        for (var which = 0; which < 5; which++)
        {
            for (var i = 0; i < 2_000; i++)
            {
                var random = KeyJudge.Draw(chance, chance.NextInt(400));
                if (message.Length > 0 && chance.Chance(0.9))
                {
                    message.AsSpan(0, Math.Min(random.Length, chance.NextInt(message.Length))).CopyTo(random);
                    if (random.Length >= EapolKeyFrame.KeyDataOffset)
                    {
                        // Lengths that fit, so that the octets get behind the first checks.
                        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(random.AsSpan(2), (ushort)(random.Length - 4));
                        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(random.AsSpan(EapolKeyFrame.KeyDataOffset - 2), (ushort)(random.Length - EapolKeyFrame.KeyDataOffset));
                    }
                }

                Assert.Empty(pair.ToAp(random, out var drop));
                Assert.NotEqual(HandshakeDrop.None, drop);

                // Message 1 is not protected, so what resembles it may be answered; nothing comes of that.
                pair.ToClient(random);
                Assert.Equal(which < 3 ? 0 : 1, pair.Client.Rounds);
            }

            message = which % 2 == 0 ? pair.ToClient(message) : pair.ToAp(message);
        }

        pair.AssertEstablished();
    }

    // EAPOL version, key length, the Secure bit, receive counter and IV: nothing depends on them. Nor on ciphers that the client does not know, at the end of the offer: message 3 has the true one.
    private static bool IsHarmless(int bit)
    {
        var at = bit / 8;
        return at < 9 || at is >= 49 and < 97 || at >= 137;
    }

    private static byte[] Forge(SeededRandom chance, string node, SessionId session, ulong counter)
    {
        Span<byte> buffer = stackalloc byte[256];
        var data = new KeyDataWriter(buffer);
        Assert.True(HandshakeKde.TryAddIdentity(ref data, new NodeId(node), session, LinkCiphers.GcmAes128));
        var message = new byte[HandshakeFrame.MaxLength];
        var length = HandshakeFrame.Write(message, new EapolKeyFields
        {
            Information = HandshakeFrame.Message1,
            DescriptorVersion = HandshakeFrame.DescriptorVersion,
            KeyLength = LinkKeys.KeyLength,
            ReplayCounter = counter,
            Nonce = KeyJudge.Draw(chance, LinkKeys.NonceLength),
            KeyData = data.Written,
        }, null);
        return message[..length];
    }
}
