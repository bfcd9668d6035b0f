using System.Buffers.Binary;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.FastTransition;

/// <summary>The keys of fast transitions: IEEE 802.11 has no vectors of them in text, so an independent program makes them again; AES-SIV has those of its RFC besides.</summary>
[Trait("Req", "A-25")]
public sealed class FastTransitionKeyTests(ITestOutputHelper output)
{
    private static readonly MacAddress s_client = MacAddress.Parse("02:00:00:00:00:01");
    private static readonly SessionId s_session = new(0x1111, 0x2222);

    /// <summary>RFC 5297 appendix A.</summary>
    [Theory]
    [InlineData(
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "112233445566778899aabbccddee",
        "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c", "101112131415161718191a1b1c1d1e1f2021222324252627")]
    [InlineData(
        "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
        "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
        "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100", "102030405060708090a0", "09f911029d74e35bd84156c5635688c0")]
    public void Siv_gives_what_RFC_5297_gives(string key, string plain, string expected, params string[] associated)
    {
        var pieces = associated.Select(Convert.FromHexString).ToArray();
        var cipher = new byte[expected.Length / 2];
        AesSiv.Seal(Convert.FromHexString(key), Convert.FromHexString(plain), cipher, pieces);
        Assert.Equal(expected, Convert.ToHexStringLower(cipher));
        var opened = new byte[plain.Length / 2];
        Assert.True(AesSiv.TryOpen(Convert.FromHexString(key), cipher, opened, pieces));
        Assert.Equal(plain, Convert.ToHexStringLower(opened));

        for (var bit = 0; bit < cipher.Length * 8; bit++)
        {
            var altered = cipher.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(AesSiv.TryOpen(Convert.FromHexString(key), altered, opened, pieces));
            Assert.DoesNotContain(opened, o => o != 0);
        }

        for (var length = 0; length < cipher.Length; length++)
        {
            Assert.False(AesSiv.TryOpen(Convert.FromHexString(key), cipher.AsSpan(0, length), new byte[Math.Max(0, length - AesSiv.Overhead)], pieces));
        }

        pieces[0][0] ^= 1;
        Assert.False(AesSiv.TryOpen(Convert.FromHexString(key), cipher, opened, pieces));
    }

    [Fact]
    public void Keys_names_and_seals_are_those_of_an_independent_program()
    {
        var chance = Seed.Fresh(output);
        var cases = Enumerable.Range(0, 64).Select(_ => (
            Msk: KeyJudge.Draw(chance, SessionKey.MskLength), Network: KeyJudge.Draw(chance, 1 + chance.NextInt(MobilityDomain.MaxNetwork)), Domain: (ushort)chance.NextInt(65_536),
            Holder: KeyJudge.Draw(chance, 1 + chance.NextInt(MobilityDomain.MaxHolder)), Client: Mac(chance), Radio: Mac(chance), Plain: KeyJudge.Draw(chance, 1 + chance.NextInt(100)),
            Pieces: new[] { KeyJudge.Draw(chance, 6), KeyJudge.Draw(chance, 1 + chance.NextInt(90)), KeyJudge.Draw(chance, 1) })).ToArray();
        var answers = KeyJudge.Ask("Keys/Judges/fasttransition.py", cases.Select(c => string.Join(' ', new[] { c.Msk, c.Network, Big(c.Domain), c.Holder, Octets(c.Client), Octets(c.Radio), c.Plain }.Concat(c.Pieces).Select(Convert.ToHexStringLower))));
        Assert.Equal(cases.Length, answers.Length);
        foreach (var (c, answer) in cases.Zip(answers))
        {
            Assert.True(MobilityDomain.TryMake(c.Network, c.Domain, c.Holder, 0x000FAC04, out var domain));
            Assert.True(PmkR0.TryDerive(c.Msk, domain, s_session, c.Client, out var r0));
            using var r1 = r0.DeriveFor(c.Radio);
            var name = new byte[PmkR1.NameLength];
            PmkR1.WriteName(r0.Name, c.Radio, c.Client, name);
            var cipher = new byte[c.Plain.Length + AesSiv.Overhead];
            AesSiv.Seal(r0.Bytes, c.Plain, cipher, c.Pieces);
            Assert.Equal(answer, string.Join(' ', new[] { r0.Bytes.ToArray(), r0.Name.ToArray(), r1.Bytes.ToArray(), name, cipher }.Select(Convert.ToHexStringLower)));
            r0.Dispose();
        }
    }

    [Fact]
    public void A_sealed_key_opens_for_its_client_and_session_only_and_is_no_session_key()
    {
        var chance = Seed.Fresh(output);
        using var site = new SiteKeys();
        Assert.True(site.TryAdd(7, KeyJudge.Draw(chance, SiteKeys.KeyLength)));
        using var key = Key(chance);
        var bytes = new byte[SealedPmkR0.Length];
        site.Seal(key, span => KeyJudge.Draw(chance, span.Length).CopyTo(span), bytes);
        Assert.True(SealedPmkR0.IsNamed(bytes, key.Name));
        Assert.True(site.TryOpenRoaming(bytes, s_session, s_client, out var opened));
        Assert.Equal(key.Bytes.ToArray(), opened.Bytes.ToArray());
        Assert.Equal((key.Cipher, Convert.ToHexString(key.Name)), (opened.Cipher, Convert.ToHexString(opened.Name)));
        Assert.False(site.TryOpenRoaming(bytes, new SessionId(0x1111, 0x2223), s_client, out _));
        Assert.False(site.TryOpenRoaming(bytes, s_session, MacAddress.Parse("02:00:00:00:00:02"), out _));
        Assert.False(site.TryOpen(bytes, s_session, s_client, out _));
        Assert.False(site.TryOpen(bytes.AsSpan(SealedPmkR0.Length - SealedKey.Length), s_session, s_client, out _));
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            var altered = bytes.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(site.TryOpenRoaming(altered, s_session, s_client, out _));
        }

        for (var length = 0; length < bytes.Length; length++)
        {
            Assert.False(site.TryOpenRoaming(bytes.AsSpan(0, length), s_session, s_client, out _));
        }
    }

    [Fact]
    public void Keys_of_zeros_and_names_that_cannot_be_are_refused_and_a_disposed_key_is_none()
    {
        var chance = Seed.Fresh(output);
        Assert.False(MobilityDomain.TryMake([], 1, "ap1"u8, 0, out _));
        Assert.False(MobilityDomain.TryMake("net"u8, 1, [], 0, out _));
        Assert.False(MobilityDomain.TryMake(new byte[33], 1, "ap1"u8, 0, out _));
        Assert.False(MobilityDomain.TryMake("net"u8, 1, new byte[49], 0, out _));
        Assert.True(MobilityDomain.TryMake("net"u8, 1, "ap1"u8, 0, out var domain));
        var msk = KeyJudge.Draw(chance, SessionKey.MskLength);
        Assert.False(PmkR0.TryDerive(msk.AsSpan(1), domain, s_session, s_client, out _));
        Assert.False(PmkR0.TryDerive(msk, domain, s_session, MacAddress.Broadcast, out _));
        msk.AsSpan(32).Clear();
        Assert.False(PmkR0.TryDerive(msk, domain, s_session, s_client, out _));
        var key = Key(chance);
        Assert.DoesNotContain(Convert.ToHexString(key.Bytes), key.ToString(), StringComparison.OrdinalIgnoreCase);
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.DeriveFor(s_client));
    }

    private static PmkR0 Key(SeededRandom chance)
    {
        Assert.True(MobilityDomain.TryMake("net"u8, 0xA1B2, "ap1"u8, 0x000FAC04, out var domain));
        Assert.True(PmkR0.TryDerive(KeyJudge.Draw(chance, SessionKey.MskLength), domain, s_session, s_client, out var key));
        return key;
    }

    private static MacAddress Mac(SeededRandom chance) => new((chance.NextUInt64() & 0xFEFF_FFFF_FFFF) | 0x0200_0000_0000);

    private static byte[] Octets(MacAddress mac)
    {
        var octets = new byte[6];
        mac.WriteTo(octets);
        return octets;
    }

    private static byte[] Big(ushort number)
    {
        var octets = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(octets, number);
        return octets;
    }
}
