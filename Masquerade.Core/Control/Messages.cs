using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>
/// A message between an agent and the coordinator. Every message carries an <see cref="Id"/> that its sender counts up; a request is repeated with the same id
/// until it is answered, so receivers must treat a repeated message as one. Epochs, not arrival order, decide which of two messages is right.
/// </summary>
public abstract record ControlMessage
{
    /// <summary>The sender's number of this message; for an answer, the number of the message that it answers.</summary>
    public required ulong Id { get; init; }
}

// ---- records carried in messages -------------------------------------------------------------------------------------------

/// <summary>A connection of a mapping, as it moves between access points and into the coordinator's table.</summary>
/// <param name="Server">The far end.</param>
/// <param name="State">How far it is.</param>
/// <param name="IdleMilliseconds">How long it has been idle when this was written; its timer goes on from there.</param>
public sealed record ConnectionRecord(TransportEndpoint Server, ConnectionState State, uint IdleMilliseconds)
{
    /// <summary>What the FAM's application helper knows of it; null if it has none.</summary>
    public HelperNote? Note { get; init; }
}

/// <summary>A mapping with its connections.</summary>
public sealed record MappingRecord
{
    /// <summary>The protocol and masquerade endpoint.</summary>
    public required MappingId Mapping { get; init; }

    /// <summary>The client's own address and port (or ICMP identifier).</summary>
    public required TransportEndpoint ClientEndpoint { get; init; }

    /// <summary>The node that owns the masquerade endpoint.</summary>
    public required NodeId Ham { get; init; }

    /// <summary>The client's epoch when the mapping was made; with the HAM it decides between two mappings of one client endpoint.</summary>
    public required Epoch AnchorEpoch { get; init; }

    /// <summary>Counts up with every change that the current FAM reports; within one epoch the higher revision is right.</summary>
    public required uint Revision { get; init; }

    /// <summary>The endpoint at the FAM that the message is about (the receiver's, in answers to an arrival); none if it has yet to allocate one.</summary>
    public TransportEndpoint FamEndpoint { get; init; }

    /// <summary>The mapping's connections.</summary>
    public IReadOnlyList<ConnectionRecord> Connections { get; init; } = [];

    /// <summary>What makes it an explicit mapping; null if it is not one and lives by its connections.</summary>
    public ExplicitTerms? Explicit { get; init; }

    /// <summary>
    /// When it was opened, by the clock of the node that anchored it first: milliseconds since 1970, UTC; 0 if that is not known. Whoever anchors it later goes on from there, so that the log
    /// of mappings (RFC 6888 section 4) tells its whole life. No engine compares it with its own time.
    /// </summary>
    public long Opened { get; init; }
}

/// <summary>A FAM endpoint that an arriving client's new access point offers, so that mappings can be attached in the same round trip.</summary>
public sealed record FamOffer(TransportProtocol Protocol, TransportEndpoint Endpoint);

/// <summary>One mapping's way before and after a move.</summary>
/// <param name="Mapping">The mapping.</param>
/// <param name="Ham">Its owner.</param>
/// <param name="OldFamEndpoint">The endpoint at the previous FAM; none if there was none.</param>
/// <param name="NewFamEndpoint">The endpoint at the new FAM; equals the masquerade endpoint if the new FAM is the HAM.</param>
public sealed record FamRoute(MappingId Mapping, NodeId Ham, TransportEndpoint OldFamEndpoint, TransportEndpoint NewFamEndpoint)
{
    /// <summary>The endpoints at the client's further FAMs, at most <see cref="ControlLimits.MaxFurtherFams"/>, the newest first; empty unless the HAM is to choose among them.</summary>
    public IReadOnlyList<TransportEndpoint> Further { get; init; } = [];
}

/// <summary>How a HAM chooses when a mapping has several FAMs .</summary>
public enum FamChoice : byte
{
    /// <summary>The client's FAM gets everything; the others take its place when it goes.</summary>
    Newest = 0,

    /// <summary>Each in turn: packet by packet, but a TCP connection keeps to one.</summary>
    RoundRobin = 1,

    /// <summary>The client's FAM gets everything, and for a bounded time the others get a copy, which they keep for the case that it goes.</summary>
    Duplicate = 2,
}

/// <summary>What an access point is to a client that it has asked for.</summary>
public enum FamRole : byte
{
    /// <summary>Its FAM, the first one if there are several: it owns the state of its connections.</summary>
    First = 0,

    /// <summary>A further FAM: it passes packets on both ways and says what it sees.</summary>
    Further = 1,

    /// <summary>A further FAM that gets copies, and keeps them until it is known who delivers them.</summary>
    Reserve = 2,
}

/// <summary>What became of one item of an <see cref="Attach"/>.</summary>
public enum AttachStatus : byte
{
    /// <summary>Refused; the FAM gives the endpoint back and drops the packet.</summary>
    Refused = 0,

    /// <summary>The mapping exists; the asker is a FAM of it now.</summary>
    Attached = 1,

    /// <summary>The mapping is new; its HAM is the asker and the offered FAM endpoint is its masquerade endpoint .</summary>
    Established = 2,
}

/// <summary>How a request was taken.</summary>
public enum AckStatus : byte
{
    /// <summary>Done (or had been done before).</summary>
    Ok = 0,

    /// <summary>The sender's epoch is not the current one; it is not (any more) the client's FAM.</summary>
    StaleEpoch = 1,

    /// <summary>The client or mapping is not known.</summary>
    Unknown = 2,

    /// <summary>Refused by policy or by a limit.</summary>
    Refused = 3,
}

// ---- session ---------------------------------------------------------------------------------------------------------------

/// <summary>Agent → coordinator, first message of a session: who it is.</summary>
public sealed record Hello : ControlMessage
{
    /// <summary>The agent's node name.</summary>
    public required NodeId Node { get; init; }

    /// <summary>A number that differs in every life of the agent process; a changed number means that its tables are empty.</summary>
    public required ulong Incarnation { get; init; }

    /// <summary>Where other nodes send <see cref="PeerMessage"/>s to this node.</summary>
    public required TransportEndpoint PeerEndpoint { get; init; }

    /// <summary>The masquerade and FAM addresses that the node is configured with: it owns them unless another node has taken them over.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>Other nodes' addresses that this node can take over: those on its links, or all of a family if it can announce routes.</summary>
    public IReadOnlyList<IpPrefix> Takes { get; init; } = [];

    /// <summary>What the node has been told of addresses that have moved, its own or others that it took over; for a coordinator that has forgotten.</summary>
    public IReadOnlyList<AddressOwner> Owners { get; init; } = [];
}

/// <summary>Coordinator → agent, answer to <see cref="Hello"/>.</summary>
public sealed record Welcome : ControlMessage
{
    /// <summary>The coordinator's name.</summary>
    public required NodeId Coordinator { get; init; }

    /// <summary>A number that differs in every life of the coordinator's store; if it has changed, the agent announces all it owns.</summary>
    public required ulong StoreIncarnation { get; init; }

    /// <summary>How often the agent sends <see cref="Heartbeat"/>, in milliseconds.</summary>
    public required uint HeartbeatMilliseconds { get; init; }

    /// <summary>
    /// How many <see cref="AdoptMappings"/> follow. The agent takes and asks nothing else before it has them all: what others say about those mappings would make no sense to it.
    /// </summary>
    public uint Restored { get; init; }

    /// <summary>Addresses of the node that belong to another one now, and others' addresses that belong to it.</summary>
    public IReadOnlyList<AddressOwner> Owners { get; init; } = [];

    /// <summary>Masquerade endpoints at the node's own addresses that are published services': never to be given out.</summary>
    public IReadOnlyList<MappingId> Reserved { get; init; } = [];
}

/// <summary>Either way: the session ends, and why. The connection is closed after it.</summary>
public sealed record Goodbye : ControlMessage
{
    /// <summary>The reason, for logs; at most 200 characters.</summary>
    public required string Reason { get; init; }
}

/// <summary>Agent → coordinator: still here. Answered by <see cref="Ack"/>.</summary>
public sealed record Heartbeat : ControlMessage
{
    /// <summary>How many mappings the node anchors.</summary>
    public uint Mappings { get; init; }

    /// <summary>How many clients it serves.</summary>
    public uint Clients { get; init; }

    /// <summary>The <see cref="Welcome.StoreIncarnation"/> that it has heard last; 0: it does not say. If it has missed one, the coordinator says it again.</summary>
    public ulong Store { get; init; }

    /// <summary>How many ways to other nodes it has found on which the network drops foreign sources, so that packets are rewritten (N-09).</summary>
    public uint WaysRewritten { get; init; }

    /// <summary>How many mappings the node anchors at each address that it holds.</summary>
    public IReadOnlyList<AddressLoad> Loads { get; init; } = [];
}

/// <summary>How many mappings there are at an address.</summary>
/// <param name="Address">The address.</param>
/// <param name="Mappings">How many.</param>
public sealed record AddressLoad(IpAddress Address, uint Mappings);

/// <summary>Either way: the message with this id was taken.</summary>
public sealed record Ack : ControlMessage
{
    /// <summary>How it was taken.</summary>
    public required AckStatus Status { get; init; }
}
