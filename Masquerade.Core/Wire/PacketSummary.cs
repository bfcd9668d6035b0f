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

/// <summary>Which part of a datagram a packet has.</summary>
public enum FragmentPart : byte
{
    /// <summary>All of it.</summary>
    Whole,

    /// <summary>The beginning, with the transport header.</summary>
    First,

    /// <summary>Something further on: whose it is stands only in the first fragment.</summary>
    Later,
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

    /// <summary>TCP: the window as the header has it, not scaled.</summary>
    public ushort TcpWindow;

    /// <summary>TCP: the control bits.</summary>
    public TcpFlags TcpFlags;

    /// <summary>Time to live or hop limit.</summary>
    public byte Ttl;

    /// <summary>ICMP errors: octets of the embedded packet that are its own: not padding, and no extension (RFC 4884).</summary>
    public int EmbeddedLength;

    /// <summary>IPv6 fragments: where the fragment header starts.</summary>
    public int FragmentHeaderOffset;

    /// <summary>The identification that a translated packet is to have (RFC 6864 section 5.3.1), if <see cref="HasIdentification"/>.</summary>
    public uint Identification;

    /// <summary>
    /// Whether the packet is given another identification when it is translated: fragments are, and IPv4 packets that may be cut. Behind one address there are many clients, and
    /// what they have chosen for themselves is not unique there.
    /// </summary>
    public bool HasIdentification;

    /// <summary>Which part of a datagram this is.</summary>
    public FragmentPart Part;

    /// <summary>Which family.</summary>
    public bool IsIPv6;

    /// <summary>Whether a router may not cut the packet: the DF bit of IPv4, and always with IPv6.</summary>
    public bool DontFragment;
}
