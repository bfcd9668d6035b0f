using Masquerade.Auth.Keys;
using Masquerade.Core.Engine;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.AccessPoint;

/// <summary>
/// Everything that an <see cref="AccessPointNode"/> is told once, already validated: an immutable snapshot. Shells make it from their configuration.
/// </summary>
public sealed record AccessPointModel
{
    /// <summary>The virtual gateway MAC address that every access point shows to clients, so that a roaming client's neighbour entry stays right. Locally administered.</summary>
    public static readonly MacAddress DefaultGatewayMac = new(0x026D_7100_0001);

    /// <summary>The UDP port of datagrams between nodes unless configured otherwise.</summary>
    public const ushort DefaultPeerPort = 4747;

    /// <summary>This node's name.</summary>
    public required NodeId Node { get; init; }

    /// <summary>A number that differs in every life of the process; tells the coordinator that the tables are empty.</summary>
    public required ulong Incarnation { get; init; }

    /// <summary>The uplink side.</summary>
    public required UplinkModel Uplink { get; init; }

    /// <summary>The client side.</summary>
    public required ClientSideModel Clients { get; init; }

    /// <summary>Limits and times of the HAM engine.</summary>
    public HamConfig Ham { get; init; } = new();

    /// <summary>Limits and times of the FAM engine.</summary>
    public FamConfig Fam { get; init; } = new();

    /// <summary>Which ICMP errors the node makes itself.</summary>
    public IcmpConfig Icmp { get; init; } = new();

    /// <summary>How clients reach each other at their own addresses.</summary>
    public NeighbourhoodConfig Neighbourhood { get; init; } = NeighbourhoodConfig.Off;

    /// <summary>What clients may do by the Port Control Protocol.</summary>
    public PcpConfig Pcp { get; init; } = new();

    /// <summary>Which applications are helped through translation.</summary>
    public HelperConfig Helpers { get; init; } = new();

    /// <summary>The time at the site, with its distance from UTC, for policies that speak of hours; null: the node's own time, as UTC.</summary>
    public Func<Core.Time.Instant, DateTimeOffset>? LocalTime { get; init; }

    /// <summary>Whether clients' users must be known.</summary>
    public Users.UsersConfig Users { get; init; } = AccessPoint.Users.UsersConfig.Off;

    /// <summary>Where the nonces of handshakes come from: the system's generator. Needed where links are protected.</summary>
    public FillRandom? LinkRandom { get; init; }

    /// <summary>What clients' policies say; null: everybody may do everything.</summary>
    public IClientFilter? Filter { get; init; }

    /// <summary>Limits and times for fragments.</summary>
    public FragmentConfig Fragments { get; init; } = new();

    /// <summary>The first port that is given out as masquerade or FAM endpoint.</summary>
    public ushort FirstPort { get; init; } = 1024;

    /// <summary>The last such port.</summary>
    public ushort LastPort { get; init; } = 65535;

    /// <summary>How long a port rests after its last use before it is given out again .</summary>
    public TimeSpan PortRest { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Which of the node's addresses a client's mappings get.</summary>
    public AddressPooling Pooling { get; init; }

    /// <summary>How many ports a client gets to itself at a time, a power of two from 64 to 4,096 of which two fit into the range (RFC 6888 REQ-14); 0: ports are given out one by one.</summary>
    public int PortBlockSize { get; init; }

    /// <summary>The most such blocks that a client has at one address, 1 to 64.</summary>
    public int PortBlocksPerClient { get; init; } = 8;

    /// <summary>Whether what clients open here gets a mapping for all servers, or one for each, which share ports when these run short. Not with blocks.</summary>
    public MappingPolicy Mapping { get; init; }

    /// <summary>How few ports are free, in per cent, when they begin to be shared.</summary>
    public int ShareBelowPercent { get; init; } = 25;

    /// <summary>The UDP port of datagrams between nodes; not given out.</summary>
    public ushort PeerPort { get; init; } = DefaultPeerPort;

    /// <summary>How packets leave whose source is another node's address: the network may drop them (N-09).</summary>
    public OutboundWay OutboundWay { get; init; }

    /// <summary>What passes packets of established connections without the node; null: nothing does. It serves one node, on the node's thread.</summary>
    public IFastPath? FastPath { get; init; }

    /// <summary>How often it is asked anew whether the network lets them through, where they are sent.</summary>
    public TimeSpan WayInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// No coordinator: every arrival is first and complete at once, and nobody is told of anything. For runs over capture files and for a single access point.
    /// </summary>
    public bool Standalone { get; init; }

    /// <summary>
    /// How long a node that has just started waits for a coordinator's word before it answers for its addresses: another node may have taken them over. Zero: not at all.
    /// </summary>
    public TimeSpan AddressPatience { get; init; }

    /// <summary>How hostapd is given keys of clients that come by a fast transition; null: it is not. Needs <see cref="LinkRandom"/>.</summary>
    public Auth.FastTransition.RrbKeyHolderConfig? RadioKeys { get; init; }

    /// <summary>The time that is written beside new mappings, milliseconds since 1970, for the log of mappings; null: none is.</summary>
    public Func<Core.Time.Instant, long>? WallClock { get; init; }

    /// <summary>Whether each connection that a client opens is reported with its destination.</summary>
    public bool ReportsConnections { get; init; }

    /// <summary>Where other nodes send their datagrams: the first own address and <see cref="PeerPort"/>.</summary>
    public TransportEndpoint PeerEndpoint => new(Uplink.Addresses[0], PeerPort);
}

/// <summary>The uplink side of a node.</summary>
public sealed record UplinkModel
{
    /// <summary>The node's MAC address on the uplink.</summary>
    public required MacAddress Mac { get; init; }

    /// <summary>Masquerade and FAM addresses, at least one; the node answers ARP and ND for them, the kernel does not.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>Prefixes whose addresses are reached without a gateway.</summary>
    public IReadOnlyList<IpPrefix> OnLink { get; init; } = [];

    /// <summary>
    /// The shell can have routes to an address changed, so that this node can take over addresses on other links as well: it acts on <see cref="Core.Engine.AddressTaken"/> and
    /// <see cref="Core.Engine.AddressYielded"/>.
    /// </summary>
    public bool AnnouncesRoutes { get; init; }

    /// <summary>
    /// Servers to which clients' packets go out under the clients' own addresses (RFC 6888 REQ-6), at most <see cref="UntranslatedDestinations.MaxPrefixes"/> prefixes. The node answers on
    /// the uplink for the addresses of the clients that are here then.
    /// </summary>
    public IReadOnlyList<IpPrefix> Untranslated { get; init; } = [];

    /// <summary>The next hop for every other IPv4 address; none if there is none.</summary>
    public IpAddress GatewayV4 { get; init; }

    /// <summary>The next hop for every other IPv6 address; none if there is none.</summary>
    public IpAddress GatewayV6 { get; init; }

    /// <summary>The largest IP packet that leaves in one frame, in octets; a GSO packet's segments count, not the whole.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Neighbours that are never asked for and never overwritten.</summary>
    public IReadOnlyDictionary<IpAddress, MacAddress> StaticNeighbours { get; init; } = new Dictionary<IpAddress, MacAddress>();

    /// <summary>Limits and times of neighbour resolution.</summary>
    public NeighbourConfig Neighbours { get; init; } = new();
}

/// <summary>The client side of a node: the same at every access point.</summary>
public sealed record ClientSideModel
{
    /// <summary>The virtual gateway's MAC address.</summary>
    public MacAddress GatewayMac { get; init; } = AccessPointModel.DefaultGatewayMac;

    /// <summary>The virtual gateway's addresses. A link-local one is needed to advertise an IPv6 prefix.</summary>
    public required IReadOnlyList<IpAddress> GatewayAddresses { get; init; }

    /// <summary>The clients' subnets. The node answers for every other address in them, so that clients at different access points reach each other through it.</summary>
    public required IReadOnlyList<IpPrefix> Prefixes { get; init; }

    /// <summary>The largest IP packet that a client takes in one frame, in octets.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Where clients get their IPv4 addresses from. All but none needs an IPv4 gateway address that lies in one of the prefixes.</summary>
    public ClientAddressing Addressing { get; init; }

    /// <summary>With <see cref="ClientAddressing.Relay"/>: the site's DHCP servers, IPv4.</summary>
    public IReadOnlyList<IpAddress> DhcpServers { get; init; } = [];

    /// <summary>The gateway address that clients take for their DHCP server's; none if there is no IPv4 one in the clients' subnets.</summary>
    public IpAddress DhcpGateway => GatewayAddresses.FirstOrDefault(g => g.IsIPv4 && Prefixes.Any(p => p.Contains(g)));
}

/// <summary>Where clients get their IPv4 addresses from. IPv6 clients make their own of the advertised prefix.</summary>
public enum ClientAddressing
{
    /// <summary>Not from here: they have them, and what they say to DHCP servers is a packet like any other.</summary>
    None,

    /// <summary>From the site's DHCP servers, by way of the node's relay agent.</summary>
    Relay,

    /// <summary>From the coordinator's pool; the node answers as DHCP server.</summary>
    Pool,
}

/// <summary>Limits and times of neighbour resolution on the uplink.</summary>
public sealed record NeighbourConfig
{
    /// <summary>The most neighbours known or being asked for.</summary>
    public int MaxNeighbours { get; init; } = 1_024;

    /// <summary>The most neighbours being asked for at once. Clients choose destinations, so this bounds what they can make the node ask.</summary>
    public int MaxUnresolved { get; init; } = 256;

    /// <summary>Packets that wait for one neighbour's answer; the oldest gives way (RFC 1122 section 2.3.2.2, RFC 4861 section 7.2.2).</summary>
    public int PendingPackets { get; init; } = 32;

    /// <summary>Octets that wait for answers, all neighbours together.</summary>
    public int PendingBytes { get; init; } = 4 << 20;

    /// <summary>The time between two requests to one neighbour (RFC 1122 section 2.3.2.1, RFC 4861 section 10).</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Requests without an answer after which a neighbour is given up.</summary>
    public int MaxRequests { get; init; } = 3;

    /// <summary>How long an answer is good before it is verified in the background, if it is used at all.</summary>
    public TimeSpan ReachableTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an unused neighbour is kept.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(10);
}
