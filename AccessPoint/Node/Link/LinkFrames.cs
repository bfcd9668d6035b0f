using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>The ARP and ND frames that a node sends, each from Ethernet header to last option. Every method returns the frame's length.</summary>
internal static class LinkFrames
{
    /// <summary>The longest frame that is written here.</summary>
    public const int MaxLength = EthernetHeader.Length + Ipv6Header.Length + 16 + 8 + 8 + (32 * MaxPrefixes);

    /// <summary>Prefixes in one router advertisement.</summary>
    public const int MaxPrefixes = 8;

    private const byte HostHopLimit = 64;
    private const ushort RouterLifetime = 1_800;
    private const uint ValidLifetime = 86_400;
    private const uint PreferredLifetime = 14_400;

    public static int ArpRequest(Span<byte> frame, MacAddress to, MacAddress mac, IpAddress sender, IpAddress target)
    {
        EthernetHeader.Write(frame, to, mac, EtherType.Arp);
        ArpHeader.Write(frame[EthernetHeader.Length..], ArpOperation.Request, mac, sender, MacAddress.None, target);
        return EthernetHeader.Length + ArpHeader.Length;
    }

    /// <summary>Tells the sender of a request that the address it asked for is at <paramref name="mac"/>.</summary>
    public static int ArpReply(Span<byte> frame, MacAddress mac, ArpHeader request)
    {
        EthernetHeader.Write(frame, request.SenderMac, mac, EtherType.Arp);
        ArpHeader.Write(frame[EthernetHeader.Length..], ArpOperation.Reply, mac, request.TargetAddress, request.SenderMac, request.SenderAddress);
        return EthernetHeader.Length + ArpHeader.Length;
    }

    /// <summary>Asks for an address: everybody if <paramref name="known"/> is none, else whether it is still there.</summary>
    public static int NeighbourSolicitation(Span<byte> frame, MacAddress mac, IpAddress source, IpAddress target, MacAddress known)
    {
        var destination = known.IsNone ? NdMessage.SolicitedNode(target) : target;
        var nd = NdWriter.NeighbourSolicitation(Packet(frame, known.IsNone ? NdMessage.GroupMac(destination) : known, mac), source, destination, target);
        nd.AddLinkLayer(NdOptionType.SourceLinkLayer, mac);
        return EthernetHeader.Length + nd.Finish();
    }

    /// <summary>Says unasked, to everybody, that an address is at <paramref name="mac"/>.</summary>
    public static int NeighbourAnnouncement(Span<byte> frame, MacAddress mac, IpAddress target, NdFlags flags) =>
        NeighbourAdvertisement(frame, NdMessage.GroupMac(NdMessage.AllNodes), mac, NdMessage.AllNodes, target, flags);

    /// <summary>Answers a solicitation. A probe (source ::) is answered to everybody and unsolicited, since the asker has no address (RFC 4861 section 7.2.4).</summary>
    public static int NeighbourAnswer(Span<byte> frame, MacAddress to, MacAddress mac, NdMessage solicitation, NdFlags flags) => solicitation.Source.IsNone
        ? NeighbourAnnouncement(frame, mac, solicitation.Target, flags)
        : NeighbourAdvertisement(frame, to, mac, solicitation.Source, solicitation.Target, flags | NdFlags.Solicited);

    /// <summary>
    /// Advertises the virtual gateway. Prefixes are autonomous but not on-link: clients send everything to the router, which is what lets two clients at different
    /// access points talk.
    /// </summary>
    public static int RouterAdvertisement(
        Span<byte> frame, MacAddress to, MacAddress mac, IpAddress source, IpAddress destination, int mtu, ReadOnlySpan<IpPrefix> prefixes)
    {
        var nd = NdWriter.RouterAdvertisement(Packet(frame, to, mac), source, destination, HostHopLimit, RouterLifetime);
        nd.AddLinkLayer(NdOptionType.SourceLinkLayer, mac);
        nd.AddMtu((uint)mtu);
        foreach (ref readonly var prefix in prefixes)
        {
            nd.AddPrefix(new NdPrefix(prefix.Address, (byte)prefix.Length, NdPrefixFlags.Autonomous, ValidLifetime, PreferredLifetime));
        }

        return EthernetHeader.Length + nd.Finish();
    }

    private static int NeighbourAdvertisement(Span<byte> frame, MacAddress to, MacAddress mac, IpAddress destination, IpAddress target, NdFlags flags)
    {
        var nd = NdWriter.NeighbourAdvertisement(Packet(frame, to, mac), target, destination, target, flags);
        nd.AddLinkLayer(NdOptionType.TargetLinkLayer, mac);
        return EthernetHeader.Length + nd.Finish();
    }

    private static Span<byte> Packet(Span<byte> frame, MacAddress to, MacAddress mac)
    {
        EthernetHeader.Write(frame, to, mac, EtherType.IPv6);
        return frame[EthernetHeader.Length..];
    }
}
