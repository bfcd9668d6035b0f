using Masquerade.Core.Flow;

namespace Masquerade.Core.Engine;

/// <summary>Something an operator may want to know; shells log it, the demo draws it.</summary>
public abstract record EngineEvent;

/// <summary>A client was noticed here for the first time (association event or first frame) and the coordinator is being asked.</summary>
public sealed record ClientArriving(MacAddress Client, bool ByAssociation) : EngineEvent;

/// <summary>The coordinator has answered an arrival: this node is the client's FAM now.</summary>
public sealed record ClientArrived(MacAddress Client, Epoch Epoch, NodeId PreviousFam, int Mappings, bool Complete) : EngineEvent;

/// <summary>The previous FAM's last changes are in: what is not known from now on is new.</summary>
public sealed record ArrivalCompleted(MacAddress Client, Epoch Epoch) : EngineEvent;

/// <summary>The client's link went away; inbound packets are held for a short time.</summary>
public sealed record ClientDeparted(MacAddress Client, Epoch Epoch) : EngineEvent;

/// <summary>Another FAM serves the client now.</summary>
public sealed record ClientSuperseded(MacAddress Client, Epoch Epoch, NodeId NewFam, int Flushed) : EngineEvent;

/// <summary>A mapping was anchored at this node.</summary>
public sealed record MappingAnchored(MappingId Mapping, MacAddress Client, TransportEndpoint ClientEndpoint) : EngineEvent;

/// <summary>A mapping anchored at this node has ended and its port rests.</summary>
public sealed record MappingReleased(MappingId Mapping, MacAddress Client) : EngineEvent;

/// <summary>HAM: a mapping's inbound traffic goes to another FAM endpoint from now on.</summary>
public sealed record FamSwitched(MappingId Mapping, TransportEndpoint FamEndpoint, Epoch Epoch) : EngineEvent;

/// <summary>This node answers for an address now: its own, or another node's that it has taken over.</summary>
public sealed record AddressTaken(IpAddress Address, Epoch Epoch) : EngineEvent;

/// <summary>This node does not answer for an address any more.</summary>
public sealed record AddressYielded(IpAddress Address, Epoch Epoch, NodeId To) : EngineEvent;

/// <summary>Another node has taken this one's addresses over. It forgets all that it knew and begins a new life.</summary>
public sealed record StartedOver(int Clients, int Mappings) : EngineEvent;

/// <summary>HAM: packets to masquerade endpoints without a mapping, reported at a limited rate as a possible attack.</summary>
public sealed record UnsolicitedInbound(FlowTuple Example, long SinceLastReport) : EngineEvent;
