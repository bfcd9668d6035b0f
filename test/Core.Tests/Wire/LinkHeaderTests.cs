using System.Buffers.Binary;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Wire;

/// <summary>Ethernet, ARP and ICMP views against octets that are written out here.</summary>
public sealed class LinkHeaderTests(ITestOutputHelper output)
{
    private static readonly MacAddress A = MacAddress.Parse("02:00:00:00:00:0a");
    private static readonly MacAddress B = MacAddress.Parse("02:00:00:00:00:0b");

    [Fact]
    public void An_Ethernet_header_is_written_and_read()
    {
        var frame = new byte[15];
        EthernetHeader.Write(frame, A, B, EtherType.Arp);
        Assert.Equal("02000000000a02000000000b080600", Convert.ToHexStringLower(frame));
        Assert.True(EthernetHeader.TryParse(frame, out var header));
        Assert.Equal(A, header.Destination);
        Assert.Equal(B, header.Source);
        Assert.Equal(EtherType.Arp, header.Type);
        Assert.Equal(1, header.Payload.Length);
        frame[14] = 0x45;
        EthernetHeader.WriteForIp(frame, B, A);
        Assert.Equal("02000000000b02000000000a080045", Convert.ToHexStringLower(frame));
        frame[14] = 0x60;
        EthernetHeader.WriteForIp(frame, B, A);
        Assert.Equal("02000000000b02000000000a86dd60", Convert.ToHexStringLower(frame));
        for (var length = 0; length <= frame.Length; length++)
        {
            Assert.Equal(length >= EthernetHeader.Length, EthernetHeader.TryParse(frame.AsSpan(0, length), out _));
        }
    }

    [Fact]
    public void An_ARP_packet_is_written_and_read()
    {
        var packet = new byte[ArpHeader.Length];
        ArpHeader.Write(packet, ArpOperation.Reply, A, IpAddress.Parse("192.0.2.1"), B, IpAddress.Parse("192.0.2.254"));
        Assert.Equal("0001080006040002" + "02000000000a" + "c0000201" + "02000000000b" + "c00002fe", Convert.ToHexStringLower(packet));
        Assert.True(ArpHeader.TryParse(packet, out var header));
        Assert.Equal(ArpOperation.Reply, header.Operation);
        Assert.Equal(A, header.SenderMac);
        Assert.Equal(IpAddress.Parse("192.0.2.1"), header.SenderAddress);
        Assert.Equal(B, header.TargetMac);
        Assert.Equal(IpAddress.Parse("192.0.2.254"), header.TargetAddress);
    }

    [Fact]
    public void An_ARP_packet_cut_off_or_for_other_kinds_of_networks_is_refused()
    {
        var packet = new byte[64];
        ArpHeader.Write(packet, ArpOperation.Request, A, IpAddress.FromV4(1), B, IpAddress.FromV4(2));
        for (var length = 0; length <= packet.Length; length++)
        {
            Assert.Equal(length >= ArpHeader.Length, ArpHeader.TryParse(packet.AsSpan(0, length), out _));
        }

        // Every octet of the fixed part counts, and nothing behind it does.
        for (var at = 0; at < ArpHeader.Length; at++)
        {
            foreach (var value in new byte[] { 0, 0x7F, 0x80, 0xFF })
            {
                var changed = (byte[])packet.Clone();
                changed[at] = value;
                Assert.Equal(at >= 6 || value == packet[at], ArpHeader.TryParse(changed, out var header));
                if (at >= 6)
                {
                    ReadAll(header);
                }
            }
        }
    }

    [Fact]
    public void An_ARP_packet_of_random_fields_comes_back()
    {
        var random = Seed.Fresh(output);
        var packet = new byte[ArpHeader.Length];
        for (var i = 0; i < 10_000; i++)
        {
            var operation = (ushort)random.NextUInt64();
            var (sender, target) = (new MacAddress(random.NextUInt64() >> 16), new MacAddress(random.NextUInt64() >> 16));
            var (from, to) = (IpAddress.FromV4((uint)random.NextUInt64()), IpAddress.FromV4((uint)random.NextUInt64()));
            ArpHeader.Write(packet, operation, sender, from, target, to);
            Assert.True(ArpHeader.TryParse(packet, out var header));
            Assert.Equal((operation, sender, from, target, to), ReadAll(header));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_ICMP_message_shows_its_fields_and_whether_its_checksum_is_right(bool v6)
    {
        var (from, to) = v6 ? (Packets.ClientV6, Packets.ServerV6) : (Packets.ClientV4, Packets.ServerV4);
        var packet = Packets.Echo(from, to, request: true, [1, 2, 3]);
        var message = packet.AsSpan(v6 ? 40 : 20);
        message[7] = 9;
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], 0);
        var sum = Packets.Complement(Packets.Add(v6 ? Packets.Pseudo(from.Address, to.Address, 58, message.Length) : 0, message));
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], sum);
        Assert.True(IcmpHeader.TryParse(message, out var header));
        Assert.Equal(v6 ? Icmpv6Type.Echo : IcmpType.Echo, header.Type);
        Assert.Equal(0, header.Code);
        Assert.Equal(sum, header.Checksum);
        Assert.Equal(from.Port, header.Identifier);
        Assert.Equal(9, header.Sequence);
        Assert.Equal([1, 2, 3], header.Body.ToArray());

        // A wrong octet, a wrong address, the other family's rule: all of them show.
        Assert.True(v6 ? header.IsChecksumRight(from.Address, to.Address) : header.IsChecksumRight());
        Assert.False(v6 ? header.IsChecksumRight() : header.IsChecksumRight(from.Address, to.Address));
        Assert.False(v6 && header.IsChecksumRight(from.Address, Packets.MasqueradeV6.Address));
        for (var at = 0; at < message.Length; at++)
        {
            message[at] ^= 0x10;
            Assert.True(IcmpHeader.TryParse(message, out var changed));
            Assert.False(v6 ? changed.IsChecksumRight(from.Address, to.Address) : changed.IsChecksumRight());
            message[at] ^= 0x10;
        }

        for (var length = 0; length <= message.Length; length++)
        {
            Assert.Equal(length >= IcmpHeader.HeaderLength, IcmpHeader.TryParse(message[..length], out _));
        }
    }

    [Fact]
    public void Random_octets_are_viewed_or_refused()
    {
        var random = Seed.Fresh(output);
        var buffer = new byte[64];
        for (var i = 0; i < 100_000; i++)
        {
            for (var at = 0; at < buffer.Length; at += 8)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), random.NextUInt64());
            }

            if (random.Chance(0.5))
            {
                BinaryPrimitives.WriteUInt64BigEndian(buffer, 0x0001_0800_0604_0001);
            }

            // Exactly as long as it says, so that a read behind the end would throw.
            var octets = buffer.AsSpan(0, random.NextInt(buffer.Length + 1)).ToArray();
            if (EthernetHeader.TryParse(octets, out var ethernet))
            {
                Assert.Equal(octets.Length, EthernetHeader.Length + ethernet.Payload.Length);
                Assert.Equal(octets[13], (byte)ethernet.Type);
            }

            if (ArpHeader.TryParse(octets, out var arp))
            {
                ReadAll(arp);
            }

            if (IcmpHeader.TryParse(octets, out var icmp))
            {
                Assert.Equal(Packets.Complement(Packets.Add(0, octets)) == 0, icmp.IsChecksumRight());
                Assert.Equal(octets.Length, IcmpHeader.HeaderLength + icmp.Body.Length);
            }
        }
    }

    private static (ushort, MacAddress, IpAddress, MacAddress, IpAddress) ReadAll(ArpHeader header) =>
        (header.Operation, header.SenderMac, header.SenderAddress, header.TargetMac, header.TargetAddress);
}
