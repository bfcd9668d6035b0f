using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>Agent → coordinator: a client has appeared here. One round trip brings all its mappings and moves its inbound traffic.</summary>
public sealed record Arrive : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>Addresses that the client has been seen to use.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; init; } = [];

    /// <summary>The highest epoch of the client that the agent has heard of; after a loss of the store the coordinator goes on from there.</summary>
    public Epoch KnownEpoch { get; init; }

    /// <summary>Free FAM endpoints, used in order for mappings of their protocol and family; unused ones are the asker's again once the arrival is complete.</summary>
    public IReadOnlyList<FamOffer> Offers { get; init; } = [];

    /// <summary>The client may have its link to its present FAM as well: the asker becomes a further FAM, if there is another one.</summary>
    public bool Also { get; init; }
}

/// <summary>Coordinator → agent, answer to <see cref="Arrive"/>: the agent is the client's FAM now.</summary>
public sealed record ArriveReply : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>How the request was taken; anything but Ok leaves the client unserved.</summary>
    public required AckStatus Status { get; init; }

    /// <summary>The client's epoch from now on.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The FAM before this one; none for a first arrival.</summary>
    public NodeId PreviousFam { get; init; }

    /// <summary>False while the previous FAM's last changes are awaited; an <see cref="ArrivalUpdate"/> with Complete follows within a bounded time.</summary>
    public required bool Complete { get; init; }

    /// <summary>True if there were more mappings than one answer holds: misses must be asked for with <see cref="Attach"/>.</summary>
    public bool Truncated { get; init; }

    /// <summary>All addresses known of the client.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; init; } = [];

    /// <summary>The client's live mappings, with the FAM endpoints taken from the offers.</summary>
    public IReadOnlyList<MappingRecord> Mappings { get; init; } = [];

    /// <summary>What the asker is to the client from now on.</summary>
    public FamRole Role { get; init; }

    /// <summary>For a further FAM, the token of the client's last move; 0 otherwise.</summary>
    public ulong Token { get; init; }
}

/// <summary>Coordinator → new FAM (repeated until acknowledged): what the previous FAM handed in, and whether that was all.</summary>
public sealed record ArrivalUpdate : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch of the arrival.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>True: the receiver knows all there is; what it does not know is new.</summary>
    public required bool Complete { get; init; }

    /// <summary>Mappings with fresher connection state, or mappings the coordinator had not known.</summary>
    public IReadOnlyList<MappingRecord> Mappings { get; init; } = [];

    /// <summary>Mappings that have ended.</summary>
    public IReadOnlyList<MappingId> Ended { get; init; } = [];
}

/// <summary>FAM → coordinator: new or changed mappings of a client, and mappings that have ended. Answered by <see cref="Ack"/>.</summary>
public sealed record Announce : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which the sender serves it.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The client's addresses, as seen.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; init; } = [];

    /// <summary>New or changed mappings, whole.</summary>
    public IReadOnlyList<MappingRecord> Mappings { get; init; } = [];

    /// <summary>Mappings that have ended.</summary>
    public IReadOnlyList<MappingId> Ended { get; init; } = [];

    /// <summary>
    /// True after a reconnect: with its other parts, if it takes several, this is everything the sender has of the client; it claims to be its FAM in <see cref="Epoch"/>.
    /// What is not listed does not end by that: the sender says what has ended.
    /// </summary>
    public bool Full { get; init; }

    /// <summary>The sender is a further FAM: what it has seen, and no claim to be the FAM.</summary>
    public bool Also { get; init; }
}

/// <summary>
/// Previous FAM → coordinator, when told that it is superseded: all it still knows of the client, with fresh connection states. Answered by <see cref="Ack"/>. What is too
/// much for one message comes in parts, and the last part when the others have been acknowledged.
/// </summary>
public sealed record HandOver : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which the sender served it.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>Everything the sender knows of the client's mappings.</summary>
    public IReadOnlyList<MappingRecord> Mappings { get; init; } = [];

    /// <summary>Mappings that ended and may not have been reported.</summary>
    public IReadOnlyList<MappingId> Ended { get; init; } = [];

    /// <summary>True if this is a part and others follow: the arrival at the new FAM is not complete by it.</summary>
    public bool More { get; init; }
}

/// <summary>
/// FAM → coordinator: the client has left this access point. Answered by <see cref="Ack"/>. What is too much for it goes ahead in <see cref="Announce"/>s, and it
/// follows when they have been acknowledged.
/// </summary>
public sealed record Depart : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which the sender served it; a newer one makes the message stale.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>True if the client was idle too long; false if its link went away.</summary>
    public required bool Idle { get; init; }

    /// <summary>All that the sender knows of the client's mappings: a departure is a hand-over to whoever comes next.</summary>
    public IReadOnlyList<MappingRecord> Mappings { get; init; } = [];

    /// <summary>Mappings that ended and may not have been reported.</summary>
    public IReadOnlyList<MappingId> Ended { get; init; } = [];
}
