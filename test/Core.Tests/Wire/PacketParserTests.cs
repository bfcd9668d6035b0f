using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Wire;

public sealed class PacketParserTests(ITestOutputHelper output)
{
    public static TheoryData<byte[]> Whole => new()
    {
        Packets.Tcp(Packets.ClientV4, Packets.ServerV4, 0x02, [1, 2, 3]),
        Packets.Udp(Packets.ClientV4, Packets.ServerV4, [1, 2, 3], optionWords: 3),
        Packets.Echo(Packets.ClientV4, Packets.ServerV4, true, [1]),
        Packets.Error(Packets.ServerV4.Address, Packets.ClientV4.Address, 3, 4, Packets.Udp(Packets.ClientV4, Packets.ServerV4, new byte[50]), 60),
        Packets.Tcp(Packets.ClientV6, Packets.ServerV6, 0x12, [1, 2, 3]),
        Packets.Udp(Packets.ClientV6, Packets.ServerV6, [1, 2, 3]),
        Packets.Error(Packets.ServerV6.Address, Packets.ClientV6.Address, 3, 0, Packets.Tcp(Packets.ClientV6, Packets.ServerV6, 0x10, new byte[50]), 100),
    };

    [Theory]
    [MemberData(nameof(Whole))]
    [Trait("Req", "A-29")]
    public void Cut_off_at_any_length_it_is_refused_and_nothing_outside_is_read(byte[] packet)
    {
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var whole));
        Assert.Equal(packet.Length, whole.Length);
        for (var length = 0; length < packet.Length; length++)
        {
            Assert.NotEqual(DropReason.None, PacketParser.Parse(packet.AsSpan(0, length), out _));
        }

        // Ethernet padding behind it changes nothing.
        Assert.Equal(DropReason.None, PacketParser.Parse([.. packet, 0, 0, 0, 0], out var padded));
        Assert.Equal(packet.Length, padded.Length);
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
                if (PacketParser.Parse(changed, out var summary) == DropReason.None)
                {
                    Rewrite(changed, summary);
                }
            }
        }
    }

    [Fact]
    public void Random_octets_never_throw()
    {
        var random = Seed.Fresh(output);
        var buffer = new byte[160];
        for (var i = 0; i < 300_000; i++)
        {
            for (var at = 0; at < buffer.Length; at += 8)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), random.NextUInt64());
            }

            // Look like IP often enough to get inside.
            buffer[0] = random.NextInt(3) switch { 0 => (byte)(0x45 + random.NextInt(3)), 1 => 0x60, _ => buffer[0] };
            buffer[random.Chance(0.5) ? 9 : 6] = random.NextInt(4) switch { 0 => 6, 1 => 17, 2 => 1, _ => 58 };
            var packet = buffer.AsSpan(0, random.NextInt(buffer.Length + 1));
            if (packet.Length >= 24 && packet[0] >> 4 == 4)
            {
                var header = Math.Min(packet.Length, (packet[0] & 15) * 4);
                packet[10] = packet[11] = 0;
                BinaryPrimitives.WriteUInt16BigEndian(packet[10..], Packets.Complement(Packets.Add(0, packet[..header])));
            }

            if (PacketParser.Parse(packet, out var summary) == DropReason.None)
            {
                Assert.InRange(summary.Length, 0, packet.Length);
                Rewrite(packet, summary);
            }
        }
    }

    [Fact]
    public void What_must_not_be_forwarded_says_why()
    {
        Assert.Equal(DropReason.Martian, Udp("127.0.0.1", "203.0.113.9"));
        Assert.Equal(DropReason.Martian, Udp("0.0.0.0", "203.0.113.9"));
        Assert.Equal(DropReason.Martian, Udp("192.168.1.1", "127.0.0.1"));
        Assert.Equal(DropReason.Martian, Udp("203.0.113.9", "203.0.113.9"));
        Assert.Equal(DropReason.Martian, Udp("224.0.0.1", "203.0.113.9"));
        Assert.Equal(DropReason.Martian, Udp("169.254.1.1", "203.0.113.9"));
        Assert.Equal(DropReason.Multicast, Udp("192.168.1.1", "224.0.0.251"));
        Assert.Equal(DropReason.Multicast, Udp("192.168.1.1", "255.255.255.255"));
        Assert.Equal(DropReason.Martian, Udp("::1", "2001:db8::1"));
        Assert.Equal(DropReason.Multicast, Udp("2001:db8::1", "ff02::fb"));
        Assert.Equal(DropReason.Martian, Udp("fe80::1", "2001:db8::1"));

        var packet = Packets.Udp(Packets.ClientV4, Packets.ServerV4, [1]);
        packet[6] = 0x20;
        packet[10] = packet[11] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Packets.Complement(Packets.Add(0, packet.AsSpan(0, 20))));
        Assert.Equal(DropReason.Fragment, PacketParser.Parse(packet, out _));

        packet = Packets.Udp(Packets.ClientV4, Packets.ServerV4, [1]);
        packet[11] ^= 1;
        Assert.Equal(DropReason.BadHeaderChecksum, PacketParser.Parse(packet, out _));

        var about = Packets.Udp(Packets.ClientV4, Packets.ServerV4, [1]);
        packet = Packets.Error(Packets.ServerV4.Address, Packets.ClientV4.Address, 3, 1, about, 28);
        packet[^1] ^= 1;
        Assert.Equal(DropReason.BadTransportChecksum, PacketParser.Parse(packet, out _));
        Assert.Equal(DropReason.UnsupportedIcmp, PacketParser.Parse(Packets.Error(Packets.ServerV4.Address, Packets.ClientV4.Address, 5, 1, about, 28), out _));
        Assert.Equal(DropReason.UnsupportedProtocol, PacketParser.Parse(Packets.Ip(Packets.ClientV4.Address, Packets.ServerV4.Address, 47, new byte[20], 64, 0), out _));

        var sourceRouted = Packets.Udp(Packets.ClientV4, Packets.ServerV4, [1], optionWords: 2);
        sourceRouted[20] = 131;
        sourceRouted[21] = 7;
        sourceRouted[10] = sourceRouted[11] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(sourceRouted.AsSpan(10), Packets.Complement(Packets.Add(0, sourceRouted.AsSpan(0, 28))));
        Assert.Equal(DropReason.Malformed, PacketParser.Parse(sourceRouted, out _));
    }

    /// <summary>RFC 4942 section 2.2: it would find the mapping of an IPv4 client and write four octets where sixteen belong.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(24)]
    [Trait("Req", "N-04")]
    public void An_IPv4_address_inside_an_ICMPv6_error_is_refused(int at)
    {
        var about = Packets.Udp(Packets.MasqueradeV6, Packets.ServerV6, [1]);
        Convert.FromHexString("00000000000000000000ffff0a01010a").CopyTo(about, at);
        var error = Packets.Error(Packets.ServerV6.Address, Packets.MasqueradeV6.Address, 1, 4, about, 100);
        Assert.Equal(DropReason.Martian, PacketParser.Parse(error, out _));
    }

    /// <summary>Zero stands for a length that does not fit the field (RFC 2675 section 4); hardware makes such packets, a link of ours does not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_length_of_zero_is_believed_only_of_what_is_too_long_for_the_field(bool v6)
    {
        var (from, to) = v6 ? (Packets.ClientV6, Packets.ServerV6) : (Packets.ClientV4, Packets.ServerV4);
        foreach (var protocol in new[] { IpProtocolNumber.Tcp, IpProtocolNumber.Udp })
        {
            var small = Packet(1_000);
            var big = Packet(70_000);
            foreach (var packet in new[] { small, big })
            {
                var expected = packet == big ? DropReason.None : v6 ? DropReason.Truncated : DropReason.Malformed;
                packet.AsSpan(v6 ? 4 : 2, 2).Clear();
                if (!v6)
                {
                    packet[10] = packet[11] = 0;
                    BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Packets.Complement(Packets.Add(0, packet.AsSpan(0, 20))));
                }

                Assert.Equal(expected, PacketParser.Parse(packet, out var summary));
                Assert.True(expected != DropReason.None || summary.Length == packet.Length);
            }

            byte[] Packet(int payload) => protocol == IpProtocolNumber.Tcp
                ? Packets.Tcp(from, to, 0x10, new byte[payload])
                : WithoutLength(Packets.Udp(from, to, new byte[payload]), zero: payload > ushort.MaxValue);
        }

        Assert.Equal(DropReason.Malformed, PacketParser.Parse(WithoutLength(Packets.Udp(from, to, [1, 2]), zero: true), out _));

        byte[] WithoutLength(byte[] packet, bool zero)
        {
            packet.AsSpan((v6 ? 40 : 20) + 4, zero ? 2 : 0).Clear();
            return packet;
        }
    }

    private static DropReason Udp(string from, string to) =>
        PacketParser.Parse(Packets.Udp(new TransportEndpoint(IpAddress.Parse(from), 1_000), new TransportEndpoint(IpAddress.Parse(to), 2_000), [1]), out _);

    private static void Rewrite(Span<byte> packet, in PacketSummary summary)
    {
        var to = summary.IsIPv6 ? Packets.MasqueradeV6 : Packets.MasqueradeV4;
        if (summary.Kind == PacketKind.IcmpError)
        {
            PacketRewriter.ErrorInbound(packet, summary, new PacketRewriter.Rewrite(summary.EmbeddedTuple.Source, to));
        }
        else
        {
            PacketRewriter.Source(packet, summary, new PacketRewriter.Rewrite(summary.Tuple.Source, to), checksumPartial: false);
        }

        PacketRewriter.DecrementTtl(packet, summary);
    }
}
