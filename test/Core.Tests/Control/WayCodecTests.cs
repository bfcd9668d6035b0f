using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>Datagrams about ways: each kind of one length, every bit accounted for.</summary>
[Trait("Req", "N-09")]
public sealed class WayCodecTests(ITestOutputHelper output)
{
    [Fact]
    public void Known_octets()
    {
        var datagram = new byte[WayCodec.MaxLength];
        Assert.Equal(30, WayCodec.Encode(new WayProbe(0x1122334455667788, IpAddress.Parse("10.1.2.10")), datagram));
        Assert.Equal("4D515731" + "01" + "1122334455667788" + "040A01020A" + new string('0', 24), Convert.ToHexString(datagram.AsSpan(0, 30)));
        Assert.Equal(21, WayCodec.Encode(new WayProbed(7, 8), datagram));
        Assert.Equal("4D515731" + "02" + "0000000000000007" + "0000000000000008", Convert.ToHexString(datagram.AsSpan(0, 21)));
        var (a, b, c) = (TransportEndpoint.Parse("[fd00::1]:1"), TransportEndpoint.Parse("[fd00::2]:2"), TransportEndpoint.Parse("[fd00::3]:3"));
        Assert.Equal(78, WayCodec.Encode(new StandIn(9, StandInUse.ToFam, TransportProtocol.Tcp, MacAddress.Parse("02:00:00:00:00:07"), a, b, c), datagram));
        Assert.Equal(
            "4D515731" + "03" + "0000000000000009" + "02" + "06" + "020000000007" + "06FD0000000000000000000000000000010001" + "06FD0000000000000000000000000000020002" + "06FD0000000000000000000000000000030003",
            Convert.ToHexString(datagram));
    }

    [Fact]
    public void Round_trip_and_every_other_length_is_refused()
    {
        var random = Seed.Fresh(output);
        var datagram = new byte[WayCodec.MaxLength + 1];
        for (var i = 0; i < 1_000; i++)
        {
            var v6 = random.Chance(0.5);
            var (use, protocol) = ((StandInUse)(1 + random.NextInt(3)), new[] { TransportProtocol.Icmp, TransportProtocol.Tcp, TransportProtocol.Udp }[random.NextInt(3)]);
            var (client, token) = (new MacAddress(random.NextUInt64() >> 16), random.NextUInt64());
            WayMessage message = random.NextInt(4) switch
            {
                0 => new WayProbe(token, Endpoint().Address),
                1 => new WayProbed(token, random.NextUInt64()),
                2 => new StandIn(token, use, protocol, client, Endpoint(), Endpoint(), Endpoint()),
                _ => new StandInKnown(token, use, protocol, client, Endpoint(), Endpoint(), Endpoint()),
            };
            datagram.AsSpan().Clear();
            var right = WayCodec.Encode(message, datagram);
            Assert.True(WayCodec.TryDecode(datagram.AsSpan(0, right), out var read));
            Assert.Equal(message, read);
            for (var length = 0; length <= datagram.Length; length++)
            {
                Assert.Equal(length == right, WayCodec.TryDecode(datagram.AsSpan(0, length), out _));
                Assert.Equal(length >= right, WayCodec.TryDecodeStart(datagram.AsSpan(0, length), out _, out _));
            }

            TransportEndpoint Endpoint() => new(
                v6 ? new IpAddress(0xFD00_0000_0000_0000 | random.NextUInt64(), random.NextUInt64()) : IpAddress.FromV4((uint)random.NextUInt64()), (ushort)random.NextUInt64());
        }
    }

    /// <summary>No two datagrams mean the same: what is taken is written back octet for octet.</summary>
    [Fact]
    public void What_is_taken_is_written_back_octet_for_octet()
    {
        var random = Seed.Fresh(output);
        var (datagram, back) = (new byte[WayCodec.MaxLength], new byte[WayCodec.MaxLength]);
        var taken = 0;
        for (var i = 0; i < 200_000; i++)
        {
            // A right one, of which some octets have been spoilt.
            var endpoint = new TransportEndpoint(random.Chance(0.5) ? IpAddress.FromV4((uint)random.NextUInt64()) : new IpAddress(random.NextUInt64() | 1, random.NextUInt64()), 5);
            WayMessage message = random.NextInt(3) switch
            {
                0 => new WayProbe(random.NextUInt64(), endpoint.Address),
                1 => new WayProbed(random.NextUInt64(), 3),
                _ => new StandIn(4, StandInUse.Back, TransportProtocol.Udp, new MacAddress(5), endpoint, endpoint, endpoint),
            };
            var length = WayCodec.Encode(message, datagram);
            for (var spoilt = random.NextInt(4); spoilt > 0; spoilt--)
            {
                datagram[random.NextInt(length)] = (byte)random.NextInt(random.Chance(0.5) ? 8 : 256);
            }

            if (WayCodec.TryDecode(datagram.AsSpan(0, length), out var read))
            {
                taken++;
                Assert.Equal(length, WayCodec.Encode(read!, back));
                Assert.Equal(datagram.AsSpan(0, length), back.AsSpan(0, length));
            }
        }

        Assert.InRange(taken, 1, 199_999);
    }
}
