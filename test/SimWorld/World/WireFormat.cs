using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>A packet of a flow as a host or a checker reads it.</summary>
/// <param name="Protocol">The protocol.</param>
/// <param name="Source">Where it says it comes from.</param>
/// <param name="To">Where it goes.</param>
/// <param name="Flow">Whose it is.</param>
/// <param name="Message">The number of its message; 0 for a TCP segment without data.</param>
/// <param name="Down">From the server.</param>
/// <param name="Segment">TCP: the rest of the header.</param>
internal readonly record struct FlowPacket(TransportProtocol Protocol, TransportEndpoint Source, TransportEndpoint To, int Flow, uint Message, bool Down, Segment Segment);

/// <summary>
/// Packets as the simulated hosts make and read them, with checksums from scratch. Written apart from the product's own code, so that a mistake there does not judge itself.
/// </summary>
internal static class WireFormat
{
    public const byte Fin = 0x01;
    public const byte Syn = 0x02;
    public const byte Rst = 0x04;
    public const byte Ack = 0x10;
    private const ushort FromClient = 0x4001;

    /// <summary>The window of segments that belong to no flow.</summary>
    private const ushort Foreign = 0x2000;
    private const ushort FromServer = 0x4002;

    public static byte[] Frame(MacAddress to, MacAddress source, byte[] packet)
    {
        var frame = new byte[14 + packet.Length];
        to.WriteTo(frame);
        source.WriteTo(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), packet[0] >> 4 == 6 ? (ushort)0x86DD : (ushort)0x0800);
        packet.CopyTo(frame, 14);
        return frame;
    }

    public static byte[] Packet(TransportProtocol protocol, TransportEndpoint source, TransportEndpoint to, bool fromClient, ReadOnlySpan<byte> payload, Segment segment = default, int flow = 0, bool foreign = false)
    {
        var v6 = !source.Address.IsIPv4;
        var header = protocol switch { TransportProtocol.Tcp => 20, _ => 8 };
        var body = new byte[header + payload.Length];
        payload.CopyTo(body.AsSpan(header));
        int checksumAt;
        var number = (byte)protocol;
        switch (protocol)
        {
            case TransportProtocol.Tcp:
                BinaryPrimitives.WriteUInt16BigEndian(body, source.Port);
                BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(2), to.Port);
                body[12] = 0x50;
                BinaryPrimitives.WriteUInt32BigEndian(body.AsSpan(4), segment.Sequence);
                BinaryPrimitives.WriteUInt32BigEndian(body.AsSpan(8), segment.Acknowledgement);
                body[13] = segment.Flags;

                // Segments without data say here whose they are: nobody on the way may touch window and urgent pointer.
                BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(14), foreign ? Foreign : fromClient ? FromClient : FromServer);
                BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(18), (ushort)flow);
                checksumAt = 16;
                break;
            case TransportProtocol.Udp:
                BinaryPrimitives.WriteUInt16BigEndian(body, source.Port);
                BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(2), to.Port);
                BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(4), (ushort)body.Length);
                checksumAt = 6;
                break;
            default:
                body[0] = (fromClient, v6) switch { (true, false) => 8, (false, false) => 0, (true, true) => 128, (false, true) => 129 };
                BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(4), fromClient ? source.Port : to.Port);
                checksumAt = 2;
                number = v6 ? (byte)58 : (byte)1;
                break;
        }

        var sum = Sum(number == 1 ? 0 : Pseudo(source.Address, to.Address, number, body.Length), body);
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(checksumAt), sum == 0 && protocol == TransportProtocol.Udp ? (ushort)0xFFFF : sum);
        return Ip(source.Address, to.Address, number, body);
    }

    /// <summary>Reads a packet of a flow; false if it is something else, such as a piece of one.</summary>
    public static bool TryRead(ReadOnlySpan<byte> packet, out FlowPacket read)
    {
        read = default;
        if (FragmentFormat.IsOne(packet) || !TryRead(packet, out var protocol, out var source, out var to, out var segment, out var body, out var payload))
        {
            return false;
        }

        if (protocol == TransportProtocol.Tcp && IsForeign(packet))
        {
            return false;
        }

        var isNumbered = Flow.TryReadPayload(payload, out var flow, out var message, out var down);
        if (protocol == TransportProtocol.Tcp && !isNumbered)
        {
            flow = BinaryPrimitives.ReadUInt16BigEndian(body[18..]);
            down = BinaryPrimitives.ReadUInt16BigEndian(body[14..]) == FromServer;
        }

        read = new FlowPacket(protocol, source, to, flow, message, down, segment);
        return isNumbered || protocol == TransportProtocol.Tcp;
    }

    /// <summary>Whether a packet is a TCP segment of a test's own.</summary>
    public static bool IsForeign(ReadOnlySpan<byte> packet)
    {
        var v6 = packet[0] >> 4 == 6;
        return (v6 ? packet[6] : packet[9]) == 6 && BinaryPrimitives.ReadUInt16BigEndian(packet[((v6 ? 40 : (packet[0] & 15) * 4) + 14)..]) == Foreign;
    }

    private static bool TryRead(
        ReadOnlySpan<byte> packet, out TransportProtocol protocol, out TransportEndpoint source, out TransportEndpoint to, out Segment segment, out ReadOnlySpan<byte> body,
        out ReadOnlySpan<byte> payload)
    {
        protocol = default;
        source = to = default;
        segment = default;
        payload = default;
        var v6 = packet[0] >> 4 == 6;
        var at = v6 ? 40 : (packet[0] & 15) * 4;
        var number = v6 ? packet[6] : packet[9];
        body = packet[at..];
        var (from, destination) = v6
            ? (IpAddress.FromBytes(packet.Slice(8, 16)), IpAddress.FromBytes(packet.Slice(24, 16)))
            : (IpAddress.FromBytes(packet.Slice(12, 4)), IpAddress.FromBytes(packet.Slice(16, 4)));
        ushort first = BinaryPrimitives.ReadUInt16BigEndian(body);
        ushort second = BinaryPrimitives.ReadUInt16BigEndian(body[2..]);
        switch (number)
        {
            case 6:
                protocol = TransportProtocol.Tcp;
                segment = new Segment(body[13], BinaryPrimitives.ReadUInt32BigEndian(body[4..]), BinaryPrimitives.ReadUInt32BigEndian(body[8..]));
                payload = body[20..];
                break;
            case 17:
                protocol = TransportProtocol.Udp;
                payload = body[8..];
                break;
            case 1 or 58:
                var request = body[0] is 8 or 128;
                var id = BinaryPrimitives.ReadUInt16BigEndian(body[4..]);
                protocol = TransportProtocol.Icmp;
                payload = body[8..];
                (first, second) = request ? (id, (ushort)0) : ((ushort)0, id);
                break;
            default:
                return false;
        }

        source = new TransportEndpoint(from, first);
        to = new TransportEndpoint(destination, second);
        return true;
    }

    public static IpAddress Source(ReadOnlySpan<byte> packet) => packet[0] >> 4 == 6 ? IpAddress.FromBytes(packet.Slice(8, 16)) : IpAddress.FromBytes(packet.Slice(12, 4));

    public static IpAddress Destination(ReadOnlySpan<byte> packet) => packet[0] >> 4 == 6 ? IpAddress.FromBytes(packet.Slice(24, 16)) : IpAddress.FromBytes(packet.Slice(16, 4));

    /// <summary>Takes a UDP datagram's checksum away, as IPv4 allows.</summary>
    public static void RemoveSum(byte[] packet) => packet.AsSpan(26, 2).Clear();

    /// <summary>The checksum oracle of a packet's pieces: there is one of the header over IPv4.</summary>
    public static bool IsHeaderRight(ReadOnlySpan<byte> packet) => packet[0] >> 4 == 6 || Sum(0, packet[..((packet[0] & 15) * 4)]) == 0;

    /// <summary>Sets the header's checksum over IPv4.</summary>
    public static void SumHeader(Span<byte> packet)
    {
        if (packet[0] >> 4 == 4)
        {
            packet.Slice(10, 2).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], Sum(0, packet[..20]));
        }
    }

    /// <summary>An ICMP message of any type.</summary>
    public static byte[] Icmp(IpAddress source, IpAddress to, byte type, byte code, uint rest, ReadOnlySpan<byte> data)
    {
        var body = new byte[8 + data.Length];
        (body[0], body[1]) = (type, code);
        BinaryPrimitives.WriteUInt32BigEndian(body.AsSpan(4), rest);
        data.CopyTo(body.AsSpan(8));
        var number = (byte)(source.IsIPv4 ? 1 : 58);
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(2), Sum(number == 1 ? 0 : Pseudo(source, to, number, body.Length), body));
        return Ip(source, to, number, body);
    }

    /// <summary>The checksum oracle: header and transport checksum of a packet, from scratch.</summary>
    public static bool AreChecksumsRight(ReadOnlySpan<byte> packet)
    {
        var v6 = packet[0] >> 4 == 6;
        var at = v6 ? 40 : (packet[0] & 15) * 4;
        if (!v6 && Sum(0, packet[..at]) != 0)
        {
            return false;
        }

        var number = v6 ? packet[6] : packet[9];
        var body = packet[at..];
        if (!v6 && number == 17 && body[6] == 0 && body[7] == 0)
        {
            return true;
        }

        var (from, to) = v6
            ? (IpAddress.FromBytes(packet.Slice(8, 16)), IpAddress.FromBytes(packet.Slice(24, 16)))
            : (IpAddress.FromBytes(packet.Slice(12, 4)), IpAddress.FromBytes(packet.Slice(16, 4)));
        return Sum(number == 1 ? 0 : Pseudo(from, to, number, body.Length), body) == 0;
    }

    private static byte[] Ip(IpAddress source, IpAddress to, byte number, byte[] body)
    {
        var v6 = !source.IsIPv4;
        var packet = new byte[(v6 ? 40 : 20) + body.Length];
        body.CopyTo(packet, v6 ? 40 : 20);
        if (v6)
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)body.Length);
            packet[6] = number;
            packet[7] = 64;
            source.WriteTo(packet.AsSpan(8));
            to.WriteTo(packet.AsSpan(24));
            return packet;
        }

        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = number;
        source.WriteTo(packet.AsSpan(12));
        to.WriteTo(packet.AsSpan(16));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Sum(0, packet.AsSpan(0, 20)));
        return packet;
    }

    private static long Pseudo(IpAddress source, IpAddress to, byte number, int length)
    {
        Span<byte> bytes = stackalloc byte[32];
        var at = source.WriteTo(bytes);
        at += to.WriteTo(bytes[at..]);
        long sum = number + length;
        for (var i = 0; i < at; i += 2)
        {
            sum += (bytes[i] << 8) | bytes[i + 1];
        }

        return sum;
    }

    private static ushort Sum(long sum, ReadOnlySpan<byte> data)
    {
        for (var i = 0; i < data.Length; i++)
        {
            sum += (i & 1) == 0 ? data[i] << 8 : data[i];
        }

        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)(0xFFFF - sum);
    }
}
