using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Wire;

public sealed class PacketRewriterTests(ITestOutputHelper output)
{
    [Theory]
    [Trait("Req", "A-19")]
    [Trait("Req", "A-20")]
    [InlineData(false)]
    [InlineData(true)]
    public void A_rewritten_packet_has_right_checksums_and_the_new_endpoint(bool v6)
    {
        var (client, masquerade, server) = Endpoints(v6);
        var random = Seed.Fresh(output);
        for (var i = 0; i < 4_000; i++)
        {
            var payload = new byte[random.NextInt(64)];
            payload.AsSpan().Fill((byte)random.NextUInt64());
            var from = client with { Port = (ushort)(1 + random.NextInt(65_535)) };
            var to = masquerade with { Port = (ushort)(1 + random.NextInt(65_535)) };
            var options = v6 ? 0 : random.NextInt(3);
            var packet = random.NextInt(3) switch
            {
                0 => Packets.Tcp(from, server, 0x10, payload, optionWords: options),
                1 => Packets.Udp(from, server, payload, checksum: v6 || random.Chance(0.9), optionWords: options),
                _ => Packets.Echo(from, server with { Port = 0 }, request: true, payload),
            };
            Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
            Assert.Equal(from, summary.Tuple.Source);
            PacketRewriter.Source(packet, summary, new PacketRewriter.Rewrite(from, to), checksumPartial: false);
            PacketRewriter.DecrementTtl(packet, summary);
            Assert.True(Packets.AreChecksumsRight(packet));
            Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var after));
            Assert.Equal(to, after.Tuple.Source);
            Assert.Equal(summary.Tuple.Destination, after.Tuple.Destination);
            Assert.Equal(63, after.Ttl);

            // And back again, as the answer would go.
            var reply = summary.Kind switch
            {
                PacketKind.Tcp => Packets.Tcp(server, to, 0x10, payload),
                PacketKind.Udp => Packets.Udp(server, to, payload),
                _ => Packets.Echo(server with { Port = 0 }, to, request: false, payload),
            };
            Assert.Equal(DropReason.None, PacketParser.Parse(reply, out var back));
            Assert.Equal(to, back.Tuple.Destination);
            PacketRewriter.Destination(reply, back, new PacketRewriter.Rewrite(to, from), checksumPartial: false);
            Assert.True(Packets.AreChecksumsRight(reply));
            Assert.Equal(DropReason.None, PacketParser.Parse(reply, out back));
            Assert.Equal(from, back.Tuple.Destination);
        }
    }

    [Theory]
    [InlineData(false, 6)]
    [InlineData(true, 6)]
    [InlineData(false, 17)]
    [InlineData(true, 17)]
    [Trait("Req", "A-20")]
    public void An_unfinished_checksum_takes_the_address_and_leaves_the_port_to_the_hardware(bool v6, byte protocol)
    {
        var (client, masquerade, server) = Endpoints(v6);
        var packet = protocol == 6 ? Packets.Tcp(client, server, 0x10, [1, 2, 3]) : Packets.Udp(client, server, [1, 2, 3]);
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
        var field = summary.TransportOffset + (protocol == 6 ? 16 : 6);
        BinaryPrimitives.WriteUInt16BigEndian(
            packet.AsSpan(field),
            (ushort)(Packets.Complement(Packets.Pseudo(client.Address, server.Address, protocol, summary.TransportLength)) ^ 0xFFFF));
        PacketRewriter.Source(packet, summary, new PacketRewriter.Rewrite(client, masquerade), checksumPartial: true);

        // What a device does: sum from the start of the transport header, field included, and write the complement there.
        var sum = Packets.Complement(Packets.Add(0, packet.AsSpan(summary.TransportOffset)));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(field), sum);
        Assert.True(Packets.AreChecksumsRight(packet));
    }

    [Fact]
    [Trait("Req", "A-20")]
    public void A_UDP_checksum_of_zero_stays_zero_and_one_that_becomes_zero_is_sent_as_all_ones()
    {
        var packet = Packets.Udp(Packets.ClientV4, Packets.ServerV4, [9], checksum: false);
        PacketParser.Parse(packet, out var summary);
        PacketRewriter.Source(packet, summary, new PacketRewriter.Rewrite(Packets.ClientV4, Packets.MasqueradeV4), checksumPartial: false);
        Assert.Equal(0, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(26)));

        // Choose the port that makes the sum come out as zero.
        var found = false;
        for (var port = 1; port <= 0xFFFF && !found; port++)
        {
            var to = Packets.MasqueradeV4 with { Port = (ushort)port };
            packet = Packets.Udp(Packets.ClientV4, Packets.ServerV4, [9, 9]);
            PacketRewriter.Source(packet, summary, new PacketRewriter.Rewrite(Packets.ClientV4, to), checksumPartial: false);
            Assert.NotEqual(0, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(26)));
            found = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(26)) == 0xFFFF;
        }

        Assert.True(found);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "N-04")]
    public void ICMP_errors_are_right_outside_and_inside_in_both_directions(bool v6)
    {
        var (client, masquerade, server) = Endpoints(v6);
        var router = IpAddress.Parse(v6 ? "2001:db8::fe" : "198.51.100.1");
        var header = v6 ? 40 : 20;
        foreach (var options in v6 ? new[] { 0 } : [0, 2])
        {
            foreach (var kind in new[] { 6, 17, 1 })
            {
                foreach (var carried in new[] { header + (options * 4) + 8, header + (options * 4) + 12, 200 })
                {
                    // Towards the client, about a packet that left as masquerade -> server.
                    var sent = Build(kind, masquerade, server, options);
                    var error = Packets.Error(router, masquerade.Address, v6 ? (byte)1 : (byte)3, 1, sent, carried);
                    Assert.Equal(DropReason.None, PacketParser.Parse(error, out var summary));
                    Assert.Equal(PacketKind.IcmpError, summary.Kind);
                    Assert.Equal(masquerade, summary.EmbeddedTuple.Source);
                    PacketRewriter.ErrorInbound(error, summary, new PacketRewriter.Rewrite(masquerade, client));
                    Assert.Equal(Packets.Error(router, client.Address, v6 ? (byte)1 : (byte)3, 1, Build(kind, client, server, options), carried), error);

                    // From the client, about a packet that came to it as server -> client.
                    var received = Build(kind, server, client, options, reply: true);
                    error = Packets.Error(client.Address, server.Address, v6 ? (byte)1 : (byte)3, 3, received, carried);
                    Assert.Equal(DropReason.None, PacketParser.Parse(error, out summary));
                    PacketRewriter.ErrorOutbound(error, summary, new PacketRewriter.Rewrite(client, masquerade));
                    Assert.Equal(Packets.Error(masquerade.Address, server.Address, v6 ? (byte)1 : (byte)3, 3, Build(kind, server, masquerade, options, reply: true), carried), error);
                }
            }
        }
    }

    /// <summary>The identifier is the asker's port: who answers, or is asked, has none, and only its address changes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-19")]
    public void The_identifier_of_a_query_stays_when_the_side_that_is_asked_is_rewritten(bool v6)
    {
        var (client, masquerade, server) = Endpoints(v6);
        (client, masquerade) = (client with { Port = 0 }, masquerade with { Port = 0 });
        var rewrite = new PacketRewriter.Rewrite(client, masquerade);
        var reply = Packets.Echo(client, server, request: false, [1, 2, 3]);
        Assert.Equal(DropReason.None, PacketParser.Parse(reply, out var summary));
        Assert.Equal(client, summary.Tuple.Source);
        PacketRewriter.Source(reply, summary, rewrite, checksumPartial: false);
        Assert.Equal(Packets.Echo(masquerade, server, request: false, [1, 2, 3]), reply);

        var query = Packets.Echo(server, client, request: true, [1, 2, 3]);
        Assert.Equal(DropReason.None, PacketParser.Parse(query, out summary));
        Assert.Equal(client, summary.Tuple.Destination);
        PacketRewriter.Destination(query, summary, rewrite, checksumPartial: false);
        Assert.Equal(Packets.Echo(server, masquerade, request: true, [1, 2, 3]), query);

        // An error about such a reply.
        var router = IpAddress.Parse(v6 ? "2001:db8::fe" : "198.51.100.1");
        var type = v6 ? Icmpv6Type.DestinationUnreachable : IcmpType.DestinationUnreachable;
        var error = Packets.Error(router, masquerade.Address, type, 1, Packets.Echo(masquerade, server, request: false, [1]), 100);
        Assert.Equal(DropReason.None, PacketParser.Parse(error, out summary));
        PacketRewriter.ErrorInbound(error, summary, new PacketRewriter.Rewrite(masquerade, client));
        Assert.Equal(Packets.Error(router, client.Address, type, 1, Packets.Echo(client, server, request: false, [1]), 100), error);

        // And one of the client about a query that it got.
        error = Packets.Error(client.Address, server.Address, type, 1, Packets.Echo(server, client, request: true, [1]), 100);
        Assert.Equal(DropReason.None, PacketParser.Parse(error, out summary));
        PacketRewriter.ErrorOutbound(error, summary, rewrite);
        Assert.Equal(Packets.Error(masquerade.Address, server.Address, type, 1, Packets.Echo(server, masquerade, request: true, [1]), 100), error);
    }

    [Fact]
    public void Rewriting_allocates_nothing()
    {
        var packet = Packets.Tcp(Packets.ClientV4, Packets.ServerV4, 0x10, new byte[100]);
        var rewrite = new PacketRewriter.Rewrite(Packets.ClientV4, Packets.MasqueradeV4);
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                PacketParser.Parse(packet, out var summary);
                PacketRewriter.Source(packet, summary, rewrite, checksumPartial: false);
            }
        }));
    }

    private static byte[] Build(int kind, TransportEndpoint source, TransportEndpoint to, int options, bool reply = false) => kind switch
    {
        6 => Packets.Tcp(source, to, 0x10, new byte[40], optionWords: options),
        17 => Packets.Udp(source, to, new byte[40], optionWords: options),
        _ => Packets.Echo(reply ? source with { Port = 0 } : source, reply ? to : to with { Port = 0 }, request: !reply, new byte[40]),
    };

    private static (TransportEndpoint Client, TransportEndpoint Masquerade, TransportEndpoint Server) Endpoints(bool v6) => v6
        ? (Packets.ClientV6, Packets.MasqueradeV6, Packets.ServerV6)
        : (Packets.ClientV4, Packets.MasqueradeV4, Packets.ServerV4);
}
