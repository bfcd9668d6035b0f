namespace Masquerade.Core.Wire;

/// <summary>EtherTypes (IEEE 802 registry).</summary>
public static class EtherType
{
    /// <summary>IPv4.</summary>
    public const ushort IPv4 = 0x0800;

    /// <summary>ARP.</summary>
    public const ushort Arp = 0x0806;

    /// <summary>IPv6.</summary>
    public const ushort IPv6 = 0x86DD;

    /// <summary>EAP over LAN (IEEE 802.1X-2020 clause 11.1.4).</summary>
    public const ushort Eapol = 0x888E;

    /// <summary>A protected frame (IEEE 802.1AE-2018 clause 9.4).</summary>
    public const ushort Macsec = 0x88E5;
}

/// <summary>IANA protocol numbers used on the wire.</summary>
public static class IpProtocolNumber
{
    /// <summary>IPv6 hop-by-hop options.</summary>
    public const byte HopByHop = 0;

    /// <summary>ICMP.</summary>
    public const byte Icmp = 1;

    /// <summary>TCP.</summary>
    public const byte Tcp = 6;

    /// <summary>UDP.</summary>
    public const byte Udp = 17;

    /// <summary>IPv6 routing header.</summary>
    public const byte Routing = 43;

    /// <summary>IPv6 fragment header.</summary>
    public const byte Fragment = 44;

    /// <summary>ICMPv6.</summary>
    public const byte Icmpv6 = 58;

    /// <summary>IPv6 destination options.</summary>
    public const byte DestinationOptions = 60;
}

/// <summary>TCP control bits (RFC 9293 section 3.1).</summary>
[Flags]
public enum TcpFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>No more data from the sender.</summary>
    Fin = 0x01,

    /// <summary>Synchronise sequence numbers.</summary>
    Syn = 0x02,

    /// <summary>Reset the connection.</summary>
    Rst = 0x04,

    /// <summary>Push.</summary>
    Psh = 0x08,

    /// <summary>The acknowledgment field counts.</summary>
    Ack = 0x10,

    /// <summary>The urgent pointer counts.</summary>
    Urg = 0x20,

    /// <summary>ECN echo.</summary>
    Ece = 0x40,

    /// <summary>Congestion window reduced.</summary>
    Cwr = 0x80,
}

/// <summary>ARP operations (RFC 826).</summary>
public static class ArpOperation
{
    /// <summary>Who has the target address?</summary>
    public const ushort Request = 1;

    /// <summary>The sender has the sender address.</summary>
    public const ushort Reply = 2;
}

/// <summary>ICMP types that matter to a translator (RFC 792).</summary>
public static class IcmpType
{
    /// <summary>ICMP echo reply.</summary>
    public const byte EchoReply = 0;

    /// <summary>ICMP destination unreachable.</summary>
    public const byte DestinationUnreachable = 3;

    /// <summary>ICMP echo request.</summary>
    public const byte Echo = 8;

    /// <summary>ICMP time exceeded.</summary>
    public const byte TimeExceeded = 11;

    /// <summary>ICMP parameter problem.</summary>
    public const byte ParameterProblem = 12;

    /// <summary>ICMP timestamp request.</summary>
    public const byte Timestamp = 13;

    /// <summary>ICMP timestamp reply.</summary>
    public const byte TimestampReply = 14;
}

/// <summary>ICMPv6 types that matter to a translator and to the link below it (RFC 4443, RFC 4861 section 4).</summary>
public static class Icmpv6Type
{
    /// <summary>Destination unreachable.</summary>
    public const byte DestinationUnreachable = 1;

    /// <summary>Packet too big.</summary>
    public const byte PacketTooBig = 2;

    /// <summary>Time exceeded.</summary>
    public const byte TimeExceeded = 3;

    /// <summary>Parameter problem.</summary>
    public const byte ParameterProblem = 4;

    /// <summary>Echo request.</summary>
    public const byte Echo = 128;

    /// <summary>Echo reply.</summary>
    public const byte EchoReply = 129;

    /// <summary>Router solicitation.</summary>
    public const byte RouterSolicitation = 133;

    /// <summary>Router advertisement.</summary>
    public const byte RouterAdvertisement = 134;

    /// <summary>Neighbour solicitation.</summary>
    public const byte NeighbourSolicitation = 135;

    /// <summary>Neighbour advertisement.</summary>
    public const byte NeighbourAdvertisement = 136;

    /// <summary>Redirect.</summary>
    public const byte Redirect = 137;
}
