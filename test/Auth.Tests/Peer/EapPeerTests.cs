using System.Buffers.Binary;
using System.Text;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Peer;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>The EAP peer with a server in the hands of the test.</summary>
[Trait("Req", "A-23")]
public sealed class EapPeerTests(ITestOutputHelper output)
{
    private readonly List<FakeTls> _engines = [];
    private byte _identifier = 10;

    private FakeTls Tls => _engines[^1];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-24")]
    public void EAP_TLS_ends_with_the_key_and_with_TLS_1_3_only_after_the_servers_protected_word(bool is13)
    {
        using var peer = Peer(EapType.Tls, is13);
        Assert.Equal("anonymous", Encoding.UTF8.GetString(Ask(peer, EapType.Identity, [])[5..]));
        Assert.Equal(101, Tell(peer, [0x20]).Length);
        Tell(peer, "\0h50"u8);
        Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Success));
        Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Failure, 1));
        Tell(peer, "\0f30"u8);
        if (is13)
        {
            Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Success));
            Assert.Single(Tell(peer, "\0d\0"u8));
            Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Failure));
        }

        Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Success, 1));
        Assert.Equal(EapPeerVerdict.Succeeded, Result(peer, EapCode.Success));
        var msk = new byte[SessionKey.MskLength];
        Assert.True(peer.TryTakeMsk(msk));
        Assert.Equal(is13 ? FakeTls.Export("EXPORTER_EAP_TLS_Key_Material", [13], 128)[..64] : FakeTls.Export("client EAP encryption", [], 128)[..64], msk);
        Assert.False(peer.TryTakeMsk(msk));
        Assert.True(Tls.Concluded);
        Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Failure));
        Assert.Equal(EapPeerDrop.AfterEnd, peer.LastDrop);
    }

    [Theory]
    [InlineData(false, TunnelMethod.Pap)]
    [InlineData(true, TunnelMethod.Pap)]
    [InlineData(false, TunnelMethod.MsChapV2)]
    [InlineData(true, TunnelMethod.MsChapV2)]
    public void EAP_TTLS_tells_the_password_only_to_a_server_that_is_known(bool is13, TunnelMethod method)
    {
        using var peer = Peer(EapType.Ttls, is13, method);
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        Assert.Equal(31, Tell(peer, "\0f30"u8).Length);
        Assert.Empty(Tls.Written);
        Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Success));
        Tell(peer, "\0"u8);
        var said = Assert.Single(Tls.Written);
        if (method == TunnelMethod.MsChapV2)
        {
            Assert.DoesNotContain("secret", Encoding.Latin1.GetString(said), StringComparison.Ordinal);
            var response = Judge.AuthenticatorResponse(said.AsSpan(28, 16), said.AsSpan(58, 16), "alice", "secret", said.AsSpan(82, 24));
            Tell(peer, [0, (byte)'d', 0, 0, 0, 26, 0xC0, 0, 0, 55, 0, 0, 1, 55, said[56], .. response]);
            Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Failure));
        }

        Assert.Equal(EapPeerVerdict.Succeeded, Result(peer, EapCode.Success));
        var msk = new byte[SessionKey.MskLength];
        Assert.True(peer.TryTakeMsk(msk));
        Assert.Equal(is13 ? FakeTls.Export("EXPORTER_EAP_TLS_Key_Material", [21], 128)[..64] : FakeTls.Export("ttls keying material", [], 128)[..64], msk);
    }

    [Fact]
    public void A_server_that_says_yes_without_the_proof_of_MS_CHAP_V2_is_not_believed()
    {
        using var peer = Peer(EapType.Ttls, false, TunnelMethod.MsChapV2);
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        Tell(peer, "\0f"u8);
        Assert.Single(Tls.Written);
        Assert.Equal(EapPeerVerdict.Failed, Result(peer, EapCode.Success));
        Assert.Equal(EapPeerFailure.TooEarly, peer.Failure);
        Assert.False(peer.TryTakeMsk(new byte[64]));
        Assert.False(Tls.Concluded);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_resumed_tunnel_needs_no_password_unless_the_server_goes_on(bool goesOn)
    {
        using var peer = Peer(EapType.Ttls, true, TunnelMethod.Pap, resumed: true);
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        Tell(peer, "\0f30"u8);
        if (goesOn)
        {
            Tell(peer, "\0"u8);
            Assert.Single(Tls.Written);
        }
        else
        {
            Tell(peer, "\0d\0"u8);
            Assert.Empty(Tls.Written);
        }

        Assert.Equal(EapPeerVerdict.Succeeded, Result(peer, EapCode.Success));
        Assert.True(peer.IsResumed);
    }

    [Fact]
    public void A_stranger_is_told_by_an_alert_and_nothing_else()
    {
        using var peer = Peer(EapType.Ttls);
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        Assert.Equal(8, Tell(peer, "\0x"u8).Length);
        Assert.Single(Tell(peer, "\0f"u8));
        Assert.Empty(Tls.Written);
        Assert.Equal(EapPeerVerdict.Failed, Result(peer, EapCode.Success));
        Assert.Equal((EapPeerFailure.ServerNotTrusted, "a stranger"), (peer.Failure, peer.Detail));
    }

    [Fact]
    public void A_server_that_says_no_in_the_middle_is_believed_and_one_that_says_yes_is_not()
    {
        using var peer = Peer(EapType.Tls);
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        Assert.Equal(EapPeerVerdict.Dropped, Result(peer, EapCode.Success));
        Assert.Equal(EapPeerVerdict.Failed, Result(peer, EapCode.Failure));
        Assert.Equal(EapPeerFailure.Rejected, peer.Failure);
    }

    [Fact]
    public void Other_methods_are_declined_and_nothing_of_the_user_is_said()
    {
        using var peer = Peer(EapType.Tls);
        Ask(peer, EapType.Identity, []);
        Assert.Equal("03-0D", BitConverter.ToString(Ask(peer, EapType.Md5Challenge, [16, .. new byte[16]])[4..]));
        Assert.Equal("03-0D", BitConverter.ToString(Ask(peer, EapType.Peap, [0x20])[4..]));
        Assert.Equal("FE-00-00-00-00-00-00-03-FE-00-00-00-00-00-00-0D", BitConverter.ToString(Send(peer, [1, ++_identifier, 0, 12, 254, 0, 0, 9, 0, 0, 0, 1])[4..]));
        Assert.Equal(EapPeerVerdict.Failed, Result(peer, EapCode.Failure));
        Assert.Equal(EapPeerFailure.NoCommonMethod, peer.Failure);
        Assert.Empty(_engines);
    }

    [Fact]
    public void A_request_that_comes_again_is_answered_as_before_and_changes_nothing()
    {
        using var peer = Peer(EapType.Tls);
        Ask(peer, EapType.Identity, []);
        byte[][] requests = [Request(EapType.Tls, [0x20]), Request(EapType.Tls, "\0h3000"u8), Request(EapType.Tls, [0]), Request(EapType.Tls, [0])];
        foreach (var request in requests)
        {
            var first = Send(peer, request);
            var heard = Tls.Received.Count;
            for (var i = 0; i < 3; i++)
            {
                Assert.Equal(first, Send(peer, request));
            }

            Assert.Equal(heard, Tls.Received.Count);

            // The same identifier with other octets is no request of this conversation.
            Assert.Equal(EapPeerVerdict.Dropped, peer.Receive([.. request[..3], (byte)(request[3] + 1), .. request[4..], 1]));
            Assert.Equal(first, peer.Response.ToArray());
        }

        Assert.Equal((5, 12), (peer.Counters.Requests, peer.Counters.Repeated));
        Assert.Empty(Ask(peer, EapType.Notification, "a word"u8)[5..]);
    }

    [Fact]
    public void A_long_answer_goes_out_in_fragments_each_acknowledged()
    {
        using var peer = Peer(EapType.Tls, fragment: 1_000);
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        var first = Tell(peer, "\0h2500"u8);
        Assert.Equal((0xC0, 2_500, 1_005), (first[0], BinaryPrimitives.ReadInt32BigEndian(first.AsSpan(1)), first.Length));

        // Data instead of an acknowledgement, or one that says more.
        Assert.Equal(EapPeerVerdict.Dropped, peer.Receive(Request(EapType.Tls, "\0h1"u8)));
        Assert.Equal(EapPeerDrop.NoAcknowledgement, peer.LastDrop);
        Assert.Equal(EapPeerVerdict.Dropped, peer.Receive(Request(EapType.Tls, [0x40])));
        Assert.Equal(EapPeerVerdict.Dropped, peer.Receive(Request(EapType.Tls, [0x20])));
        var second = Tell(peer, [0]);
        Assert.Equal((0x40, 1_001), (second[0], second.Length));
        var third = Tell(peer, [0]);
        Assert.Equal((0, 501), (third[0], third.Length));
        Assert.Equal(Enumerable.Range(0, 2_500).Select(i => (byte)i), [.. first[5..], .. second[1..], .. third[1..]]);
    }

    [Fact]
    public void Fragments_of_the_server_are_acknowledged_and_read_once_whole()
    {
        using var peer = Peer(EapType.Tls);
        Ask(peer, EapType.Identity, []);
        Assert.Equal(EapPeerVerdict.Dropped, peer.Receive(Request(EapType.Tls, "\0h1"u8)));
        Assert.Equal(EapPeerDrop.NoStart, peer.LastDrop);
        Tell(peer, [0x20]);
        Assert.Equal([0], Tell(peer, [0xC0, 0, 0, 0, 3, (byte)'h']));
        Assert.Equal([0], Tell(peer, [0x40, (byte)'1']));
        Assert.Empty(Tls.Received);
        Assert.Equal(16, Tell(peer, [0, (byte)'5']).Length);
        Assert.Equal("h15"u8.ToArray(), Assert.Single(Tls.Received));
    }

    [Fact]
    public void Whatever_an_attacker_sends_between_the_true_packets_the_authentication_ends_well_or_not_at_all()
    {
        var chance = Seed.Fresh(output);
        for (var run = 0; run < 500; run++)
        {
            using var peer = Peer(EapType.Tls);
            byte[][] script = [Request(EapType.Identity, []), Request(EapType.Tls, [0x20]), Request(EapType.Tls, "\0h1500"u8), Request(EapType.Tls, [0]), Request(EapType.Tls, "\0f"u8)];
            foreach (var packet in script)
            {
                for (var k = 0; k < 5; k++)
                {
                    var noise = packet.ToArray();
                    switch (chance.NextInt(4))
                    {
                        case 0:
                            noise = noise[..chance.NextInt(noise.Length)];
                            break;
                        case 1:
                            noise[0] = (byte)(2 + chance.NextInt(3));
                            noise = noise[..4];
                            noise[2] = 0;
                            noise[3] = 4;
                            noise[1] ^= 0x80;
                            break;
                        case 2:
                            noise[0] = (byte)chance.NextInt(256);
                            noise[2] = 200;
                            break;
                        default:
                            noise = [1, (byte)chance.NextInt(256)];
                            break;
                    }

                    Assert.NotEqual(EapPeerVerdict.Succeeded, peer.Receive(noise));
                    Assert.Equal(EapPeerFailure.None, peer.Failure);
                }

                Assert.Equal(EapPeerVerdict.Respond, peer.Receive(packet));
            }

            Assert.Equal(EapPeerVerdict.Succeeded, Result(peer, EapCode.Success));
        }
    }

    [Fact]
    public void Random_packets_never_succeed_and_never_throw()
    {
        var chance = Seed.Fresh(output);
        using var peer = Peer(EapType.Ttls);
        for (var i = 0; i < 100_000; i++)
        {
            var packet = new byte[chance.NextInt(60)];
            for (var k = 0; k < packet.Length; k++)
            {
                packet[k] = (byte)chance.NextInt(256);
            }

            if (packet.Length > 6)
            {
                (packet[0], packet[2], packet[3], packet[4]) = ((byte)chance.NextInt(5), 0, (byte)packet.Length, chance.NextInt(2) == 0 ? (byte)21 : packet[4]);
            }

            Assert.NotEqual(EapPeerVerdict.Succeeded, peer.Receive(packet));
            if (i % 50 == 0)
            {
                peer.Restart();
            }
        }
    }

    [Fact]
    public void An_authentication_has_an_end_even_if_the_server_knows_none()
    {
        using var peer = Peer(EapType.Tls);
        for (var i = 0; i < 100; i++)
        {
            Ask(peer, EapType.Notification, []);
        }

        Assert.Equal(EapPeerVerdict.Dropped, peer.Receive(Request(EapType.Identity, [])));
        Assert.Equal(EapPeerDrop.TooManyRounds, peer.LastDrop);
        peer.Restart();
        Ask(peer, EapType.Identity, []);
        Tell(peer, [0x20]);
        var engine = Tls;
        peer.Restart();
        Assert.True(engine.IsDisposed);
    }

    private EapPeer Peer(EapType type, bool is13 = false, TunnelMethod method = TunnelMethod.Pap, bool resumed = false, int fragment = 1_398) => new(
        new EapPeerConfig
        {
            Method = type, Identity = "anonymous", FragmentSize = fragment, Tunnel = type == EapType.Ttls ? new TunnelCredentials(method, "alice", "secret"u8) : null,
        },
        () =>
        {
            _engines.Add(new FakeTls { IsTls13 = is13, IsResumed = resumed });
            return Tls;
        },
        FakeTls.Random);

    private byte[] Request(EapType type, ReadOnlySpan<byte> data)
    {
        var packet = new byte[5 + data.Length];
        Assert.True(EapPacket.TryWrite(packet, EapCode.Request, ++_identifier, type, data, out _));
        return packet;
    }

    private byte[] Ask(EapPeer peer, EapType type, ReadOnlySpan<byte> data) => Send(peer, Request(type, data));

    private static byte[] Send(EapPeer peer, byte[] request)
    {
        Assert.Equal(EapPeerVerdict.Respond, peer.Receive(request));
        Assert.True(EapPacket.TryParse(peer.Response, out var response));
        Assert.Equal((EapCode.Response, request[1]), (response.Code, response.Identifier));
        return response.Octets.ToArray();
    }

    // A request of the method that runs; the data of the response, from the flags on.
    private byte[] Tell(EapPeer peer, ReadOnlySpan<byte> data)
    {
        return Send(peer, Request(peer.Config.Method, data))[5..];
    }

    private EapPeerVerdict Result(EapPeer peer, EapCode code, int other = 0)
    {
        var packet = new byte[4];
        var last = (byte)(peer.Response[1] + other);
        if (code == EapCode.Success)
        {
            EapPacket.WriteSuccess(packet, last);
        }
        else
        {
            EapPacket.WriteFailure(packet, last);
        }

        return peer.Receive(packet);
    }
}
