using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Engine;

/// <summary>Something an operator may want to know; shells log it, the demo draws it.</summary>
public abstract record EngineEvent;

/// <summary>A client was noticed here for the first time (association event or first frame) and the coordinator is being asked.</summary>
public sealed record ClientArriving(MacAddress Client, bool ByAssociation) : EngineEvent;

/// <summary>The coordinator has answered an arrival: this node is the client's FAM now.</summary>
public sealed record ClientArrived(MacAddress Client, Epoch Epoch, NodeId PreviousFam, int Mappings, bool Complete) : EngineEvent;

/// <summary>A client is heard here besides at its FAM, which stays that: this node is a further FAM.</summary>
public sealed record ClientHeardToo(MacAddress Client, Epoch Epoch, int Mappings) : EngineEvent;

/// <summary>The previous FAM's last changes are in: what is not known from now on is new.</summary>
public sealed record ArrivalCompleted(MacAddress Client, Epoch Epoch) : EngineEvent;

/// <summary>The client's link went away; inbound packets are held for a short time.</summary>
public sealed record ClientDeparted(MacAddress Client, Epoch Epoch) : EngineEvent;

/// <summary>Another FAM serves the client now.</summary>
public sealed record ClientSuperseded(MacAddress Client, Epoch Epoch, NodeId NewFam, int Flushed) : EngineEvent;

/// <summary>A mapping was anchored at this node.</summary>
/// <param name="Mapping">Protocol and masquerade endpoint.</param>
/// <param name="Client">Its client.</param>
/// <param name="ClientEndpoint">The client's own endpoint.</param>
/// <param name="Opened">When it was opened, at this node or at the one that had it before: milliseconds since 1970; 0 if that is not known.</param>
/// <param name="Adopted">Whether it is older than its being here: this node has lost its tables and is given it back, or has taken over the address.</param>
/// <param name="FamEndpoint">Where its inbound packets go: the masquerade endpoint itself if the client is here; none if nobody serves it yet.</param>
public sealed record MappingAnchored(MappingId Mapping, MacAddress Client, TransportEndpoint ClientEndpoint, long Opened = 0, bool Adopted = false, TransportEndpoint FamEndpoint = default)
    : EngineEvent;

/// <summary>A mapping anchored at this node has ended and its port rests.</summary>
/// <param name="Mapping">Protocol and masquerade endpoint.</param>
/// <param name="Client">Its client.</param>
/// <param name="Reason">Why.</param>
public sealed record MappingReleased(MappingId Mapping, MacAddress Client, MappingEnd Reason = MappingEnd.Ended) : EngineEvent;

/// <summary>A client has a mapping in a block of ports that it has to itself from now on. Told before the mapping.</summary>
/// <param name="Block">The ports.</param>
/// <param name="Client">The client.</param>
/// <param name="ClientAddress">The client's own address, as of that mapping.</param>
/// <param name="Adopted">Whether the mapping is older than its being here, so that the client may have had the block before.</param>
public sealed record BlockTaken(PortBlock Block, MacAddress Client, IpAddress ClientAddress, bool Adopted) : EngineEvent;

/// <summary>A client's block is nobody's again: all its ports have come back and rested.</summary>
/// <param name="Block">The ports.</param>
/// <param name="Client">The client that had them.</param>
public sealed record BlockReleased(PortBlock Block, MacAddress Client) : EngineEvent;

/// <summary>Why a mapping is not at this node any more.</summary>
public enum MappingEnd : byte
{
    /// <summary>Its FAM has seen it end: its connections have closed or were idle too long, or its lifetime is over.</summary>
    Ended = 0,

    /// <summary>Nobody served its client for too long, and the HAM's own timer ended it.</summary>
    Unserved,

    /// <summary>It was placed here for somebody who never used it.</summary>
    Unwanted,
}

/// <summary>HAM: a mapping's inbound traffic goes to another FAM endpoint from now on.</summary>
/// <param name="Mapping">Protocol and masquerade endpoint.</param>
/// <param name="FamEndpoint">The endpoint.</param>
/// <param name="Epoch">The epoch of that FAM.</param>
/// <param name="Fam">That FAM; none if it was not named.</param>
public sealed record FamSwitched(MappingId Mapping, TransportEndpoint FamEndpoint, Epoch Epoch, NodeId Fam = default) : EngineEvent;

/// <summary>HAM: a mapping's inbound traffic goes to a further FAM, too, from now on: some of it, or copies.</summary>
/// <param name="Mapping">Protocol and masquerade endpoint.</param>
/// <param name="FamEndpoint">The endpoint there; the masquerade endpoint itself if it is this node.</param>
/// <param name="Epoch">The epoch of the first FAM.</param>
public sealed record FamJoined(MappingId Mapping, TransportEndpoint FamEndpoint, Epoch Epoch) : EngineEvent;

/// <summary>FAM: a connection was opened by a client that is here. Reported only where that is asked for: it names a destination.</summary>
/// <param name="Mapping">Protocol and masquerade endpoint.</param>
/// <param name="Client">The client.</param>
/// <param name="ClientEndpoint">The client's own endpoint.</param>
/// <param name="Server">The far end.</param>
/// <param name="Ham">The mapping's HAM.</param>
public sealed record ConnectionOpened(MappingId Mapping, MacAddress Client, TransportEndpoint ClientEndpoint, TransportEndpoint Server, NodeId Ham) : EngineEvent;

/// <summary>This node answers for an address now: its own, or another node's that it has taken over.</summary>
public sealed record AddressTaken(IpAddress Address, Epoch Epoch) : EngineEvent;

/// <summary>This node does not answer for an address any more.</summary>
public sealed record AddressYielded(IpAddress Address, Epoch Epoch, NodeId To) : EngineEvent;

/// <summary>Another node has taken this one's addresses over. It forgets all that it knew and begins a new life.</summary>
/// <param name="Clients">How many clients it served.</param>
/// <param name="Mappings">How many mappings it anchored.</param>
/// <param name="Since">The number of the first move that it had missed; numbers of moves are times where the coordinator has a clock.</param>
public sealed record StartedOver(int Clients, int Mappings, Epoch Since = default) : EngineEvent;

/// <summary>HAM: packets to masquerade endpoints without a mapping, reported at a limited rate as a possible attack.</summary>
public sealed record UnsolicitedInbound(FlowTuple Example, long SinceLastReport) : EngineEvent;

/// <summary>
/// A client is here whose own address servers may see (RFC 6888 REQ-6): this node answers for it on the uplink, and has told the link so. Where the uplink is not one link for all access
/// points, routes to the address have to follow this.
/// </summary>
public sealed record ClientAddressShown(MacAddress Client, IpAddress Address, Epoch Epoch) : EngineEvent;

/// <summary>A client has reached one of its limits (RFC 6888 REQ-11); reported at a limited rate per client.</summary>
/// <param name="Client">The client.</param>
/// <param name="Limit">Which one: the reason for which packets that would open connections are dropped.</param>
/// <param name="Protocol">The protocol of the last connection that was refused.</param>
/// <param name="Refused">How many packets were refused since the last report.</param>
public sealed record QuotaReached(MacAddress Client, DropReason Limit, TransportProtocol Protocol, long Refused) : EngineEvent;

/// <summary>Packets with a foreign source go to, or by, another node in another way from now on, because of what probes have shown (N-09).</summary>
/// <param name="Peer">The other node's address: of its masquerade endpoints, or of its FAM endpoints.</param>
/// <param name="ToServers">Clients' packets to servers, whose source is the peer's masquerade address; else servers' packets to the peer as FAM.</param>
/// <param name="Rewritten">True: the network drops them, so they go from this node's own address, to the peer. False: as they are.</param>
public sealed record WayChanged(IpAddress Peer, bool ToServers, bool Rewritten) : EngineEvent;
