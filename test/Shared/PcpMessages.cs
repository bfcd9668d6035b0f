using System.Buffers.Binary;
using System.Net;

namespace Masquerade.Testing;

/// <summary>Messages of the Port Control Protocol as a client makes and reads them: from RFC 6887 alone, apart from the product's own code.</summary>
public static class PcpMessages
{
    /// <summary>The UDP port of servers.</summary>
    public const int Port = 5351;
    /// <summary>An opcode.</summary>
    public const byte Announce = 0;
    /// <summary>An opcode.</summary>
    public const byte Map = 1;
    /// <summary>An opcode.</summary>
    public const byte Peer = 2;
    /// <summary>An IP protocol.</summary>
    public const byte Tcp = 6;
    /// <summary>An IP protocol.</summary>
    public const byte Udp = 17;

    /// <summary>The header of a request.</summary>
    public static byte[] Request(byte opcode, uint lifetime, string client, params byte[][] parts)
    {
        var header = new byte[24];
        header[0] = 2;
        header[1] = opcode;
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), lifetime);
        Address(client).CopyTo(header, 8);
        return [.. header, .. parts.SelectMany(p => p)];
    }

    /// <summary>What a MAP says.</summary>
    public static byte[] MapBody(byte nonce, byte protocol, ushort port, ushort suggestedPort = 0, string suggested = "::")
    {
        var body = new byte[36];
        body.AsSpan(0, 12).Fill(nonce);
        body[12] = protocol;
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(16), port);
        BinaryPrimitives.WriteUInt16BigEndian(body.AsSpan(18), suggestedPort);
        Address(suggested).CopyTo(body, 20);
        return body;
    }

    /// <summary>What a PEER says.</summary>
    public static byte[] PeerBody(byte nonce, byte protocol, ushort port, string server, ushort serverPort)
    {
        var body = new byte[20];
        BinaryPrimitives.WriteUInt16BigEndian(body, serverPort);
        Address(server).CopyTo(body, 4);
        return [.. MapBody(nonce, protocol, port), .. body];
    }

    /// <summary>An option, padded.</summary>
    public static byte[] Option(byte code, params byte[] data)
    {
        var option = new byte[4 + ((data.Length + 3) & ~3)];
        option[0] = code;
        BinaryPrimitives.WriteUInt16BigEndian(option.AsSpan(2), (ushort)data.Length);
        data.CopyTo(option, 4);
        return option;
    }

    /// <summary>The FILTER option.</summary>
    public static byte[] Filter(byte prefixLength, string address, ushort port = 0)
    {
        var data = new byte[20];
        data[1] = prefixLength;
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(2), port);
        Address(address).CopyTo(data, 4);
        return Option(3, data);
    }

    /// <summary>The PREFER_FAILURE option.</summary>
    public static byte[] PreferFailure() => Option(2);

    /// <summary>Reads a response.</summary>
    public static PcpAnswer Read(ReadOnlySpan<byte> message)
    {
        var hasMapping = message.Length >= 60;
        return new PcpAnswer(
            message[0],
            message[1],
            message[3],
            BinaryPrimitives.ReadUInt32BigEndian(message[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(message[8..]),
            hasMapping ? BinaryPrimitives.ReadUInt16BigEndian(message[40..]) : (ushort)0,
            hasMapping ? BinaryPrimitives.ReadUInt16BigEndian(message[42..]) : (ushort)0,
            hasMapping ? Unmapped(new IPAddress(message.Slice(44, 16))).ToString() : string.Empty,
            message.Length);
    }

    private static IPAddress Unmapped(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private static byte[] Address(string text) => IPAddress.Parse(text).MapToIPv6().GetAddressBytes();
}

/// <summary>A response of the Port Control Protocol's server.</summary>
/// <param name="Version">The version; 2.</param>
/// <param name="Opcode">The opcode, with the response bit.</param>
/// <param name="Result">The result code.</param>
/// <param name="Lifetime">Seconds.</param>
/// <param name="Epoch">Seconds.</param>
/// <param name="InternalPort">The client's port.</param>
/// <param name="ExternalPort">The masquerade endpoint's port.</param>
/// <param name="ExternalAddress">The masquerade endpoint's address.</param>
/// <param name="Length">Octets.</param>
public readonly record struct PcpAnswer(byte Version, byte Opcode, byte Result, uint Lifetime, uint Epoch, ushort InternalPort, ushort ExternalPort, string ExternalAddress, int Length);
