namespace Masquerade.Core.Diagnostics;

/// <summary>
/// Why a packet was not passed on. The value is the index of its counter; its name is the text in logs, metrics and <c>docs/operations.md</c>.
/// New reasons are added at the end.
/// </summary>
public enum DropReason : byte
{
    /// <summary>Not dropped.</summary>
    None = 0,

    /// <summary>A header is cut off by the end of the packet.</summary>
    Truncated,

    /// <summary>A header field contradicts the packet (version, header length, total length).</summary>
    Malformed,

    /// <summary>The IPv4 header checksum is wrong (RFC 1812 section 4.2.2.5: silently discard).</summary>
    BadHeaderChecksum,

    /// <summary>The transport or ICMP checksum is wrong where it must be checked (RFC 5508 REQ-3a).</summary>
    BadTransportChecksum,

    /// <summary>An IP fragment that cannot be matched to a mapping.</summary>
    Fragment,

    /// <summary>The transport protocol is not TCP, UDP or an ICMP query or error.</summary>
    UnsupportedProtocol,

    /// <summary>An ICMP type that is neither a query nor an error about a translated packet.</summary>
    UnsupportedIcmp,

    /// <summary>TTL or hop limit would reach zero.</summary>
    TtlExpired,

    /// <summary>Source or destination can never be forwarded: loopback, unspecified, multicast, broadcast, link-local, or source equals destination.</summary>
    Martian,

    /// <summary>The source address does not belong to the client that sent the frame.</summary>
    SpoofedSource,

    /// <summary>HAM: no mapping for this masquerade endpoint. Many of these may be a scan or an attack.</summary>
    NoMapping,

    /// <summary>HAM: the mapping has no FAM; the client is out of coverage.</summary>
    NoFam,

    /// <summary>FAM: no mapping for this FAM endpoint; the client is not here (any more).</summary>
    NoFamEndpoint,

    /// <summary>FAM: the mapping exists but the filter does not admit this server (RFC 4787 section 5).</summary>
    FilteredServer,

    /// <summary>An ICMP error whose embedded packet belongs to no mapping or connection.</summary>
    UnrelatedIcmpError,

    /// <summary>No free masquerade or FAM port.</summary>
    PortsExhausted,

    /// <summary>The mapping, connection or client table is full.</summary>
    TableFull,

    /// <summary>The bounded queue for packets that wait for an answer is full.</summary>
    HoldQueueFull,

    /// <summary>The packet waited for an answer longer than it is allowed to.</summary>
    HoldExpired,

    /// <summary>The coordinator refused the attach or the new connection.</summary>
    Refused,

    /// <summary>A TCP packet without SYN that belongs to no connection, after a complete arrival.</summary>
    NotEstablished,

    /// <summary>The client has left and nobody knows where it is now.</summary>
    ClientGone,

    /// <summary>No link-layer address for the next hop.</summary>
    NoNeighbour,

    /// <summary>The device's transmit ring is full.</summary>
    DeviceFull,

    /// <summary>A frame that is not for this node (destination MAC address, EtherType).</summary>
    NotForUs,

    /// <summary>A broadcast or multicast packet; a router does not forward it.</summary>
    Multicast,

    /// <summary>The packet is larger than the link it must leave by.</summary>
    TooBig,

    /// <summary>The packet needs an answer from the coordinator, and too many questions are under way to ask for it.</summary>
    ControlQueueFull,

    /// <summary>This node has no address of its own now: another one has taken them over, or nobody has said yet whether one has.</summary>
    Fenced,

    /// <summary>DHCP or PCP: the client asks more often than it may, or all clients together do.</summary>
    TooOften,

    /// <summary>DHCP: an answer that no client here waits for, or that is not from one of the site's servers.</summary>
    UnexpectedAnswer,

    /// <summary>FAM: the client has as many mappings or connections as it may, or as many that are opening (RFC 6888 REQ-4 and 5). What it has goes on.</summary>
    ClientQuota,

    /// <summary>FAM: the client opens connections faster than it may (RFC 6888 REQ-4). What it has goes on.</summary>
    ClientRate,

    /// <summary>A first fragment without the whole transport header, or a TCP fragment that begins inside it (RFC 1858, RFC 3128, RFC 7112).</summary>
    TinyFragment,

    /// <summary>A fragment that overlaps another one of its datagram; over IPv6 all that is left of that datagram (RFC 5722).</summary>
    FragmentOverlap,

    /// <summary>A fragment that has come already.</summary>
    FragmentDuplicate,

    /// <summary>A fragment for which there is no room: too many fragmented datagrams at once, of one sender or in all, or too many fragments of one datagram.</summary>
    FragmentLimit,

    /// <summary>A fragment whose datagram's first fragment did not come in time, or was dropped itself.</summary>
    FragmentExpired,

    /// <summary>FAM: the address that the client's mappings have has no free port, and new ones are not to have another (RFC 7857 section 4). What it has goes on.</summary>
    PairedPortsExhausted,

    /// <summary>To another client's own address: nobody who is served has it, or where its client is cannot be reached from here.</summary>
    NeighbourUnknown,

    /// <summary>To another client's own address: clients are kept apart here.</summary>
    NeighbourIsolated,

    /// <summary>From another node, for a client: whose packet it is has not been said, or not by the node that serves its sender.</summary>
    NeighbourUnproven,

    /// <summary>FAM: the client's FAM has heard the same frame and sends it on.</summary>
    HeardElsewhere,

    /// <summary>FAM: a copy of a packet that the client's FAM has delivered, or will.</summary>
    CopyNotNeeded,

    /// <summary>To or from a client whose user is not known here, or has not been proved to be it.</summary>
    NotAuthenticated,

    /// <summary>FAM: the client's policy denies the connection, or does since it was changed.</summary>
    Policy,

    /// <summary>FAM: faster than the rule allows that lets the connection through.</summary>
    RateLimited,

    /// <summary>In the clear, from a client whose link is protected.</summary>
    NotProtected,

    /// <summary>On a protected link: a wrong check value, another sender, a key that is not in use, or a tag that cannot be.</summary>
    LinkForged,

    /// <summary>On a protected link: a frame that was there already, or comes too late to tell.</summary>
    LinkReplayed,

    /// <summary>A protected frame where there is no key for the client, or no packet number is left to send one with.</summary>
    LinkKeyless,

    /// <summary>A client says what only the access point may say: it answers as DHCP server or advertises itself as router.</summary>
    RogueServer,
}
