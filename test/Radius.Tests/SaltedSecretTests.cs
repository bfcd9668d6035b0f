using System.Security.Cryptography;
using Masquerade.Auth.Radius;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

[Trait("Req", "A-23")]
public sealed class SaltedSecretTests(ITestOutputHelper output)
{
    private static readonly RadiusSecret Secret = new("a secret of the test");

    [Fact]
    public void Every_length_that_an_attribute_can_carry_comes_back_and_no_other_is_taken()
    {
        var authenticator = RandomNumberGenerator.GetBytes(16);
        for (var length = 0; length <= SaltedSecret.MaximumLength; length++)
        {
            var key = RandomNumberGenerator.GetBytes(length);
            var value = SaltedSecret.Seal(key, (ushort)length, authenticator, Secret);
            Assert.Equal(0x80, value[0] & 0x80);
            Assert.Equal(0, (value.Length - 2) % 16);
            Assert.True(SaltedSecret.TryOpen(value, authenticator, Secret, out var opened), $"length {length}");
            Assert.Equal(key, opened);
        }

        Assert.Throws<ArgumentException>(() => SaltedSecret.Seal(new byte[240], 1, authenticator, Secret));
        var whole = SaltedSecret.Seal(new byte[32], 1, authenticator, Secret);
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.False(SaltedSecret.TryOpen(whole.AsSpan(0, length), authenticator, Secret, out _), $"cut at {length}");
        }

        Assert.False(SaltedSecret.TryOpen([.. whole, 0], authenticator, Secret, out _));
    }

    /// <summary>The cipher once more, written down from RFC 2548 section 2.4.2 in another way: judges ours.</summary>
    [Fact]
    public void The_blocks_are_those_of_RFC_2548()
    {
        var key = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();
        var authenticator = RandomNumberGenerator.GetBytes(16);
        var value = SaltedSecret.Seal(key, 0x1234, authenticator, Secret);
        byte[] plain = [32, .. key, .. new byte[15]];
        byte[] before = [.. authenticator, 0x92, 0x34];
        for (var block = 0; block < 3; block++)
        {
#pragma warning disable CA5351
            var pad = MD5.HashData([.. "a secret of the test"u8, .. before]);
#pragma warning restore CA5351
            before = value[(2 + (block * 16))..(18 + (block * 16))];
            Assert.Equal(plain[(block * 16)..((block + 1) * 16)], before.Zip(pad, (a, b) => (byte)(a ^ b)));
        }
    }

    [Fact]
    public void A_salt_without_its_top_bit_and_another_secret_are_noticed()
    {
        var authenticator = RandomNumberGenerator.GetBytes(16);
        var value = SaltedSecret.Seal(RandomNumberGenerator.GetBytes(32), 7, authenticator, Secret);
        value[0] &= 0x7F;
        Assert.False(SaltedSecret.TryOpen(value, authenticator, Secret, out _));
        value[0] |= 0x80;
        Assert.False(SaltedSecret.TryOpen(value, authenticator, new RadiusSecret("another secret"), out _));
    }

    [Fact]
    public void The_MSK_is_Recv_then_Send()
    {
        var msk = RandomNumberGenerator.GetBytes(64);
        var authenticator = RandomNumberGenerator.GetBytes(16);
        var attributes = new RadiusAttributeWriter();
        MsMppeKeys.Write(attributes, msk, authenticator, Secret);
        Assert.True(MsMppeKeys.TryReadMsk(Packet(attributes), authenticator, Secret, out var read, out _));
        Assert.Equal(msk, read);
    }

    [Fact]
    public void A_key_that_is_absent_half_twice_short_or_zero_is_refused_by_name()
    {
        var authenticator = RandomNumberGenerator.GetBytes(16);
        var key = RandomNumberGenerator.GetBytes(32);
        (RadiusAttributeWriter, MskFault)[] cases =
        [
            (new RadiusAttributeWriter(), MskFault.Absent),
            (Add(new RadiusAttributeWriter(), MsMppeKeys.RecvKey, key), MskFault.Half),
            (Add(Add(new RadiusAttributeWriter(), MsMppeKeys.RecvKey, key), MsMppeKeys.RecvKey, key), MskFault.Twice),
            (Add(Add(new RadiusAttributeWriter(), MsMppeKeys.RecvKey, key), MsMppeKeys.SendKey, key.AsSpan(0, 31)), MskFault.Length),
            (Add(Add(new RadiusAttributeWriter(), MsMppeKeys.RecvKey, key), MsMppeKeys.SendKey, new byte[32]), MskFault.AllZero),
            (Add(Add(new RadiusAttributeWriter(), MsMppeKeys.RecvKey, new byte[32]), MsMppeKeys.SendKey, new byte[32]), MskFault.AllZero),
            (new RadiusAttributeWriter().AddVendor(MsMppeKeys.Vendor, MsMppeKeys.RecvKey, new byte[20]), MskFault.Sealed),
        ];
        foreach (var (attributes, expected) in cases)
        {
            Assert.False(MsMppeKeys.TryReadMsk(Packet(attributes), authenticator, Secret, out var msk, out var fault));
            Assert.Equal(expected, fault);
            Assert.Empty(msk);
        }

        RadiusAttributeWriter Add(RadiusAttributeWriter attributes, byte type, ReadOnlySpan<byte> half) =>
            attributes.AddVendor(MsMppeKeys.Vendor, type, SaltedSecret.Seal(half, 3, authenticator, Secret));
    }

    [Fact]
    public void Chance_in_the_attribute_never_makes_a_key_of_another_length()
    {
        var chance = Seed.Fresh(output);
        var authenticator = new byte[16];
        for (var i = 0; i < 5_000; i++)
        {
            var value = new byte[chance.NextInt(254)];
            for (var at = 0; at < value.Length; at++)
            {
                value[at] = (byte)chance.NextInt(256);
            }

            if (SaltedSecret.TryOpen(value, authenticator, Secret, out var key))
            {
                Assert.InRange(value.Length - 3 - key.Length, 0, 15);
            }
        }
    }

    private static RadiusPacket Packet(RadiusAttributeWriter attributes)
    {
        Assert.True(RadiusPacket.TryParse(RadiusEncoder.Response(RadiusCode.AccessAccept, 1, new byte[16], attributes, Secret), out var packet, out _));
        return packet;
    }
}
