using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>Markers between nodes: one length, every bit accounted for.</summary>
public sealed class PeerCodecTests(ITestOutputHelper output)
{
    [Fact]
    public void Known_octets()
    {
        var datagram = new byte[PeerCodec.Length];
        var drain = new Drain(MacAddress.Parse("02:00:00:00:00:07"), new Epoch(3), 0x1122334455667788);
        Assert.Equal(27, PeerCodec.Encode(drain, datagram));
        Assert.Equal("4D515031" + "01" + "020000000007" + "0000000000000003" + "1122334455667788", Convert.ToHexString(datagram));
        PeerCodec.Encode(new Drained(drain.Client, drain.Epoch, drain.Token), datagram);
        Assert.Equal("4D51503102", Convert.ToHexString(datagram.AsSpan(0, 5)));
        PeerCodec.Encode(new Probe(0x1122334455667788), datagram);
        Assert.Equal("4D515031" + "03" + "000000000000" + "0000000000000000" + "1122334455667788", Convert.ToHexString(datagram));
        PeerCodec.Encode(new Probed(7), datagram);
        Assert.Equal("4D51503104", Convert.ToHexString(datagram.AsSpan(0, 5)));
    }

    [Fact]
    public void Round_trip_and_every_other_length_is_refused()
    {
        var random = Seed.Fresh(output);
        var datagram = new byte[PeerCodec.Length + 1];
        for (var i = 0; i < 1_000; i++)
        {
            var client = new MacAddress(random.NextUInt64() >> 16);
            PeerMessage message = random.NextInt(6) switch
            {
                0 => new Drain(client, new Epoch(random.NextUInt64()), random.NextUInt64()),
                1 => new Drained(client, new Epoch(random.NextUInt64()), random.NextUInt64()),
                2 => new CopyMark(client, random.NextUInt64(), random.NextUInt64()),
                3 => new CopyMarked(client, random.NextUInt64(), random.NextUInt64()),
                4 => new Probe(random.NextUInt64()),
                _ => new Probed(random.NextUInt64()),
            };
            PeerCodec.Encode(message, datagram);
            Assert.True(PeerCodec.TryDecode(datagram.AsSpan(0, PeerCodec.Length), out var read));
            Assert.Equal(message, read);
            for (var length = 0; length <= datagram.Length; length++)
            {
                Assert.Equal(length == PeerCodec.Length, PeerCodec.TryDecode(datagram.AsSpan(0, length), out _));
            }
        }
    }

    /// <summary>No two datagrams mean the same: what is taken is written back octet for octet, so no bit goes unlooked at.</summary>
    [Fact]
    public void What_is_taken_is_written_back_octet_for_octet()
    {
        var random = Seed.Fresh(output);
        var datagram = new byte[PeerCodec.Length];
        var back = new byte[PeerCodec.Length];
        var taken = 0;
        for (var i = 0; i < 200_000; i++)
        {
            for (var j = 0; j < datagram.Length; j++)
            {
                datagram[j] = (byte)random.NextUInt64();
            }

            if (i % 4 != 0)
            {
                "MQP1"u8.CopyTo(datagram);
            }

            if (PeerCodec.TryDecode(datagram, out var message))
            {
                taken++;
                Assert.True(datagram.AsSpan().StartsWith("MQP1"u8) && datagram[4] is >= 1 and <= 8);
                PeerCodec.Encode(message!, back);
                Assert.Equal(datagram, back);
            }
        }

        Assert.NotEqual(0, taken);
    }
}
