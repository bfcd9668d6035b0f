using System.Buffers.Binary;
using System.Net;
using System.Text;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Namespaces.Tests;

/// <summary>Frames as an attacker makes them, with a mark in them by which they are known wherever they turn up.</summary>
internal static class AttackFrames
{
    public const string Mark = "this is an attack";

    public static byte[] Udp(MacAddress to, MacAddress from, IPAddress source, int sourcePort, IPAddress destination, int port)
    {
        var payload = Encoding.ASCII.GetBytes(Mark);
        var frame = new byte[14 + 20 + 8 + payload.Length];
        EthernetHeader.Write(frame, to, from, EtherType.IPv4);
        var (a, b) = (Address(source), Address(destination));
        Ipv4Header.Write(frame.AsSpan(14), frame.Length - 14, IpProtocolNumber.Udp, a, b);
        var datagram = frame.AsSpan(34);
        BinaryPrimitives.WriteUInt16BigEndian(datagram, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)datagram.Length);
        payload.CopyTo(datagram[8..]);
        var sum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeaderSum(a, b, IpProtocolNumber.Udp, datagram.Length)));
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], sum == 0 ? ushort.MaxValue : sum);
        return frame;
    }

    /// <summary>An ARP answer, with the mark behind it.</summary>
    public static byte[] Arp(MacAddress to, MacAddress from, IPAddress claimed, IPAddress target)
    {
        var frame = new byte[42 + Mark.Length];
        EthernetHeader.Write(frame, to, from, EtherType.Arp);
        new byte[] { 0, 1, 8, 0, 6, 4, 0, 2 }.CopyTo(frame, 14);
        from.WriteTo(frame.AsSpan(22));
        Address(claimed).WriteTo(frame.AsSpan(28));
        to.WriteTo(frame.AsSpan(32));
        Address(target).WriteTo(frame.AsSpan(38));
        Encoding.ASCII.GetBytes(Mark).CopyTo(frame, 42);
        return frame;
    }

    /// <summary>A router advertisement (RFC 4861 section 4.2) with the mark in an option that nobody knows.</summary>
    public static byte[] RouterAdvertisement(MacAddress to, MacAddress from, IPAddress destination)
    {
        var message = new byte[16 + 24];
        (message[0], message[4], message[6], message[7]) = (134, 64, 7, 8);
        (message[16], message[17]) = (253, 3);
        Encoding.ASCII.GetBytes(Mark).CopyTo(message, 18);
        var frame = new byte[14 + 40 + message.Length];
        EthernetHeader.Write(frame, to, from, EtherType.IPv6);
        var (a, b) = (Address(IPAddress.Parse("fe80::6d:71ff:fe0c:2")), Address(destination));
        Ipv6Header.Write(frame.AsSpan(14), message.Length, 58, a, b);
        frame[21] = 255;
        var sum = InternetChecksum.Finish(InternetChecksum.Sum(message, InternetChecksum.PseudoHeaderSum(a, b, 58, message.Length)));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), sum);
        message.CopyTo(frame, 54);
        return frame;
    }

    /// <summary>An EAPOL frame whose body is the mark.</summary>
    public static byte[] Eapol(MacAddress to, MacAddress from, byte type)
    {
        var frame = new byte[18 + Mark.Length];
        EthernetHeader.Write(frame, to, from, EtherType.Eapol);
        (frame[14], frame[15], frame[17]) = (2, type, (byte)Mark.Length);
        Encoding.ASCII.GetBytes(Mark).CopyTo(frame, 18);
        return frame;
    }

    private static IpAddress Address(IPAddress address) => IpAddress.FromBytes(address.GetAddressBytes());
}
