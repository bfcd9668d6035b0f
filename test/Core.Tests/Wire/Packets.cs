using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Tests.Wire;

/// <summary>Builds packets and judges checksums by a summation of its own, written apart from the product's, so that a mistake there does not judge itself.</summary>
internal static class Packets
{
    public static readonly TransportEndpoint ClientV4 = TransportEndpoint.Parse("192.168.77.10:40001");
    public static readonly TransportEndpoint MasqueradeV4 = TransportEndpoint.Parse("10.1.1.10:53184");
    public static readonly TransportEndpoint ServerV4 = TransportEndpoint.Parse("203.0.113.9:443");
    public static readonly TransportEndpoint ClientV6 = TransportEndpoint.Parse("[fd00:77::10]:40001");
    public static readonly TransportEndpoint MasqueradeV6 = TransportEndpoint.Parse("[fd00:10:1:1::10]:53184");
    public static readonly TransportEndpoint ServerV6 = TransportEndpoint.Parse("[2001:db8::9]:443");

    public static byte[] Udp(TransportEndpoint from, TransportEndpoint to, ReadOnlySpan<byte> payload, bool checksum = true, byte ttl = 64, int optionWords = 0)
    {
        var datagram = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), to.Port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)datagram.Length);
        payload.CopyTo(datagram.AsSpan(8));
        if (checksum)
        {
            var sum = Complement(Add(Pseudo(from.Address, to.Address, 17, datagram.Length), datagram));
            BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(6), sum == 0 ? (ushort)0xFFFF : sum);
        }

        return Ip(from.Address, to.Address, 17, datagram, ttl, optionWords);
    }

    public static byte[] Tcp(TransportEndpoint from, TransportEndpoint to, byte flags, ReadOnlySpan<byte> payload, byte ttl = 64, int optionWords = 0)
    {
        var segment = new byte[20 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(segment, from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), to.Port);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(4), 0x01020304);
        segment[12] = 0x50;
        segment[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(14), 0x2000);
        payload.CopyTo(segment.AsSpan(20));
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), Complement(Add(Pseudo(from.Address, to.Address, 6, segment.Length), segment)));
        return Ip(from.Address, to.Address, 6, segment, ttl, optionWords);
    }

    public static byte[] Echo(TransportEndpoint from, TransportEndpoint to, bool request, ReadOnlySpan<byte> payload, byte ttl = 64)
    {
        var v6 = !from.Address.IsIPv4;
        var message = new byte[8 + payload.Length];
        message[0] = (request, v6) switch { (true, false) => 8, (false, false) => 0, (true, true) => 128, (false, true) => 129 };
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(4), request ? from.Port : to.Port);
        payload.CopyTo(message.AsSpan(8));
        var sum = Add(v6 ? Pseudo(from.Address, to.Address, 58, message.Length) : 0, message);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), Complement(sum));
        return Ip(from.Address, to.Address, v6 ? (byte)58 : (byte)1, message, ttl, 0);
    }

    /// <summary>An error about a packet, carrying at most <paramref name="carried"/> of its octets.</summary>
    public static byte[] Error(IpAddress from, IpAddress to, byte type, byte code, byte[] about, int carried, byte ttl = 64)
    {
        var v6 = !from.IsIPv4;
        var message = new byte[8 + Math.Min(carried, about.Length)];
        message[0] = type;
        message[1] = code;
        about.AsSpan(0, message.Length - 8).CopyTo(message.AsSpan(8));
        var sum = Add(v6 ? Pseudo(from, to, 58, message.Length) : 0, message);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), Complement(sum));
        return Ip(from, to, v6 ? (byte)58 : (byte)1, message, ttl, 0);
    }

    public static byte[] Ip(IpAddress from, IpAddress to, byte protocol, byte[] transport, byte ttl, int optionWords)
    {
        if (!from.IsIPv4)
        {
            var v6 = new byte[40 + transport.Length];
            v6[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(v6.AsSpan(4), (ushort)transport.Length);
            v6[6] = protocol;
            v6[7] = ttl;
            from.WriteTo(v6.AsSpan(8));
            to.WriteTo(v6.AsSpan(24));
            transport.CopyTo(v6, 40);
            return v6;
        }

        var header = 20 + (optionWords * 4);
        var v4 = new byte[header + transport.Length];
        v4[0] = (byte)(0x40 | (header / 4));
        BinaryPrimitives.WriteUInt16BigEndian(v4.AsSpan(2), (ushort)v4.Length);
        v4[8] = ttl;
        v4[9] = protocol;
        from.WriteTo(v4.AsSpan(12));
        to.WriteTo(v4.AsSpan(16));
        v4.AsSpan(20, optionWords * 4).Fill(1);
        BinaryPrimitives.WriteUInt16BigEndian(v4.AsSpan(10), Complement(Add(0, v4.AsSpan(0, header))));
        transport.CopyTo(v4, header);
        return v4;
    }

    /// <summary>Whether the IPv4 header checksum and the transport checksum are right, computed from scratch.</summary>
    public static bool AreChecksumsRight(ReadOnlySpan<byte> packet)
    {
        var v6 = packet[0] >> 4 == 6;
        var header = v6 ? 40 : (packet[0] & 15) * 4;
        if (!v6 && Complement(Add(0, packet[..header])) != 0)
        {
            return false;
        }

        var protocol = v6 ? packet[6] : packet[9];
        var transport = packet[header..];
        if (protocol == 17 && transport[6] == 0 && transport[7] == 0)
        {
            return !v6;
        }

        var source = IpAddress.FromBytes(v6 ? packet.Slice(8, 16) : packet.Slice(12, 4));
        var destination = IpAddress.FromBytes(v6 ? packet.Slice(24, 16) : packet.Slice(16, 4));
        return Complement(Add(protocol == 1 ? 0 : Pseudo(source, destination, protocol, transport.Length), transport)) == 0;
    }

    public static long Pseudo(IpAddress from, IpAddress to, byte protocol, int length)
    {
        var bytes = new byte[40];
        var at = from.WriteTo(bytes);
        at += to.WriteTo(bytes.AsSpan(at));
        return Add(0, bytes.AsSpan(0, at)) + protocol + length;
    }

    public static long Add(long sum, ReadOnlySpan<byte> data)
    {
        for (var i = 0; i < data.Length; i++)
        {
            sum += (i & 1) == 0 ? data[i] << 8 : data[i];
        }

        return sum;
    }

    public static ushort Complement(long sum)
    {
        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)(0xFFFF - sum);
    }
}
