using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Testing;
using Masquerade.Core.Tests.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FastPath;

/// <summary>The forwarder leaves the octets that parser and rewriter leave, and touches nothing of what it leaves to the engine.</summary>
public sealed class FlowForwarderTests(ITestOutputHelper output)
{
    private const int Connections = 200;
    private const int Mtu = 1_400;

    /// <summary>What keeps a packet from being an ordinary one.</summary>
    public enum Oddity
    {
        Syn,
        Fin,
        Rst,
        NoAck,
        OtherMac,
        LastHop,
        TooLarge,
        SegmentTooLarge,
        MayBeCut,
        Fragment,
        Options,
        VoidLine,
    }

    private static readonly MacAddress s_mac = new(0x02_00_00_00_00_07);

    [Theory]
    [Trait("Req", "A-02")]
    [Trait("Req", "A-20")]
    [InlineData(false)]
    [InlineData(true)]
    public void Ordinary_packets_come_out_as_the_engine_writes_them(bool isInbound)
    {
        var random = Seed.Fresh(output);
        var (cache, routes) = Site(random);
        var forwarder = new FlowForwarder(cache, Mtu);
        for (var round = 0; round < 200; round++)
        {
            var packets = new List<(byte[] Octets, bool IsPartial, int Segment)>();
            for (var i = random.NextInt(70); i >= 0; i--)
            {
                packets.Add(Ordinary(random, routes[random.NextInt(Connections)], isInbound));
            }

            var (memory, batch) = Lay(packets);
            Assert.Equal(batch.Length, isInbound ? forwarder.Inbound(memory, batch, 7) : forwarder.Outbound(memory, batch, 7));
            for (var i = 0; i < batch.Length; i++)
            {
                Assert.Equal(3, batch[i].Client);
                Assert.Equal(Convert.ToHexString(ByTheRewriter(packets[i].Octets, packets[i].IsPartial, routes, isInbound)), Convert.ToHexString(memory.AsSpan(batch[i].Offset, batch[i].Length)));
            }
        }
    }

    [Theory]
    [Trait("Req", "A-19")]
    [InlineData(false)]
    [InlineData(true)]
    public void What_it_rewrites_of_damaged_packets_the_engine_would_have_rewritten_alike_and_the_rest_is_untouched(bool isInbound)
    {
        var random = Seed.Fresh(output);
        var (cache, routes) = Site(random);
        var forwarder = new FlowForwarder(cache, Mtu);
        var (passed, left) = (0, 0);
        for (var round = 0; round < 30_000; round++)
        {
            var (octets, isPartial, segment) = Ordinary(random, routes[random.NextInt(Connections)], isInbound);
            switch (random.NextInt(4))
            {
                case 0:
                    octets = octets[..random.NextInt(octets.Length + 1)];
                    break;
                case 1:
                    octets[random.NextInt(octets.Length)] = (byte)random.NextUInt64();
                    break;
                case 2:
                    // The header's checksum fits what was changed, so that it does not hide the rest.
                    octets[random.NextInt(Math.Min(octets.Length, 40))] ^= (byte)(1 << random.NextInt(8));
                    Resum(octets);
                    break;
                default:
                    octets = Chance(random, random.NextInt(80));
                    break;
            }

            var (memory, batch) = Lay([(octets, isPartial, segment)]);
            if ((isInbound ? forwarder.Inbound(memory, batch, 7) : forwarder.Outbound(memory, batch, 7)) == 0)
            {
                left++;
                Assert.Equal(FlowForwarder.ForEngine, batch[0].Client);
                Assert.Equal(Convert.ToHexString(octets), Convert.ToHexString(memory.AsSpan(batch[0].Offset, batch[0].Length)));
            }
            else
            {
                passed++;
                Assert.Equal(Convert.ToHexString(ByTheRewriter(octets, isPartial, routes, isInbound)), Convert.ToHexString(memory.AsSpan(batch[0].Offset, batch[0].Length)));
            }
        }

        output.WriteLine($"{passed} passed, {left} left");
        Assert.InRange(passed, 500, 29_500);
    }

    [Theory]
    [Trait("Req", "A-02")]
    [InlineData(Oddity.Syn, false)]
    [InlineData(Oddity.Fin, false)]
    [InlineData(Oddity.Rst, false)]
    [InlineData(Oddity.NoAck, false)]
    [InlineData(Oddity.OtherMac, true)]
    [InlineData(Oddity.LastHop, false)]
    [InlineData(Oddity.TooLarge, false)]
    [InlineData(Oddity.SegmentTooLarge, false)]
    [InlineData(Oddity.MayBeCut, false)]
    [InlineData(Oddity.Fragment, false)]
    [InlineData(Oddity.Options, false)]
    [InlineData(Oddity.VoidLine, false)]
    public void What_is_out_of_the_ordinary_is_the_engines(Oddity what, bool outboundOnly)
    {
        foreach (var isInbound in outboundOnly ? [false] : new[] { false, true })
        {
            var (cache, routes) = Site(new SeededRandom(1));
            var forwarder = new FlowForwarder(cache, Mtu);
            var route = routes.First(r => r.Tuple.Protocol == TransportProtocol.Tcp);
            var (from, to) = isInbound ? (route.Tuple.Destination, route.Fam) : (route.Tuple.Source, route.Tuple.Destination);
            byte flags = what switch { Oddity.Syn => 0x12, Oddity.Fin => 0x11, Oddity.Rst => 0x14, Oddity.NoAck => 0x08, _ => 0x10 };
            byte[] Make(bool isOrdinary) => Whole(Packets.Tcp(from, to, isOrdinary ? (byte)0x10 : flags, new byte[!isOrdinary && what == Oddity.TooLarge ? Mtu - 39 : 20],
                ttl: !isOrdinary && what == Oddity.LastHop ? (byte)1 : (byte)64, optionWords: !isOrdinary && what == Oddity.Options ? 1 : 0));
            var (memory, batch) = Lay([(Make(isOrdinary: true), false, 0)]);
            Assert.Equal(1, isInbound ? forwarder.Inbound(memory, batch, 7) : forwarder.Outbound(memory, batch, 7));

            var octets = Make(isOrdinary: false);
            var segment = what == Oddity.SegmentTooLarge ? Mtu - 39 : 0;
            if (what is Oddity.MayBeCut or Oddity.Fragment)
            {
                octets[6] = what == Oddity.MayBeCut ? (byte)0 : (byte)0x20;
                Resum(octets);
            }

            (memory, batch) = Lay([(octets, false, segment)]);
            if (what == Oddity.OtherMac)
            {
                batch[0].Source++;
            }
            else if (what == Oddity.VoidLine)
            {
                cache.Invalidate(3);
            }

            Assert.Equal(0, isInbound ? forwarder.Inbound(memory, batch, 7) : forwarder.Outbound(memory, batch, 7));
            Assert.Equal(Convert.ToHexString(octets), Convert.ToHexString(memory.AsSpan(batch[0].Offset, batch[0].Length)));
        }
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void What_has_passed_is_told_once()
    {
        var (cache, routes) = Site(new SeededRandom(1));
        var forwarder = new FlowForwarder(cache, Mtu);
        var number = Array.FindIndex(routes, r => r.Tuple.Protocol == TransportProtocol.Tcp);
        var octets = Whole(Packets.Tcp(routes[number].Tuple.Source, routes[number].Tuple.Destination, 0x10, [1]));
        BinaryPrimitives.WriteUInt32BigEndian(octets.AsSpan(28), 0x0102_0304);
        BinaryPrimitives.WriteUInt16BigEndian(octets.AsSpan(34), 0x0506);
        var back = Whole(Packets.Tcp(routes[number].Tuple.Destination, routes[number].Fam, 0x10, [1]));
        for (var i = 0; i < 3; i++)
        {
            var (memory, batch) = Lay([(octets, false, 0), (octets, false, 0)]);
            forwarder.Outbound(memory, batch, (ushort)(10 + i));
        }

        var (other, inbound) = Lay([(back, false, 0)]);
        forwarder.Inbound(other, inbound, 9);
        Assert.Equal(new FlowActivity(6, 1, 12, 9, 0x0102_0304, 0, 0x0506, 0x2000), cache.Take(number));
        Assert.Equal(0U, cache.Take(number).PacketsOut);
    }

    [Fact]
    [Trait("Req", "A-19")]
    public void Nothing_is_allocated_per_packet()
    {
        var (cache, routes) = Site(new SeededRandom(1));
        var forwarder = new FlowForwarder(cache, Mtu);
        var udp = routes.Where(r => r.Tuple.Protocol == TransportProtocol.Udp).Take(32).ToArray();
        var (outbound, batch) = Lay([.. udp.Select(r => (Whole(Packets.Udp(r.Tuple.Source, r.Tuple.Destination, [1, 2])), false, 0))]);
        var (inbound, back) = Lay([.. udp.Select(r => (Whole(Packets.Udp(r.Tuple.Destination, r.Fam, [1, 2])), false, 0))]);
        var (memory, passed) = (new byte[Math.Max(outbound.Length, inbound.Length)], 0);
        Assert.Equal(0, Allocations.Least(() =>
        {
            passed = 0;
            for (var i = 0; i < 1_000; i++)
            {
                outbound.CopyTo(memory, 0);
                passed += forwarder.Outbound(memory, batch, 7);
                inbound.CopyTo(memory, 0);
                passed += forwarder.Inbound(memory, back, 7);
            }
        }));
        Assert.Equal(2 * 1_000 * udp.Length, passed);
    }

    private static (FlowCache Cache, FlowRoute[] Routes) Site(SeededRandom random)
    {
        var cache = new FlowCache(Connections, 4, random.Fork());
        cache.SetClient(3, s_mac, Mtu);
        var routes = new FlowRoute[Connections];
        for (var i = 0; i < Connections; i++)
        {
            var client = new TransportEndpoint(IpAddress.FromV4(0xC0A8_4D0A), (ushort)(1 + random.NextInt(65_535)));
            var masquerade = new TransportEndpoint(IpAddress.FromV4(0x0A01_010A), (ushort)(1_024 + i));
            var fam = random.Chance(0.5) ? masquerade : new TransportEndpoint(IpAddress.FromV4(0x0A02_010B), (ushort)(50_000 + i));
            var server = new TransportEndpoint(IpAddress.FromV4(0xCB00_7109 + (uint)i), (ushort)(1 + random.NextInt(65_535)));
            routes[i] = new FlowRoute(new FlowTuple(client, server, random.Chance(0.5) ? TransportProtocol.Tcp : TransportProtocol.Udp), masquerade, fam);
            Assert.True(cache.Install(i, 3, routes[i], tick: 1));
        }

        return (cache, routes);
    }

    private static (byte[] Octets, bool IsPartial, int Segment) Ordinary(SeededRandom random, in FlowRoute route, bool isInbound)
    {
        var (from, to) = isInbound ? (route.Tuple.Destination, route.Fam) : (route.Tuple.Source, route.Tuple.Destination);
        var payload = Chance(random, random.NextInt(60));
        var octets = Whole(route.Tuple.Protocol == TransportProtocol.Tcp ? Packets.Tcp(from, to, random.Chance(0.5) ? (byte)0x10 : (byte)0x18, payload) : Packets.Udp(from, to, payload, checksum: random.Chance(0.8)));
        return (octets, random.Chance(0.2), random.Chance(0.1) ? 500 : 0);
    }

    private static byte[] Chance(SeededRandom random, int length)
    {
        var octets = new byte[length];
        for (var i = 0; i < length; i++)
        {
            octets[i] = (byte)random.NextUInt64();
        }

        return octets;
    }

    /// <summary>Not to be cut, as nearly all packets are.</summary>
    private static byte[] Whole(byte[] packet)
    {
        packet[6] = 0x40;
        Resum(packet);
        return packet;
    }

    private static void Resum(Span<byte> packet)
    {
        if (packet.Length >= 20)
        {
            packet[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], Packets.Complement(Packets.Add(0, packet[..20])));
        }
    }

    /// <summary>One after the other, at odd places, some with padding.</summary>
    private static (byte[] Memory, FastPacket[] Batch) Lay(List<(byte[] Octets, bool IsPartial, int Segment)> packets)
    {
        var memory = new byte[packets.Sum(p => p.Octets.Length + 15)];
        var batch = new FastPacket[packets.Count];
        var at = 1;
        for (var i = 0; i < packets.Count; i++)
        {
            packets[i].Octets.CopyTo(memory, at);
            batch[i] = new FastPacket { Offset = at, Length = packets[i].Octets.Length, Source = s_mac.Value, IsChecksumPartial = packets[i].IsPartial, SegmentPayload = (ushort)packets[i].Segment, Client = 99 };
            at += packets[i].Octets.Length + 14;
        }

        return (memory, batch);
    }

    private static byte[] ByTheRewriter(byte[] octets, bool isPartial, FlowRoute[] routes, bool isInbound)
    {
        octets = [.. octets];
        Assert.Equal(DropReason.None, PacketParser.Parse(octets, out var summary));
        Assert.False(LinkMtu.IsExceeded(Mtu, summary, OffloadInfo.None));
        if (isInbound)
        {
            var route = routes.Single(r => r.Tuple.Destination == summary.Tuple.Source && r.Fam == summary.Tuple.Destination && r.Tuple.Protocol == summary.Tuple.Protocol);
            PacketRewriter.Destination(octets, summary, new PacketRewriter.Rewrite(route.Fam, route.Tuple.Source), isPartial);
        }
        else
        {
            var route = routes.Single(r => r.Tuple == summary.Tuple);
            PacketRewriter.Source(octets, summary, new PacketRewriter.Rewrite(route.Tuple.Source, route.Masquerade), isPartial);
        }

        PacketRewriter.DecrementTtl(octets, summary);
        return octets;
    }
}
