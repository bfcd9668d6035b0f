using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Keys;

/// <summary>Session keys at rest: sealed under a site key, opened only for whom they were sealed.</summary>
public sealed class SiteKeysTests(ITestOutputHelper output)
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:01");
    private static readonly SessionId Session = new(0x1111, 0x2222);

    [Fact]
    [Trait("Req", "A-24")]
    public void A_sealed_key_opens_for_its_client_and_session_only()
    {
        var (site, key, bytes) = Sealed();
        Assert.True(site.TryOpen(bytes, Session, Client, out var opened));
        Assert.Equal(key.Bytes.ToArray(), opened.Bytes.ToArray());
        Assert.Equal((Session, Client), (opened.Session, opened.Client));
        Assert.False(site.TryOpen(bytes, new SessionId(0x1111, 0x2223), Client, out _));
        Assert.False(site.TryOpen(bytes, Session, MacAddress.Parse("02:00:00:00:00:02"), out _));
        Assert.Equal(-1, bytes.AsSpan().IndexOf(key.Bytes[..8]));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void What_was_altered_in_any_bit_or_cut_off_anywhere_does_not_open()
    {
        var (site, _, bytes) = Sealed();
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            var altered = bytes.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(site.TryOpen(altered, Session, Client, out _));
        }

        for (var length = 0; length < bytes.Length; length++)
        {
            Assert.False(site.TryOpen(bytes.AsSpan(0, length), Session, Client, out _));
        }

        Assert.False(site.TryOpen([.. bytes, 0], Session, Client, out _));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void The_newest_site_key_seals_and_older_ones_open_until_they_are_removed()
    {
        var chance = Seed.Fresh(output);
        var (site, key, old) = Sealed();
        Assert.True(site.TryAdd(9, KeyJudge.Draw(chance, SiteKeys.KeyLength)));
        Assert.True(site.TryAdd(8, KeyJudge.Draw(chance, SiteKeys.KeyLength)));
        var bytes = new byte[SealedKey.Length];
        site.Seal(key, span => KeyJudge.Draw(chance, span.Length).CopyTo(span), bytes);
        Assert.True(SealedKey.TryReadKeyNumber(bytes, out var number));
        Assert.Equal(9u, number);
        Assert.True(site.TryOpen(old, Session, Client, out _));
        Assert.True(site.TryOpen(bytes, Session, Client, out _));
        Assert.True(site.Remove(7));
        Assert.False(site.TryOpen(old, Session, Client, out _));
        Assert.True(site.TryOpen(bytes, Session, Client, out _));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Site_keys_that_cannot_be_are_refused_and_their_number_is_bounded()
    {
        using var site = new SiteKeys();
        Assert.False(site.TryAdd(1, new byte[SiteKeys.KeyLength]));
        Assert.False(site.TryAdd(1, KeyJudge.Draw(new SeededRandom(1), SiteKeys.KeyLength - 1)));
        Assert.Throws<InvalidOperationException>(() => site.Seal(Key(), span => span.Fill(1), new byte[SealedKey.Length]));
        for (var i = 0u; i < SiteKeys.MaxKeys; i++)
        {
            Assert.True(site.TryAdd(i, KeyJudge.Draw(new SeededRandom(i), SiteKeys.KeyLength)));
            Assert.True(site.TryAdd(i, KeyJudge.Draw(new SeededRandom(i), SiteKeys.KeyLength)), "the same again is no fault");
            Assert.False(site.TryAdd(i, KeyJudge.Draw(new SeededRandom(i + 100), SiteKeys.KeyLength)), "another under its number");
        }

        Assert.False(site.TryAdd(99, KeyJudge.Draw(new SeededRandom(99), SiteKeys.KeyLength)));
        Assert.False(site.Remove(99));
    }

    private (SiteKeys Site, SessionKey Key, byte[] Sealed) Sealed()
    {
        var chance = Seed.Fresh(output);
        var site = new SiteKeys();
        Assert.True(site.TryAdd(7, KeyJudge.Draw(chance, SiteKeys.KeyLength)));
        var key = Key();
        var bytes = new byte[SealedKey.Length];
        site.Seal(key, span => KeyJudge.Draw(chance, span.Length).CopyTo(span), bytes);
        return (site, key, bytes);
    }

    private static SessionKey Key()
    {
        Assert.True(SessionKey.TryFrom(KeyJudge.Draw(new SeededRandom(3), SessionKey.Length), Session, Client, out var key));
        return key;
    }
}
