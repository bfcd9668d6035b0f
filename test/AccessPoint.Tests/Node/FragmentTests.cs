using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Wire;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>Fragments through whole nodes: at the node that is HAM and FAM, and through a HAM and a FAM apart. What comes out is put together by a reference that is not the product's.</summary>
[Trait("Req", "N-05")]
public sealed class FragmentTests(ITestOutputHelper output)
{
    private static readonly MacAddress OtherClient = MacAddress.Parse("02:00:00:00:00:22");

    [Theory, Trait("Rfc", "4787 REQ-14"), Trait("Req", "N-08")]
    [InlineData(false, Phase.AtRest)]
    [InlineData(false, Phase.Roamed)]
    [InlineData(false, Phase.TakenOver)]
    [InlineData(true, Phase.AtRest)]
    [InlineData(true, Phase.Roamed)]
    [InlineData(true, Phase.TakenOver)]
    public void Fragments_in_any_order_arrive_whole_in_both_directions(bool v6, Phase phase)
    {
        var random = Seed.Fresh(output);
        foreach (var order in new[] { "forward", "backward", "shuffled" })
        {
            var (client, server) = Endpoints(v6);
            var pair = new RoamingPair();
            var masquerade = pair.Open(client, server);
            pair.GoTo(phase);
            var payload = Payload(5_000, 1);
            foreach (var piece in Ordered(Pieces.Cut(RoamingPair.Datagram(client, server, payload), 1_208, 0x1234), order, random))
            {
                pair.FromClient(piece);
            }

            AssertSame(RoamingPair.Datagram(masquerade, server, payload), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
            foreach (var piece in Ordered(Pieces.Cut(RoamingPair.Datagram(server, masquerade, payload), 1_208, 0x4321), order, random))
            {
                pair.FromServer(piece);
            }

            AssertSame(RoamingPair.Datagram(server, client, payload), Assert.Single(Pieces.Reassemble(AtClient(pair))), hops: phase == Phase.AtRest ? 1 : 2);
            Assert.Equal((0, 0), (pair.Ham.FragmentedDatagrams, pair.Fam.FragmentedDatagrams));
            Assert.Equal(0, pair.Dropped);
        }
    }

    /// <summary>Whatever comes out is one of the datagrams that went in, never a mixture; what nobody has meddled with comes out.</summary>
    [Theory, Trait("Rfc", "4787 REQ-14"), Trait("Rfc", "5722"), Trait("Req", "A-29")]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Random_fragments_with_overlaps_duplicates_and_losses_never_mix(bool v6, bool roamed)
    {
        var random = Seed.Fresh(output);
        for (var round = 0; round < 30; round++)
        {
            var (client, server) = Endpoints(v6);
            var pair = new RoamingPair(new FragmentConfig { MaxWaitingPerSender = 64 });
            var masquerade = pair.Open(client, server);
            if (roamed)
            {
                pair.Roam();
                pair.Wait(100);
            }

            var inbound = random.Chance(0.5);
            var (from, to) = inbound ? (server, masquerade) : (client, server);
            var (wantFrom, wantTo) = inbound ? (server, client) : (masquerade, server);
            var wanted = new List<byte[]>();
            var clean = new List<int>();
            var pieces = new List<byte[]>();
            for (var i = 0; i < 20; i++)
            {
                var payload = Payload(20 + random.NextInt(6_000), (byte)i);
                var datagram = RoamingPair.Datagram(from, to, payload);
                wanted.Add(RoamingPair.Datagram(wantFrom, wantTo, payload));
                var cut = Pieces.Cut(datagram, 8 * (3 + random.NextInt(150)), (uint)(100 + i));
                if (cut.Count > 60)
                {
                    continue;
                }

                if (cut.Count == 1)
                {
                    pieces.Add(datagram);
                    clean.Add(i);
                    continue;
                }

                switch (random.NextInt(4))
                {
                    case 0:
                        cut.RemoveAt(random.NextInt(cut.Count));
                        break;
                    case 1:
                        // Somebody else's octets over some of it.
                        var header = v6 ? 40 : 20;
                        var at = 8 * random.NextInt((datagram.Length - header) / 8);
                        cut.Add(Pieces.Piece(datagram, at, new byte[8 * (1 + random.NextInt(20))], more: true, (uint)(100 + i)));
                        break;
                    case 2:
                        cut.Add(cut[random.NextInt(cut.Count)]);
                        clean.Add(i);
                        break;
                    default:
                        clean.Add(i);
                        break;
                }

                pieces.AddRange(cut);
            }

            foreach (var piece in Ordered(pieces, "shuffled", random))
            {
                if (inbound)
                {
                    pair.FromServer((byte[])piece.Clone());
                }
                else
                {
                    pair.FromClient((byte[])piece.Clone());
                }
            }

            // Octets of somebody else's that fit exactly into a place are what the checksum is there for.
            var came = Pieces.Reassemble(inbound ? AtClient(pair) : pair.AtServer).Where(HasRightChecksum).Select(p => Convert.ToHexString(Comparable(p))).ToHashSet();
            foreach (var i in clean)
            {
                Assert.True(came.Remove(Convert.ToHexString(Comparable(wanted[i]))), $"round {round}: datagram {i} is missing");
            }

            var all = wanted.Select(w => Convert.ToHexString(Comparable(w))).ToHashSet();
            Assert.All(came, c => Assert.Contains(c, all));
            pair.Wait(20_000);
            Assert.Equal((0, 0), (pair.Node(0).FragmentedDatagrams, pair.Node(1).FragmentedDatagrams));
        }
    }

    [Theory, Trait("Rfc", "1858"), Trait("Rfc", "3128"), Trait("Rfc", "7112")]
    [InlineData(false)]
    [InlineData(true)]
    public void Tiny_first_fragments_and_fragments_into_a_TCP_header_are_dropped(bool v6)
    {
        var (client, server) = Endpoints(v6);
        var pair = new RoamingPair();
        pair.Open(client, server);
        var segment = RoamingPair.Datagram(client, server, new byte[100], TransportProtocol.Tcp);
        pair.FromClient(Pieces.Piece(segment, 0, segment.AsSpan(v6 ? 40 : 20, 16), more: true, 5));
        pair.FromClient(Pieces.Piece(segment, 8, segment.AsSpan((v6 ? 40 : 20) + 8, 16), more: true, 6));
        Assert.Equal(2, pair.Node(0).Drops[DropReason.TinyFragment]);
        Assert.Empty(pair.AtServer);
        Assert.Equal(0, pair.Node(0).FragmentedDatagrams);
    }

    [Theory, Trait("Rfc", "5722")]
    [InlineData(false)]
    [InlineData(true)]
    public void An_overlap_is_dropped_and_over_IPv6_ends_the_datagram(bool v6)
    {
        var (client, server) = Endpoints(v6);
        var pair = new RoamingPair();
        pair.Open(client, server);
        var datagram = RoamingPair.Datagram(client, server, Payload(3_000, 1));
        var cut = Pieces.Cut(datagram, 1_000, 9);
        pair.FromClient(cut[0]);
        pair.FromClient(Pieces.Piece(datagram, 992, new byte[16], more: true, 9));
        Assert.Equal(1, pair.Node(0).Drops[DropReason.FragmentOverlap]);
        cut.Skip(1).ToList().ForEach(p => pair.FromClient(p));
        Assert.Equal(v6 ? 1 : 4, pair.AtServer.Count);
        Assert.Equal(v6 ? 4 : 1, pair.Node(0).Drops[DropReason.FragmentOverlap]);
    }

    [Theory, Trait("Rfc", "4787 REQ-14"), Trait("Req", "A-29")]
    [InlineData(false)]
    [InlineData(true)]
    public void A_flood_of_fragments_is_bounded_and_hurts_nobody_else(bool inbound)
    {
        var config = new FragmentConfig { MaxDatagrams = 512, MaxDatagramsPerSender = 64, MaxWaiting = 32, MaxWaitingPerSender = 8 };
        var (client, server) = Endpoints(v6: false);
        var pair = new RoamingPair(config);
        pair.Arrive(OtherClient, 0);
        var masquerade = pair.Open(client, server);
        var other = TransportEndpoint.Parse("192.168.77.102:5000");
        var otherMasquerade = pair.Open(other, server, OtherClient);
        for (uint i = 0; i < 5_000; i++)
        {
            // Beginnings without an end, and ends without a beginning, of ever new datagrams.
            var datagram = inbound ? RoamingPair.Datagram(server, masquerade, Payload(100, 1)) : RoamingPair.Datagram(client, server, Payload(100, 1));
            var piece = Pieces.Cut(datagram, 64, i)[(int)(i & 1)];
            if (inbound)
            {
                pair.FromServer(piece);
            }
            else
            {
                pair.FromClient(piece);
            }

            Assert.InRange(pair.Node(0).FragmentedDatagrams, 0, 64);
        }

        Assert.InRange(pair.Node(0).Drops[DropReason.FragmentLimit], 2_400, 5_000);

        // Nobody else notices: another client's fragments and everybody's whole packets.
        pair.AtServer.Clear();
        pair.AtClient.Clear();
        foreach (var piece in Pieces.Cut(RoamingPair.Datagram(other, server, Payload(3_000, 2)), 1_000, 1).AsEnumerable().Reverse())
        {
            pair.FromClient(piece, OtherClient);
        }

        AssertSame(RoamingPair.Datagram(otherMasquerade, server, Payload(3_000, 2)), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
        pair.FromClient(RoamingPair.Datagram(client, server, Payload(10, 3)));
        pair.FromServer(RoamingPair.Datagram(server, masquerade, Payload(10, 3)));
        Assert.Equal((5, 1), (pair.AtServer.Count, pair.AtClient.Count));
        pair.Wait(16_000);
        Assert.Equal(0, pair.Node(0).FragmentedDatagrams);
    }

    [Fact]
    public void What_waits_for_a_first_fragment_in_vain_is_dropped_in_time()
    {
        var (client, server) = Endpoints(v6: false);
        var pair = new RoamingPair();
        pair.Open(client, server);
        var cut = Pieces.Cut(RoamingPair.Datagram(client, server, Payload(2_500, 1)), 1_000, 9);
        pair.FromClient(cut[1]);
        pair.FromClient(cut[2]);
        Assert.Equal(1, pair.Node(0).FragmentedDatagrams);
        Assert.InRange((pair.Node(0).NextDeadline - pair.Now).TotalMilliseconds, double.MinValue, 1_000);
        pair.Wait(1_001);
        Assert.Equal((0, 2L), (pair.Node(0).FragmentedDatagrams, pair.Node(0).Drops[DropReason.FragmentExpired]));
        pair.FromClient(cut[0]);
        Assert.Single(pair.AtServer);
    }

    [Theory, Trait("Rfc", "6864"), Trait("Rfc", "7857 section 10")]
    [InlineData(false)]
    [InlineData(true)]
    public void Datagrams_of_two_clients_with_one_identification_stay_apart_behind_one_address(bool v6)
    {
        var (client, server) = Endpoints(v6);
        var other = client with { Address = IpAddress.Parse(v6 ? "fd00:77::102" : "192.168.77.102") };
        var pair = new RoamingPair();
        pair.Arrive(OtherClient, 0);
        var masquerades = new[] { pair.Open(client, server), pair.Open(other, server, OtherClient) };
        var first = Pieces.Cut(RoamingPair.Datagram(client, server, Payload(2_500, 1)), 1_000, 77);
        var second = Pieces.Cut(RoamingPair.Datagram(other, server, Payload(2_500, 2)), 1_000, 77);
        for (var i = 0; i < first.Count; i++)
        {
            pair.FromClient(first[i]);
            pair.FromClient(second[^(i + 1)], OtherClient);
        }

        var whole = Pieces.Reassemble(pair.AtServer).OrderBy(p => RoamingPair.Read(p).Tuple.Source == masquerades[0] ? 0 : 1).ToList();
        Assert.Equal(2, whole.Count);
        AssertSame(RoamingPair.Datagram(masquerades[0], server, Payload(2_500, 1)), whole[0], hops: 1);
        AssertSame(RoamingPair.Datagram(masquerades[1], server, Payload(2_500, 2)), whole[1], hops: 1);
    }

    /// <summary>Nor may one client put a fragment into another's datagram.</summary>
    [Fact, Trait("Req", "N-05")]
    public void A_client_has_no_part_in_another_s_datagram()
    {
        var (client, server) = Endpoints(v6: false);
        var pair = new RoamingPair();
        pair.Arrive(OtherClient, 0);
        var masquerade = pair.Open(client, server);
        var datagram = RoamingPair.Datagram(client, server, Payload(2_500, 1));
        var cut = Pieces.Cut(datagram, 1_000, 77);
        pair.FromClient(cut[0]);
        pair.FromClient(Pieces.Piece(datagram, 1_000, new byte[1_000], more: true, 77), OtherClient);
        pair.FromClient(cut[1]);
        pair.FromClient(cut[2]);
        AssertSame(RoamingPair.Datagram(masquerade, server, Payload(2_500, 1)), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
    }

    /// <summary>Held at the access point that the client has left, fragments follow it like whole packets, and are its alone.</summary>
    [Theory, Trait("Req", "N-05"), Trait("Req", "A-11")]
    [InlineData(false, 0)]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    [InlineData(true, 1)]
    public void Fragments_that_come_while_the_client_moves_follow_it(bool v6, int from)
    {
        var (client, server) = Endpoints(v6);
        var pair = new RoamingPair();
        var masquerade = pair.Open(client, server);
        if (from == 1)
        {
            pair.Roam();
            pair.Wait(100);
        }

        pair.Leave();
        pair.AtClient.Clear();
        var cut = Pieces.Cut(RoamingPair.Datagram(server, masquerade, Payload(3_500, 1)), 1_000, 77);
        pair.FromServer(cut[1]);
        pair.FromServer(cut[0]);
        pair.FromServer(cut[2]);
        pair.Wait(5);
        if (from == 1)
        {
            // Home again, what has gone round has another identification than what comes straight: such a datagram would be one that the move cuts in two.
            pair.FromServer(cut[3]);
        }

        pair.Roam();
        if (from == 0)
        {
            pair.FromServer(cut[3]);
        }

        pair.Wait(100);
        Assert.All(pair.AtClient, p => Assert.Equal((1 - from, RoamingPair.Client), (p.Node, p.Client)));
        AssertSame(RoamingPair.Datagram(server, client, Payload(3_500, 1)), Assert.Single(Pieces.Reassemble(AtClient(pair))), hops: null);
        pair.Wait(20_000);
        Assert.Equal((0, 0), (pair.Node(0).FragmentedDatagrams, pair.Node(1).FragmentedDatagrams));
    }

    /// <summary>The rest of a datagram whose beginning the client has had at its old place is dropped, or comes to the same client; no state outlives the move.</summary>
    [Theory, Trait("Req", "N-05")]
    [InlineData(false)]
    [InlineData(true)]
    public void A_datagram_that_a_move_cuts_in_two_goes_to_nobody_else(bool v6)
    {
        var (client, server) = Endpoints(v6);
        var pair = new RoamingPair();
        pair.Arrive(OtherClient, 0);
        var masquerade = pair.Open(client, server);
        pair.Open(client with { Address = IpAddress.Parse(v6 ? "fd00:77::102" : "192.168.77.102") }, server, OtherClient);
        var cut = Pieces.Cut(RoamingPair.Datagram(server, masquerade, Payload(2_500, 1)), 1_000, 77);
        pair.FromServer(cut[0]);
        pair.Roam();
        pair.FromServer(cut[1]);
        pair.FromServer(cut[2]);
        pair.Wait(2_000);
        Assert.All(pair.AtClient, p => Assert.Equal(RoamingPair.Client, p.Client));
        Assert.Empty(pair.AtServer);
        pair.AtClient.Clear();
        foreach (var piece in Pieces.Cut(RoamingPair.Datagram(server, masquerade, Payload(2_500, 2)), 1_000, 78))
        {
            pair.FromServer(piece);
        }

        AssertSame(RoamingPair.Datagram(server, client, Payload(2_500, 2)), Assert.Single(Pieces.Reassemble(AtClient(pair))), hops: 2);
    }

    [Theory, Trait("Rfc", "4787 REQ-13a"), Trait("Req", "N-07")]
    [InlineData(Phase.AtRest)]
    [InlineData(Phase.Roamed)]
    [InlineData(Phase.TakenOver)]
    public void What_may_be_cut_is_cut_for_a_smaller_link_and_passes_in_order(Phase phase)
    {
        var (client, server) = Endpoints(v6: false);
        var pair = new RoamingPair(uplinkMtu: 1_300, clientMtu: 700);
        var masquerade = pair.Open(client, server);
        pair.GoTo(phase);
        pair.FromClient(MayBeCut(RoamingPair.Datagram(client, server, Payload(1_400, 1))));
        Assert.Equal([1_300, 148], pair.AtServer.Select(p => p.Length));
        AssertSame(RoamingPair.Datagram(masquerade, server, Payload(1_400, 1)), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
        pair.FromServer(MayBeCut(RoamingPair.Datagram(server, masquerade, Payload(1_400, 1))));
        Assert.All(AtClient(pair), p => Assert.InRange(p.Length, 28, 700));
        AssertSame(RoamingPair.Datagram(server, client, Payload(1_400, 1)), Assert.Single(Pieces.Reassemble(AtClient(pair))), hops: phase == Phase.AtRest ? 1 : 2);

        // A fragment that is itself too long is cut again.
        pair.AtServer.Clear();
        foreach (var piece in Pieces.Cut(MayBeCut(RoamingPair.Datagram(client, server, Payload(4_000, 3))), 1_480, 5))
        {
            pair.FromClient(piece);
        }

        Assert.All(pair.AtServer, p => Assert.InRange(p.Length, 28, 1_300));
        AssertSame(RoamingPair.Datagram(masquerade, server, Payload(4_000, 3)), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
    }

    [Fact, Trait("Req", "N-05")]
    public void A_fragmented_ping_goes_out_and_its_fragmented_answer_comes_back()
    {
        foreach (var v6 in new[] { false, true })
        {
            var (client, server) = Endpoints(v6);
            var pair = new RoamingPair();
            foreach (var piece in Pieces.Cut(Echo(client, server with { Port = 0 }, request: true), 1_000, 9))
            {
                pair.FromClient(piece);
            }

            var asked = Assert.Single(Pieces.Reassemble(pair.AtServer));
            var query = RoamingPair.Read(asked);
            Assert.True(IsIcmpRight(asked, query));
            foreach (var piece in Pieces.Cut(Echo(server with { Port = 0 }, query.Tuple.Source, request: false), 1_000, 9))
            {
                pair.FromServer(piece);
            }

            var answer = Assert.Single(Pieces.Reassemble(AtClient(pair)));
            var reply = RoamingPair.Read(answer);
            Assert.True(IsIcmpRight(answer, reply));
            Assert.Equal(client, reply.Tuple.Destination);
        }
    }

    [Fact, Trait("Req", "A-29")]
    public void Whole_packets_allocate_nothing_on_their_way()
    {
        var (client, server) = Endpoints(v6: false);
        var pair = new RoamingPair();
        pair.Open(client, server);
        var packet = MayBeCut(RoamingPair.Datagram(client, server, Payload(100, 1)));
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out _));
        var source = new IdentificationSource(new SeededRandom(1));
        var table = new FragmentTable(new FragmentConfig(), TimeSpan.FromSeconds(120), source, 1, new DropCounters());
        var cut = Pieces.Cut(packet, 64, 1);
        var ready = 0;
        var datagrams = 0;
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                datagrams++;
                PacketParser.Parse(packet, out var summary);
                summary.HasIdentification = true;
                summary.Identification = source.Next(ipv6: false);
                PacketRewriter.Source(packet, summary, new PacketRewriter.Rewrite(client, server), checksumPartial: false);

                // Fragments in order do not either.
                foreach (var piece in cut)
                {
                    ready += table.Take(piece, OffloadInfo.None, RoamingPair.Client, pair.Now, out _, out var slot) == FragmentFate.Ready ? 1 : 0;
                    table.Close(slot);
                }
            }
        }));
        Assert.Equal(datagrams * cut.Count, ready);
        Assert.Equal(0, table.Count);
    }
}
