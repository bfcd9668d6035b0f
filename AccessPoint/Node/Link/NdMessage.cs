using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Link;

/// <summary>
/// A Neighbour Discovery message (RFC 4861). Validity (sections 6.1.1, 7.1.1 and 7.1.2) is checked while reading: hop limit 255 proves that it comes from this link.
/// </summary>
internal readonly record struct NdMessage(byte Type, IpAddress Source, IpAddress Destination, IpAddress Target, MacAddress LinkLayer, byte Flags)
{
    public const byte RouterSolicitation = 133;
    public const byte RouterAdvertisement = 134;
    public const byte NeighbourSolicitation = 135;
    public const byte NeighbourAdvertisement = 136;
    public const byte RouterFlag = 0x80;
    public const byte SolicitedFlag = 0x40;
    public const byte OverrideFlag = 0x20;

    /// <summary>The longest frame that is written here.</summary>
    public const int MaxFrame = EthernetFrame.HeaderLength + IpHeader + 16 + 8 + 8 + (32 * MaxPrefixes);

    /// <summary>Prefixes in one advertisement.</summary>
    public const int MaxPrefixes = 8;

    private const int IpHeader = 40;
    private const byte Icmpv6 = 58;
    private const byte SourceLinkLayer = 1;
    private const byte TargetLinkLayer = 2;

    /// <summary>All nodes on the link.</summary>
    public static readonly IpAddress AllNodes = IpAddress.Parse("ff02::1");

    /// <summary>Whether an IPv6 packet is a Neighbour Discovery message, valid or not.</summary>
    public static bool IsNeighbourDiscovery(ReadOnlySpan<byte> packet) =>
        packet.Length > IpHeader && packet[0] >> 4 == 6 && packet[6] == Icmpv6 && packet[IpHeader] is >= RouterSolicitation and <= 137;

    /// <summary>Reads a solicitation or advertisement; false if it is not valid. Router advertisements and redirects are never valid here: the node is a router.</summary>
    public static bool TryParse(ReadOnlySpan<byte> packet, out NdMessage message)
    {
        message = default;
        if (!IsNeighbourDiscovery(packet))
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (packet[7] != 255 || length < 8 || IpHeader + length > packet.Length || packet[IpHeader + 1] != 0)
        {
            return false;
        }

        var source = IpAddress.FromBytes(packet.Slice(8, 16));
        var destination = IpAddress.FromBytes(packet.Slice(24, 16));
        var body = packet.Slice(IpHeader, length);
        if (InternetChecksum.Finish(InternetChecksum.Sum(body, InternetChecksum.PseudoHeaderSum(source, destination, Icmpv6, length))) != 0)
        {
            return false;
        }

        var type = body[0];
        if (type == RouterSolicitation)
        {
            var asker = LinkLayerOption(body[8..], SourceLinkLayer, out var wellFormed);
            message = new NdMessage(type, source, destination, IpAddress.None, asker, 0);
            return wellFormed && (!source.IsNone || asker.IsNone);
        }

        if (type is not (NeighbourSolicitation or NeighbourAdvertisement) || length < 24)
        {
            return false;
        }

        var target = IpAddress.FromBytes(body.Slice(8, 16));
        var option = LinkLayerOption(body[24..], type == NeighbourSolicitation ? SourceLinkLayer : TargetLinkLayer, out var valid);
        message = new NdMessage(type, source, destination, target, option, body[4]);
        return valid && !target.IsMulticastOrBroadcast
            && (type != NeighbourSolicitation || !source.IsNone || option.IsNone)
            && (type != NeighbourAdvertisement || !destination.IsMulticastOrBroadcast || (body[4] & SolicitedFlag) == 0);
    }

    /// <summary>The multicast group that the owner of an address listens to (RFC 4291 section 2.7.1).</summary>
    public static IpAddress SolicitedNode(IpAddress target) => new(0xFF02_0000_0000_0000, 0x0000_0001_FF00_0000 | (target.Low & 0xFF_FFFF));

    /// <summary>The MAC address of an IPv6 multicast group (RFC 2464 section 7).</summary>
    public static MacAddress GroupMac(IpAddress group) => new(0x3333_0000_0000 | (group.Low & 0xFFFF_FFFF));

    /// <summary>Writes a solicitation from <paramref name="source"/> and returns the frame's length.</summary>
    public static int WriteSolicitation(Span<byte> frame, MacAddress mac, IpAddress source, IpAddress target, MacAddress unicast)
    {
        var destination = unicast.IsNone ? SolicitedNode(target) : target;
        var body = Begin(frame, unicast.IsNone ? GroupMac(destination) : unicast, mac, source, destination, 32);
        body[0] = NeighbourSolicitation;
        target.WriteTo(body[8..]);
        WriteLinkLayer(body[24..], SourceLinkLayer, mac);
        return Finish(frame, source, destination, 32);
    }

    /// <summary>Writes an advertisement for <paramref name="target"/> and returns the frame's length.</summary>
    public static int WriteAdvertisement(Span<byte> frame, MacAddress to, MacAddress mac, IpAddress destination, IpAddress target, byte flags)
    {
        var body = Begin(frame, to, mac, target, destination, 32);
        body[0] = NeighbourAdvertisement;
        body[4] = flags;
        target.WriteTo(body[8..]);
        WriteLinkLayer(body[24..], TargetLinkLayer, mac);
        return Finish(frame, target, destination, 32);
    }

    /// <summary>
    /// Writes a router advertisement (section 4.2) and returns the frame's length. Prefixes are autonomous but not on-link: clients send everything to the router,
    /// which is what lets two clients at different access points talk.
    /// </summary>
    public static int WriteRouterAdvertisement(
        Span<byte> frame, MacAddress to, MacAddress mac, IpAddress source, IpAddress destination, int mtu, IReadOnlyList<IpPrefix> prefixes)
    {
        const ushort RouterLifetimeSeconds = 1800;
        var length = 32 + (32 * prefixes.Count);
        var body = Begin(frame, to, mac, source, destination, length);
        body[0] = RouterAdvertisement;
        body[4] = 64;
        BinaryPrimitives.WriteUInt16BigEndian(body[6..], RouterLifetimeSeconds);
        WriteLinkLayer(body[16..], SourceLinkLayer, mac);
        body[24] = 5;
        body[25] = 1;
        BinaryPrimitives.WriteInt32BigEndian(body[28..], mtu);
        for (var i = 0; i < prefixes.Count; i++)
        {
            var option = body[(32 + (32 * i))..];
            option[0] = 3;
            option[1] = 4;
            option[2] = (byte)prefixes[i].Length;
            option[3] = 0x40;
            BinaryPrimitives.WriteUInt32BigEndian(option[4..], 86_400);
            BinaryPrimitives.WriteUInt32BigEndian(option[8..], 14_400);
            prefixes[i].Address.WriteTo(option[16..]);
        }

        return Finish(frame, source, destination, length);
    }

    private static Span<byte> Begin(Span<byte> frame, MacAddress to, MacAddress mac, IpAddress source, IpAddress destination, int length)
    {
        frame = frame[..(EthernetFrame.HeaderLength + IpHeader + length)];
        frame.Clear();
        EthernetFrame.WriteHeader(frame, to, mac, EthernetFrame.Ipv6);
        var packet = frame[EthernetFrame.HeaderLength..];
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)length);
        packet[6] = Icmpv6;
        packet[7] = 255;
        source.WriteTo(packet[8..]);
        destination.WriteTo(packet[24..]);
        return packet[IpHeader..];
    }

    private static int Finish(Span<byte> frame, IpAddress source, IpAddress destination, int length)
    {
        var body = frame.Slice(EthernetFrame.HeaderLength + IpHeader, length);
        var sum = InternetChecksum.Sum(body, InternetChecksum.PseudoHeaderSum(source, destination, Icmpv6, length));
        BinaryPrimitives.WriteUInt16BigEndian(body[2..], InternetChecksum.Finish(sum));
        return EthernetFrame.HeaderLength + IpHeader + length;
    }

    private static void WriteLinkLayer(Span<byte> option, byte type, MacAddress mac)
    {
        option[0] = type;
        option[1] = 1;
        mac.WriteTo(option[2..]);
    }

    /// <summary>Finds a link-layer address; an option of length zero makes the whole message invalid (section 4.6).</summary>
    private static MacAddress LinkLayerOption(ReadOnlySpan<byte> options, byte type, out bool wellFormed)
    {
        var found = MacAddress.None;
        wellFormed = false;
        while (options.Length > 0)
        {
            if (options.Length < 2 || options[1] == 0 || options[1] * 8 > options.Length)
            {
                return MacAddress.None;
            }

            if (options[0] == type && options[1] == 1)
            {
                found = MacAddress.FromBytes(options[2..]);
            }

            options = options[(options[1] * 8)..];
        }

        wellFormed = true;
        return found;
    }
}
