using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>FAM → coordinator: make me a FAM of this connection, or (if it is unknown and I may) let me establish it .</summary>
public sealed record Attach : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which the sender serves it.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The protocol.</summary>
    public required TransportProtocol Protocol { get; init; }

    /// <summary>The client's own endpoint.</summary>
    public required TransportEndpoint ClientEndpoint { get; init; }

    /// <summary>The far end.</summary>
    public required TransportEndpoint Server { get; init; }

    /// <summary>The endpoint that the FAM has allocated for it; it becomes the masquerade endpoint if the connection is new and the asker its HAM.</summary>
    public required TransportEndpoint FamEndpoint { get; init; }

    /// <summary>Whether an unknown connection may be established (a packet that can open one).</summary>
    public required bool MayEstablish { get; init; }

    /// <summary>The masquerade endpoint of the mapping that is meant, where the FAM knows it; none if the connection is to be found by the client endpoint.</summary>
    public TransportEndpoint Masquerade { get; init; }
}

/// <summary>Coordinator → FAM, answer to <see cref="Attach"/>.</summary>
public sealed record AttachReply : ControlMessage
{
    /// <summary>What became of it.</summary>
    public required AttachStatus Status { get; init; }

    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The mapping; null if refused.</summary>
    public MappingRecord? Mapping { get; init; }
}

/// <summary>FAM → coordinator: does this connection exist? The first half of the two-phase form .</summary>
public sealed record Lookup : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The protocol.</summary>
    public required TransportProtocol Protocol { get; init; }

    /// <summary>The client's own endpoint.</summary>
    public required TransportEndpoint ClientEndpoint { get; init; }

    /// <summary>The far end.</summary>
    public required TransportEndpoint Server { get; init; }
}

/// <summary>Coordinator → FAM, answer to <see cref="Lookup"/>.</summary>
public sealed record LookupReply : ControlMessage
{
    /// <summary>The mapping that the connection has or, endpoint-independent, would use; null if there is none.</summary>
    public MappingRecord? Mapping { get; init; }
}

/// <summary>Coordinator → the node that policy chose: anchor a mapping for this client endpoint. Repeated until answered.</summary>
public sealed record AnchorRequest : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The client's epoch.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The protocol.</summary>
    public required TransportProtocol Protocol { get; init; }

    /// <summary>The client's own endpoint.</summary>
    public required TransportEndpoint ClientEndpoint { get; init; }
}

/// <summary>HAM → coordinator, answer to <see cref="AnchorRequest"/>: the mapping exists, without a FAM yet.</summary>
public sealed record AnchorReply : ControlMessage
{
    /// <summary>Ok, or Refused (no free port).</summary>
    public required AckStatus Status { get; init; }

    /// <summary>The masquerade endpoint; none if refused.</summary>
    public TransportEndpoint Masquerade { get; init; }
}
