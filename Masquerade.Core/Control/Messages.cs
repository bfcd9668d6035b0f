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
public sealed record ConnectionRecord(TransportEndpoint Server, ConnectionState State, uint IdleMilliseconds);

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
}

/// <summary>A FAM endpoint that an arriving client's new access point offers, so that mappings can be attached in the same round trip.</summary>
public sealed record FamOffer(TransportProtocol Protocol, TransportEndpoint Endpoint);

/// <summary>One mapping's way before and after a move.</summary>
/// <param name="Mapping">The mapping.</param>
/// <param name="Ham">Its owner.</param>
/// <param name="OldFamEndpoint">The endpoint at the previous FAM; none if there was none.</param>
/// <param name="NewFamEndpoint">The endpoint at the new FAM; equals the masquerade endpoint if the new FAM is the HAM.</param>
public sealed record FamRoute(MappingId Mapping, NodeId Ham, TransportEndpoint OldFamEndpoint, TransportEndpoint NewFamEndpoint);

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

    /// <summary>The masquerade and FAM addresses that the node owns.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }
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
}

/// <summary>Either way: the session ends, and why. The connection is closed after it.</summary>
public sealed record Goodbye : ControlMessage
{
    /// <summary>The reason, for logs; at most 200 characters.</summary>
    public required string Reason { get; init; }
}

/// <summary>Agent → coordinator: still here. Answered by <see cref="Ack"/>.</summary>
public sealed record Heartbeat : ControlMessage;

/// <summary>Either way: the message with this id was taken.</summary>
public sealed record Ack : ControlMessage
{
    /// <summary>How it was taken.</summary>
    public required AckStatus Status { get; init; }
}

// ---- arrival ---------------------------------------------------------------------------------------------------------------

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

// ---- changes that the current FAM reports ----------------------------------------------------------------------------------

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

// ---- one connection at a time (the lazy way, and placement by policy) ------------------------------------------------------

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

// ---- what a HAM learns and asks --------------------------------------------------------------------------------------------

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

    /// <summary>The new FAM.</summary>
    public required NodeId NewFam { get; init; }

    /// <summary>The FAM before; none if there was none or it is known to be dead.</summary>
    public NodeId PreviousFam { get; init; }

    /// <summary>Where the previous FAM takes <see cref="Drain"/> markers; none if there is nothing to drain.</summary>
    public TransportEndpoint PreviousFamPeer { get; init; }

    /// <summary>A number that only the coordinator, the HAMs and the previous FAM of this move know; it makes markers unforgeable from off the path.</summary>
    public required ulong Token { get; init; }

    /// <summary>The ways that concern the receiver: mappings it owns, and mappings for which it was the FAM.</summary>
    public IReadOnlyList<FamRoute> Routes { get; init; } = [];
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

    /// <summary>The mappings; FamEndpoint is where inbound traffic goes now.</summary>
    public required IReadOnlyList<MappingRecord> Mappings { get; init; }
}
