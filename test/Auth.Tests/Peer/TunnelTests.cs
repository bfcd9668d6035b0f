using System.Globalization;
using System.Text;
using Masquerade.Auth.Peer;
using Masquerade.Auth.Peer.Tunnel;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>What is said inside an EAP-TTLS tunnel, and what it is computed with.</summary>
[Trait("Req", "A-23")]
public sealed class TunnelTests(ITestOutputHelper output)
{
    private static readonly byte[] AuthenticatorChallenge = Convert.FromHexString("5B5D7C7D7B3F2F3E3C2C602132262628");
    private static readonly byte[] PeerChallenge = Convert.FromHexString("21402324255E262A28295F2B3A337C7E");

    /// <summary>RFC 1320 appendix A.5.</summary>
    [Theory]
    [InlineData("", "31d6cfe0d16ae931b73c59d7e0c089c0")]
    [InlineData("a", "bde52cb31de33e46245e05fbdbd6fb24")]
    [InlineData("abc", "a448017aaf21d8525fc10ae87aa6729d")]
    [InlineData("message digest", "d9130a8164549fe818874806e1c7014b")]
    [InlineData("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9")]
    [InlineData("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345678901234567890", "e33b4ddc9c38f2199c3e7b164fcc0536")]
    public void MD4_of_the_standard(string text, string expected)
    {
        var hash = new byte[Md4.Length];
        Md4.Hash(Encoding.ASCII.GetBytes(text), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    /// <summary>NIST SP 500-20 tables A (initial permutation) and others, and keys that are weak, which a part of a password's hash may be.</summary>
    [Theory]
    [InlineData("133457799BBCDFF1", "0123456789ABCDEF", "85E813540F0AB405")]
    [InlineData("0101010101010101", "95F8A5E5DD31D900", "8000000000000000")]
    [InlineData("0101010101010101", "DD7F121CA5015619", "4000000000000000")]
    [InlineData("7CA110454A1A6E57", "01A1D6D039776742", "690F5B0D9A26939B")]
    [InlineData("0000000000000000", "0000000000000000", "8CA64DE9C1B123A7")]
    [InlineData("FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF", "7359B2163E4EDC58")]
    public void DES_of_the_standard(string key, string block, string expected) =>
        Assert.Equal(Number(expected), DesBlock.Encrypt(Number(key), Number(block)));

    /// <summary>RFC 2759 section 9.2.</summary>
    [Fact]
    public void MS_CHAP_V2_of_the_standard()
    {
        var hash = new byte[Md4.Length];
        MsChapV2.HashPassword("clientPass"u8, hash);
        Assert.Equal("44EBBA8D5312B8D611474411F56989AE", Convert.ToHexString(hash));
        var response = new byte[MsChapV2.ResponseLength];
        MsChapV2.Respond(AuthenticatorChallenge, PeerChallenge, "User"u8, "clientPass"u8, response);
        Assert.Equal("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF", Convert.ToHexString(response));
        var said = "S=407A5589115FD0D6209F510FE9C04566932CDA56"u8;
        Assert.True(MsChapV2.IsAuthentic(AuthenticatorChallenge, PeerChallenge, "User"u8, "clientPass"u8, response, said));
        Assert.True(MsChapV2.IsAuthentic(AuthenticatorChallenge, PeerChallenge, "DOMAIN\\User"u8, "clientPass"u8, response, said));
        Assert.False(MsChapV2.IsAuthentic(AuthenticatorChallenge, PeerChallenge, "User"u8, "clientpass"u8, response, said));
        for (var i = 0; i < said.Length; i++)
        {
            var altered = said.ToArray();
            altered[i] ^= 1;
            Assert.False(MsChapV2.IsAuthentic(AuthenticatorChallenge, PeerChallenge, "User"u8, "clientPass"u8, response, altered));
            Assert.False(MsChapV2.IsAuthentic(AuthenticatorChallenge, PeerChallenge, "User"u8, "clientPass"u8, response, said[..i]));
        }
    }

    [Fact]
    public void A_password_goes_padded_and_nobody_sees_its_length()
    {
        var lengths = new HashSet<int>();
        for (var length = 1; length <= 16; length++)
        {
            using var credentials = new TunnelCredentials(TunnelMethod.Pap, "alice", Encoding.ASCII.GetBytes(new string('x', length)));
            using var tunnel = new TunnelClient(credentials, FakeTls.Random);
            using var tls = new FakeTls();
            var octets = new byte[TunnelClient.MaxLength];
            var rest = (ReadOnlySpan<byte>)octets.AsSpan(0, tunnel.Speak(tls, octets));
            lengths.Add(rest.Length);
            Assert.True(TunnelAvp.TryTake(ref rest, out var name));
            Assert.Equal((TunnelAvp.UserName, "alice"), (name.Code, Encoding.UTF8.GetString(name.Data)));
            Assert.True(TunnelAvp.TryTake(ref rest, out var password));
            Assert.Equal((TunnelAvp.UserPassword, true, 16), (password.Code, password.IsMandatory, password.Data.Length));
            Assert.Equal(new string('x', length), Encoding.ASCII.GetString(password.Data).TrimEnd('\0'));
            Assert.True(rest.IsEmpty && tunnel.IsContent);
        }

        Assert.Single(lengths);
        Assert.DoesNotContain("xxx", new TunnelCredentials(TunnelMethod.Pap, "alice", "xxx"u8).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_server_must_know_the_password_too()
    {
        using var good = Spoken(out var response);
        Assert.True(good.Hear(Success(response, "secret")));
        Assert.True(good.IsContent);

        using var wrong = Spoken(out response);
        Assert.False(wrong.Hear(Success(response, "guess")));
        Assert.Equal((EapPeerFailure.ServerNotProven, false), (wrong.Failure, wrong.IsContent));

        using var refused = Spoken(out _);
        Assert.False(refused.Hear(Avp(TunnelAvp.MsChapError, TunnelAvp.Microsoft, "\u0001E=691 R=0"u8)));
        Assert.Equal(EapPeerFailure.Rejected, refused.Failure);

        // Another identifier is another exchange.
        using var other = Spoken(out response);
        var altered = Success(response, "secret");
        altered[12] ^= 1;
        Assert.False(other.Hear(altered));

        // What must be understood and is not ends it; what may be passed over is.
        using var unknown = Spoken(out _);
        var avp = Avp(4_711, 0, "?"u8);
        avp[4] = 0;
        Assert.True(unknown.Hear(avp));
        avp[4] = 0x40;
        Assert.False(unknown.Hear(avp));
        Assert.Equal(EapPeerFailure.Tunnel, unknown.Failure);
    }

    [Fact]
    public void Pairs_cut_off_anywhere_altered_or_of_noise_are_read_or_refused_and_never_believed()
    {
        var chance = Seed.Fresh(output);
        using var first = Spoken(out var response);
        byte[] good = [.. Avp(TunnelAvp.ReplyMessage, 0, "hello"u8), .. Success(response, "secret")];
        for (var length = 0; length < good.Length - 2; length++)
        {
            using var tunnel = Spoken(out _);
            tunnel.Hear(good.AsSpan(0, length));
            Assert.False(tunnel.IsContent);
        }

        for (var i = 0; i < 20_000; i++)
        {
            var altered = good.ToArray();
            for (var k = chance.NextInt(3); k >= 0; k--)
            {
                altered[chance.NextInt(altered.Length)] = (byte)chance.NextInt(256);
            }

            using var tunnel = Spoken(out _);
            if (tunnel.Hear(altered) && tunnel.IsContent)
            {
                // Only what nobody reads may differ: the text, flags and padding of the first, flags of the second, and what follows the proof.
                Assert.Equal(good.AsSpan(28, 43).ToArray(), altered.AsSpan(28, 43).ToArray());
            }
        }
    }

    private static TunnelClient Spoken(out byte[] response)
    {
        var tunnel = new TunnelClient(new TunnelCredentials(TunnelMethod.MsChapV2, "alice", "secret"u8), FakeTls.Random);
        using var tls = new FakeTls();
        var octets = new byte[TunnelClient.MaxLength];
        var rest = (ReadOnlySpan<byte>)octets.AsSpan(0, tunnel.Speak(tls, octets));
        Assert.False(tunnel.IsContent);
        Assert.True(TunnelAvp.TryTake(ref rest, out _));
        Assert.True(TunnelAvp.TryTake(ref rest, out var challenge));
        Assert.Equal((TunnelAvp.Microsoft, TunnelAvp.MsChapChallenge, 16), (challenge.Vendor, challenge.Code, challenge.Data.Length));
        Assert.True(TunnelAvp.TryTake(ref rest, out var answer));
        Assert.Equal((TunnelAvp.Microsoft, TunnelAvp.MsChap2Response, 50), (answer.Vendor, answer.Code, answer.Data.Length));
        Assert.True(rest.IsEmpty);
        response = [.. challenge.Data, .. answer.Data];
        return tunnel;
    }

    // What a server says that knows a password, to what the client said: challenge, identifier, flags, own challenge, zeros, response.
    private static byte[] Success(byte[] said, string password)
    {
        Span<byte> text = stackalloc byte[1 + MsChapV2.AuthenticatorLength];
        text[0] = said[16];
        Judge.AuthenticatorResponse(said.AsSpan(0, 16), said.AsSpan(18, 16), "alice", password, said.AsSpan(42, 24)).CopyTo(text[1..]);
        return Avp(TunnelAvp.MsChap2Success, TunnelAvp.Microsoft, text);
    }

    private static byte[] Avp(uint code, uint vendor, ReadOnlySpan<byte> data)
    {
        var octets = new byte[400];
        var at = 0;
        Assert.True(TunnelAvp.TryWrite(octets, ref at, code, vendor, data));
        return octets[..at];
    }

    private static ulong Number(string hex) => ulong.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
