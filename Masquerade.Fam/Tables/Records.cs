using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>Where a client stands with this access point.</summary>
internal enum ClientState : byte
{
    /// <summary>Seen; the coordinator has been asked and has not answered.</summary>
    Arriving,

    /// <summary>This node is its FAM.</summary>
    Serving,

    /// <summary>Its link went away a moment ago; inbound packets wait for it to turn up, here or elsewhere.</summary>
    Away,

    /// <summary>It stayed away; the coordinator is being told.</summary>
    Departing,

    /// <summary>Another FAM serves it; packets still under way are sent on for a while.</summary>
    Superseded,
}

/// <summary>A client known here.</summary>
internal struct FamClient
{
    public MacAddress Mac;
    public Epoch Epoch;

    /// <summary>The highest epoch heard of; an answer below it comes too late.</summary>
    public Epoch HighestEpoch;
    public ulong ArriveId;
    public ulong DepartId;

    /// <summary>The token of the move away from here, and which HAMs asked for the drain before the move was known; null if none did.</summary>
    public ulong MoveToken;
    public List<(TransportEndpoint From, Drain Marker)>? EarlyDrains;

    /// <summary>When the state's own time limit ends.</summary>
    public Instant Deadline;
    public Instant GuardUntil;
    public Instant LastSeen;
    public HoldQueue? Held;
    public List<IpAddress> Addresses;
    public List<FamOffer> Offers;
    public List<MappingId> Ended;
    public int FirstMapping;
    public int MappingCount;
    public ClientState State;
    public bool Complete;
    public bool Truncated;
    public bool Dirty;
}

/// <summary>One FAM translation record: client endpoint ↔ masquerade endpoint outbound, FAM endpoint → client endpoint inbound.</summary>
internal struct FamMapping
{
    public MappingId Id;
    public TransportEndpoint ClientEndpoint;
    public TransportEndpoint Fam;

    /// <summary>
    /// At the HAM itself, after a return: where the previous FAM sends what was still under way. It differs from the masquerade endpoint, to which servers' packets come
    /// straight, so that the HAM can hold those back until these have come.
    /// </summary>
    public TransportEndpoint ReturnEndpoint;
    public PacketRewriter.Rewrite ReturnToClient;
    public PacketRewriter.Rewrite ToServer;
    public PacketRewriter.Rewrite ToClient;

    /// <summary>FAM endpoint → the next FAM's endpoint, once superseded.</summary>
    public PacketRewriter.Rewrite ToNextFam;
    public NodeId Ham;
    public Epoch AnchorEpoch;
    public uint Revision;
    public int Client;
    public int NextOfClient;
    public int PreviousOfClient;
    public int FirstConnection;
    public int ConnectionCount;

    /// <summary>Packets of the client since the last one for it, when the first of them went, and when to ask whether the way back still exists.</summary>
    public int Unanswered;
    public Instant UnansweredSince;
    public TimeSpan ProbeInterval;
    public bool HamIsHere;
    public bool Dirty;
    public bool HasNextFam;
}

/// <summary>One connection: a mapping plus a server endpoint.</summary>
internal struct FamConnection
{
    public FlowTuple Tuple;
    public Instant LastActivity;
    public long PacketsOut;
    public long PacketsIn;
    public int Mapping;
    public int NextOfMapping;
    public int PreviousOfMapping;
    public ConnectionState State;
}
