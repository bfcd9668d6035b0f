using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests;

/// <summary>Builds whole frames with right checksums, and reads and verifies them again.</summary>
internal static class Frames
{
    public static byte[] Build(
        MacAddress to, MacAddress from, TransportProtocol protocol, TransportEndpoint source, TransportEndpoint destination, ReadOnlySpan<byte> payload,
        TcpFlags flags = TcpFlags.Syn)
    {
        var isV4 = source.Address.IsIPv4;
        var (ip, transport) = (isV4 ? 20 : 40, protocol == TransportProtocol.Tcp ? 20 : 8);
        var frame = new byte[14 + ip + transport + payload.Length];
        EthernetHeader.Write(frame, to, from, isV4 ? EtherType.IPv4 : EtherType.IPv6);
        var segment = frame.AsSpan(14 + ip);
        if (isV4)
        {
            Ipv4Header.Write(frame.AsSpan(14), frame.Length - 14, (byte)protocol, source.Address, destination.Address);
        }
        else
        {
            Ipv6Header.Write(frame.AsSpan(14), segment.Length, (byte)protocol, source.Address, destination.Address);
        }

        BinaryPrimitives.WriteUInt16BigEndian(segment, source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(segment[2..], destination.Port);
        if (protocol == TransportProtocol.Tcp)
        {
            segment[12] = 0x50;
            segment[13] = (byte)flags;
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)segment.Length);
        }

        payload.CopyTo(segment[transport..]);
        var sum = InternetChecksum.PseudoHeaderSum(source.Address, destination.Address, (byte)protocol, segment.Length);
        var checksum = InternetChecksum.Finish(InternetChecksum.Sum(segment, sum));

        // 0 says that there is none (RFC 768).
        checksum = checksum == 0 && protocol == TransportProtocol.Udp ? ushort.MaxValue : checksum;
        BinaryPrimitives.WriteUInt16BigEndian(segment[(protocol == TransportProtocol.Tcp ? 16 : 6)..], checksum);
        return frame;
    }

    /// <summary>The tuple of a frame, whose checksums are verified from scratch.</summary>
    public static FlowTuple Read(byte[] frame)
    {
        var packet = frame.AsSpan(14);
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
        if (!summary.IsIPv6)
        {
            Assert.Equal(0, InternetChecksum.Compute(packet[..summary.TransportOffset]));
        }

        var segment = packet.Slice(summary.TransportOffset, summary.TransportLength);
        var sum = InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, (byte)summary.Tuple.Protocol, segment.Length);
        Assert.Equal(0, InternetChecksum.Finish(InternetChecksum.Sum(segment, sum)));
        return summary.Tuple;
    }
}
