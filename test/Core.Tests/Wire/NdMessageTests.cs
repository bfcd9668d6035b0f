using System.Buffers.Binary;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Wire;

/// <summary>Neighbour Discovery: what is written is read, and what breaks a rule of RFC 4861 is refused.</summary>
public sealed class NdMessageTests(ITestOutputHelper output)
{
    private static readonly MacAddress Mac = MacAddress.Parse("02:00:00:00:00:0a");
    private static readonly IpAddress Host = IpAddress.Parse("2001:db8::10");
    private static readonly IpAddress Router = IpAddress.Parse("fe80::1");
    private static readonly IpAddress Target = IpAddress.Parse("2001:db8::20");

    public static TheoryData<byte[]> Whole => new()
    {
        RouterSolicitation(),
        RouterAdvertisement(),
        NeighbourSolicitation(),
        NeighbourAdvertisement(),
        Probe(),
    };

    [Fact]
    public void Each_message_reads_as_it_was_written()
    {
        Assert.True(NdMessage.TryParse(RouterSolicitation(), out var message));
        Assert.Equal((Icmpv6Type.RouterSolicitation, Host, NdMessage.AllRouters, IpAddress.None, Mac), Ends(message));
        Assert.Equal((0, 0, NdFlags.None), (message.CurrentHopLimit, message.RouterLifetime, message.Flags));

        Assert.True(NdMessage.TryParse(RouterAdvertisement(), out message));
        Assert.Equal((Icmpv6Type.RouterAdvertisement, Router, NdMessage.AllNodes, IpAddress.None, Mac), Ends(message));
        Assert.Equal((64, 1_800, NdFlags.None), (message.CurrentHopLimit, message.RouterLifetime, message.Flags));
        var options = message.Options;
        Assert.True(options.TryNext(out var option) && option.TryGetLinkLayer(out var mac) && mac == Mac && !option.TryGetMtu(out _) && !option.TryGetPrefix(out _));
        Assert.True(options.TryNext(out option) && option.TryGetMtu(out var mtu) && mtu == 1_480 && !option.TryGetLinkLayer(out _));
        Assert.True(options.TryNext(out option) && option.TryGetPrefix(out var prefix) && prefix == Prefix && option.Length == 32);
        Assert.False(options.TryNext(out _));

        Assert.True(NdMessage.TryParse(NeighbourSolicitation(), out message));
        Assert.Equal((Icmpv6Type.NeighbourSolicitation, Host, NdMessage.SolicitedNode(Target), Target, Mac), Ends(message));

        Assert.True(NdMessage.TryParse(NeighbourAdvertisement(), out message));
        Assert.Equal((Icmpv6Type.NeighbourAdvertisement, Target, Host, Target, Mac), Ends(message));
        Assert.Equal(NdFlags.Solicited | NdFlags.Override, message.Flags);

        Assert.True(NdMessage.TryParse(Probe(), out message));
        Assert.Equal((Icmpv6Type.NeighbourSolicitation, IpAddress.None, NdMessage.SolicitedNode(Target), Target, MacAddress.None), Ends(message));
    }

    [Fact]
    public void A_solicitation_is_octet_for_octet_what_the_RFC_draws()
    {
        // Section 4.3, with the checksum summed by hand in Packets.
        var packet = NeighbourSolicitation();
        Assert.Equal(
            "6000000000203aff" + "20010db8000000000000000000000010" + "ff0200000000000000000001ff000020" + "8700" + Convert.ToHexStringLower(packet.AsSpan(42, 2)) + "00000000"
            + "20010db8000000000000000000000020" + "0101" + "02000000000a",
            Convert.ToHexStringLower(packet));
        Assert.True(Packets.AreChecksumsRight(packet));
        Assert.All((byte[][])[RouterSolicitation(), RouterAdvertisement(), packet, NeighbourAdvertisement(), Probe()], p => Assert.True(Packets.AreChecksumsRight(p)));
    }

    [Theory]
    [MemberData(nameof(Whole))]
    [Trait("Req", "A-29")]
    public void Cut_off_at_any_length_it_is_refused(byte[] packet)
    {
        for (var length = 0; length < packet.Length; length++)
        {
            Assert.False(NdMessage.TryParse(packet.AsSpan(0, length), out _));

            // Also if the packet agrees that it is that short.
            var cut = packet[..length];
            if (length >= 48)
            {
                BinaryPrimitives.WriteUInt16BigEndian(cut.AsSpan(4), (ushort)(length - 40));
                Sum(cut);
                Assert.True(IsAnEnd(packet, length) == NdMessage.TryParse(cut, out var message));
                ReadAll(message, IsAnEnd(packet, length));
            }
        }

        Assert.True(NdMessage.TryParse([.. packet, 0, 0, 0], out var padded));
        ReadAll(padded, true);
    }

    [Theory]
    [MemberData(nameof(Whole))]
    public void Every_octet_at_its_extremes_gives_an_answer(byte[] packet)
    {
        for (var at = 0; at < packet.Length; at++)
        {
            foreach (var value in new byte[] { 0, 1, 0x7F, 0x80, 0xFE, 0xFF })
            {
                var changed = (byte[])packet.Clone();
                changed[at] = value;

                // The fields that the checksum does not cover; everything else is caught by it.
                var covered = at is >= 8 or 6 or 4 or 5;
                var valid = NdMessage.TryParse(changed, out var message);
                Assert.False(valid && covered && value != packet[at]);
                ReadAll(message, valid);
                Sum(changed);
                valid = NdMessage.TryParse(changed, out message);
                ReadAll(message, valid);
            }
        }
    }

    [Fact]
    public void Random_octets_behind_a_right_checksum_never_throw()
    {
        var random = Seed.Fresh(output);
        var valid = 0;
        for (var i = 0; i < 100_000; i++)
        {
            var packet = new byte[40 + random.NextInt(120)];
            for (var at = 0; at < packet.Length; at++)
            {
                packet[at] = (byte)random.NextUInt64();
            }

            packet[0] = 0x60;
            packet[6] = 58;
            packet[7] = 255;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(packet.Length - 40));
            if (packet.Length >= 48)
            {
                packet[40] = (byte)(132 + random.NextInt(7));
                packet[41] = 0;
                packet[8] = 0x20;
                for (var at = 64; at + 1 < packet.Length && random.Chance(0.9); at += 8)
                {
                    packet[at] = (byte)random.NextInt(8);
                    packet[at + 1] = 1;
                }

                Sum(packet);
            }

            var isValid = NdMessage.TryParse(packet, out var message);
            valid += isValid ? 1 : 0;
            ReadAll(message, isValid);
        }

        // Else the loop would have looked at nothing.
        Assert.InRange(valid, 100, 100_000);
    }

    [Fact]
    public void What_breaks_a_rule_is_refused()
    {
        Refused(RouterSolicitation(), p => p[7] = 254);
        Refused(RouterSolicitation(), p => p[41] = 1);
        Refused(RouterSolicitation(), p => p[43] ^= 1, sum: false);
        Refused(RouterSolicitation(), p => p.AsSpan(8, 16).Clear());
        Refused(RouterSolicitation(), p => p[49] = 0);
        Refused(RouterSolicitation(), p => p[49] = 2);
        Refused(RouterSolicitation(), p => p[40] = Icmpv6Type.Redirect);
        Refused(RouterSolicitation(), p => p[8] = 0xFF);
        Refused(RouterAdvertisement(), p => Host.WriteTo(p.AsSpan(8)));
        Refused(NeighbourSolicitation(), p => NdMessage.AllNodes.WriteTo(p.AsSpan(48)));
        Refused(NeighbourSolicitation(), p => p.AsSpan(8, 16).Clear());
        Refused(Probe(), p => NdMessage.AllNodes.WriteTo(p.AsSpan(24)));
        Refused(NeighbourAdvertisement(), p => NdMessage.AllNodes.WriteTo(p.AsSpan(24)));
        Refused(NeighbourAdvertisement(), p => NdMessage.AllNodes.WriteTo(p.AsSpan(48)));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(24)]
    [InlineData(48)]
    public void An_IPv4_address_in_an_IPv6_message_is_refused(int at) =>
        Refused(NeighbourSolicitation(), p => Convert.FromHexString("00000000000000000000ffffc0000201").CopyTo(p, at));

    [Fact]
    public void Options_of_a_strange_length_are_passed_over()
    {
        // A link-layer address of two units is not Ethernet's; a prefix of 129 bits is none.
        var packet = RouterAdvertisement();
        packet[40 + 16 + 1] = 2;
        packet[40 + 16 + 16 + 2] = 129;
        Sum(packet);
        Assert.True(NdMessage.TryParse(packet, out var message));
        Assert.Equal(MacAddress.None, message.LinkLayer);
        var options = message.Options;
        Assert.True(options.TryNext(out var option));
        Assert.False(option.TryGetLinkLayer(out _));
        Assert.True(options.TryNext(out option));
        Assert.Equal(NdOptionType.Prefix, option.Type);
        Assert.False(option.TryGetPrefix(out _));
    }

    [Fact]
    public void Groups_follow_from_addresses()
    {
        Assert.Equal("ff02::1:ff34:5678", NdMessage.SolicitedNode(IpAddress.Parse("2001:db8::1234:5678")).ToString());
        Assert.Equal("33:33:ff:34:56:78", NdMessage.GroupMac(IpAddress.Parse("ff02::1:ff34:5678")).ToString());
        Assert.Equal("ff02::1", NdMessage.AllNodes.ToString());
        Assert.Equal("ff02::2", NdMessage.AllRouters.ToString());
    }

    private static readonly NdPrefix Prefix = new(IpAddress.Parse("2001:db8::"), 64, NdPrefixFlags.Autonomous, 86_400, uint.MaxValue);

    private static byte[] RouterSolicitation()
    {
        var packet = Dirty();
        var writer = NdWriter.RouterSolicitation(packet, Host, NdMessage.AllRouters);
        writer.AddLinkLayer(NdOptionType.SourceLinkLayer, Mac);
        return packet[..writer.Finish()];
    }

    private static byte[] RouterAdvertisement()
    {
        var packet = Dirty();
        var writer = NdWriter.RouterAdvertisement(packet, Router, NdMessage.AllNodes, 64, 1_800);
        writer.AddLinkLayer(NdOptionType.SourceLinkLayer, Mac);
        writer.AddMtu(1_480);
        writer.AddPrefix(Prefix);
        return packet[..writer.Finish()];
    }

    private static byte[] NeighbourSolicitation()
    {
        var packet = Dirty();
        var writer = NdWriter.NeighbourSolicitation(packet, Host, NdMessage.SolicitedNode(Target), Target);
        writer.AddLinkLayer(NdOptionType.SourceLinkLayer, Mac);
        return packet[..writer.Finish()];
    }

    private static byte[] Probe()
    {
        var packet = Dirty();
        return packet[..NdWriter.NeighbourSolicitation(packet, IpAddress.None, NdMessage.SolicitedNode(Target), Target).Finish()];
    }

    private static byte[] NeighbourAdvertisement()
    {
        var packet = Dirty();
        var writer = NdWriter.NeighbourAdvertisement(packet, Target, Host, Target, NdFlags.Solicited | NdFlags.Override);
        writer.AddLinkLayer(NdOptionType.TargetLinkLayer, Mac);
        return packet[..writer.Finish()];
    }

    /// <summary>What was in the buffer before must not shine through.</summary>
    private static byte[] Dirty()
    {
        var packet = new byte[200];
        packet.AsSpan().Fill(0xA5);
        return packet;
    }

    private static void Refused(byte[] packet, Action<byte[]> spoil, bool sum = true)
    {
        Assert.True(NdMessage.TryParse(packet, out _));
        spoil(packet);
        if (sum)
        {
            Sum(packet);
        }

        Assert.False(NdMessage.TryParse(packet, out _));
    }

    /// <summary>Writes a right ICMPv6 checksum, by the octets that are there.</summary>
    private static void Sum(Span<byte> packet)
    {
        var message = packet[40..Math.Min(packet.Length, 40 + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]))];
        if (message.Length >= 4)
        {
            message[2..4].Clear();
            var sum = Packets.Add(Packets.Add(58 + message.Length, packet[8..40]), message);
            BinaryPrimitives.WriteUInt16BigEndian(message[2..], Packets.Complement(sum));
        }
    }

    /// <summary>Whether a message may end there: behind its fixed part or behind a whole option.</summary>
    private static bool IsAnEnd(byte[] packet, int length)
    {
        var at = 40 + (packet[40] switch { Icmpv6Type.RouterSolicitation => 8, Icmpv6Type.RouterAdvertisement => 16, _ => 24 });
        for (; at < length; at += packet[at + 1] * 8)
        {
            // To the first end that is not in front of the cut.
        }

        return at == length;
    }

    private static (byte, IpAddress, IpAddress, IpAddress, MacAddress) Ends(NdMessage message) =>
        (message.Type, message.Source, message.Destination, message.Target, message.LinkLayer);

    private static void ReadAll(NdMessage message, bool valid)
    {
        if (!valid)
        {
            return;
        }

        _ = Ends(message);
        _ = (message.Flags, message.CurrentHopLimit, message.RouterLifetime);
        var options = message.Options;
        while (options.TryNext(out var option))
        {
            Assert.InRange(option.Length, 8, 2_040);
            _ = (option.Type, option.TryGetLinkLayer(out _), option.TryGetMtu(out _), option.TryGetPrefix(out _));
        }
    }
}
