using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>
/// FAM → coordinator (repeated until answered): a client that is served here uses these addresses, and other nodes reach it by this one. Between coordinators: the same, from whoever has
/// the FAM's session.
/// </summary>
public sealed record NeighbourHere : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which the sender serves it.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>Its addresses, as known to the sender.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; init; } = [];

    /// <summary>Where the sender takes what other nodes' clients send to this one: one endpoint per family, its own.</summary>
    public IReadOnlyList<TransportEndpoint> Peers { get; init; } = [];

    /// <summary>What other nodes have to show when they say whose packets they send. Drawn by the sender; who has it has it from the coordinator.</summary>
    public ulong Key { get; init; }

    /// <summary>Between coordinators: it has left, and nobody serves it.</summary>
    public bool HasLeft { get; init; }

    /// <summary>Between coordinators: for how many milliseconds the one address named here has been this client's, said because another client claims it; 0 otherwise.</summary>
    public ulong OwnedMilliseconds { get; init; }

    /// <summary>Between coordinators: the last word about whose the address is.</summary>
    public bool IsFinal { get; init; }
}

/// <summary>Coordinator → FAM, answer to <see cref="NeighbourHere"/>.</summary>
public sealed record NeighbourNoted : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>Ok; StaleEpoch: it is elsewhere by now.</summary>
    public required AckStatus Status { get; init; }

    /// <summary>The addresses that are this client's, those among them that the sender did not know of.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; init; } = [];

    /// <summary>Addresses that are another client's: this one may not speak under them.</summary>
    public IReadOnlyList<IpAddress> Refused { get; init; } = [];

    /// <summary>Where it was served before: that node may send on what was under way there.</summary>
    public IReadOnlyList<TransportEndpoint> Previous { get; init; } = [];
}

/// <summary>FAM → coordinator: where is the client with this address? Answered by <see cref="NeighbourAt"/>; asked again while packets wait.</summary>
public sealed record NeighbourQuery : ControlMessage
{
    /// <summary>The address.</summary>
    public required IpAddress Address { get; init; }
}

/// <summary>
/// Coordinator → FAM: where a client is served. Answers <see cref="NeighbourQuery"/>, or comes unasked (number 0) when a client moves that has been asked for, and to where it was before. It is
/// not acknowledged: a node that has an old answer is told so by the node that the client has left.
/// </summary>
public sealed record NeighbourAt : ControlMessage
{
    /// <summary>The address.</summary>
    public required IpAddress Address { get; init; }

    /// <summary>Whose it is; none: nobody's that is served now.</summary>
    public MacAddress Client { get; init; }

    /// <summary>The epoch in which it is served there.</summary>
    public Epoch Epoch { get; init; }

    /// <summary>Where its node takes what is for it.</summary>
    public IReadOnlyList<TransportEndpoint> Peers { get; init; } = [];

    /// <summary>What that node wants to be shown.</summary>
    public ulong Key { get; init; }
}
