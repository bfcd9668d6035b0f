using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Wire;

[Trait("Req", "N-07")]
public sealed class TcpOptionsTests(ITestOutputHelper output)
{
    public static TheoryData<bool, int> Places => new() { { false, 0 }, { false, 1 }, { false, 2 }, { false, 3 }, { true, 0 }, { true, 1 }, { true, 2 }, { true, 3 } };

    /// <summary>Wherever the option stands, at an odd octet too, the checksum stays right.</summary>
    [Theory, MemberData(nameof(Places))]
    [Trait("Rfc", "9293 section 3.7.1")]
    public void A_segment_size_beyond_the_path_is_lowered_and_never_raised(bool ipv6, int before)
    {
        var overhead = ipv6 ? 60 : 40;
        foreach (var (announced, mtu, expected) in new[] { (1460, 1400, 1400 - overhead), (1400 - overhead, 1400, 1400 - overhead), (536, 1500, 536), (65_535, 9_000, 9_000 - overhead), (1460, 0, TcpOptions.LeastSegment) })
        {
            byte[] options = [.. Enumerable.Repeat((byte)1, before), 2, 4, (byte)(announced >> 8), (byte)announced, 1, 3, 3, 7];
            var packet = Syn(ipv6, options, out var summary);
            Assert.Equal(announced, TcpOptions.SegmentSize(packet, summary));
            Assert.Equal((byte)7, TcpOptions.WindowScale(packet, summary));
            Assert.Equal(expected != announced, TcpOptions.ClampSegmentSize(packet, summary, mtu, checksumPartial: false));
            Assert.Equal(expected, TcpOptions.SegmentSize(packet, summary));
            Assert.True(Packets.AreChecksumsRight(packet));
        }
    }

    [Fact]
    public void A_checksum_that_a_device_finishes_is_left_to_it()
    {
        var packet = Syn(ipv6: false, [2, 4, 0x05, 0xB4], out var summary);
        var before = packet.AsSpan(summary.TransportOffset + TcpHeader.ChecksumOffset, 2).ToArray();
        Assert.True(TcpOptions.ClampSegmentSize(packet, summary, 1_400, checksumPartial: true));
        Assert.Equal(before, packet.AsSpan(summary.TransportOffset + TcpHeader.ChecksumOffset, 2).ToArray());
    }

    [Theory]
    [InlineData(new byte[] { })]
    [InlineData(new byte[] { 0, 2, 4, 5 })]
    [InlineData(new byte[] { 2, 3, 5, 0xB4 })]
    [InlineData(new byte[] { 2, 0, 5, 0xB4 })]
    [InlineData(new byte[] { 2, 1, 5, 0xB4 })]
    [InlineData(new byte[] { 1, 1, 1, 2 })]
    [InlineData(new byte[] { 1, 1, 2, 4 })]
    [InlineData(new byte[] { 8, 255, 2, 4, 5, 0xB4, 0, 0 })]
    [InlineData(new byte[] { 9, 0, 2, 4, 5, 0xB4, 0, 0 })]
    public void What_contradicts_itself_is_left_alone(byte[] options)
    {
        var packet = Syn(ipv6: false, options, out var summary);
        var before = packet.ToArray();
        Assert.False(TcpOptions.ClampSegmentSize(packet, summary, 100, checksumPartial: false));
        Assert.Null(TcpOptions.SegmentSize(packet, summary));
        Assert.Null(TcpOptions.WindowScale(packet, summary));
        Assert.Equal(before, packet);
    }

    [Fact]
    public void Any_octets_for_options_give_an_answer_and_right_checksums()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 20_000; i++)
        {
            var options = new byte[random.NextInt(11) * 4];
            for (var at = 0; at < options.Length; at++)
            {
                // Mostly what means something, so that the search gets somewhere.
                options[at] = (byte)(random.NextInt(3) == 0 ? random.NextInt(256) : random.NextInt(6));
            }

            var packet = Syn(random.NextInt(2) == 0, options, out var summary);
            var length = packet.Length;
            TcpOptions.ClampSegmentSize(packet, summary, random.NextInt(2_000), checksumPartial: false);
            Assert.True(TcpOptions.WindowScale(packet, summary) is null or <= 14);
            Assert.True(Packets.AreChecksumsRight(packet));
            Assert.Equal(length, packet.Length);
        }
    }

    /// <summary>A SYN with options and two octets of data, which are no options.</summary>
    private static byte[] Syn(bool ipv6, byte[] options, out PacketSummary summary)
    {
        var (from, to) = ipv6 ? (Packets.ClientV6, Packets.ServerV6) : (Packets.ClientV4, Packets.ServerV4);
        var padded = new byte[(options.Length + 3) & ~3];
        options.CopyTo(padded, 0);
        var segment = new byte[20 + padded.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(segment, from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), to.Port);
        segment[12] = (byte)((20 + padded.Length) / 4 << 4);
        segment[13] = 0x02;
        padded.CopyTo(segment, 20);
        (segment[^2], segment[^1]) = (2, 4);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), Packets.Complement(Packets.Add(Packets.Pseudo(from.Address, to.Address, 6, segment.Length), segment)));
        var packet = Packets.Ip(from.Address, to.Address, 6, segment, 64, 0);
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out summary));
        return packet;
    }
}
