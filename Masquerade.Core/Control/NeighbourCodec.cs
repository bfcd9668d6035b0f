using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>Words about neighbours as small datagrams, each kind of one length: "MQN1", kind, and what the kind has. Every datagram that is taken is written back octet for octet.</summary>
public static class NeighbourCodec
{
    /// <summary>Octets of the longest datagram's payload.</summary>
    public const int MaxLength = Head + 8 + 1 + 2 + (2 * Endpoint);

    private const uint Magic = 0x4D51_4E31;
    private const int Head = 4 + 1;
    private const int Address = WayCodec.Address;
    private const int Endpoint = WayCodec.Endpoint;
    private const byte FlowKind = 1;
    private const byte FlowKnownKind = 2;
    private const byte GoneKind = 3;
    private const byte MessageKind = 4;

    /// <summary>Octets of a relayed message in front of what it says.</summary>
    public const int MessageHeader = Head + 8 + 1 + Endpoint;

    /// <summary>Writes a message; returns its length. The destination has room for <see cref="MaxLength"/>.</summary>
    public static int Encode(NeighbourWord word, Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, Magic);
        switch (word)
        {
            case NeighbourFlowNamed f:
                destination[4] = FlowKind;
                return WriteFlow(destination, f.Key, f.Protocol, f.Number, f.Source, f.Destination);
            case NeighbourFlowKnown f:
                destination[4] = FlowKnownKind;
                return WriteFlow(destination, f.Key, f.Protocol, f.Number, f.Source, f.Destination);
            case NeighbourGone gone:
                destination[4] = GoneKind;
                WayCodec.WriteAddress(destination[Head..], gone.Address);
                return Head + Address;
            default:
                return 0;
        }
    }

    /// <summary>Reads a message; false if it is not one.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> datagram, out NeighbourWord? word)
    {
        word = null;
        if (datagram.Length < Head || BinaryPrimitives.ReadUInt32BigEndian(datagram) != Magic)
        {
            return false;
        }

        switch (datagram[4])
        {
            case FlowKind or FlowKnownKind when datagram.Length == MaxLength:
                word = ReadFlow(datagram);
                break;
            case GoneKind when datagram.Length == Head + Address:
                word = WayCodec.TryReadAddress(datagram[Head..], out var address) ? new NeighbourGone(address) : null;
                break;
        }

        return word is not null;
    }

    /// <summary>Whether a datagram is a message that a client has sent to a group.</summary>
    public static bool IsMessage(ReadOnlySpan<byte> datagram) => datagram.Length > MessageHeader && BinaryPrimitives.ReadUInt32BigEndian(datagram) == Magic && datagram[4] == MessageKind;

    /// <summary>Writes such a message; returns its length.</summary>
    /// <param name="destination">Has room for <see cref="MessageHeader"/> and the payload.</param>
    /// <param name="key">The key of those that relay.</param>
    /// <param name="service">Which group: 0 and 1 mDNS over IPv4 and IPv6, 2 to 4 SSDP over IPv4 and IPv6, on the link and on the site.</param>
    /// <param name="source">Who has sent it.</param>
    /// <param name="payload">What it says.</param>
    public static int WriteMessage(Span<byte> destination, ulong key, byte service, TransportEndpoint source, ReadOnlySpan<byte> payload)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, Magic);
        destination[4] = MessageKind;
        BinaryPrimitives.WriteUInt64BigEndian(destination[Head..], key);
        destination[Head + 8] = service;
        WayCodec.WriteEndpoint(destination[(Head + 9)..], source);
        payload.CopyTo(destination[MessageHeader..]);
        return MessageHeader + payload.Length;
    }

    /// <summary>Reads such a message; false if it is not one.</summary>
    public static bool TryReadMessage(ReadOnlySpan<byte> datagram, out ulong key, out byte service, out TransportEndpoint source, out ReadOnlySpan<byte> payload)
    {
        (key, service, source) = (0, 0, default);
        payload = default;
        if (!IsMessage(datagram) || !WayCodec.TryReadEndpoint(datagram[(Head + 9)..], out source))
        {
            return false;
        }

        (key, service) = (BinaryPrimitives.ReadUInt64BigEndian(datagram[Head..]), datagram[Head + 8]);
        payload = datagram[MessageHeader..];
        return true;
    }

    private static int WriteFlow(Span<byte> destination, ulong key, TransportProtocol protocol, ushort number, TransportEndpoint source, TransportEndpoint to)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination[Head..], key);
        destination[Head + 8] = (byte)protocol;
        BinaryPrimitives.WriteUInt16BigEndian(destination[(Head + 9)..], number);
        WayCodec.WriteEndpoint(destination[(Head + 11)..], source);
        WayCodec.WriteEndpoint(destination[(Head + 11 + Endpoint)..], to);
        return MaxLength;
    }

    private static NeighbourWord? ReadFlow(ReadOnlySpan<byte> datagram)
    {
        var key = BinaryPrimitives.ReadUInt64BigEndian(datagram[Head..]);
        var protocol = (TransportProtocol)datagram[Head + 8];
        var number = BinaryPrimitives.ReadUInt16BigEndian(datagram[(Head + 9)..]);
        if (protocol is not (TransportProtocol.Icmp or TransportProtocol.Tcp or TransportProtocol.Udp)
            || !WayCodec.TryReadEndpoint(datagram[(Head + 11)..], out var source) || !WayCodec.TryReadEndpoint(datagram[(Head + 11 + Endpoint)..], out var to) || source.Address.IsIPv4 != to.Address.IsIPv4)
        {
            return null;
        }

        return datagram[4] == FlowKind ? new NeighbourFlowNamed(key, protocol, number, source, to) : new NeighbourFlowKnown(key, protocol, number, source, to);
    }
}
