using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>A record as it was loaded, with the version to compare when it is set.</summary>
/// <param name="Record">The record; null if the client is not known.</param>
/// <param name="Version">0 if not known; counts up with every change.</param>
public readonly record struct Versioned(ClientRecord? Record, long Version);

/// <summary>What became of an attempt to set a record.</summary>
public enum StoreOutcome
{
    /// <summary>It is set.</summary>
    Stored,

    /// <summary>Somebody has set the client since it was loaded: load and decide again.</summary>
    Changed,

    /// <summary>A mapping that is new in the record belongs to another client.</summary>
    Taken,

    /// <summary>The client is new and there is no room.</summary>
    Full,
}

/// <summary>
/// Where client records live. Every implementation must pass the same contract tests. A step loads a client, decides without side effects, and sets the record if nobody else
/// has meanwhile; so a store that is shared by several coordinators needs no lock: its adapter runs the same steps between an asynchronous load and an
/// asynchronous compare-and-set and decides again when that fails.
/// </summary>
public interface IClientStore
{
    /// <summary>A number that differs in every life of the store: a changed one means that it has forgotten.</summary>
    ulong Incarnation { get; }

    /// <summary>How many clients are known.</summary>
    int Count { get; }

    /// <summary>Loads a client.</summary>
    Versioned Load(MacAddress client);

    /// <summary>
    /// Stores a record if the version is still the loaded one, and keeps the index of masquerade endpoints in step in the same atomic act. Anything but
    /// <see cref="StoreOutcome.Stored"/> has changed nothing.
    /// </summary>
    StoreOutcome CompareAndSet(ClientRecord record, long version);

    /// <summary>The client that a masquerade endpoint belongs to.</summary>
    bool TryFindOwner(MappingId mapping, out MacAddress client);

    /// <summary>All clients, in ascending order of their MAC address.</summary>
    IEnumerable<MacAddress> Clients();
}
