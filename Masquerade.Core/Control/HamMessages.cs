using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>
/// Coordinator → HAMs and previous FAM of a client (repeated until acknowledged): inbound traffic goes to a new FAM. One message per node, so that a node that is both
/// HAM and previous FAM flushes what it held before it switches. The previous FAM answers with <see cref="HandOver"/> besides the <see cref="Ack"/>.
/// </summary>
public sealed record FamChange : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch of the new FAM.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The new FAM; none if nobody is known to be, and the receiver is not any more.</summary>
    public required NodeId NewFam { get; init; }

    /// <summary>The FAM before; none if there was none or it is known to be dead.</summary>
    public NodeId PreviousFam { get; init; }

    /// <summary>Where the previous FAM takes <see cref="Drain"/> markers; none if there is nothing to drain.</summary>
    public TransportEndpoint PreviousFamPeer { get; init; }

    /// <summary>A number that only the coordinator, the HAMs and the previous FAM of this move know; it makes markers unforgeable from off the path.</summary>
    public required ulong Token { get; init; }

    /// <summary>The ways that concern the receiver: mappings it owns, and mappings for which it was the FAM.</summary>
    public IReadOnlyList<FamRoute> Routes { get; init; } = [];

    /// <summary>How the HAM chooses where a route names further FAMs.</summary>
    public FamChoice Choice { get; init; }

    /// <summary>With <see cref="FamChoice.Duplicate"/>: for how long the HAM sends copies, in milliseconds.</summary>
    public uint CopyMilliseconds { get; init; }

    /// <summary>With <see cref="FamChoice.Duplicate"/>: where <see cref="CopyMark"/>s go, to the FAM first, and then to the further ones; at most one more than <see cref="ControlLimits.MaxFurtherFams"/>.</summary>
    public IReadOnlyList<TransportEndpoint> Peers { get; init; } = [];

    /// <summary>The number of the <see cref="Arrive"/> by which the previous FAM became a further one, where it was that and is it no more; 0 otherwise. If it has become one again since, this is old.</summary>
    public ulong Stay { get; init; }
}

/// <summary>Coordinator → HAM (repeated until acknowledged): these mappings have no FAM. A HAM clears an entry only if it still names that FAM and no newer epoch .</summary>
public sealed record FamCleared : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which it left.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The mappings with the FAM endpoint to be cleared (OldFamEndpoint).</summary>
    public IReadOnlyList<FamRoute> Routes { get; init; } = [];
}

/// <summary>Coordinator → HAM (repeated until acknowledged): the FAM has seen these mappings end; their ports rest.</summary>
public sealed record MappingsEnded : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch of the FAM that saw it.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The mappings.</summary>
    public required IReadOnlyList<MappingId> Mappings { get; init; }
}

/// <summary>HAM → coordinator: a packet came for a mapping without a FAM; where is the client ?</summary>
public sealed record FamQuery : ControlMessage
{
    /// <summary>The mapping.</summary>
    public required MappingId Mapping { get; init; }

    /// <summary>Its client.</summary>
    public required MacAddress Client { get; init; }
}

/// <summary>Coordinator → HAM, answer to <see cref="FamQuery"/>; other mappings of the same client at the same HAM ride along .</summary>
public sealed record FamQueryReply : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The client's epoch.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>Unknown if the mapping is in nobody's books.</summary>
    public required AckStatus Status { get; init; }

    /// <summary>The mappings that have a FAM, with its endpoint; empty while the client is out of coverage.</summary>
    public IReadOnlyList<FamRoute> Routes { get; init; } = [];
}

/// <summary>HAM → coordinator: mappings that this node owned have ended by its own timer (client out of coverage). Answered by <see cref="Ack"/>.</summary>
public sealed record ReleaseMappings : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The mappings.</summary>
    public required IReadOnlyList<MappingId> Mappings { get; init; }
}

/// <summary>HAM → coordinator after a reconnect to a store that has forgotten: mappings anchored here, with the FAM endpoint that each goes to. Answered by <see cref="Ack"/>.</summary>
public sealed record AnchorReport : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The newest epoch that the HAM knows of the client.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>
    /// The epoch in which the HAM was told where these mappings' traffic goes, the same for all of them. Of an older one than <see cref="Epoch"/> the coordinator had forgotten the mappings
    /// when the client moved, so their FAM may not know them either.
    /// </summary>
    public required Epoch FamEpoch { get; init; }

    /// <summary>The mappings; FamEndpoint is where inbound traffic goes now.</summary>
    public required IReadOnlyList<MappingRecord> Mappings { get; init; }
}

/// <summary>
/// Coordinator → HAM (repeated until acknowledged): these mappings are anchored at the receiver, which may not know of them: it has lost its tables. What it cannot anchor
/// it gives up by <see cref="ReleaseMappings"/>.
/// </summary>
public sealed record AdoptMappings : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The client's epoch.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The mappings; FamEndpoint is where inbound traffic goes, none while nobody serves the client.</summary>
    public required IReadOnlyList<MappingRecord> Mappings { get; init; }
}
