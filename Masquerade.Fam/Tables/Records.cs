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

/// <summary>What is still to be said about a client.</summary>
[Flags]
internal enum ClientNews : byte
{
    None = 0,

    /// <summary>It is here, and the coordinator is to be asked for it.</summary>
    Arrival = 1,

    /// <summary>Mappings that are marked as changed, and mappings that have ended.</summary>
    Changes = 2,

    /// <summary>The changes are all that is known.</summary>
    Full = 4,

    /// <summary>It is elsewhere, and this is the last word.</summary>
    HandOver = 8,

    /// <summary>It is gone, and this is the last word.</summary>
    Departure = 16,
}

/// <summary>What is still to be said about a mapping.</summary>
[Flags]
internal enum MappingNews : byte
{
    None = 0,

    /// <summary>It is new or has changed.</summary>
    Changed = 1,

    /// <summary>It belongs to the farewell that is being said.</summary>
    Whole = 2,

    /// <summary>Its HAM must hear where inbound packets go.</summary>
    Attach = 4,
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

    /// <summary>The last announcement of the present stay; 0 before the first.</summary>
    public ulong AnnounceId;

    /// <summary>The token of the move away from here, and which HAMs asked for the drain before the move was known; null if none did.</summary>
    public ulong MoveToken;
    public List<(TransportEndpoint From, Drain Marker)>? EarlyDrains;

    /// <summary>When the state's own time limit ends.</summary>
    public Instant Deadline;
    public Instant GuardUntil;

    /// <summary>Until then it has just come back from being away, so that news of its having been elsewhere may be older than that.</summary>
    public Instant FreshUntil;
    public Instant LastSeen;
    public HoldQueue? Held;
    public List<IpAddress> Addresses;
    public List<FamOffer> Offers;

    /// <summary>Offered endpoints that HAMs were sent to for a stay that was over before its answer came, and where their packets are due now.</summary>
    public List<(TransportProtocol Protocol, PacketRewriter.Rewrite ToNextFam)> Forwards;
    public List<MappingId> Ended;
    public int FirstMapping;
    public int MappingCount;
    public ClientState State;
    public bool Complete;

    /// <summary>Arriving: its link went before the coordinator's answer came.</summary>
    public bool Gone;
    public bool Truncated;

    /// <summary>What is still to be said; the mappings concerned are threaded into a list of their own, the first to be said first.</summary>
    public ClientNews News;
    public int FirstNews;
    public int LastNews;

    /// <summary>The number of the farewell that is being said (0 for none), and how many of its parts the coordinator has not acknowledged.</summary>
    public ulong Farewell;
    public int PartsUnderWay;
    public bool DepartsIdle;
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
    public int NextNews;
    public int PreviousNews;
    public MappingNews News;
    public bool HamIsHere;

    /// <summary>It was made here and nobody else has heard of it: should it end, there is nothing to say.</summary>
    public bool IsUnheardOf;
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

    /// <summary>The client has closed while the connection was opening for all that is known here: it counts when it turns out to have been open.</summary>
    public bool ClientHasClosed;

    /// <summary>The client's SYN of this opening passed here. Otherwise "opening" is what was written down elsewhere, perhaps long ago.</summary>
    public bool SynSeen;
}
