using System.Buffers.Binary;
using Masquerade.Auth.Peer;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Peer;

[Trait("Req", "A-23")]
public sealed class TlsReassemblyTests(ITestOutputHelper output)
{
    private const byte Length = TlsReassembly.HasLength;
    private const byte More = TlsReassembly.More;

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1_000)]
    [InlineData(4_999)]
    public void A_message_in_pieces_of_any_size_comes_out_whole(int piece)
    {
        var message = Enumerable.Range(0, 5_000).Select(i => (byte)i).ToArray();
        var reassembly = new TlsReassembly(5_000);
        for (var round = 0; round < 2; round++)
        {
            for (var at = 0; at < message.Length; at += piece)
            {
                var part = message[at..Math.Min(message.Length, at + piece)];
                var more = at + part.Length < message.Length;
                var packet = at == 0 ? Packet(Length | More, 5_000, part) : Packet(more ? More : 0, null, part);
                Assert.Equal(EapPeerDrop.None, reassembly.Take(packet, out var isWhole, out var whole));
                Assert.Equal(!more, isWhole);
                Assert.True(more || whole.SequenceEqual(message));
            }
        }

        // Some servers say the length in every fragment.
        Assert.Equal(EapPeerDrop.None, reassembly.Take(Packet(Length | More, 4, [1, 2]), out _, out _));
        Assert.Equal(EapPeerDrop.None, reassembly.Take(Packet(Length, 4, [3, 4]), out var complete, out var four));
        Assert.True(complete && four.SequenceEqual(new byte[] { 1, 2, 3, 4 }));
    }

    [Fact]
    public void A_server_that_lies_about_the_length_gets_nothing_and_no_memory()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var reassembly = new TlsReassembly(65_536);
        Assert.Equal(EapPeerDrop.FragmentTooLong, reassembly.Take(Packet(Length | More, uint.MaxValue, [1]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentTooLong, reassembly.Take(Packet(Length, 65_537, [1]), out _, out _));
        Assert.Equal(EapPeerDrop.None, reassembly.Take(Packet(Length | More, 65_536, [1]), out _, out _));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 16_384, "what was only said was believed");

        Assert.Equal(EapPeerDrop.FragmentLength, new TlsReassembly(100).Take(Packet(Length, 3, [1, 2]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, new TlsReassembly(100).Take(Packet(Length, 1, [1, 2]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, new TlsReassembly(100).Take(Packet(Length | More, 2, [1, 2]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, new TlsReassembly(100).Take(Packet(Length | More, 0, [1]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentEmpty, new TlsReassembly(100).Take(Packet(Length | More, 2, []), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentWithoutLength, new TlsReassembly(100).Take(Packet(More, null, [1]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentTooLong, new TlsReassembly(1).Take(Packet(0, null, [1, 2]), out _, out _));

        // In the middle; a packet that was refused has changed nothing.
        var middle = new TlsReassembly(100);
        Assert.Equal(EapPeerDrop.None, middle.Take(Packet(Length | More, 6, [1, 2]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, middle.Take(Packet(More, null, [3, 4, 5, 6]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, middle.Take(Packet(0, null, [3, 4, 5]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, middle.Take(Packet(0, null, [3, 4, 5, 6, 7]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentLength, middle.Take(Packet(Length, 7, [3, 4, 5, 6]), out _, out _));
        Assert.Equal(EapPeerDrop.FragmentEmpty, middle.Take(Packet(More, null, []), out _, out _));
        Assert.Equal(EapPeerDrop.None, middle.Take(Packet(0, null, [3, 4, 5, 6]), out var isWhole, out var whole));
        Assert.True(isWhole && whole.SequenceEqual(new byte[] { 1, 2, 3, 4, 5, 6 }));
    }

    [Fact]
    public void Whatever_comes_is_taken_or_dropped_and_memory_is_bounded()
    {
        var chance = Seed.Fresh(output);
        var reassembly = new TlsReassembly(2_000);
        var wholes = 0;
        for (var i = 0; i < 200_000; i++)
        {
            var packet = new byte[chance.NextInt(40)];
            for (var k = 0; k < packet.Length; k++)
            {
                packet[k] = chance.NextInt(3) == 0 ? (byte)chance.NextInt(256) : (byte)0;
            }

            var drop = reassembly.Take(packet, out var isWhole, out var whole);
            Assert.True(!isWhole || (drop == EapPeerDrop.None && whole.Length <= 2_000));
            wholes += isWhole ? 1 : 0;
        }

        Assert.True(wholes > 0);
    }

    private static byte[] Packet(int flags, uint? length, byte[] data)
    {
        var field = new byte[length is null ? 0 : 4];
        if (length is { } said)
        {
            BinaryPrimitives.WriteUInt32BigEndian(field, said);
        }

        return [(byte)flags, .. field, .. data];
    }
}
