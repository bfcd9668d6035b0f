using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>A record as it was loaded, with the version to compare when it is set.</summary>
/// <param name="Record">The record; null if the client is not known.</param>
/// <param name="Version">0 if not known; another one after every change.</param>
public readonly record struct Versioned(ClientRecord? Record, long Version);

/// <summary>
/// An entry of the index of masquerade endpoints: who has claimed one. The index says who <em>may</em> have the mapping; whether it really does stands in the client's record,
/// which a store may keep in another place.
/// </summary>
/// <param name="Mapping">The masquerade endpoint.</param>
/// <param name="Client">Who has claimed it.</param>
/// <param name="Ticket">Another one with every attempt to set a record, so that a claim is withdrawn only as it was seen.</param>
public readonly record struct EndpointClaim(MappingId Mapping, MacAddress Client, ulong Ticket);

/// <summary>What became of an attempt to set a record.</summary>
public enum StoreOutcome
{
    /// <summary>It is set.</summary>
    Stored,

    /// <summary>Somebody has set the client since it was loaded: load and decide again.</summary>
    Changed,

    /// <summary>A mapping that is new in the record is claimed by another client.</summary>
    Taken,

    /// <summary>The client is new and there is no room.</summary>
    Full,

    /// <summary>The store could not do it, or it is not known whether it has.</summary>
    Failed,
}

/// <summary>Why a store could not do what it was asked.</summary>
public enum StoreFailure
{
    /// <summary>It could.</summary>
    None,

    /// <summary>It is not reachable.</summary>
    Unreachable,

    /// <summary>It has not answered in time.</summary>
    TimedOut,

    /// <summary>Too much is being asked of it at once.</summary>
    Busy,

    /// <summary>It has no memory left.</summary>
    OutOfMemory,

    /// <summary>It only reads, for the time being.</summary>
    ReadOnly,

    /// <summary>It refuses us: password, rights.</summary>
    Refused,

    /// <summary>What it holds cannot be read.</summary>
    Garbage,

    /// <summary>It has been found just now that it has forgotten everything: what it does not know may be known again in a moment.</summary>
    Forgotten,

    /// <summary>It has answered with an error of another kind.</summary>
    Error,
}

/// <summary>The answer to <see cref="IClientStore.Load"/>.</summary>
/// <param name="Found">The client.</param>
/// <param name="Failure">Anything but none: the store could not tell.</param>
public readonly record struct LoadResult(Versioned Found, StoreFailure Failure = StoreFailure.None);

/// <summary>What of the index of masquerade endpoints comes with the setting of a record.</summary>
/// <param name="All">Claim all mappings, not only those that are new: the index may have lost some.</param>
/// <param name="Withdrawn">Claims of this client on mappings that it has not: they are given up if they still are what they were.</param>
public readonly record struct SetScope(bool All = false, IReadOnlyList<EndpointClaim>? Withdrawn = null);

/// <summary>The answer to <see cref="IClientStore.CompareAndSet"/>.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Failure">With <see cref="StoreOutcome.Failed"/>: why.</param>
/// <param name="Claims">With <see cref="StoreOutcome.Taken"/>: who has claimed what.</param>
/// <param name="Version">With <see cref="StoreOutcome.Failed"/>: the version that the record has if it was set all the same; 0 if it cannot have been.</param>
public readonly record struct SetResult(StoreOutcome Outcome, StoreFailure Failure = StoreFailure.None, IReadOnlyList<EndpointClaim>? Claims = null, long Version = 0);

/// <summary>The answer to <see cref="IClientStore.List"/>.</summary>
/// <param name="Clients">Some clients.</param>
/// <param name="Next">Where to go on; 0 if these were the last.</param>
/// <param name="Failure">Anything but none: the store could not tell.</param>
public readonly record struct ClientPage(IReadOnlyList<MacAddress> Clients, ulong Next, StoreFailure Failure = StoreFailure.None);

/// <summary>
/// Where client records live. Every implementation must pass the same contract tests. A step loads a client, decides without side effects, and sets the record if nobody else
/// has meanwhile; so a store that is shared by several coordinators needs no lock.
/// <para>
/// Every answer comes by a completion: within the call, if the store can tell at once, or later. A store that does I/O hands its completions to the loop in which the coordinator
/// runs, where they are called by <see cref="CoordinatorCore.Complete"/>, one at a time, each exactly once. No method throws because of what is wrong with the store.
/// </para>
/// <para>
/// Records and the index need not be set in one atomic act (in a cluster they live on different machines). What is needed is this order: <c>CompareAndSet</c> claims the
/// mappings that are new, <em>then</em> sets the record, <em>then</em> withdraws the claims of mappings that are gone. So at any time each mapping of a record is claimed for its
/// client, and a claim without a mapping is harmless: whoever runs into it looks into the client's record, and may set that record and name the claim as withdrawn.
/// As the record has another version then and the claim, if it was renewed, another ticket, nobody who is about to set that record on the strength of the claim succeeds.
/// </para>
/// </summary>
public interface IClientStore
{
    /// <summary>A number that differs in every life of the store: a changed one means that it has forgotten.</summary>
    ulong Incarnation { get; }

    /// <summary>Whether other coordinators may use it at the same time.</summary>
    bool IsShared { get; }

    /// <summary>How many clients are known, if the store can say so at once.</summary>
    int? ClientCount { get; }

    /// <summary>Loads a client.</summary>
    void Load(MacAddress client, Action<LoadResult> done);

    /// <summary>
    /// Sets a record if the client's version is still the loaded one. Anything but <see cref="StoreOutcome.Stored"/> and <see cref="StoreOutcome.Failed"/> has changed nothing;
    /// after a failure it may have been set all the same.
    /// </summary>
    /// <param name="record">The record.</param>
    /// <param name="loaded">What it was made from.</param>
    /// <param name="scope">What of the index comes with it.</param>
    /// <param name="done">The completion.</param>
    void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done);

    /// <summary>
    /// A node is not concerned with a client any more and need not be named when it is listed for it. The store makes sure that nobody who sets the client's record meanwhile is
    /// forgotten.
    /// </summary>
    void Forget(NodeId node, MacAddress client);

    /// <summary>The claim on a masquerade endpoint; null if there is none, or the store cannot tell.</summary>
    void FindClaim(MappingId mapping, Action<EndpointClaim?> done);

    /// <summary>
    /// The clients that a node anchors mappings of, serves, or has served, and perhaps others; with no node all clients. In parts, each in ascending order.
    /// </summary>
    /// <param name="node">The node; none for all clients.</param>
    /// <param name="from">0, or <see cref="ClientPage.Next"/> of the part before.</param>
    /// <param name="done">The completion.</param>
    void List(NodeId node, ulong from, Action<ClientPage> done);
}
