using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>Datagrams about neighbours: each kind of one length, every bit accounted for.</summary>
[Trait("Req", "N-13")]
public sealed class NeighbourCodecTests(ITestOutputHelper output)
{
    [Fact]
    public void Known_octets()
    {
        var datagram = new byte[NeighbourCodec.MaxLength];
        Assert.Equal(54, NeighbourCodec.Encode(new NeighbourFlowNamed(9, TransportProtocol.Tcp, 258, TransportEndpoint.Parse("[fd00::1]:1"), TransportEndpoint.Parse("[fd00::2]:2")), datagram));
        Assert.Equal(
            "4D514E31" + "01" + "0000000000000009" + "06" + "0102" + "06FD0000000000000000000000000000010001" + "06FD0000000000000000000000000000020002", Convert.ToHexString(datagram));
        Assert.Equal(22, NeighbourCodec.Encode(new NeighbourGone(IpAddress.Parse("10.1.2.10")), datagram));
        Assert.Equal("4D514E31" + "03" + "040A01020A" + new string('0', 24), Convert.ToHexString(datagram.AsSpan(0, 22)));
    }

    [Fact]
    public void Round_trip_and_every_other_length_is_refused()
    {
        var random = Seed.Fresh(output);
        var datagram = new byte[NeighbourCodec.MaxLength + 1];
        for (var i = 0; i < 1_000; i++)
        {
            var v6 = random.Chance(0.5);
            var protocol = new[] { TransportProtocol.Icmp, TransportProtocol.Tcp, TransportProtocol.Udp }[random.NextInt(3)];
            NeighbourWord word = random.NextInt(3) switch
            {
                0 => new NeighbourFlowNamed(random.NextUInt64(), protocol, (ushort)random.NextUInt64(), Endpoint(), Endpoint()),
                1 => new NeighbourFlowKnown(random.NextUInt64(), protocol, (ushort)random.NextUInt64(), Endpoint(), Endpoint()),
                _ => new NeighbourGone(Endpoint().Address),
            };
            datagram.AsSpan().Clear();
            var right = NeighbourCodec.Encode(word, datagram);
            Assert.True(NeighbourCodec.TryDecode(datagram.AsSpan(0, right), out var read));
            Assert.Equal(word, read);
            for (var length = 0; length <= datagram.Length; length++)
            {
                Assert.Equal(length == right, NeighbourCodec.TryDecode(datagram.AsSpan(0, length), out _));
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
        var taken = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var datagram = new byte[random.Chance(0.5) ? NeighbourCodec.MaxLength : 22];
            NeighbourCodec.Encode(
                datagram.Length == 22
                    ? new NeighbourGone(IpAddress.FromV4(7))
                    : new NeighbourFlowNamed(random.NextUInt64(), TransportProtocol.Udp, 7, TransportEndpoint.Parse("10.0.0.1:1"), TransportEndpoint.Parse("10.0.0.2:2")),
                datagram);
            datagram[random.NextInt(datagram.Length)] ^= (byte)(1 << random.NextInt(8));
            if (NeighbourCodec.TryDecode(datagram, out var word))
            {
                taken++;
                var again = new byte[datagram.Length];
                Assert.Equal(datagram.Length, NeighbourCodec.Encode(word!, again));
                Assert.Equal(datagram, again);
            }
        }

        Assert.InRange(taken, 1_000, 19_000);
    }
}
