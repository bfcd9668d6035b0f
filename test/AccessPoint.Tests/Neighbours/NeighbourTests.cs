using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Neighbours.NeighbourSite;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Neighbours;

/// <summary>Two clients of one subnet reach each other at their own addresses, wherever they are.</summary>
[Trait("Req", "N-13")]
public sealed class NeighbourTests
{
    internal static byte[] Datagram(TransportEndpoint from, TransportEndpoint to, int mark, TransportProtocol protocol = TransportProtocol.Udp) =>
        RoamingPair.Datagram(from, to, Payload(100, (byte)mark), protocol);

    /// <summary>Sends a packet from one client to another, who gets it as it was sent, at the node where it is, one hop later for every node.</summary>
    internal static void AssertGets(NeighbourSite site, MacAddress from, MacAddress to, int node, byte[] packet, int hops)
    {
        site.AtClient.Clear();
        site.Send(from, packet);
        var (at, client, came) = Assert.Single(site.AtClient);
        Assert.Equal((node, to), (at, client));
        AssertSame(packet, came, hops);
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    [InlineData(true, 1)]
    public void Each_sees_the_other_s_own_address(bool v6, int where)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, where);
        var hops = where == 0 ? 1 : 2;
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        foreach (var protocol in new[] { TransportProtocol.Udp, TransportProtocol.Tcp })
        {
            for (var i = 0; i < 3; i++)
            {
                AssertGets(site, Anna, Bert, where, Datagram(a, b, i, protocol), hops);
                AssertGets(site, Bert, Anna, 0, Datagram(b, a, i + 10, protocol), hops);
            }
        }

        for (var i = 0; i < 3; i++)
        {
            AssertGets(site, Anna, Bert, where, Echo(a with { Port = 7 }, b with { Port = 0 }, request: true, 64), hops);
            AssertGets(site, Bert, Anna, 0, Echo(b with { Port = 0 }, a with { Port = 7 }, request: false, 64), hops);
        }

        // Between the nodes there are their own addresses only, both ways the same endpoints, and nothing is longer than it was.
        Assert.Empty(site.Astray);
        Assert.Equal(where == 0 ? 0 : 18, site.OnWire.Count);
        Assert.All(site.OnWire, p => Assert.True(p.Length <= Datagram(a, b, 0, TransportProtocol.Tcp).Length));
        var wires = site.OnWire.Select(p => RoamingPair.Read(p).Tuple).ToList();
        Assert.All(wires, w => Assert.Contains(new FlowTuple(w.Source, w.Destination, w.Protocol).Reply(), wires));
        Assert.Equal(where == 0 ? 0 : 6, wires.Distinct().Count());
        site.AssertNoDrops();
        Assert.Equal((0, 0), (site[0].Ham.MappingCount, site[where].Ham.MappingCount));
    }

    /// <summary>Both walk, first one, then the other, then both at once, and home again; whatever they send at any moment comes, once and in order.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Both_walk_and_nothing_is_lost_or_overtaken(bool v6)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        var sent = 0;
        var wanted = new Dictionary<MacAddress, List<byte[]>> { [Anna] = [], [Bert] = [] };
        void Say(MacAddress from, MacAddress to)
        {
            var packet = Datagram(Of(from, v6), Of(to, v6), sent);
            wanted[to].Add(Comparable(packet));
            site.Send(from, packet);
        }

        void Talk(int rounds)
        {
            for (var i = 0; i < rounds; i++, sent++)
            {
                Say(Anna, Bert);
                Say(Bert, Anna);
                site.Wait(3);
            }
        }

        Talk(3);
        (MacAddress Client, int Node)[] walks = [(Bert, 2), (Anna, 1), (Anna, 2), (Bert, 0), (Anna, 0), (Bert, 1)];
        foreach (var (client, node) in walks)
        {
            // Its link goes, and what the other one sends waits; then it comes elsewhere, and what waits follows.
            site.Leave(client);
            var other = client == Anna ? Bert : Anna;
            for (var i = 0; i < 3; i++, sent++)
            {
                Say(other, client);
                site.Wait(3);
            }

            site.Come(client, node);
            Talk(3);
        }

        site.Leave(Anna);
        site.Leave(Bert);
        site.Wait(10);
        site.Come(Bert, 2);
        site.Come(Anna, 1);
        Talk(5);
        site.AssertNoDrops();
        foreach (var client in new[] { Anna, Bert })
        {
            Assert.Equal(3 + (6 * 3) + (3 * 3) + 5, wanted[client].Count);
            Assert.Equal(wanted[client], site.AtClient.Where(p => p.Client == client).Select(p => Comparable(p.Packet)));
        }

        Assert.Empty(site.Astray);
    }

    /// <summary>The sender's node has not heard of the move yet: what it sends follows by way of the node that the client has left, which tells it to look again.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_under_way_follows(bool v6)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        byte[]? late = null;
        site.OnTheWay = packet =>
        {
            (late, packet) = (packet, null!);
            return packet;
        };
        site.Send(Anna, Datagram(a, b, 2));
        Assert.NotNull(late);
        site.OnTheWay = packet => packet;
        site.Walk(Bert, 2);
        site.AtClient.Clear();
        site.FromOutside(late, 1);
        site.AssertNoDrops();
        var (node, client, came) = Assert.Single(site.AtClient);
        Assert.Equal((2, Bert), (node, client));
        AssertSame(Datagram(a, b, 2), came, 3);
        Assert.Equal(1, site[1].NeighboursForwarded);
    }

    /// <summary>The two nodes agree on a flow by a word that may get lost, and the coordinator may be away: what is known goes on.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_coordinator_that_is_away_and_comes_back_empty_disturbs_nobody(bool v6)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        AssertGets(site, Bert, Anna, 0, Datagram(b, a, 2), 2);
        site.End();
        for (var i = 0; i < 100; i++)
        {
            site.Wait(1_000);
            AssertGets(site, Anna, Bert, 1, Datagram(a, b, i), 2);
            AssertGets(site, Bert, Anna, 0, Datagram(b, a, i), 2);
        }

        site.Begin();
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 3), 2);
        site.Appear(Cora, 2);
        AssertGets(site, Cora, Bert, 1, Datagram(Of(Cora, v6), b, 4), 2);
        AssertGets(site, Cora, Anna, 0, Datagram(Of(Cora, v6), a, 5), 2);
        Assert.Equal(4, site.Core.Neighbours.AddressCount - 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Fragments_pass(bool v6)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        for (var round = 0; round < 3; round++)
        {
            site.AtClient.Clear();
            var whole = RoamingPair.Datagram(a, b, Payload(3_000, (byte)round));
            foreach (var piece in Ordered(Pieces.Cut(whole, 1_208, (uint)round + 7), round == 1 ? "backward" : "straight", new SeededRandom(1)))
            {
                site.Send(Anna, piece);
            }

            var came = Assert.Single(Pieces.Reassemble([.. site.AtClient.Select(p => p.Packet)]));
            AssertSame(whole, came, hops: null);
            Assert.True(HasRightChecksum(came));
        }

        Assert.Empty(site.Astray);
    }

    /// <summary>A local sender's packet comes with a checksum that its hardware would have finished; so do segments that are not cut yet.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Unfinished_checksums_stay_unfinished_and_come_out_right(bool v6)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        var packet = Datagram(a, b, 2);
        var transport = v6 ? 40 : 20;
        var sum = Core.Checksum.InternetChecksum.PseudoHeaderSum(a.Address, b.Address, 17, packet.Length - transport);
        var partial = (ushort)~Core.Checksum.InternetChecksum.Finish(sum);
        (packet[transport + 6], packet[transport + 7]) = ((byte)(partial >> 8), (byte)partial);
        var seen = 0;
        site.OnTheWay = wire =>
        {
            seen++;
            // What the wire's checksum covers is what it says: the nodes' own endpoints.
            var tuple = RoamingPair.Read(wire).Tuple;
            var real = (ushort)~Core.Checksum.InternetChecksum.Finish(Core.Checksum.InternetChecksum.PseudoHeaderSum(tuple.Source.Address, tuple.Destination.Address, 17, wire.Length - transport));
            Assert.Equal(real, (ushort)((wire[transport + 6] << 8) | wire[transport + 7]));
            return null;
        };
        site.Send(Anna, packet, offload: new OffloadInfo(true, (ushort)(14 + transport), 6, 0, 0, 0));
        Assert.Equal(1, seen);
    }

    /// <summary>The neighbour's host says that nobody listens; a router between the nodes that the packet is too large; the other node that the last hop was used up.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Errors_find_who_has_sent(bool v6)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        var packet = Datagram(a, b, 1);
        AssertGets(site, Anna, Bert, 1, packet, 2);
        var came = site.AtClient[0].Packet;
        Expect(() => site.Send(Bert, Error(IcmpError.PortUnreachable, b.Address, came)), Anna, b.Address, packet);

        // About an answer, which went back on what the first node had named.
        var answer = Datagram(b, a, 2);
        AssertGets(site, Bert, Anna, 0, answer, 2);
        came = site.AtClient[0].Packet;
        Expect(() => site.Send(Anna, Error(IcmpError.PortUnreachable, a.Address, came)), Bert, a.Address, answer);

        var router = IpAddress.Parse(v6 ? "2001:db8:ff::1" : "198.51.100.1");
        byte[]? wire = null;
        site.OnTheWay = p => (wire = p) is null ? p : null;
        site.Send(Anna, packet);
        Expect(() => site.FromOutside(Error(IcmpError.TooBig(1_300), router, wire!), 0), Anna, router, packet);
        site.OnTheWay = p => p;
        var short1 = (byte[])packet.Clone();
        short1[v6 ? 7 : 8] = 2;
        if (!v6)
        {
            (short1[10], short1[11]) = (0, 0);
            var sum = Core.Checksum.InternetChecksum.Compute(short1.AsSpan(0, 20));
            (short1[10], short1[11]) = ((byte)(sum >> 8), (byte)sum);
        }

        Expect(() => site.Send(Anna, short1), Anna, Own(1, v6), packet);

        void Expect(Action cause, MacAddress receiver, IpAddress from, byte[] about)
        {
            site.AtClient.Clear();
            cause();
            var (_, client, error) = Assert.Single(site.AtClient);
            Assert.Equal(receiver, client);
            var read = RoamingPair.Read(error);
            Assert.Equal(PacketKind.IcmpError, read.Kind);
            Assert.Equal(from, read.Tuple.Source.Address);
            Assert.Equal(RoamingPair.Read(about).Tuple, read.EmbeddedTuple);
            Assert.True(IsIcmpRight(error, read));
        }
    }

    private static byte[] Error(IcmpError error, IpAddress from, byte[] about)
    {
        var packet = new byte[IcmpError.MaxIPv6];
        return packet[..error.Write(packet, from, about)];
    }

    /// <summary>Nobody has the address: the client is told, and however many addresses it tries, little is asked and remembered.</summary>
    [Fact]
    public void A_scan_is_answered_and_costs_little()
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        var a = Of(Anna, false);
        site.Send(Anna, Datagram(a, TransportEndpoint.Parse("192.168.77.200:9"), 1));
        site.Send(Anna, Datagram(a, TransportEndpoint.Parse("192.168.77.200:9"), 1));
        site.Wait(300);
        Assert.All(site.AtClient, p => Assert.Equal(PacketKind.IcmpError, RoamingPair.Read(p.Packet).Kind));
        Assert.Equal(2, site.AtClient.Count);
        Assert.Equal(2, site.Drops(DropReason.NeighbourUnknown));
        for (var i = 0; i < 5_000; i++)
        {
            site.Send(Anna, Datagram(Of(Anna, true), new TransportEndpoint(new IpAddress(0xFD00_0077_0000_0000, 1_000 + (ulong)i), 9), 1));
        }

        Assert.InRange(site[0].NeighbourLocationCount, 1, 33);
        Assert.InRange(site.Said(0).OfType<NeighbourQuery>().Count(), 1, 40);
        Assert.True(site.Drops(DropReason.NeighbourUnknown) > 4_000);
        site.Wait(10_000);
        site.Wait(10_000);
        Assert.Equal(0, site[0].NeighbourLocationCount);
    }

    /// <summary>An address stays its client's while that is served: another one that uses it, at the same node or another, is heard by nobody.</summary>
    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 2)]
    [InlineData(true, 1)]
    [InlineData(true, 2)]
    public void Nobody_speaks_under_another_s_address(bool v6, int where)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        site.Come(Cora, where);
        site.AtClient.Clear();
        for (var i = 0; i < 20; i++)
        {
            site.Send(Cora, Datagram(a, b, 2));
            site.Wait(20);
        }

        Assert.Empty(site.AtClient);
        Assert.True(site.Drops(DropReason.SpoofedSource) > 0);

        // What is for Anna comes to Anna.
        AssertGets(site, Bert, Anna, 0, Datagram(b, a, 3), 2);

        // Once Anna has left, the address may be another's.
        site.Leave(Anna);
        site.Wait(300);
        site.Wait(6_000);
        site.Send(Cora, Datagram(a, b, 4));
        site.AtClient.Clear();
        site.Send(Cora, Datagram(a, b, 5));
        Assert.Single(site.AtClient);
    }

    /// <summary>Who is no node of the site cannot say whose packets it sends; nor can a node say so of a client that another one serves.</summary>
    [Fact]
    public void Words_are_believed_of_nodes_about_their_own_clients_only()
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        site.Appear(Cora, 2);
        var (a, b) = (Of(Anna, false), Of(Bert, false));
        NeighbourFlowNamed? word = null;
        site.OnTheWay = packet =>
        {
            if (packet.Length > 28 && NeighbourCodec.TryDecode(packet.AsSpan(28), out var read) && read is NeighbourFlowNamed named)
            {
                word = named;
            }

            return packet;
        };
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        Assert.NotNull(word);
        site.AtClient.Clear();

        // Another node (the third) knows the key, and says that it has Anna; a stranger does not know it.
        var third = new TransportEndpoint(Own(2, false), 4_747);
        var second = new TransportEndpoint(Own(1, false), 4_747);
        var stranger = TransportEndpoint.Parse("203.0.113.9:4747");
        foreach (var (speaker, said) in new[] { (third, word with { Number = 9_999 }), (stranger, word with { Number = 9_999, Key = word.Key ^ 1 }), (stranger, word with { Number = 9_998 }) })
        {
            var payload = new byte[NeighbourCodec.MaxLength];
            NeighbourCodec.Encode(said, payload);
            site.FromOutside(RoamingPair.Datagram(speaker, second, payload), 1);
            site.FromOutside(Datagram(speaker with { Port = said.Number }, second, 3), 1);
        }

        site.Wait(500);
        Assert.Empty(site.AtClient);
        Assert.True(site.Drops(DropReason.NeighbourUnproven) > 0);

        // Random words and packets do no harm.
        var random = new SeededRandom(4);
        for (var i = 0; i < 2_000; i++)
        {
            var payload = new byte[random.NextInt(80)];
            for (var at = 0; at < payload.Length; at++)
            {
                payload[at] = (byte)random.NextInt(256);
            }

            "MQN1"u8[..Math.Min(4, payload.Length)].CopyTo(payload);
            site.FromOutside(RoamingPair.Datagram(stranger with { Port = (ushort)(4_740 + random.NextInt(10)) }, second, payload), 1);
        }

        Assert.Empty(site.AtClient);
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 4), 2);
    }

    /// <summary>A client that opens flow after flow to a neighbour has as many as it may; what it has goes on, and others have theirs.</summary>
    [Fact]
    public void Flows_are_bounded_per_client()
    {
        var site = new NeighbourSite(model => model with { Neighbourhood = new NeighbourhoodConfig { MaxFlowsPerClient = 10 } });
        site.Appear(Anna, 0);
        site.Appear(Cora, 0);
        site.Appear(Bert, 1);
        for (var i = 0; i < 50; i++)
        {
            site.Send(Anna, Datagram(Of(Anna, false, (ushort)(1_000 + i)), Of(Bert, false), i));
        }

        Assert.Equal(40, site.Drops(DropReason.ClientQuota));
        Assert.Equal(10, site.AtClient.Count(p => p.Client == Bert));
        AssertGets(site, Anna, Bert, 1, Datagram(Of(Anna, false, 1_003), Of(Bert, false), 1), 2);
        AssertGets(site, Cora, Bert, 1, Datagram(Of(Cora, false), Of(Bert, false), 1), 2);

        // What is not used is forgotten, at both ends.
        site.Wait(130_000);
        site.Wait(60_000);
        site.Wait(10_000);
        Assert.Equal((0, 0), (site[0].NeighbourFlowCount, site[1].NeighbourFlowCount));
        AssertGets(site, Anna, Bert, 1, Datagram(Of(Anna, false, 1_049), Of(Bert, false), 1), 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Clients_can_be_kept_apart(int where)
    {
        var site = new NeighbourSite(model => model with { Neighbourhood = new NeighbourhoodConfig { Isolate = true } });
        site.Appear(Anna, 0);
        site.Appear(Bert, where);
        site.Send(Anna, Datagram(Of(Anna, false), Of(Bert, false), 1));
        var (_, client, error) = Assert.Single(site.AtClient);
        Assert.Equal((Anna, PacketKind.IcmpError), (client, RoamingPair.Read(error).Kind));
        Assert.Equal(1, site.Drops(DropReason.NeighbourIsolated));
    }
}
