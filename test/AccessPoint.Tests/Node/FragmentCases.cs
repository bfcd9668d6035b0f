using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>What tests of fragments send, and how they compare what comes.</summary>
internal static class FragmentCases
{
    public static (TransportEndpoint Client, TransportEndpoint Server) Endpoints(bool v6) => v6
        ? (TransportEndpoint.Parse("[fd00:77::101]:40000"), TransportEndpoint.Parse("[2001:db8::9]:80"))
        : (TransportEndpoint.Parse("192.168.77.101:40000"), TransportEndpoint.Parse("203.0.113.9:80"));

    public static byte[] Payload(int length, byte mark)
    {
        var payload = new byte[length];
        for (var i = 0; i < length; i++)
        {
            payload[i] = (byte)((i * 7) + (i >> 8) + (mark * 31));
        }

        return payload;
    }

    public static List<byte[]> Ordered(List<byte[]> pieces, string order, SeededRandom random)
    {
        var ordered = new List<byte[]>(pieces);
        for (var i = ordered.Count - 1; i > 0 && order == "shuffled"; i--)
        {
            var other = random.NextInt(i + 1);
            (ordered[i], ordered[other]) = (ordered[other], ordered[i]);
        }

        if (order == "backward")
        {
            ordered.Reverse();
        }

        return ordered;
    }

    public static IEnumerable<byte[]> AtClient(RoamingPair pair) => pair.AtClient.Select(p => p.Packet);

    /// <summary>All but the fields that a router and a translator change for good reason: TTL, identification, DF, header checksum.</summary>
    public static byte[] Comparable(byte[] packet)
    {
        var copy = (byte[])packet.Clone();
        if (copy[0] >> 4 == 6)
        {
            copy[7] = 0;
            return copy;
        }

        copy.AsSpan(4, 5).Clear();
        copy.AsSpan(10, 2).Clear();
        return copy;
    }

    /// <summary>Whether a host would take a whole UDP datagram.</summary>
    public static bool HasRightChecksum(byte[] packet)
    {
        if (PacketParser.Parse(packet, out var summary) != DropReason.None || summary.Tuple.Protocol != TransportProtocol.Udp)
        {
            return false;
        }

        var segment = packet.AsSpan(summary.TransportOffset, summary.TransportLength);
        var sum = InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, (byte)summary.Tuple.Protocol, segment.Length);
        return InternetChecksum.Finish(InternetChecksum.Sum(segment, sum)) == 0;
    }

    public static void AssertSame(byte[] wanted, byte[] came, int? hops)
    {
        Assert.Equal(Comparable(wanted), Comparable(came));
        var summary = RoamingPair.Read(came);
        if (hops is { } many)
        {
            Assert.Equal(64 - many, summary.Ttl);
        }
    }

    public static byte[] MayBeCut(byte[] packet)
    {
        var whole = Pieces.Piece(packet, 0, packet.AsSpan(20), more: false, 3);
        Assert.Equal(0, whole[6]);
        return whole;
    }

    public static byte[] Echo(TransportEndpoint from, TransportEndpoint to, bool request, int length = 3_000)
    {
        var v6 = !from.Address.IsIPv4;
        var message = new byte[8 + length];
        message[0] = (request, v6) switch { (true, false) => 8, (false, false) => 0, (true, true) => 128, _ => 129 };
        var identifier = request ? from.Port : to.Port;
        (message[4], message[5]) = ((byte)(identifier >> 8), (byte)identifier);
        Payload(length, 5).CopyTo(message, 8);
        var sum = v6 ? Core.Checksum.InternetChecksum.PseudoHeaderSum(from.Address, to.Address, 58, message.Length) : 0;
        var checksum = Core.Checksum.InternetChecksum.Finish(Core.Checksum.InternetChecksum.Sum(message, sum));
        (message[2], message[3]) = ((byte)(checksum >> 8), (byte)checksum);
        var packet = new byte[(v6 ? 40 : 20) + message.Length];
        if (v6)
        {
            Ipv6Header.Write(packet, message.Length, 58, from.Address, to.Address);
        }
        else
        {
            Ipv4Header.Write(packet, packet.Length, 1, from.Address, to.Address);
        }

        message.CopyTo(packet, v6 ? 40 : 20);
        return packet;
    }

    public static bool IsIcmpRight(byte[] packet, in PacketSummary summary)
    {
        Assert.True(IcmpHeader.TryParse(packet.AsSpan(summary.TransportOffset), out var icmp));
        return summary.IsIPv6 ? icmp.IsChecksumRight(summary.Tuple.Source.Address, summary.Tuple.Destination.Address) : icmp.IsChecksumRight();
    }
}
