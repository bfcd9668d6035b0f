using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>What a neighbour advertisement says about its sender (RFC 4861 section 4.4).</summary>
[Flags]
public enum NdFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The receiver should replace a link-layer address that it knows.</summary>
    Override = 0x20,

    /// <summary>It answers a solicitation.</summary>
    Solicited = 0x40,

    /// <summary>The sender is a router.</summary>
    Router = 0x80,
}

/// <summary>
/// A view of a Neighbour Discovery message (RFC 4861 section 4) over the caller's buffer: router and neighbour solicitations and advertisements. A view exists only of a
/// message that passed the checks of sections 6.1 and 7.1: hop limit 255 proves that it comes from this link. Redirects are not understood.
/// </summary>
public readonly ref struct NdMessage
{
    /// <summary>The hop limit of every such message: whatever has passed a router has less.</summary>
    public const byte HopLimit = 255;

    /// <summary>Octets of the ICMPv6 part of a router solicitation without options.</summary>
    internal const int RouterSolicitationLength = 8;

    /// <summary>Octets of the ICMPv6 part of a router advertisement without options.</summary>
    internal const int RouterAdvertisementLength = 16;

    /// <summary>Octets of the ICMPv6 part of a neighbour solicitation or advertisement without options.</summary>
    internal const int NeighbourLength = 24;

    private readonly ReadOnlySpan<byte> _packet;

    private NdMessage(ReadOnlySpan<byte> packet) => _packet = packet;

    /// <summary>All nodes on the link, ff02::1 (RFC 4291 section 2.7.1).</summary>
    public static IpAddress AllNodes => new(0xFF02_0000_0000_0000, 1);

    /// <summary>All routers on the link, ff02::2 (RFC 4291 section 2.7.1).</summary>
    public static IpAddress AllRouters => new(0xFF02_0000_0000_0000, 2);

    /// <summary>Which message: <see cref="Icmpv6Type.RouterSolicitation"/> to <see cref="Icmpv6Type.NeighbourAdvertisement"/>.</summary>
    public byte Type => _packet[Ipv6Header.Length];

    /// <summary>The packet's source address; none (::) from a node that has no address yet.</summary>
    public IpAddress Source => IpAddress.FromBytes(_packet.Slice(8, 16));

    /// <summary>The packet's destination address.</summary>
    public IpAddress Destination => IpAddress.FromBytes(_packet.Slice(24, 16));

    /// <summary>Neighbour messages: the address that is asked for or told about; of router messages none.</summary>
    public IpAddress Target => IsNeighbour(Type) ? IpAddress.FromBytes(_packet.Slice(Ipv6Header.Length + 8, 16)) : IpAddress.None;

    /// <summary>Neighbour advertisement: its flags; of other messages none.</summary>
    public NdFlags Flags => Type == Icmpv6Type.NeighbourAdvertisement ? (NdFlags)_packet[Ipv6Header.Length + 4] : NdFlags.None;

    /// <summary>Router advertisement: the hop limit for ordinary packets; 0 if the router does not say, and of other messages.</summary>
    public byte CurrentHopLimit => IsRouterAdvertisement ? _packet[Ipv6Header.Length + 4] : (byte)0;

    /// <summary>Router advertisement: for how many seconds the sender is a default router; 0 for not at all, and of other messages.</summary>
    public ushort RouterLifetime => IsRouterAdvertisement ? BinaryPrimitives.ReadUInt16BigEndian(_packet[(Ipv6Header.Length + 6)..]) : (ushort)0;

    /// <summary>The options, all of them well-formed.</summary>
    public NdOptions Options => new(_packet[(Ipv6Header.Length + FixedLength(Type))..]);

    /// <summary>
    /// The link-layer address of the sender or, in a neighbour advertisement, of the target; none if the message does not say. Of several the last counts.
    /// </summary>
    public MacAddress LinkLayer
    {
        get
        {
            var wanted = Type == Icmpv6Type.NeighbourAdvertisement ? NdOptionType.TargetLinkLayer : NdOptionType.SourceLinkLayer;
            var found = MacAddress.None;
            var options = Options;
            while (options.TryNext(out var option))
            {
                if (option.Type == wanted && option.TryGetLinkLayer(out var mac))
                {
                    found = mac;
                }
            }

            return found;
        }
    }

    private bool IsRouterAdvertisement => Type == Icmpv6Type.RouterAdvertisement;

    /// <summary>Whether an IPv6 packet claims to be a Neighbour Discovery message, valid or not, redirects included.</summary>
    public static bool IsNeighbourDiscovery(ReadOnlySpan<byte> packet) =>
        packet.Length > Ipv6Header.Length && packet[0] >> 4 == 6 && packet[6] == IpProtocolNumber.Icmpv6
        && packet[Ipv6Header.Length] is >= Icmpv6Type.RouterSolicitation and <= Icmpv6Type.Redirect;

    /// <summary>Makes a view of an IPv6 packet, which may be followed by padding; false if it is not a valid message.</summary>
    public static bool TryParse(ReadOnlySpan<byte> packet, out NdMessage message)
    {
        message = default;
        if (!IsNeighbourDiscovery(packet))
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        var fixedLength = FixedLength(packet[Ipv6Header.Length]);
        if (packet[7] != HopLimit || fixedLength == 0 || length < fixedLength || Ipv6Header.Length + length > packet.Length)
        {
            return false;
        }

        packet = packet[..(Ipv6Header.Length + length)];
        var candidate = new NdMessage(packet);

        // An IPv4-mapped address on the wire (RFC 4942 section 2.2) would take the identity of an IPv4 neighbour.
        if (candidate.Source.IsIPv4 || candidate.Destination.IsIPv4 || candidate.Target.IsIPv4 || candidate.Source.IsMulticastOrBroadcast)
        {
            return false;
        }

        if (!IcmpHeader.TryParse(packet[Ipv6Header.Length..], out var icmp) || icmp.Code != 0 || !icmp.IsChecksumRight(candidate.Source, candidate.Destination)
            || !candidate.Options.AreWellFormed || !candidate.ObeysItsType())
        {
            return false;
        }

        message = candidate;
        return true;
    }

    /// <summary>The multicast group that the owner of an address listens to (RFC 4291 section 2.7.1).</summary>
    public static IpAddress SolicitedNode(IpAddress target) => new(0xFF02_0000_0000_0000, 0x0000_0001_FF00_0000 | (target.Low & 0xFF_FFFF));

    /// <summary>The MAC address of an IPv6 multicast group (RFC 2464 section 7).</summary>
    public static MacAddress GroupMac(IpAddress group) => new(0x3333_0000_0000 | (group.Low & 0xFFFF_FFFF));

    /// <summary>Octets of the ICMPv6 part in front of the options; 0 if the type is not understood.</summary>
    private static int FixedLength(byte type) => type switch
    {
        Icmpv6Type.RouterSolicitation => RouterSolicitationLength,
        Icmpv6Type.RouterAdvertisement => RouterAdvertisementLength,
        Icmpv6Type.NeighbourSolicitation or Icmpv6Type.NeighbourAdvertisement => NeighbourLength,
        _ => 0,
    };

    private static bool IsNeighbour(byte type) => type is Icmpv6Type.NeighbourSolicitation or Icmpv6Type.NeighbourAdvertisement;

    private bool ObeysItsType() => Type switch
    {
        // Section 6.1.1: who has no address yet cannot say where answers should go.
        Icmpv6Type.RouterSolicitation => !Source.IsNone || LinkLayer.IsNone,

        // Section 6.1.2: routers are known by their link-local address.
        Icmpv6Type.RouterAdvertisement => Source.IsLinkLocal,

        // Section 7.1.1: a probe goes to everybody who might have the address, and wants its answer there.
        Icmpv6Type.NeighbourSolicitation => !Target.IsMulticastOrBroadcast && (!Source.IsNone || (LinkLayer.IsNone && Destination == SolicitedNode(Target))),

        // Section 7.1.2: nobody answers a question to everybody.
        _ => !Target.IsMulticastOrBroadcast && (!Destination.IsMulticastOrBroadcast || (Flags & NdFlags.Solicited) == 0),
    };
}
