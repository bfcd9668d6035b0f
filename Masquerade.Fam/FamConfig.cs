using System.ComponentModel.DataAnnotations;

namespace Masquerade.Fam;

/// <summary>Which servers may send to a mapping (RFC 4787 section 5).</summary>
public enum FilteringPolicy : byte
{
    /// <summary>Only endpoints that the client has sent to.</summary>
    AddressAndPortDependent = 0,

    /// <summary>Any port of an address that the client has sent to.</summary>
    AddressDependent = 1,

    /// <summary>Anyone.</summary>
    EndpointIndependent = 2,
}

/// <summary>Whose packets, besides the client's own, keep a mapping alive.</summary>
public enum InboundRefresh : byte
{
    /// <summary>Servers that the client has sent to; what a permissive filter lets through besides does not (RFC 7857 section 7).</summary>
    Connections = 0,

    /// <summary>Nobody's: only what the client sends counts.</summary>
    Never = 1,

    /// <summary>Whatever the filter lets through.</summary>
    Always = 2,
}

/// <summary>Who decides where a new connection of an arrived client is anchored.</summary>
public enum AnchorPolicy : byte
{
    /// <summary>This access point anchors it at once (the default).</summary>
    Here = 0,

    /// <summary>The coordinator is asked with a FAM endpoint in hand; one round trip .</summary>
    AskCoordinator = 1,

    /// <summary>The coordinator is asked first, and a FAM endpoint allocated after its answer (the two-phase form of A-09).</summary>
    AskCoordinatorFirst = 2,
}

/// <summary>Limits, times and policies of a <see cref="FamEngine"/>.</summary>
public sealed record FamConfig
{
    /// <summary>The most clients known at once.</summary>
    public int MaxClients { get; init; } = 4_096;

    /// <summary>The most mappings known at once.</summary>
    public int MaxMappings { get; init; } = 262_144;

    /// <summary>The most connections known at once.</summary>
    public int MaxConnections { get; init; } = 524_288;

    /// <summary>Addresses remembered per client.</summary>
    public int MaxAddressesPerClient { get; init; } = 16;

    /// <summary>FAM endpoints offered with an arrival, per address family, for TCP.</summary>
    public int TcpOffers { get; init; } = 32;

    /// <summary>FAM endpoints offered with an arrival, per address family, for UDP.</summary>
    public int UdpOffers { get; init; } = 32;

    /// <summary>FAM endpoints offered with an arrival, per address family, for ICMP queries.</summary>
    public int IcmpOffers { get; init; } = 8;

    /// <summary>How long a new client's opening packets wait for the coordinator before the access point goes on without it.</summary>
    public TimeSpan ArrivalPatience { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long an arrival may stay incomplete; then what is unknown counts as new.</summary>
    public TimeSpan CompletionTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long inbound packets are held after a client's link went away.</summary>
    public TimeSpan HoldTime { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a previous FAM sends packets that are still under way on to the new one.</summary>
    public TimeSpan ForwardTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For how long after a move or disassociation frames of the client count as late frames of its old link, not as a new arrival.</summary>
    public TimeSpan ReturnGuard { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long packets wait for an answer about their connection, and a client's datagrams for another coordinator when one has just been lost.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a client may speak without any answer before the coordinator is asked whether the way back still exists; doubles up to <see cref="ProbeMaximum"/>.</summary>
    public TimeSpan ProbeInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest interval between two such questions about one mapping.</summary>
    public TimeSpan ProbeMaximum { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long changes are collected before they are announced together.</summary>
    public TimeSpan AnnounceDelay { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// How long a TCP connection must have been established before that is announced, if the coordinator knows it only as opening. Whoever serves the client after a crash then gives it the
    /// time of an established one (RFC 5382 REQ-5); short connections end before and cost no message.
    /// </summary>
    public TimeSpan EstablishedNewsDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A client without mappings that has been silent this long is taken to have left .</summary>
    public TimeSpan ClientIdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How many clients may have packets waiting at once.</summary>
    public int MaxHolds { get; init; } = 256;

    /// <summary>Packets that may wait per client.</summary>
    public int HoldPackets { get; init; } = 2_048;

    /// <summary>Octets that may wait per client.</summary>
    public int HoldBytes { get; init; } = 1 << 21;

    /// <summary>Idle timeout of established TCP connections (RFC 5382 REQ-5: not under 2 h 4 min).</summary>
    public TimeSpan TcpEstablishedTimeout { get; init; } = TimeSpan.FromMinutes(124);

    /// <summary>Idle timeout of TCP connections that only one side has begun (RFC 5382 REQ-5, RFC 7857 section 2.1: 4 min recommended, less allowed).</summary>
    public TimeSpan TcpOpeningTimeout { get; init; } = TimeSpan.FromMinutes(4);

    /// <summary>Idle timeout of TCP connections that both sides have closed, that a RST has met, or that were idle too long (RFC 5382 REQ-5, RFC 7857 section 2: 4 min).</summary>
    public TimeSpan TcpClosingTimeout { get; init; } = TimeSpan.FromMinutes(4);

    /// <summary>Idle timeout of UDP (RFC 4787 REQ-5: 5 min recommended).</summary>
    public TimeSpan UdpTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Idle timeout of ICMP queries (RFC 5508 REQ-2: not under 60 s).</summary>
    public TimeSpan IcmpTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Which servers may send to a TCP mapping (RFC 5382 REQ-3).</summary>
    public FilteringPolicy TcpFiltering { get; init; } = FilteringPolicy.AddressAndPortDependent;

    /// <summary>Which servers may send to a UDP mapping (RFC 4787 REQ-8).</summary>
    public FilteringPolicy UdpFiltering { get; init; } = FilteringPolicy.AddressAndPortDependent;

    /// <summary>Which servers may send to a mapping of ICMP queries, which have no port at the server's end. ICMP errors are not concerned (RFC 4787 REQ-12).</summary>
    public FilteringPolicy IcmpFiltering { get; init; } = FilteringPolicy.AddressAndPortDependent;

    /// <summary>Whose packets keep a mapping alive besides the client's own (RFC 4787 REQ-6, RFC 7857 section 7).</summary>
    public InboundRefresh InboundRefresh { get; init; } = InboundRefresh.Connections;

    /// <summary>Whether a SYN that announces larger segments than this access point's links carry is told of it: its MSS option is lowered (RFC 9293 section 3.7.1).</summary>
    public bool ClampMss { get; init; } = true;

    /// <summary>
    /// How many SYNs that nobody has asked for wait for 6 s to be answered by an ICMP error, unless the client opens the same connection meanwhile (RFC 5382 REQ-4). As many are
    /// answered in 6 s at most; 0: they are dropped silently.
    /// </summary>
    [Range(0, 65_536)]
    public int MaxUnsolicitedSyns { get; init; } = 256;

    /// <summary>TCP mappings that a client may have here (RFC 6888 REQ-4); 0: as many as there is room for. What it brings along from elsewhere is never refused.</summary>
    [Range(0, 16_777_216)]
    public int TcpMappingsPerClient { get; init; } = 2_048;

    /// <summary>UDP mappings that a client may have here; 0: as many as there is room for.</summary>
    [Range(0, 16_777_216)]
    public int UdpMappingsPerClient { get; init; } = 1_792;

    /// <summary>Mappings of ICMP queries that a client may have here; 0: as many as there is room for.</summary>
    [Range(0, 16_777_216)]
    public int IcmpMappingsPerClient { get; init; } = 256;

    /// <summary>Connections that a client may have here, of all mappings together (RFC 6888 REQ-5); 0: as many as there is room for.</summary>
    [Range(0, 16_777_216)]
    public int ConnectionsPerClient { get; init; } = 16_384;

    /// <summary>TCP connections of a client that the server has not answered yet: bounds what a SYN flood takes up; 0: no bound of its own.</summary>
    [Range(0, 16_777_216)]
    public int OpeningPerClient { get; init; } = 1_024;

    /// <summary>
    /// Mappings that one client may have because it asked for them (PCP), published services not counted; 0: no bound of its own. They need no traffic to live and outlive their client's stay
    /// until their lifetime is over (RFC 6887 section 17.2).
    /// </summary>
    [Range(0, 16_777_216)]
    public int ExplicitMappingsPerClient { get; init; } = 64;

    /// <summary>
    /// Connections to one client that application helpers may expect at once, because it has named endpoints of its own to servers; 0: no bound of its own.
    /// </summary>
    [Range(0, 65_536)]
    public int ExpectationsPerClient { get; init; } = 64;

    /// <summary>How long such a connection is waited for.</summary>
    public TimeSpan ExpectationTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Connections that a client may open per second in the long run (RFC 6888 REQ-4 and 5); 0: as fast as it can.</summary>
    [Range(0, 1_000_000)]
    public int ConnectionRatePerClient { get; init; } = 1_000;

    /// <summary>Connections that a client may open at once before <see cref="ConnectionRatePerClient"/> holds.</summary>
    public int ConnectionBurstPerClient { get; init; } = 2_000;

    /// <summary>Token buckets: one for each rule of a policy that limits and each client that has connections by it. Who finds none left is refused such connections.</summary>
    public int MaxRateBuckets { get; init; } = 16_384;

    /// <summary>Who decides where a new connection is anchored.</summary>
    public AnchorPolicy Anchoring { get; init; } = AnchorPolicy.Here;

    /// <summary>Servers that see the clients' own addresses.</summary>
    public UntranslatedDestinations Untranslated { get; init; } = UntranslatedDestinations.None;

    /// <summary>No coordinator at all: every arrival is complete at once and nothing is announced.</summary>
    public bool Standalone { get; init; }

    /// <summary>Whether clients may have links to several access points at once .</summary>
    public ClientLinks Links { get; init; }

    /// <summary>How long a further FAM keeps a copy of which it does not hear; longer than it takes until a silent node is noticed.</summary>
    [Range(10, 60_000)]
    public TimeSpan CopyTime { get; init; } = TimeSpan.FromMilliseconds(500);
}

/// <summary>What links clients have.</summary>
public enum ClientLinks
{
    /// <summary>One at a time: who appears here has moved here.</summary>
    One,

    /// <summary>One of their own to each access point, so that what they send comes by one of them.</summary>
    Several,

    /// <summary>One radio that several access points hear at once, so that what they send comes to all of these.</summary>
    Shared,
}
