using Masquerade.Auth.Protection;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Protection;

/// <summary>What a protected link lets through and what it does not.</summary>
public sealed class MacsecChannelTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-24")]
    public void Frames_of_every_length_pass_both_ways_and_none_is_readable_on_the_link()
    {
        var (accessPoint, client) = Channels.Pair();
        for (var length = EthernetHeader.Length; length < 1600; length++)
        {
            var frame = Channels.Frame(length);
            foreach (var (from, to) in new[] { (client, accessPoint), (accessPoint, client) })
            {
                var secured = Channels.Protect(from, frame);
                Assert.Equal(length + MacsecChannel.FrameOverhead, secured.Length);
                Assert.True(length < 24 || secured.AsSpan().IndexOf(frame.AsSpan(14, 8)) < 0);
                Assert.Equal(frame, Channels.Validate(to, secured).Frame);
            }
        }

        Assert.Equal((accessPoint.Counters.Protected, accessPoint.Counters.Validated), (client.Counters.Validated, client.Counters.Protected));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void The_two_ends_never_use_the_same_initial_vector()
    {
        var (accessPoint, client) = Channels.Pair();
        var vectors = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 200; i++)
        {
            foreach (var channel in new[] { accessPoint, client })
            {
                var secured = Channels.Protect(channel, Channels.Frame(60));
                Assert.True(vectors.Add(Convert.ToHexString(secured.AsSpan(20, 8)) + Convert.ToHexString(secured.AsSpan(16, 4))));
            }
        }

        using var third = new MacsecChannel();
        Assert.Equal(KeyInstall.BadSender, third.Install(Channels.Key(1), new LinkAssociation(Channels.Client, Channels.Client, 0, 1, 1)));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void What_was_altered_in_any_bit_or_cut_off_anywhere_is_dropped()
    {
        var (accessPoint, client) = Channels.Pair();
        var secured = Channels.Protect(client, Channels.Frame(80));
        for (var bit = 0; bit < secured.Length * 8; bit++)
        {
            var altered = secured.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(ProtectionDrop.None, Channels.Validate(accessPoint, altered).Drop);
        }

        for (var length = 0; length < secured.Length; length++)
        {
            Assert.NotEqual(ProtectionDrop.None, Channels.Validate(accessPoint, secured.AsSpan(0, length)).Drop);
        }

        Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, secured).Drop);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Random_frames_are_dropped_with_a_reason()
    {
        var chance = Seed.Fresh(output);
        var (accessPoint, client) = Channels.Pair();
        var good = Channels.Protect(client, Channels.Frame(100));
        for (var i = 0; i < 20_000; i++)
        {
            var frame = KeyJudge.Draw(chance, chance.NextInt(120));
            if (chance.Chance(0.8))
            {
                good.AsSpan(0, Math.Min(frame.Length, chance.NextInt(29))).CopyTo(frame);
            }

            var (drop, _) = Channels.Validate(accessPoint, frame);
            Assert.NotEqual(ProtectionDrop.None, drop);
        }

        Assert.Equal(20_000, Enumerable.Range(1, ProtectionCounters.ReasonCount - 1).Sum(i => accessPoint.Counters[(ProtectionDrop)i]));
        Assert.Equal(ProtectionCounters.ReasonCount, Enum.GetValues<ProtectionDrop>().Length);
    }

    /// <summary>IEEE 802.1AE-2018 clauses 9.5 to 9.12.</summary>
    [Theory]
    [Trait("Req", "A-24")]
    [InlineData(14, 0xAC, ProtectionDrop.Malformed)]
    [InlineData(14, 0x6C, ProtectionDrop.Malformed)]
    [InlineData(14, 0x3C, ProtectionDrop.Malformed)]
    [InlineData(14, 0x20, ProtectionDrop.NotEncrypted)]
    [InlineData(14, 0x28, ProtectionDrop.NotEncrypted)]
    [InlineData(14, 0x24, ProtectionDrop.NotEncrypted)]
    [InlineData(14, 0x0C, ProtectionDrop.UnknownSender)]
    [InlineData(14, 0x2D, ProtectionDrop.UnknownKey)]
    [InlineData(15, 0x30, ProtectionDrop.Malformed)]
    [InlineData(15, 0x40, ProtectionDrop.Malformed)]
    [InlineData(15, 0x2F, ProtectionDrop.Malformed)]
    [InlineData(27, 0x02, ProtectionDrop.UnknownSender)]
    [InlineData(13, 0x8E, ProtectionDrop.Eapol)]
    [InlineData(12, 0x08, ProtectionDrop.NotProtected)]
    public void A_tag_that_cannot_be_is_named(int at, byte value, ProtectionDrop expected)
    {
        var (accessPoint, client) = Channels.Pair();
        var secured = Channels.Protect(client, Channels.Frame(80));
        secured[at] = value;
        Assert.Equal(expected, Channels.Validate(accessPoint, secured).Drop);
        Assert.Equal(1, accessPoint.Counters[expected]);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Packet_number_0_is_none_and_a_frame_in_the_clear_does_not_pass()
    {
        var (accessPoint, client) = Channels.Pair();
        var secured = Channels.Protect(client, Channels.Frame(80));
        secured.AsSpan(16, 4).Clear();
        Assert.Equal(ProtectionDrop.Malformed, Channels.Validate(accessPoint, secured).Drop);
        Assert.Equal(ProtectionDrop.NotProtected, Channels.Validate(accessPoint, Channels.Frame(80)).Drop);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_short_frame_that_Ethernet_has_filled_up_is_read_up_to_its_end_and_a_long_one_must_fit()
    {
        var (accessPoint, client) = Channels.Pair();
        var frame = Channels.Frame(16);
        Assert.Equal(frame, Channels.Validate(accessPoint, [.. Channels.Protect(client, frame), .. new byte[16]]).Frame);
        Assert.Equal(ProtectionDrop.Malformed, Channels.Validate(accessPoint, [.. Channels.Protect(client, frame), .. new byte[17]]).Drop);
        Assert.Equal(ProtectionDrop.Malformed, Channels.Validate(accessPoint, [.. Channels.Protect(client, Channels.Frame(50)), 0]).Drop);
        Assert.Equal(ProtectionDrop.Forged, Channels.Validate(accessPoint, [.. Channels.Protect(client, Channels.Frame(80)), 0]).Drop);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Eapol_is_never_protected_outside_or_inside()
    {
        var (accessPoint, client) = Channels.Pair();
        var eapol = Channels.Frame(100, EtherType.Eapol);
        Assert.Equal(ProtectionDrop.Eapol, client.Protect(eapol, new byte[200], out _));
        Assert.Equal(ProtectionDrop.Eapol, Channels.Validate(accessPoint, eapol).Drop);

        // A peer that breaks the rule: scapy seals whatever it is given.
        var sci = new byte[Sci.Length];
        Channels.Client.WriteTo(sci);
        var sealedFrame = KeyJudge.Ask("Protection/Judges/macsec.py", [$"seal {Convert.ToHexString(Channels.Key(1))} {Convert.ToHexString(sci)} 0 9 {Convert.ToHexString(eapol)}"])[0];
        Assert.Equal(ProtectionDrop.Eapol, Channels.Validate(accessPoint, Convert.FromHexString(sealedFrame)).Drop);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Without_a_key_nothing_passes()
    {
        var (accessPoint, client) = Channels.Pair();
        var secured = Channels.Protect(client, Channels.Frame(80));
        using var without = new MacsecChannel();
        Assert.Equal(ProtectionDrop.NoKey, without.Protect(Channels.Frame(80), new byte[200], out _));
        Assert.Equal(ProtectionDrop.NoKey, Channels.Validate(without, secured).Drop);
        accessPoint.Dispose();
        Assert.Equal(ProtectionDrop.NoKey, accessPoint.Protect(Channels.Frame(80), new byte[200], out _));
        Assert.Equal(ProtectionDrop.NoKey, Channels.Validate(accessPoint, secured).Drop);
        Assert.False(accessPoint.IsProtecting);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_buffer_that_is_too_short_is_refused_and_costs_no_frame()
    {
        var (accessPoint, client) = Channels.Pair();
        var frame = Channels.Frame(80);
        Assert.Equal(ProtectionDrop.NoRoom, client.Protect(frame, new byte[frame.Length + MacsecChannel.FrameOverhead - 1], out _));
        Assert.Equal(ProtectionDrop.Truncated, client.Protect(frame.AsSpan(0, 13), new byte[200], out _));
        var secured = Channels.Protect(client, frame);
        Assert.Equal(1u, System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(secured.AsSpan(16)));
        Assert.Equal(ProtectionDrop.NoRoom, accessPoint.Validate(secured, new byte[frame.Length - 1], Instant.Zero, out _));
        Assert.Equal(ProtectionDrop.None, accessPoint.Validate(secured, new byte[frame.Length], Instant.Zero, out _));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void The_path_of_frames_allocates_nothing()
    {
        var (accessPoint, client) = Channels.Pair();
        var frame = Channels.Frame(1000);
        var secured = new byte[frame.Length + MacsecChannel.FrameOverhead];
        var plain = new byte[frame.Length];
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 500; i++)
            {
                client.Protect(frame, secured, out var length);
                accessPoint.Validate(secured.AsSpan(0, length), plain, Instant.Zero, out _);
                accessPoint.Validate(secured.AsSpan(0, length), plain, Instant.Zero, out _);
                accessPoint.Validate(frame, plain, Instant.Zero, out _);
            }
        }));
        Assert.Equal(frame, plain);
        Assert.Equal(2500, accessPoint.Counters.Validated);
        Assert.Equal(2500, accessPoint.Counters[ProtectionDrop.Replayed]);
    }
}
