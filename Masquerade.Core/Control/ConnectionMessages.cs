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

    /// <summary>
    /// The masquerade address at which it must be anchored, by the node that has it: an application expects the connection there, beside another. None: policy decides.
    /// </summary>
    public IpAddress At { get; init; }

    /// <summary>
    /// The mapping, if one is made, is for <see cref="Server"/> alone, and so is <see cref="FamEndpoint"/>: others may share it. If the connection belongs to a mapping for all servers, the answer
    /// names that and the FAM attaches with another endpoint.
    /// </summary>
    public bool ServerOnly { get; init; }

    /// <summary>What the mapping is called, if it is made with this masquerade endpoint.</summary>
    public MappingId MappingAt(TransportEndpoint masquerade) => new(Protocol, masquerade, ServerOnly ? Server : TransportEndpoint.None);
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

/// <summary>
/// FAM → coordinator: make me a FAM of these mappings of a client that I serve, at these endpoints. For what an arrival brought beyond its offers, and to put HAMs right.
/// The answer is an <see cref="Ack"/>: <see cref="AckStatus.StaleEpoch"/> if the sender does not serve the client in this epoch, <see cref="AckStatus.Unknown"/> if some
/// of the mappings are in nobody's books; the others are attached.
/// </summary>
public sealed record AttachKnown : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which the sender serves it.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The mappings with the sender's endpoints, at most <see cref="ControlLimits.MaxAttachments"/>.</summary>
    public required IReadOnlyList<Attachment> Attachments { get; init; }
}

/// <summary>Where a FAM takes a mapping's inbound packets.</summary>
/// <param name="Mapping">The mapping.</param>
/// <param name="FamEndpoint">The FAM endpoint.</param>
public readonly record struct Attachment(MappingId Mapping, TransportEndpoint FamEndpoint);

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

    /// <summary>The own address at which it must be; none: any.</summary>
    public IpAddress At { get; init; }

    /// <summary>The server that the mapping is for; none: for all.</summary>
    public TransportEndpoint Server { get; init; }
}

/// <summary>HAM → coordinator, answer to <see cref="AnchorRequest"/>: the mapping exists, without a FAM yet.</summary>
public sealed record AnchorReply : ControlMessage
{
    /// <summary>Ok, or Refused (no free port).</summary>
    public required AckStatus Status { get; init; }

    /// <summary>The masquerade endpoint; none if refused.</summary>
    public TransportEndpoint Masquerade { get; init; }

    /// <summary>As <see cref="MappingRecord.Opened"/>.</summary>
    public long Opened { get; init; }
}
