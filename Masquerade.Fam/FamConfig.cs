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

    /// <summary>Idle timeout of opening, closing and reset TCP connections (RFC 5382 REQ-5, RFC 7857 section 2: not under 4 min).</summary>
    public TimeSpan TcpTransitoryTimeout { get; init; } = TimeSpan.FromMinutes(4);

    /// <summary>Idle timeout of UDP (RFC 4787 REQ-5: 5 min recommended).</summary>
    public TimeSpan UdpTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Idle timeout of ICMP queries (RFC 5508 REQ-2: not under 60 s).</summary>
    public TimeSpan IcmpTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Which servers may send to a mapping.</summary>
    public FilteringPolicy Filtering { get; init; } = FilteringPolicy.AddressAndPortDependent;

    /// <summary>Who decides where a new connection is anchored.</summary>
    public AnchorPolicy Anchoring { get; init; } = AnchorPolicy.Here;

    /// <summary>No coordinator at all: every arrival is complete at once and nothing is announced.</summary>
    public bool Standalone { get; init; }
}
