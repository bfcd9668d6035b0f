using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>ICMP errors of hosts and routers, and what nobody has asked for.</summary>
internal static class OddPackets
{
    private const ushort PeerPort = 4_747;

    /// <summary>Behind each packet that an error of this world quotes, so that it is told from those that access points send.</summary>
    private static ReadOnlySpan<byte> Mark => "MQ error"u8;

    /// <summary>Routers on the way, in the middle of the network.</summary>
    public static IpAddress Router(bool ipv6) => ipv6 ? new IpAddress(0x2001_0DB8_00FF_0000, 1) : IpAddress.FromV4(0xC633_6401);

    /// <summary>Somebody with whom no client has spoken.</summary>
    public static IpAddress Stranger(bool ipv6, uint number) => ipv6 ? new IpAddress(0x2001_0DB8_00FE_0000, 1 + number) : IpAddress.FromV4(0xC633_6480 + (number & 63));

    /// <summary>What access points say themselves: datagrams to each other, neighbour discovery, and errors without this world's mark.</summary>
    public static bool IsOfNodes(ReadOnlySpan<byte> packet)
    {
        if (FragmentFormat.IsOne(packet))
        {
            return false;
        }

        var v6 = packet[0] >> 4 == 6;
        var body = packet[(v6 ? 40 : (packet[0] & 15) * 4)..];
        return (v6 ? packet[6] : packet[9]) switch
        {
            17 => BinaryPrimitives.ReadUInt16BigEndian(body) == PeerPort || BinaryPrimitives.ReadUInt16BigEndian(body[2..]) == PeerPort,
            1 => body[0] is not (0 or 8) && !body.EndsWith(Mark),
            58 => body[0] is not (128 or 129) && !body.EndsWith(Mark),
            _ => false,
        };
    }

    /// <summary>Whether a packet is an ICMP error, and what it quotes, without what stands behind it.</summary>
    public static bool TryReadError(ReadOnlySpan<byte> packet, out ReadOnlySpan<byte> quoted)
    {
        var v6 = packet[0] >> 4 == 6;
        var body = packet[(v6 ? 40 : 20)..];
        quoted = body.Length > 28 ? body[8..] : default;
        if (quoted.EndsWith(Mark))
        {
            quoted = quoted[..^Mark.Length];
        }

        return !quoted.IsEmpty && (v6 ? packet[6] == 58 && body[0] < 128 : packet[9] == 1 && body[0] is 3 or 11 or 12);
    }

    public static bool IsStranger(IpAddress address) => address.IsIPv4
        ? (address.V4 & 0xFFFF_FFC0) == 0xC633_6480
        : address.High == 0x2001_0DB8_00FE_0000;

    /// <summary>What a client calls itself that has no address of its subnet.</summary>
    public static IpAddress Strange(bool ipv6) => ipv6 ? new IpAddress(0xFD00_0099_0000_0000, 7) : IpAddress.FromV4(0x0A63_0007);

    public static bool IsStrange(IpAddress address) => address == Strange(!address.IsIPv4);

    /// <summary>No host cuts TCP, and without a checksum nobody could tell whether the pieces belong together.</summary>
    public static bool MayCut(ReadOnlySpan<byte> packet) => ProtocolOf(packet) != TransportProtocol.Tcp && (packet[0] >> 4 == 6 || packet[9] != 17 || (packet[26] | packet[27]) != 0);

    /// <summary>The transport protocol of a packet or a piece of one.</summary>
    public static TransportProtocol ProtocolOf(ReadOnlySpan<byte> packet) => (packet[0] >> 4 == 6 ? packet[6] == 44 ? packet[40] : packet[6] : packet[9]) switch
    {
        6 => TransportProtocol.Tcp,
        17 => TransportProtocol.Udp,
        _ => TransportProtocol.Icmp,
    };

    /// <summary>A whole packet, or the first piece of one.</summary>
    public static bool IsFirst(ReadOnlySpan<byte> packet) => !FragmentFormat.IsOne(packet) || FragmentFormat.PlaceOf(packet).Start == 0;

    /// <summary>Whether a quoted packet is there from its first to its last octet.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> quoted) => !FragmentFormat.IsOne(quoted)
        && quoted.Length == (quoted[0] >> 4 == 6 ? 40 + BinaryPrimitives.ReadUInt16BigEndian(quoted[4..]) : BinaryPrimitives.ReadUInt16BigEndian(quoted[2..]));

    /// <summary>Who has sent a quoted packet, and to whom. Of an echo, the identifier is its client's port.</summary>
    public static (TransportProtocol Protocol, TransportEndpoint Source, TransportEndpoint To) ReadQuoted(ReadOnlySpan<byte> quoted)
    {
        var protocol = ProtocolOf(quoted);
        var body = quoted[(quoted[0] >> 4 == 6 ? quoted[6] == 44 ? 48 : 40 : 20)..];
        var (first, second) = (BinaryPrimitives.ReadUInt16BigEndian(body), BinaryPrimitives.ReadUInt16BigEndian(body[2..]));
        if (protocol == TransportProtocol.Icmp)
        {
            var id = BinaryPrimitives.ReadUInt16BigEndian(body[4..]);
            (first, second) = body[0] is 8 or 128 ? (id, (ushort)0) : ((ushort)0, id);
        }

        return (protocol, new TransportEndpoint(WireFormat.Source(quoted), first), new TransportEndpoint(WireFormat.Destination(quoted), second));
    }

    /// <summary>An error about a packet, to who has sent it.</summary>
    public static byte[] Error(IpAddress reporter, ReadOnlySpan<byte> about, SeededRandom random)
    {
        var v6 = !reporter.IsIPv4;
        var (type, code, rest) = v6
            ? random.NextInt(4) switch { 0 => ((byte)1, (byte)0, 0u), 1 => ((byte)1, (byte)4, 0u), 2 => ((byte)2, (byte)0, 1_400u), _ => ((byte)3, (byte)0, 0u) }
            : random.NextInt(4) switch { 0 => ((byte)3, (byte)1, 0u), 1 => ((byte)3, (byte)3, 0u), 2 => ((byte)3, (byte)4, 1_400u), _ => ((byte)11, (byte)0, 0u) };

        // The whole packet, or as little as RFC 792 asks for.
        var header = v6 ? 40 : 20;
        var length = v6 || random.Chance(0.6) ? about.Length : Math.Min(about.Length, header + 8);
        var data = new byte[length + Mark.Length];
        about[..length].CopyTo(data);
        Mark.CopyTo(data.AsSpan(length));
        return WireFormat.Icmp(reporter, WireFormat.Source(about), type, code, rest, data);
    }
}
