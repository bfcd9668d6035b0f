using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Wire;

public sealed class FragmentParserTests(ITestOutputHelper output)
{
    [Theory, Trait("Req", "N-05"), Trait("Rfc", "6946"), Trait("Req", "N-08")]
    [InlineData(17)]
    [InlineData(6)]
    public void An_IPv6_fragment_that_is_all_of_its_packet_is_a_packet(int protocol)
    {
        var packet = protocol == 6 ? Packets.Tcp(Packets.ClientV6, Packets.ServerV6, 0x10, [1, 2, 3]) : Packets.Udp(Packets.ClientV6, Packets.ServerV6, [1, 2, 3]);
        var atomic = Pieces.Piece(packet, 0, packet.AsSpan(40), more: false, 9);
        Assert.Equal(DropReason.None, PacketParser.Parse(atomic, out var summary));
        Assert.Equal((Packets.ClientV6, Packets.ServerV6), (summary.Tuple.Source, summary.Tuple.Destination));
        PacketRewriter.Source(atomic, summary, new PacketRewriter.Rewrite(Packets.ClientV6, Packets.MasqueradeV6), checksumPartial: false);
        var wanted = protocol == 6 ? Packets.Tcp(Packets.MasqueradeV6, Packets.ServerV6, 0x10, [1, 2, 3]) : Packets.Udp(Packets.MasqueradeV6, Packets.ServerV6, [1, 2, 3]);
        Assert.Equal(Pieces.Piece(wanted, 0, wanted.AsSpan(40), more: false, 9), atomic);
    }

    [Fact, Trait("Req", "N-05"), Trait("Req", "A-29")]
    public void Places_that_contradict_themselves_are_refused()
    {
        foreach (var v6 in new[] { false, true })
        {
            var packet = Packets.Udp(v6 ? Packets.ClientV6 : Packets.ClientV4, v6 ? Packets.ServerV6 : Packets.ServerV4, new byte[100]);
            Assert.Equal(DropReason.None, Place(Pieces.Piece(packet, 64, new byte[32], more: true, 1)));
            Assert.Equal(DropReason.Malformed, Place(Pieces.Piece(packet, 64, new byte[33], more: true, 1)));
            Assert.Equal(DropReason.None, Place(Pieces.Piece(packet, 64, new byte[33], more: false, 1)));
            Assert.Equal(DropReason.Malformed, Place(Pieces.Piece(packet, 64, [], more: false, 1)));

            // RFC 791: no packet is longer than 65,535 octets.
            Assert.Equal(DropReason.Malformed, Place(Pieces.Piece(packet, 65_528, new byte[64], more: false, 1)));
            Assert.Equal(DropReason.Fragment, PacketParser.Parse(Pieces.Piece(packet, 64, new byte[32], more: true, 1), out _));
        }
    }

    [Fact, Trait("Req", "A-29")]
    public void Hostile_fragments_never_throw_and_never_fill_the_table()
    {
        var seed = Seed.Number(output);
        var random = new SeededRandom(seed);
        var drops = new DropCounters();
        var table = new FragmentTable(new FragmentConfig { MaxDatagrams = 64 }, TimeSpan.FromSeconds(120), new IdentificationSource(random), 1, drops);
        var samples = Pieces.Cut(Packets.Udp(Packets.ClientV4, Packets.ServerV4, new byte[200]), 64, 3)
            .Concat(Pieces.Cut(Packets.Udp(Packets.ClientV6, Packets.ServerV6, new byte[200]), 64, 3)).ToArray();
        var now = new Core.Time.Instant(1_000_000);
        for (var i = 0; i < 200_000; i++)
        {
            var piece = (byte[])samples[random.NextInt(samples.Length)].Clone();
            for (var change = random.NextInt(4); change > 0; change--)
            {
                piece[random.NextInt(piece.Length)] = (byte)random.NextUInt64();
            }

            if (piece[0] >> 4 == 4 && random.Chance(0.7))
            {
                var header = Math.Min(piece.Length, Math.Max(20, (piece[0] & 15) * 4));
                piece.AsSpan(10, 2).Clear();
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(10), Packets.Complement(Packets.Add(0, piece.AsSpan(0, header))));
            }

            now += TimeSpan.FromMilliseconds(random.NextInt(3));
            var cut = piece.AsSpan(0, random.Chance(0.8) ? piece.Length : random.NextInt(piece.Length + 1));
            if (table.Take(cut, default, random.Chance(0.5) ? MacAddress.None : new MacAddress(5), now, out var summary, out var slot) == FragmentFate.Ready)
            {
                table.Settle(slot, summary, random.Chance(0.2) ? Engine.VerdictKind.Drop : random.Chance(0.1) ? Engine.VerdictKind.Held : Engine.VerdictKind.ForwardUplink);
                while (summary.Part == FragmentPart.First && table.TryTakeWaiting(slot, out var waiting, out var later))
                {
                    Assert.Equal(later.Length, waiting.Packet.Length);
                    table.Settle(slot, later, Engine.VerdictKind.ForwardUplink);
                }

                table.Close(slot);
            }

            Assert.InRange(table.Count, 0, 64);
            table.Advance(now);
        }

        table.Advance(now + TimeSpan.FromSeconds(60));
        Assert.Equal((0, 0), (table.Count, table.WaitingCount));
        Assert.Equal(Core.Time.Instant.Never, table.NextDeadline);
    }

    [Fact, Trait("Rfc", "6864"), Trait("Rfc", "7857 section 10"), Trait("Req", "N-07")]
    public void No_identification_comes_twice_before_all_have_come()
    {
        var source = new IdentificationSource(new SeededRandom(Seed.Number(output)));
        Assert.Equal(65_536, Enumerable.Range(0, 65_536).Select(_ => source.Next(ipv6: false)).Where(i => i <= 0xFFFF).Distinct().Count());
        var wide = Enumerable.Range(0, 200_000).Select(_ => source.Next(ipv6: true)).ToList();
        Assert.Equal(200_000, wide.Distinct().Count());

        // Nor does the next follow from the last.
        Assert.InRange(wide.Zip(wide.Skip(1)).Count(p => p.Second == p.First + 1), 0, 20);
    }

    [Theory, Trait("Rfc", "4787 REQ-13a"), Trait("Req", "N-07")]
    [InlineData(68)]
    [InlineData(576)]
    [InlineData(1_280)]
    public void A_packet_is_cut_in_order_with_the_options_that_go_into_every_fragment(int mtu)
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 200; i++)
        {
            var whole = Packets.Udp(Packets.ClientV4, Packets.ServerV4, new byte[random.NextInt(4_000)], optionWords: 3);

            // A record route (not copied), and a router alert (copied, RFC 2113), which is the only one in later fragments.
            new byte[] { 7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0 }.CopyTo(whole, 20);
            random.NextUInt64();
            whole.AsSpan(10, 2).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(10), Packets.Complement(Packets.Add(0, whole.AsSpan(0, 32))));
            var cutter = new Ipv4Cutter(whole, mtu);
            var pieces = new List<byte[]>();
            var buffer = new byte[mtu];
            while (cutter.TryNext(buffer, out var length))
            {
                pieces.Add(buffer[..length]);
            }

            Assert.All(pieces, p => Assert.InRange(p.Length, 20, mtu));
            Assert.All(pieces.Skip(1), p => Assert.Equal((0x46, 0x94), (p[0], p[20])));
            Assert.All(pieces, p => Assert.Equal(0, Packets.Complement(Packets.Add(0, p.AsSpan(0, (p[0] & 15) * 4)))));
            Assert.Equal(whole, Assert.Single(Pieces.Reassemble(pieces)));
            for (var k = 1; k < pieces.Count; k++)
            {
                Assert.True((BinaryPrimitives.ReadUInt16BigEndian(pieces[k - 1].AsSpan(6)) & 0x1FFF) < (BinaryPrimitives.ReadUInt16BigEndian(pieces[k].AsSpan(6)) & 0x1FFF));
            }
        }
    }

    private static DropReason Place(byte[] piece) => PacketParser.ParseFragment(piece, MacAddress.None, out _, out _);
}
