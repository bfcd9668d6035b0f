using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Ham;

/// <summary>
/// The Home Address Masquerader: owns masquerade endpoints and sends what servers address to them on to the client's current FAM, by rewriting the destination.
/// Sans-I/O and single-threaded: bytes and <c>now</c> in, verdict and effects out. A file per step of the packet's path and of the control conversation.
/// </summary>
public sealed partial class HamEngine : ILocalAnchor
{
    private readonly HamConfig _config;
    private readonly NodeId _self;
    private readonly EndpointPool _pool;
    private readonly Outbox _outbox;
    private readonly IEngineOutput _output;
    private readonly DropCounters _drops;
    private readonly HamTranslationTable _table;
    private readonly HoldQueuePool _holds;
    private readonly TimerWheel _orphans;
    private readonly int[] _expired = new int[64];

    /// <summary>Creates an engine with empty tables.</summary>
    /// <param name="config">Limits and times.</param>
    /// <param name="self">This node.</param>
    /// <param name="pool">The node's endpoints, shared with its FAM engine.</param>
    /// <param name="random">The source of hash seeds; nothing else here is left to chance.</param>
    /// <param name="outbox">What repeats requests until the coordinator answers, shared with the FAM engine.</param>
    /// <param name="output">Where effects go.</param>
    /// <param name="drops">The node's drop counters.</param>
    public HamEngine(HamConfig config, NodeId self, EndpointPool pool, SeededRandom random, Outbox outbox, IEngineOutput output, DropCounters drops)
    {
        _config = config;
        _self = self;
        _pool = pool;
        _outbox = outbox;
        _output = output;
        _drops = drops;
        _table = new HamTranslationTable(config.MaxMappings, config.MaxClients, pool, (uint)random.NextUInt64());
        _holds = new HoldQueuePool(config.MaxDrains, config.DrainPackets, config.DrainBytes);
        _orphans = new TimerWheel(config.MaxMappings, TimeSpan.FromSeconds(1), Instant.Zero);
    }

    /// <summary>How many mappings this node owns now.</summary>
    public int MappingCount => _table.Count;

    /// <summary>Packets rewritten towards another node's FAM.</summary>
    public long Forwarded { get; private set; }

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline => Instant.Min(Instant.Min(_nextDrainDeadline, _reportAt), _table.Count == 0 ? Instant.Never : _orphans.NextDeadline);

    /// <summary>Whether this node owns this masquerade endpoint.</summary>
    public bool Anchors(TransportProtocol protocol, TransportEndpoint masquerade) => _table.Find(protocol, masquerade) >= 0;

    /// <summary>
    /// A packet from the uplink whose destination is one of this node's addresses. On <see cref="VerdictKind.ForwardUplink"/> it has been rewritten to the FAM endpoint;
    /// on <see cref="VerdictKind.Local"/> it is unchanged and belongs to this node's FAM engine.
    /// </summary>
    public Verdict ProcessInbound(Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var endpoint = summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Source : summary.Tuple.Destination;
        var protocol = summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Protocol : summary.Tuple.Protocol;
        var slot = _table.Find(protocol, endpoint);
        if (slot < 0)
        {
            return RefuseUnsolicited(summary.Tuple, now);
        }

        ref var entry = ref _table[slot];
        if (entry.Draining)
        {
            return HoldWhileDraining(ref entry, packet, offload, now);
        }

        return entry.Route switch
        {
            HamRoute.Local => Verdict.Local,
            HamRoute.Remote => RewriteToFam(ref entry, packet, summary, offload),
            _ => AskForFam(ref entry, now),
        };
    }

    /// <summary>
    /// A message from the coordinator. Messages that do not concern a HAM are ignored; the caller acknowledges pushes, unless the result is false: something must be said
    /// in return for which the outbox has no room, so the push must come again.
    /// </summary>
    public bool OnControl(ControlMessage message, Instant now)
    {
        switch (message)
        {
            case FamChange change:
                return OnFamChange(change, now);
            case Ack when _table.Unreported.Count > 0:
                // There is room again.
                Report(now);
                break;
            case FamCleared cleared:
                OnFamCleared(cleared, now);
                break;
            case MappingsEnded ended:
                OnMappingsEnded(ended, now);
                break;
            case FamQueryReply reply:
                OnFamQueryReply(reply, now);
                break;
            case AnchorRequest request:
                OnAnchorRequest(request, now);
                break;
            case AdoptMappings adopt:
                return OnAdoptMappings(adopt, now);
        }

        return true;
    }

    /// <summary>A datagram from another node.</summary>
    public void OnPeer(PeerMessage message, Instant now)
    {
        if (message is Drained drained)
        {
            OnDrained(drained, now);
        }
    }

    /// <summary>Does what is due: ends drains that took too long and mappings that nobody has served for too long.</summary>
    public void Advance(Instant now)
    {
        EndOverdueDrains(now);
        if (now >= _reportAt)
        {
            Report(now);
        }

        ExpireOrphans(now);
    }

    private Verdict RewriteToFam(ref HamEntry entry, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        if (summary.Ttl <= 1)
        {
            return Drop(DropReason.TtlExpired);
        }

        if (summary.Kind == PacketKind.IcmpError)
        {
            PacketRewriter.ErrorInbound(packet, summary, entry.ToFam);
        }
        else
        {
            PacketRewriter.Destination(packet, summary, entry.ToFam, offload.ChecksumPartial);
        }

        PacketRewriter.DecrementTtl(packet, summary);
        Forwarded++;
        return Verdict.Uplink;
    }

    private Verdict Drop(DropReason reason)
    {
        _drops.Count(reason);
        return Verdict.Drop(reason);
    }
}
