using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>What a packet is to a translator.</summary>
public enum PacketKind : byte
{
    /// <summary>Not a packet that can be translated.</summary>
    None,

    /// <summary>A TCP segment.</summary>
    Tcp,

    /// <summary>A UDP datagram.</summary>
    Udp,

    /// <summary>An ICMP query, such as an echo request.</summary>
    IcmpQuery,

    /// <summary>The reply to an ICMP query.</summary>
    IcmpReply,

    /// <summary>An ICMP error about another packet, which it carries.</summary>
    IcmpError,
}

/// <summary>What the parser found in a packet; everything else works from this and looks no header up again.</summary>
public struct PacketSummary
{
    /// <summary>
    /// The 5-tuple. A query has its identifier as source port and 0 as destination port, a reply the other way round; an ICMP error has the addresses of its outer header.
    /// </summary>
    public FlowTuple Tuple;

    /// <summary>ICMP errors: the 5-tuple of the packet that the error is about, as that packet has it.</summary>
    public FlowTuple EmbeddedTuple;

    /// <summary>TCP: the sequence number.</summary>
    public uint TcpSequence;

    /// <summary>TCP: the acknowledgment number.</summary>
    public uint TcpAcknowledgment;

    /// <summary>Octets of the IP packet by its own account, without Ethernet padding.</summary>
    public int Length;

    /// <summary>Where the transport header starts.</summary>
    public int TransportOffset;

    /// <summary>Octets of transport header and payload.</summary>
    public int TransportLength;

    /// <summary>Octets behind the transport header.</summary>
    public int PayloadLength;

    /// <summary>ICMP errors: where the embedded IP header starts.</summary>
    public int EmbeddedOffset;

    /// <summary>ICMP errors: where the embedded transport header starts.</summary>
    public int EmbeddedTransportOffset;

    /// <summary>What the packet is.</summary>
    public PacketKind Kind;

    /// <summary>ICMP errors: what the embedded packet is.</summary>
    public PacketKind EmbeddedKind;

    /// <summary>TCP: the control bits.</summary>
    public TcpFlags TcpFlags;

    /// <summary>Time to live or hop limit.</summary>
    public byte Ttl;

    /// <summary>Which family.</summary>
    public bool IsIPv6;
}
