using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// The Foreign Address Masquerader: serves the clients that are at this access point. Outbound it writes the masquerade endpoint into their packets and sends them
/// straight to the server; inbound it turns FAM endpoints back into client endpoints. It sees both directions and therefore owns connection state, timers and
/// filter decisions (N-03). Sans-I/O and single-threaded: bytes and <c>now</c> in, verdict and effects out. A file per step.
/// </summary>
public sealed partial class FamEngine
{
    private readonly FamConfig _config;
    private readonly NodeId _self;
    private readonly EndpointPool _pool;
    private readonly ILocalAnchor _anchor;
    private readonly Outbox _outbox;
    private readonly IEngineOutput _output;
    private readonly DropCounters _drops;
    private readonly ClientTable _clients;
    private readonly FamTranslationTable _table;

    /// <summary>Offered endpoints of clients that are arriving: a HAM may hear of the move, and use one, before this node has the coordinator's answer.</summary>
    private readonly EndpointIndex _offered;
    private readonly HoldQueuePool _holds;

    /// <summary>Copies are kept for as long as a client is heard besides: they must not use up what clients need that move.</summary>
    private readonly HoldQueuePool _copyHolds;
    private readonly TimerWheel _idle;
    private readonly int[] _expired = new int[64];

    /// <summary>The time between two connections of a client that opens them at the rate that it may, zero if it may as fast as it can, and how far ahead of it it may be.</summary>
    private readonly TimeSpan _openingInterval;
    private readonly TimeSpan _openingTolerance;
    private readonly INeighbourhood? _neighbourhood;
    private bool _coordinatorUp;
    private Instant _aloneFrom;

    /// <summary>Creates an engine with empty tables.</summary>
    /// <param name="config">Limits, times and policies.</param>
    /// <param name="self">This node.</param>
    /// <param name="pool">The node's endpoints, shared with its HAM engine.</param>
    /// <param name="anchor">The node's HAM engine.</param>
    /// <param name="random">The source of hash seeds.</param>
    /// <param name="outbox">What repeats requests until the coordinator answers, shared with the HAM engine.</param>
    /// <param name="output">Where effects go.</param>
    /// <param name="drops">The node's drop counters.</param>
    /// <param name="neighbourhood">How clients reach each other at their own addresses; null: not at all.</param>
    public FamEngine(
        FamConfig config, NodeId self, EndpointPool pool, ILocalAnchor anchor, SeededRandom random, Outbox outbox, IEngineOutput output, DropCounters drops, INeighbourhood? neighbourhood = null)
    {
        _config = config;
        _self = self;
        _pool = pool;
        _anchor = anchor;
        _outbox = outbox;
        _output = output;
        _drops = drops;
        _clients = new ClientTable(config.MaxClients, Math.Min(config.MaxAddressesPerClient, ControlLimits.MaxAddresses), (uint)random.NextUInt64());
        _table = new FamTranslationTable(config, pool, _clients, (uint)random.NextUInt64());
        _offered = new EndpointIndex(pool);
        _neighbourhood = neighbourhood;
        _clients.News = neighbourhood is null ? null : new SlotQueue(config.MaxClients);
        _holds = new HoldQueuePool(config.MaxHolds, config.HoldPackets, config.HoldBytes);
        _copyHolds = new HoldQueuePool(config.MaxHolds, config.HoldPackets, config.HoldBytes);
        _unsaid = new SlotQueue(config.MaxClients);
        _unsolicited = new UnsolicitedSyns(config.MaxUnsolicitedSyns);
        _openingInterval = config.ConnectionRatePerClient == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1) / config.ConnectionRatePerClient;
        _openingTolerance = _openingInterval * (config.ConnectionBurstPerClient - 1);
        _idle = new TimerWheel(config.MaxConnections, TimeSpan.FromMilliseconds(500), Instant.Zero);
        _terms = new TimerWheel(config.MaxMappings, TimeSpan.FromMilliseconds(500), Instant.Zero);
    }

    /// <summary>Clients known here, in any state.</summary>
    public int ClientCount => _clients.Count;

    /// <summary>Clients that no other FAM serves, as far as is known here: present, on their way in, or out.</summary>
    public int ServedCount
    {
        get
        {
            var served = 0;
            for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
            {
                served += _clients[client].State is ClientState.Superseded or ClientState.Further ? 0 : 1;
            }

            return served;
        }
    }

    /// <summary>Whether each connection that a client opens here is reported with its destination (<see cref="ConnectionOpened"/>).</summary>
    public bool ReportsConnections { get; init; }

    /// <summary>Whether what clients open here gets a mapping for all servers, or one for each.</summary>
    public MappingPolicy Mapping { get; init; }

    /// <summary>Mappings known here.</summary>
    public int MappingCount => _table.MappingCount;

    /// <summary>Connections known here.</summary>
    public int ConnectionCount => _table.ConnectionCount;

    /// <summary>TCP RSTs that were outside what their receiver takes, or of which that is not known: passed on, but nothing here has changed for them. Many of these are an attack.</summary>
    public long UnbelievedResets { get; private set; }

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline =>
        Instant.Min(Instant.Min(Instant.Min(_nextClientDeadline, _unsolicited.NextDeadline), Instant.Min(Instant.Min(_sayAt, _watchAt), NextAttachDeadline)), Instant.Min(_terms.NextDeadline, _table.ConnectionCount == 0 ? Instant.Never : _idle.NextDeadline));

    /// <summary>Whether this is a FAM endpoint of a mapping known here that takes packets of a server, or one that has been offered for a client that is arriving.</summary>
    public bool ServesEndpoint(TransportProtocol protocol, TransportEndpoint endpoint, TransportEndpoint server) =>
        _table.FindByFamEndpoint(protocol, endpoint, server) >= 0 || _offered[protocol, endpoint] >= 0;

    /// <summary>A packet from a client. On <see cref="VerdictKind.ForwardUplink"/> its source is the masquerade endpoint now.</summary>
    public Verdict ProcessOutbound(Span<byte> packet, in PacketSummary summary, MacAddress source, in OffloadInfo offload, Instant now)
    {
        _letPass = -1;
        if (summary.Kind == PacketKind.IcmpError)
        {
            return ProcessOutboundError(packet, summary, source, now);
        }

        var slot = _table.FindConnection(summary.Tuple);
        if (slot < 0)
        {
            return ProcessOutboundMiss(packet, summary, source, offload, now);
        }

        ref var connection = ref _table.Connection(slot);
        ref var mapping = ref _table.Mapping(connection.Mapping);
        ref var client = ref _clients[mapping.Client];
        if (client.Mac != source)
        {
            return Drop(DropReason.SpoofedSource);
        }

        client.LastSeen = now;
        if (client.State != ClientState.Serving && !MaySendNow(slot, packet, summary, offload, now, out var verdict))
        {
            return verdict;
        }

        if (connection.Judged != client.PolicyGeneration && Judge(slot, summary, now) is not DropReason.None and var reason)
        {
            return RefuseByPolicy(reason, packet, summary, offload, source, now);
        }

        return RewriteToServer(slot, packet, summary, offload, now);
    }

    /// <summary>A packet from the uplink to one of this node's FAM endpoints, or to a client's own address. On <see cref="VerdictKind.ForwardClient"/> its destination is the client now.</summary>
    public Verdict ProcessInbound(Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        _letPass = -1;
        var isError = summary.Kind == PacketKind.IcmpError;
        var local = isError ? summary.EmbeddedTuple.Source : summary.Tuple.Destination;
        var server = isError ? summary.EmbeddedTuple.Destination : summary.Tuple.Source;
        var protocol = isError ? summary.EmbeddedTuple.Protocol : summary.Tuple.Protocol;
        var slot = _table.FindByFamEndpoint(protocol, local, server);
        if (slot >= 0)
        {
            return DeliverInbound(slot, local, server, packet, summary, offload, now);
        }

        var arriving = _offered[protocol, local];
        if (arriving >= 0)
        {
            return DeliverToOffer(arriving, protocol, local, packet, summary, offload, now);
        }

        return _config.Untranslated.ShowsClient(local.Address) ? DeliverUntranslated(protocol, local, server, packet, summary, offload, now) : Drop(DropReason.NoFamEndpoint);
    }

    /// <summary>
    /// Whether a push can be taken now. News of an arrival whose answer is still under way must be repeated by the coordinator, so it must not be acknowledged yet.
    /// </summary>
    public bool CanTake(ControlMessage message)
    {
        if (message is not ArrivalUpdate update)
        {
            return true;
        }

        var client = _clients.Find(update.Client);
        return client < 0 || (_clients[client].State != ClientState.Arriving && _clients[client].Epoch >= update.Epoch);
    }

    /// <summary>A message from the coordinator. Messages that do not concern a FAM are ignored; the caller acknowledges pushes.</summary>
    public void OnControl(ControlMessage message, Instant now)
    {
        switch (message)
        {
            case ArriveReply reply:
                OnArriveReply(reply, now);
                break;
            case ArrivalUpdate update:
                OnArrivalUpdate(update, now);
                break;
            case FamChange change:
                OnFamChange(change, now);
                break;
            case AttachReply reply:
                OnAttachReply(reply, now);
                break;
            case LookupReply reply:
                OnLookupReply(reply, now);
                break;
            case Summon summon:
                OnSummon(summon, now);
                break;
            case AdoptMappings adopt:
                OnAdopted(adopt, now);
                break;
            case Ack ack:
                OnAck(ack, now);
                break;
        }
    }

    /// <summary>
    /// The coordinator's store has forgotten, or it is another coordinator. Call before what waits for it is sent again: it would assign anew what was offered with arrivals that
    /// have been answered once, while HAMs were sent to it by the first answer.
    /// </summary>
    public void OnStoreLost(Instant now)
    {
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client].State == ClientState.Arriving && _outbox.Complete(_clients[client].ArriveId))
            {
                BeginArrival(client, byAssociation: false, now);
            }
        }
    }

    /// <summary>The session with the coordinator is up. If its store has forgotten, everything served here is announced whole.</summary>
    public void OnCoordinatorUp(bool storeChanged, Instant now)
    {
        _coordinatorUp = true;
        if (storeChanged)
        {
            AnnounceEverything(now);
        }

        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client].FirstNews >= 0)
            {
                // Attaches are not asked for while nobody answers.
                SaySoon(client, ClientNews.None, now);
            }
        }

        SayAddressesAgain();
    }

    /// <summary>
    /// The session with the coordinator is down: whoever is being waited for may be served without it (new connections go on), but not before there was time to find another
    /// coordinator. A datagram does not show whether it opens anything: one of a client that has just walked here would get another masquerade endpoint than it had.
    /// </summary>
    public void OnCoordinatorDown(Instant now)
    {
        _aloneFrom = _coordinatorUp ? now + _config.AnswerTimeout : _aloneFrom;
        _coordinatorUp = false;
        _nextClientDeadline = Instant.Min(_nextClientDeadline, now);
    }

    /// <summary>Does what is due: time limits of clients, announcements, idle connections.</summary>
    public void Advance(Instant now)
    {
        AdvanceClients(now);
        AdvanceAttaches(now);
        SayCollected(now);
        ExpireConnections(now);
        WatchPassing(now);
        ExpireTerms(now);
        AnswerUnsolicited(now);
    }

    /// <summary>The server that a new mapping is for; none if it is for all.</summary>
    private TransportEndpoint ServerFor(in FlowTuple tuple) => Mapping switch
    {
        MappingPolicy.EndpointIndependent => TransportEndpoint.None,
        _ when tuple.Protocol == TransportProtocol.Tcp => tuple.Destination,
        MappingPolicy.AddressAndPortDependent when tuple.Protocol == TransportProtocol.Udp => tuple.Destination,
        _ => TransportEndpoint.None,
    };

    private Verdict Drop(DropReason reason)
    {
        _drops.Count(reason);
        return Verdict.Drop(reason);
    }
}
