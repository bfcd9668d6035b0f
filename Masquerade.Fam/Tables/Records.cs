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

    /// <summary>Another FAM serves it and owns the state of its connections; it is heard here as well, and packets pass here too.</summary>
    Further,
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

    /// <summary>What is not translated is in a list of its own: nobody but this node hears of it.</summary>
    public int FirstUntranslated;

    /// <summary>Both together.</summary>
    public int MappingCount;
    public int TcpMappings;
    public int UdpMappings;
    public int IcmpMappings;
    public int ConnectionCount;

    /// <summary>TCP connections that it opens here and of which only its own side has been heard.</summary>
    public int OpeningCount;

    /// <summary>Questions about connections of it that are under way.</summary>
    public int PendingCount;

    /// <summary>When its next connection is due if it opens them at the rate that it may; further ahead of now than the burst is too fast.</summary>
    public Instant NextOpening;

    /// <summary>When operators may be told again that it was refused connections, and how many it was since they were.</summary>
    public Instant NextQuotaReport;
    public long QuotaRefusals;

    /// <summary>The last own address of it that the uplink was told of, and when it may be told again.</summary>
    public IpAddress AnnouncedAddress;
    public Instant AnnounceAddressAgain;

    /// <summary>Since when its explicit mappings have been kept without a loss, here or elsewhere.</summary>
    public Instant ExplicitSince;
    public bool HasExplicitSince;

    /// <summary>How many octets its link needs of each frame.</summary>
    public int LinkOverhead;

    /// <summary>What has passed without the engine and has been taken from the fast path, but by nobody here.</summary>
    public PassedOfClient Passed;

    /// <summary>What it may do, and since which change of that; what has been judged before must be judged again.</summary>
    public int Policy;
    public uint PolicyGeneration;

    /// <summary>Its buckets, in a list of their own; -1 for none.</summary>
    public int FirstBucket;
    public ClientState State;
    public bool Complete;

    /// <summary>The link layer has said that it is associated, and not that its link has gone.</summary>
    public bool IsLinked;

    /// <summary>Arriving: until then its FAM is taken to be still the one that it was heard besides.</summary>
    public Instant FurtherUntil;

    /// <summary>It is asked for as its FAM, whoever else hears it.</summary>
    public bool IsSummoned;

    /// <summary>What comes to its FAM endpoints here are copies of what its FAM gets.</summary>
    public bool GetsCopies;

    /// <summary>Where copies are kept; null if they are not.</summary>
    public CopyLog? Copies;

    /// <summary>The number of the last word that its link here has gone; 0 if there is none to take back.</summary>
    public ulong LinkLostId;

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

/// <summary>What makes a mapping explicit.</summary>
/// <param name="Nonce">By what its client shows that it is its own.</param>
/// <param name="Until">When it ends, used or not.</param>
/// <param name="Published">The operator's.</param>
/// <param name="OutboundOnly">It keeps the way open for the servers that <paramref name="Filters"/> name, and the filter of all mappings decides about others.</param>
/// <param name="Filters">Whom it lets in; nobody named is everybody.</param>
internal sealed record FamTerms(MappingNonce Nonce, Instant Until, bool Published, bool OutboundOnly, IReadOnlyList<RemoteFilter> Filters)
{
    /// <summary>An application helper has read that a connection will come; with that it has served.</summary>
    public bool Expected { get; init; }

    /// <summary>Whether a server is named.</summary>
    public bool Names(TransportEndpoint server)
    {
        for (var i = 0; i < Filters.Count; i++)
        {
            if (Filters[i].Admits(server))
            {
                return true;
            }
        }

        return false;
    }
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

    /// <summary>As <see cref="MappingRecord.Opened"/>, where the HAM is not here and so cannot be asked.</summary>
    public long Opened;
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

    /// <summary>What makes it an explicit mapping; null if it lives by its connections. Changed by the table alone, which counts them.</summary>
    public FamTerms? Explicit;
    public bool HamIsHere;

    /// <summary>The server sees the client endpoint. No HAM has it, and nobody is told of it.</summary>
    public bool IsUntranslated;

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

    /// <summary>The client's <see cref="FamClient.PolicyGeneration"/> when the filter let it through; one more if it is limited, so that it is looked at every time. 0: not judged yet.</summary>
    public uint Judged;

    /// <summary>Which bucket its packets take tokens from, if it is limited.</summary>
    public int Bucket;

    /// <summary>Changed by the table alone, which counts what is opening.</summary>
    public ConnectionState State;
    public bool CountsAsOpening;

    /// <summary>The coordinator has been told of it as more than opening, or has told so itself.</summary>
    public bool IsToldEstablished;

    /// <summary>The client has closed while the connection was opening for all that is known here: it counts when it turns out to have been open.</summary>
    public bool ClientHasClosed;

    /// <summary>The client's SYN of this opening passed here. Otherwise "opening" is what was written down elsewhere, perhaps long ago.</summary>
    public bool SynSeen;

    /// <summary>Its first packet here was the client's, and can have answered nobody.</summary>
    public bool OpensOut;

    /// <summary>An application helper looks at it; the table has its stream.</summary>
    public bool IsHelped;

    /// <summary>Its packets may pass without the engine: what the fast path knows of them is to be taken before this is judged by.</summary>
    public bool Passes;

    /// <summary>TCP only, and therefore behind what every packet needs.</summary>
    public TcpWindows Windows;
}
