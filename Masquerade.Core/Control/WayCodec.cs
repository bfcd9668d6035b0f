using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>Way messages as small datagrams, each kind of one length: "MQW1", kind, token, and what the kind has. Every datagram that is taken is written back octet for octet.</summary>
public static class WayCodec
{
    /// <summary>Octets of the longest datagram's payload.</summary>
    public const int MaxLength = Head + 1 + 1 + 6 + (3 * Endpoint);

    private const uint Magic = 0x4D51_5731;
    private const int Head = 4 + 1 + 8;
    internal const int Address = 1 + 16;
    internal const int Endpoint = Address + 2;
    private const byte ProbeKind = 1;
    private const byte ProbedKind = 2;
    private const byte StandInKind = 3;
    private const byte StandInKnownKind = 4;

    /// <summary>Writes a message; returns its length. The destination has room for <see cref="MaxLength"/>.</summary>
    public static int Encode(WayMessage message, Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, Magic);
        BinaryPrimitives.WriteUInt64BigEndian(destination[5..], message.Token);
        switch (message)
        {
            case WayProbe probe:
                destination[4] = ProbeKind;
                WriteAddress(destination[Head..], probe.Asker);
                return Head + Address;
            case WayProbed probed:
                destination[4] = ProbedKind;
                BinaryPrimitives.WriteUInt64BigEndian(destination[Head..], probed.Cookie);
                return Head + sizeof(ulong);
            case StandIn s:
                destination[4] = StandInKind;
                return WriteStandIn(destination, s.Use, s.Protocol, s.Client, s.Source, s.Destination, s.Server);
            case StandInKnown s:
                destination[4] = StandInKnownKind;
                return WriteStandIn(destination, s.Use, s.Protocol, s.Client, s.Source, s.Destination, s.Server);
            default:
                return 0;
        }
    }

    /// <summary>Reads a message; false if it is not one.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> datagram, out WayMessage? message) => TryDecodeStart(datagram, out message, out var length) && datagram.Length == length;

    /// <summary>Reads a message that may be quoted with more behind it.</summary>
    /// <param name="datagram">The payload.</param>
    /// <param name="message">The message.</param>
    /// <param name="length">How long it is by itself.</param>
    public static bool TryDecodeStart(ReadOnlySpan<byte> datagram, out WayMessage? message, out int length)
    {
        message = null;
        length = 0;
        if (datagram.Length < Head || BinaryPrimitives.ReadUInt32BigEndian(datagram) != Magic)
        {
            return false;
        }

        length = datagram[4] switch
        {
            ProbeKind => Head + Address,
            ProbedKind => Head + sizeof(ulong),
            StandInKind or StandInKnownKind => MaxLength,
            _ => int.MaxValue,
        };
        if (datagram.Length < length)
        {
            return false;
        }

        var token = BinaryPrimitives.ReadUInt64BigEndian(datagram[5..]);
        message = datagram[4] switch
        {
            ProbeKind => TryReadAddress(datagram[Head..], out var asker) ? new WayProbe(token, asker) : null,
            ProbedKind => new WayProbed(token, BinaryPrimitives.ReadUInt64BigEndian(datagram[Head..])),
            _ => ReadStandIn(datagram, token),
        };
        return message is not null;
    }

    private static int WriteStandIn(
        Span<byte> destination, StandInUse use, TransportProtocol protocol, MacAddress client, TransportEndpoint source, TransportEndpoint to, TransportEndpoint server)
    {
        destination[Head] = (byte)use;
        destination[Head + 1] = (byte)protocol;
        client.WriteTo(destination[(Head + 2)..]);
        WriteEndpoint(destination[(Head + 8)..], source);
        WriteEndpoint(destination[(Head + 8 + Endpoint)..], to);
        WriteEndpoint(destination[(Head + 8 + (2 * Endpoint))..], server);
        return MaxLength;
    }

    private static WayMessage? ReadStandIn(ReadOnlySpan<byte> datagram, ulong token)
    {
        var use = (StandInUse)datagram[Head];
        var protocol = (TransportProtocol)datagram[Head + 1];
        if (use is < StandInUse.ToServer or > StandInUse.Back || protocol is not (TransportProtocol.Icmp or TransportProtocol.Tcp or TransportProtocol.Udp)
            || !TryReadEndpoint(datagram[(Head + 8)..], out var source)
            || !TryReadEndpoint(datagram[(Head + 8 + Endpoint)..], out var to)
            || !TryReadEndpoint(datagram[(Head + 8 + (2 * Endpoint))..], out var server)
            || source.Address.IsIPv4 != to.Address.IsIPv4 || source.Address.IsIPv4 != server.Address.IsIPv4)
        {
            return null;
        }

        var client = MacAddress.FromBytes(datagram[(Head + 2)..]);
        return datagram[4] == StandInKind
            ? new StandIn(token, use, protocol, client, source, to, server)
            : new StandInKnown(token, use, protocol, client, source, to, server);
    }

    internal static void WriteEndpoint(Span<byte> destination, TransportEndpoint endpoint)
    {
        WriteAddress(destination, endpoint.Address);
        BinaryPrimitives.WriteUInt16BigEndian(destination[Address..], endpoint.Port);
    }

    internal static void WriteAddress(Span<byte> destination, IpAddress address)
    {
        destination[..Address].Clear();
        destination[0] = (byte)(address.IsIPv4 ? 4 : 6);
        address.WriteTo(destination[1..]);
    }

    internal static bool TryReadEndpoint(ReadOnlySpan<byte> source, out TransportEndpoint endpoint)
    {
        var known = TryReadAddress(source, out var address);
        endpoint = new TransportEndpoint(address, BinaryPrimitives.ReadUInt16BigEndian(source[Address..]));
        return known;
    }

    /// <summary>An address has one form: none of the other family in disguise, nothing behind a short one.</summary>
    internal static bool TryReadAddress(ReadOnlySpan<byte> source, out IpAddress address)
    {
        var isV4 = source[0] == 4;
        address = source[0] is 4 or 6 ? IpAddress.FromBytes(source.Slice(1, isV4 ? 4 : 16)) : IpAddress.None;
        return !address.IsNone && address.IsIPv4 == isV4 && (!isV4 || !source[5..Address].ContainsAnyExcept((byte)0));
    }
}
