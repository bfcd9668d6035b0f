using System.Buffers.Binary;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Checksum;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Ways;

/// <summary>Connections over a pair of nodes, packets to and from them, and what must have become of these.</summary>
internal static class WayCases
{
    private static readonly TransportEndpoint s_client = TransportEndpoint.Parse("192.168.77.101:5000");
    private static readonly TransportEndpoint s_client6 = TransportEndpoint.Parse("[fd00:77::65]:5000");
    private static readonly TransportEndpoint s_server = TransportEndpoint.Parse("203.0.113.5:80");
    private static readonly TransportEndpoint s_server6 = TransportEndpoint.Parse("[2001:db8:5::5]:80");

    public static (RoamingPair Pair, TransportEndpoint Client, TransportEndpoint Server, TransportEndpoint Masquerade) Begin(
        TransportProtocol protocol, bool v6, bool filters, OutboundWay way = OutboundWay.Probe)
    {
        var pair = new RoamingPair(way: way);
        (pair.Filters[0], pair.Filters[1]) = (filters, filters);
        var (client, server) = v6 ? (s_client6, s_server6) : (s_client, s_server);
        server = protocol == TransportProtocol.Icmp ? server with { Port = 0 } : server;
        var masquerade = pair.Open(Outbound(protocol, client, server, "open"u8, isFirst: true));
        pair.FromServer(Inbound(protocol, server, masquerade, "welcome"u8, isFirst: true));
        Assert.Equal(0, pair.Filtered);
        return (pair, client, server, masquerade);
    }

    /// <summary>Both ends speak until the ways are found out.</summary>
    public static void FindOut(RoamingPair pair, TransportProtocol protocol, TransportEndpoint client, TransportEndpoint server, TransportEndpoint masquerade)
    {
        for (var i = 0; i < 100; i++)
        {
            pair.FromClient(Outbound(protocol, client, server, "knock"u8));
            pair.FromServer(Inbound(protocol, server, masquerade, "knock"u8));
            pair.Wait(10);
        }

        pair.AtServer.Clear();
        pair.AtClient.Clear();
    }

    /// <summary>A packet there and one back, each exactly as if nobody had been between but one translator.</summary>
    public static void Exchange(RoamingPair pair, TransportProtocol protocol, TransportEndpoint client, TransportEndpoint server, TransportEndpoint masquerade, int number)
    {
        var payload = new byte[16];
        payload.AsSpan().Fill((byte)number);
        pair.AtServer.Clear();
        pair.FromClient(Outbound(protocol, client, server, payload));
        Assert.Equal(Bare(Outbound(protocol, masquerade, server, payload)), Bare(Assert.Single(pair.AtServer)));
        pair.AtClient.Clear();
        pair.FromServer(Inbound(protocol, server, masquerade, payload));
        Assert.Equal(Bare(Inbound(protocol, server, client, payload)), Bare(Assert.Single(pair.AtClient).Packet));
    }

    public static byte[] Outbound(TransportProtocol protocol, TransportEndpoint from, TransportEndpoint to, ReadOnlySpan<byte> payload, bool isFirst = false) => protocol == TransportProtocol.Icmp
        ? Echo(from, to, from.Port, isReply: false, payload)
        : RoamingPair.Packet(Frames.Build(default, default, protocol, from, to, payload, isFirst ? TcpFlags.Syn : TcpFlags.Ack));

    public static byte[] Inbound(TransportProtocol protocol, TransportEndpoint from, TransportEndpoint to, ReadOnlySpan<byte> payload, bool isFirst = false) => protocol == TransportProtocol.Icmp
        ? Echo(from, to, to.Port, isReply: true, payload)
        : RoamingPair.Packet(Frames.Build(default, default, protocol, from, to, payload, isFirst ? TcpFlags.Syn | TcpFlags.Ack : TcpFlags.Ack));

    public static byte[] Echo(TransportEndpoint from, TransportEndpoint to, ushort identifier, bool isReply, ReadOnlySpan<byte> payload)
    {
        var isV4 = from.Address.IsIPv4;
        var ip = isV4 ? 20 : 40;
        var packet = new byte[ip + 8 + payload.Length];
        var message = packet.AsSpan(ip);
        (message[0], var pseudo) = isV4
            ? (isReply ? IcmpType.EchoReply : IcmpType.Echo, 0u)
            : (isReply ? Icmpv6Type.EchoReply : Icmpv6Type.Echo, InternetChecksum.PseudoHeaderSum(from.Address, to.Address, IpProtocolNumber.Icmpv6, message.Length));
        BinaryPrimitives.WriteUInt16BigEndian(message[4..], identifier);
        payload.CopyTo(message[8..]);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], InternetChecksum.Finish(InternetChecksum.Sum(message, pseudo)));
        if (isV4)
        {
            Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Icmp, from.Address, to.Address);
        }
        else
        {
            Ipv6Header.Write(packet, message.Length, IpProtocolNumber.Icmpv6, from.Address, to.Address);
        }

        return packet;
    }

    /// <summary>A packet without what a hop changes; its checksums are right, or it would differ.</summary>
    public static byte[] Bare(byte[] packet)
    {
        RoamingPair.Read(packet);
        var bare = packet.ToArray();
        if (bare[0] >> 4 == 4)
        {
            bare[8] = 0;
            bare.AsSpan(10, 2).Clear();
        }
        else
        {
            bare[7] = 0;
        }

        return bare;
    }

    public static byte[] Word(TransportEndpoint from, TransportEndpoint to, WayMessage message)
    {
        var datagram = new byte[WayCodec.MaxLength];
        return RoamingPair.Datagram(from, to, datagram.AsSpan(0, WayCodec.Encode(message, datagram)));
    }

    public static byte[] Error(IcmpError error, IpAddress by, byte[] about)
    {
        var packet = new byte[IcmpError.MaxIPv6];
        return packet[..error.Write(packet, by, about)];
    }

    public static void SetHops(byte[] packet, byte hops)
    {
        if (packet[0] >> 4 == 6)
        {
            packet[7] = hops;
            return;
        }

        packet[8] = hops;
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
    }

    public static List<byte[]> Cut(byte[] packet)
    {
        packet[6] = 0;
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), 77);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        var cutter = new Ipv4Cutter(packet, 1_500);
        var pieces = new List<byte[]>();
        var piece = new byte[1_500];
        while (cutter.TryNext(piece, out var length))
        {
            pieces.Add(piece[..length]);
        }

        return pieces;
    }

    /// <summary>The payload of a datagram that came in pieces; its UDP checksum must be right.</summary>
    public static byte[] Join(List<byte[]> pieces)
    {
        Assert.Single(pieces.Select(p => BinaryPrimitives.ReadUInt16BigEndian(p.AsSpan(4))).Distinct());
        var datagram = pieces.OrderBy(p => BinaryPrimitives.ReadUInt16BigEndian(p.AsSpan(6)) & 0x1FFF).SelectMany(p => p[20..]).ToArray();
        var sum = InternetChecksum.PseudoHeaderSum(IpAddress.FromBytes(pieces[0].AsSpan(12, 4)), IpAddress.FromBytes(pieces[0].AsSpan(16, 4)), 17, datagram.Length);
        Assert.Equal(0, InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum)));
        return datagram[8..];
    }
}
