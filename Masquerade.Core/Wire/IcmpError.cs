using System.Buffers.Binary;
using Masquerade.Core.Checksum;

namespace Masquerade.Core.Wire;

/// <summary>Why a router sends a packet back (RFC 792, RFC 1812 section 4.3.3, RFC 4443 section 3), in terms of both families.</summary>
public enum IcmpErrorKind : byte
{
    /// <summary>The packet had no hop left.</summary>
    TimeExceeded,

    /// <summary>The packet is larger than the next link and must not be cut (RFC 1191, RFC 8201).</summary>
    TooBig,

    /// <summary>The destination cannot be reached: there is no room or no port for its state (RFC 6888 REQ-11), or no neighbour.</summary>
    HostUnreachable,

    /// <summary>Nobody listens there.</summary>
    PortUnreachable,

    /// <summary>A rule forbids it (RFC 5508 REQ-8).</summary>
    Prohibited,
}

/// <summary>An ICMP or ICMPv6 error that this node itself makes, and how it is written.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Mtu">With <see cref="IcmpErrorKind.TooBig"/>: the largest packet that would pass, in octets.</param>
public readonly record struct IcmpError(IcmpErrorKind Kind, int Mtu = 0)
{
    /// <summary>The longest IPv4 packet that is written (RFC 1812 section 4.3.2.3).</summary>
    public const int MaxIPv4 = 576;

    /// <summary>The longest IPv6 packet that is written: the least MTU of IPv6 (RFC 4443 section 2.4 (c)).</summary>
    public const int MaxIPv6 = 1_280;

    private const byte HopLimit = 64;

    /// <summary>RFC 1812 section 4.3.2.5: an error has the precedence "internetwork control", so that it gets through where things go wrong.</summary>
    private const byte InternetworkControl = 0xC0;

    /// <summary>The packet had no hop left.</summary>
    public static readonly IcmpError TimeExceeded = new(IcmpErrorKind.TimeExceeded);

    /// <summary>The destination cannot be reached.</summary>
    public static readonly IcmpError HostUnreachable = new(IcmpErrorKind.HostUnreachable);

    /// <summary>Nobody listens there.</summary>
    public static readonly IcmpError PortUnreachable = new(IcmpErrorKind.PortUnreachable);

    /// <summary>A rule forbids it.</summary>
    public static readonly IcmpError Prohibited = new(IcmpErrorKind.Prohibited);

    /// <summary>The packet is larger than <paramref name="mtu"/> octets.</summary>
    public static IcmpError TooBig(int mtu) => new(IcmpErrorKind.TooBig, mtu);

    /// <summary>
    /// Whether an error may be sent about a packet: never about another error, and of a fragmented packet only about the first fragment (RFC 1812 section 4.3.2.7,
    /// RFC 4443 section 2.4 (e)). What is sent to or comes from a group, or from an address that is nobody's, does not pass the parser.
    /// </summary>
    public static bool MayAnswer(in PacketSummary summary) =>
        summary.Kind is not (PacketKind.IcmpError or PacketKind.None) && summary.Part != FragmentPart.Later && !summary.Tuple.Source.Address.IsNone;

    /// <summary>Writes the error, addressed to who sent the packet, with as much of that as may be quoted. Returns its length.</summary>
    /// <param name="packet">Where to; <see cref="MaxIPv6"/> octets are enough.</param>
    /// <param name="source">Who says so: an address of this node of the packet's family.</param>
    /// <param name="about">The packet that went wrong, as its sender sent it, without padding.</param>
    public int Write(Span<byte> packet, Flow.IpAddress source, ReadOnlySpan<byte> about)
    {
        var isV4 = about[0] >> 4 == 4;
        var ip = isV4 ? Ipv4Header.MinimumLength : Ipv6Header.Length;
        var quoted = Math.Min(about.Length, (isV4 ? MaxIPv4 : MaxIPv6) - ip - IcmpHeader.HeaderLength);
        var length = ip + IcmpHeader.HeaderLength + quoted;
        var destination = Flow.IpAddress.FromBytes(isV4 ? about.Slice(12, 4) : about.Slice(8, 16));
        var message = packet[ip..length];
        about[..quoted].CopyTo(message[IcmpHeader.HeaderLength..]);
        (message[0], message[1]) = isV4 ? TypeV4() : TypeV6();

        // The MTU has 16 bits in ICMP, behind 16 unused ones (RFC 1191 section 4), and 32 in ICMPv6.
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpHeader.ChecksumOffset..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(message[4..], (uint)(isV4 ? Math.Min(Mtu, ushort.MaxValue) : Mtu));
        uint pseudo = 0;
        if (isV4)
        {
            Ipv4Header.Write(packet, length, IpProtocolNumber.Icmp, source, destination, HopLimit);
            packet[1] = InternetworkControl;
            packet[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Compute(packet[..ip]));
        }
        else
        {
            Ipv6Header.Write(packet, message.Length, IpProtocolNumber.Icmpv6, source, destination, HopLimit);
            pseudo = InternetChecksum.PseudoHeaderSum(source, destination, IpProtocolNumber.Icmpv6, message.Length);
        }

        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpHeader.ChecksumOffset..], InternetChecksum.Finish(InternetChecksum.Sum(message, pseudo)));
        return length;
    }

    private (byte Type, byte Code) TypeV4() => Kind switch
    {
        IcmpErrorKind.TimeExceeded => (IcmpType.TimeExceeded, 0),
        IcmpErrorKind.TooBig => (IcmpType.DestinationUnreachable, 4),
        IcmpErrorKind.PortUnreachable => (IcmpType.DestinationUnreachable, 3),
        IcmpErrorKind.Prohibited => (IcmpType.DestinationUnreachable, 13),
        _ => (IcmpType.DestinationUnreachable, 1),
    };

    private (byte Type, byte Code) TypeV6() => Kind switch
    {
        IcmpErrorKind.TimeExceeded => (Icmpv6Type.TimeExceeded, 0),
        IcmpErrorKind.TooBig => (Icmpv6Type.PacketTooBig, 0),
        IcmpErrorKind.PortUnreachable => (Icmpv6Type.DestinationUnreachable, 4),
        IcmpErrorKind.Prohibited => (Icmpv6Type.DestinationUnreachable, 1),
        _ => (Icmpv6Type.DestinationUnreachable, 3),
    };
}
