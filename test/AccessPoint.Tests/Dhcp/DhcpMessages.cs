using System.Buffers.Binary;
using Masquerade.AccessPoint.Dhcp;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Dhcp;

/// <summary>Builds DHCP messages octet by octet, without the code under test, and takes them out of frames again.</summary>
internal static class DhcpMessages
{
    public const uint Transaction = 0x1122_3344;

    public static byte[] Build(
        byte operation, DhcpMessageType type, MacAddress client, uint transaction = Transaction, string clientAddress = "0.0.0.0", string yourAddress = "0.0.0.0", string relay = "0.0.0.0",
        bool broadcast = false, byte hops = 0, params (byte Code, byte[] Value)[] options)
    {
        var message = new byte[240];
        (message[0], message[1], message[2], message[3]) = (operation, 1, 6, hops);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), transaction);
        message[10] = broadcast ? (byte)0x80 : (byte)0;
        IpAddress.Parse(clientAddress).WriteTo(message.AsSpan(12));
        IpAddress.Parse(yourAddress).WriteTo(message.AsSpan(16));
        IpAddress.Parse(relay).WriteTo(message.AsSpan(24));
        client.WriteTo(message.AsSpan(28));
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(236), 0x6382_5363);
        return [.. message, 53, 1, (byte)type, .. options.SelectMany(o => (byte[])[o.Code, (byte)o.Value.Length, .. o.Value]), 255];
    }

    public static byte[] Address(string text) => [.. text.Split('.').Select(byte.Parse)];

    /// <summary>A client's frame to a DHCP server.</summary>
    public static byte[] FromClient(MacAddress client, byte[] message, string source = "0.0.0.0", string destination = "255.255.255.255") => Frames.Build(
        destination == "255.255.255.255" ? MacAddress.Broadcast : AccessPointModel.DefaultGatewayMac, client, TransportProtocol.Udp,
        new TransportEndpoint(IpAddress.Parse(source), 68), new TransportEndpoint(IpAddress.Parse(destination), 67), message);

    /// <summary>The DHCP message in a frame whose checksums are right, with where it comes from and goes to.</summary>
    public static (TransportEndpoint Source, TransportEndpoint Destination, MacAddress To, byte[] Message) Read(byte[] frame)
    {
        Assert.Equal(Core.Diagnostics.DropReason.None, Ipv4Header.TryParse(frame.AsSpan(14), out var ip));
        Assert.Equal(frame.Length - 14, ip.TotalLength);
        Assert.Equal(Core.Diagnostics.DropReason.None, Masquerade.AccessPoint.Link.UdpPackets.TryRead(
            frame.AsSpan(34), ip.Source, ip.Destination, OffloadInfo.None, needsChecksum: true, out var payload));
        return (new TransportEndpoint(ip.Source, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(34))),
            new TransportEndpoint(ip.Destination, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(36))), MacAddress.FromBytes(frame), payload.ToArray());
    }

    /// <summary>Options behind the cookie, by code.</summary>
    public static Dictionary<byte, byte[]> Options(byte[] message)
    {
        var found = new Dictionary<byte, byte[]>();
        for (var i = 240; message[i] != 255; i += 2 + message[i + 1])
        {
            found.Add(message[i], message[(i + 2)..(i + 2 + message[i + 1])]);
        }

        return found;
    }

    public static string AddressIn(byte[] message, int offset) => IpAddress.FromBytes(message.AsSpan(offset, 4)).ToString();
}
