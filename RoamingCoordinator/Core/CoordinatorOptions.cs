using System.ComponentModel.DataAnnotations;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Addressing;

namespace Masquerade.RoamingCoordinator;

/// <summary>Limits and times of a <see cref="CoordinatorCore"/>; ranges of times are in milliseconds.</summary>
public sealed record CoordinatorOptions
{
    /// <summary>The coordinator's name.</summary>
    public NodeId Name { get; init; } = new("coordinator");

    /// <summary>
    /// Unix time at <see cref="Core.Time.Instant.Zero"/>, in milliseconds: a move's epoch is at least the time of the move, so that what is given after a loss of the store is above
    /// all that was given before it. Null counts from 1, which suits only tests: every store may forget a client.
    /// </summary>
    public ulong? EpochClock { get; init; }

    /// <summary>
    /// A number that differs in every life of every coordinator that shares the store; 0 for one that has its store for itself. Its lowest 24 bits also number what it pushes,
    /// so that an answer finds its way back.
    /// </summary>
    public ulong Life { get; init; }

    /// <summary>How long a new FAM's arrival waits for the previous FAM's hand-over.</summary>
    [Range(1, 60_000)]
    public TimeSpan HandOverTimeout { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How HAMs choose where a client is heard by several access points.</summary>
    public FamChoice Fams { get; init; }

    /// <summary>With <see cref="FamChoice.Duplicate"/>: for how long copies are sent after a further access point has heard the client.</summary>
    [Range(10, 60_000)]
    public TimeSpan Duplicate { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long what nobody renews lives in a shared store; this coordinator renews three times as often. The store must be told the same.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How often agents send a heartbeat. After three without one it is found out whether the node is alive.</summary>
    [Range(50, 60_000)]
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Whether the addresses of a node that has failed are given to another one.</summary>
    public bool Takeover { get; init; } = true;

    /// <summary>How long other nodes may take to say whether a silent node answers them.</summary>
    [Range(50, 60_000)]
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>Whether a node that comes back gets its addresses back.</summary>
    public bool ReturnAddresses { get; init; } = true;

    /// <summary>How long its session must have been up before it does.</summary>
    [Range(0, 86_400_000)]
    public TimeSpan ReturnAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A session that has been silent this long is closed.</summary>
    [Range(200, 600_000)]
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The most nodes known.</summary>
    [Range(1, 1_000_000)]
    public int MaxNodes { get; init; } = 10_000;

    /// <summary>How long a node that policy chose as HAM may take to anchor a mapping; after that the asker is the HAM.</summary>
    [Range(1, 60_000)]
    public TimeSpan AnchorTimeout { get; init; } = TimeSpan.FromMilliseconds(150);

    /// <summary>
    /// The most mappings of one client, at most <see cref="LargestMappingsPerClient"/>. A decision looks at all of them; what it tells a node may take several messages.
    /// </summary>
    [Range(1, LargestMappingsPerClient)]
    public int MaxMappingsPerClient { get; init; } = 4_096;

    /// <summary>The highest <see cref="MaxMappingsPerClient"/>: as many as the ports of one address for one protocol.</summary>
    public const int LargestMappingsPerClient = 65_536;

    /// <summary>The most questions about new connections that wait for the node that policy chose.</summary>
    [Range(1, 16_777_216)]
    public int MaxAnchorRequests { get; init; } = 65_536;

    /// <summary>The most mappings in one answer to an arrival; the rest is asked for one by one.</summary>
    [Range(1, ControlLimits.MaxMappingsPerMessage)]
    public int MaxMappingsPerReply { get; init; } = 2_048;

    /// <summary>
    /// The most pushes that wait for one node's acknowledgment. Beyond that what waits is thrown away, the node's session ends, and with the next one the node is told that the
    /// store has forgotten: it says anew what it owns and serves, and is put right where it errs. A shell must be able to queue as many for a session.
    /// </summary>
    [Range(16, 16_384)]
    public int MaxPushesPerNode { get; init; } = 8_192;

    /// <summary>The most requests about one client that wait while the store is asked about it.</summary>
    [Range(1, 65_536)]
    public int MaxWaitingPerClient { get; init; } = 64;

    /// <summary>The most requests that wait in this way altogether; one node may have an eighth of it. What is refused is repeated by its sender.</summary>
    [Range(8, 16_777_216)]
    public int MaxWaiting { get; init; } = 65_536;

    /// <summary>Where new connections are anchored that agents ask about.</summary>
    public IHamPlacement Placement { get; init; } = new ThisAccessPoint();

    /// <summary>Services of clients that are published.</summary>
    public Publishing.PublishedServices Services { get; init; } = Publishing.PublishedServices.None;

    /// <summary>When addresses move because of load.</summary>
    public BalanceOptions Balance { get; init; } = new();

    /// <summary>Who users are and what they may; null where access points let everybody in.</summary>
    public Users.IUsers? Users { get; init; }

    /// <summary>The most EAP messages whose answers are awaited from the key holder; one node may have an eighth of them.</summary>
    [Range(8, 1_048_576)]
    public int MaxEapExchanges { get; init; } = 8_192;

    /// <summary>The addresses that clients are given; null where clients have theirs from elsewhere.</summary>
    public AddressPool? Pool { get; init; }
}
