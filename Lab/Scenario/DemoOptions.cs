using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>What makes the access points route and translate.</summary>
public enum NetworkKind
{
    /// <summary>The product: an agent at each access point and a coordinator.</summary>
    Masquerade,

    /// <summary>What one has today: ordinary kernel NAT at each access point.</summary>
    KernelNat,

    /// <summary>
    /// Home access points that know at once where the client is, because they are told the future: not a network that exists, but the floor of all
    /// measurements. What is lost or late here is the laboratory's own doing.
    /// </summary>
    Ideal,
}

/// <summary>Where clients get their addresses from.</summary>
internal enum LabAddressing
{
    /// <summary>The laboratory gives them.</summary>
    Static,

    /// <summary>A DHCP server beside the correspondent, by way of relay agents.</summary>
    Relay,

    /// <summary>The coordinator's pool: 192.168.77.150 to .199.</summary>
    Pool,
}

/// <summary>What the demonstration does.</summary>
public sealed record DemoOptions
{
    /// <summary>How many times client c1 changes its access point.</summary>
    public int Roams { get; init; } = 12;

    /// <summary>How many roams, with traffic but not judged, come before the walk, so that programs have compiled what they need.</summary>
    public int WarmUpRoams { get; init; } = 12;

    /// <summary>How many clients; c1 walks, the others stay and watch for cross-talk. 1 to 9.</summary>
    public int Clients { get; init; } = 2;

    /// <summary>Whether access points are told about associations; otherwise they must detect the client's first frame.</summary>
    public bool Events { get; init; } = true;

    /// <summary>Rate of the bulk download and of the bulk upload, Mbit/s of payload each.</summary>
    public double Rate { get; init; } = 40;

    /// <summary>Datagrams per second in each direction over the first family, by which gaps are measured; a tenth of it over another one.</summary>
    public int DatagramRate { get; init; } = 1000;

    /// <summary>How long the client stays at an access point.</summary>
    public TimeSpan Dwell { get; init; } = TimeSpan.FromMilliseconds(1600);

    /// <summary>How long the client's link is dead while it changes.</summary>
    public TimeSpan SwitchTime { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Whether hosts hand over unfinished checksums and TCP super-packets, as kernels do by default.</summary>
    public bool Offload { get; init; } = true;

    /// <summary>The families that clients talk over, both at once by default: a flow of each kind over each, and of the other connections some over the one and some over the other.</summary>
    public IReadOnlyList<AddressFamily> Families { get; init; } = [AddressFamily.InterNetwork, AddressFamily.InterNetworkV6];

    /// <summary>What the access points run.</summary>
    public NetworkKind Network { get; init; }

    /// <summary>Two coordinators over a Redis instead of one that keeps everything in its memory.</summary>
    public bool Redis { get; init; }

    /// <summary>Where logs of the programs under test are kept; null: nowhere.</summary>
    public string? LogDirectory { get; init; }

    /// <summary>Programs are killed while c1 walks; null: none is.</summary>
    public ChaosOptions? Chaos { get; init; }

    /// <summary>Where clients get their addresses from.</summary>
    internal LabAddressing Addressing { get; init; }

    /// <summary>The DHCP servers that relay agents know.</summary>
    internal IReadOnlyList<string> DhcpServers { get; init; } = [LabTopology.ServerAddress.ToString()];

    /// <summary>The program that an access point (0 is AP1) has routes changed with; null if there is none.</summary>
    internal Func<int, string>? AddressCommand { get; init; }

    /// <summary>The processor is emulated: programs take long to start, and are compiled quickly and not for speed.</summary>
    internal bool IsEmulated { get; init; }

    /// <summary>The control socket of an access point's (0 is AP1) hostapd; null where there is none, or all together: the simulated radio's.</summary>
    internal Func<int, string?>? Hostapd { get; init; }

    /// <summary>How many access points have an agent, beginning with AP1; the others are only there.</summary>
    internal int Agents { get; init; } = LabTopology.AccessPointCount;

    /// <summary>All HAMs at one node, which runs where the coordinator runs.</summary>
    internal bool Central { get; init; }

    /// <summary>With <see cref="Central"/>: a file with the homes of clients, which come before the central node; null if nobody has one.</summary>
    internal string? Homes { get; init; }

    /// <summary>Keys of the agents' <c>fam</c> object besides, with their values as they stand in JSON.</summary>
    internal IReadOnlyDictionary<string, string> Fam { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Keys of the coordinators' <c>roaming</c> object besides, with their values as they stand in JSON.</summary>
    internal IReadOnlyDictionary<string, string> Roaming { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Who may use the site; null: everybody, and nobody is asked.</summary>
    internal LabUsers? Users { get; init; }

    /// <summary>Prefixes of servers that see the clients' own addresses.</summary>
    internal IReadOnlyList<string> Untranslated { get; init; } = [];

    /// <summary>Keys of the agents' <c>ports</c> object, with their values as they stand in JSON.</summary>
    internal IReadOnlyDictionary<string, string> Ports { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Keys of the coordinators' <c>balance</c> object, with their values as they stand in JSON.</summary>
    internal IReadOnlyDictionary<string, string> Balance { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Whether access points keep a log of mappings: how long after a restart mappings may be given back; null: there is none.</summary>
    internal TimeSpan? MappingLog { get; init; }

    /// <summary>Where packets of established connections pass in the kernel: "tc", "xdp" or "off"; null: as the agents have it. What MASQ_FAST_PATH says holds where nothing is said here.</summary>
    internal string? FastPath { get; init; } = Environment.GetEnvironmentVariable("MASQ_FAST_PATH");

    /// <summary>Whether the addresses of an access point that has failed are given to another one.</summary>
    internal bool Takeover { get; init; } = true;

    /// <summary>Whether access points have routes changed when they take an address by the laboratory's own program, so that one in another subnet can take it over.</summary>
    internal bool RouteCommand { get; init; }
}

/// <summary>What is killed.</summary>
public sealed record ChaosOptions
{
    /// <summary>How many slow connections c1 has besides its usual ones, opened at all access points in turn.</summary>
    public int Connections { get; init; } = 30;

    /// <summary>How many kills. Without a seed they are, again and again: a coordinator, Redis, the access point that anchors most of c1's connections, the one where c1 is.</summary>
    public int Kills { get; init; } = 4;

    /// <summary>With it kills are drawn: a coordinator, Redis, or any access point.</summary>
    public ulong? Seed { get; init; }
}
