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

    /// <summary>How late the end of a client's block may be told: not every port that has rested is worth a call.</summary>
    private static readonly TimeSpan BlockInterval = TimeSpan.FromSeconds(1);

    private Instant _blocksAt = Instant.Zero;

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
        _choiceSeed = (uint)random.NextUInt64();
        _orphans = new TimerWheel(config.MaxMappings, TimeSpan.FromSeconds(1), Instant.Zero);
        if (pool.BlockSize > 0)
        {
            pool.BlockEnded = (block, client) => _output.Report(new BlockReleased(block, client));
        }
    }

    /// <summary>How many mappings this node owns now.</summary>
    public int MappingCount => _table.Count;

    /// <summary>How many of them are at one of the node's addresses.</summary>
    public int MappingCountAt(IpAddress address) => _table.CountAt(address);

    /// <summary>Packets rewritten towards another node's FAM.</summary>
    public long Forwarded { get; private set; }

    /// <summary>What the node's links carry; packets beyond it that must not be cut are sent back (RFC 4787 REQ-13, RFC 8201).</summary>
    public LinkMtu Mtu { get; init; } = LinkMtu.Unlimited;

    /// <summary>
    /// What the way to a FAM's address carries, in octets, as far as is known. Routers between HAM and FAM cannot tell the server: it does not know the packet that they would quote.
    /// </summary>
    public Func<IpAddress, Instant, int>? PathMtu { get; init; }

    /// <summary>The time that is written beside a new mapping, milliseconds since 1970: for the log of mappings, nothing here depends on it. Null: none is.</summary>
    public Func<Instant, long>? WallClock { get; init; }

    /// <summary>Told before packets of a client's mappings go another way than they went; null: nobody wants to know.</summary>
    public Action<MacAddress>? Rerouting { get; init; }

    /// <summary>How packets that have waited are read again.</summary>
    public IPacketReader Reader { get; init; } = PlainPacketReader.Instance;

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline => Instant.Min(Instant.Min(Instant.Min(Instant.Min(_nextDrainDeadline, _nextMark), _reportAt), _table.Count == 0 ? Instant.Never : _orphans.NextDeadline), NextBlockCheck);

    /// <summary>Whether this node owns this masquerade endpoint towards a server.</summary>
    public bool Anchors(TransportProtocol protocol, TransportEndpoint masquerade, TransportEndpoint server) => _table.Find(protocol, masquerade, server) >= 0;

    /// <summary>Whether this node owns this masquerade endpoint towards a server, and its client is not, or not known to be, at this node's own FAM.</summary>
    public bool IsServedElsewhere(TransportProtocol protocol, TransportEndpoint masquerade, TransportEndpoint server)
    {
        var slot = _table.Find(protocol, masquerade, server);
        return slot >= 0 && _table[slot].Route != HamRoute.Local;
    }

    /// <summary>Whether all that comes to a masquerade endpoint from a server goes to this node's own FAM, now.</summary>
    public bool IsHereAlone(TransportProtocol protocol, TransportEndpoint masquerade, TransportEndpoint server)
    {
        var slot = _table.Find(protocol, masquerade, server);
        return slot >= 0 && _table[slot] is { Route: HamRoute.Local, Detour: HamDetour.None };
    }

    /// <inheritdoc/>
    public bool IsServedElsewhere(MappingId mapping)
    {
        var slot = _table.Find(mapping);
        return slot >= 0 && _table[slot].Route != HamRoute.Local;
    }

    /// <summary>
    /// A packet from the uplink whose destination is one of this node's addresses. On <see cref="VerdictKind.ForwardUplink"/> it has been rewritten to the FAM endpoint;
    /// on <see cref="VerdictKind.Local"/> it is unchanged and belongs to this node's FAM engine.
    /// </summary>
    public Verdict ProcessInbound(Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var slot = summary.Kind == PacketKind.IcmpError
            ? _table.Find(summary.EmbeddedTuple.Protocol, summary.EmbeddedTuple.Source, summary.EmbeddedTuple.Destination)
            : _table.Find(summary.Tuple.Protocol, summary.Tuple.Destination, summary.Tuple.Source);
        if (slot < 0)
        {
            return RefuseUnsolicited(summary.Tuple, now);
        }

        ref var entry = ref _table[slot];
        return entry.Detour == HamDetour.None
            ? SendToFam(ref entry, packet, summary, offload, now)
            : (entry.Detour & HamDetour.Draining) != 0
                ? HoldWhileDraining(ref entry, packet, offload, now)
                : SendToOneOfSeveral(ref entry, packet, summary, offload, now);
    }

    /// <summary>When it is to be looked whether a client's block has come free.</summary>
    private Instant NextBlockCheck => _pool.BlockSize == 0 ? Instant.Never : Instant.Max(_pool.NextWake, _blocksAt);

    private Verdict SendToFam(ref HamEntry entry, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now) => entry.Route switch
    {
        HamRoute.Local => Verdict.Local,
        HamRoute.Remote => RewriteToFam(entry.ToFam, entry.Mtu, packet, summary, offload),
        _ => AskForFam(ref entry, now),
    };

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

    /// <summary>More, or less, is known of the way to a FAM's address.</summary>
    public void OnPathMtu(IpAddress fam, int mtu)
    {
        for (var slot = _table.NextLive(0); slot >= 0; slot = _table.NextLive(slot + 1))
        {
            if (_table[slot].Route == HamRoute.Remote && _table[slot].Fam.Address == fam)
            {
                _table[slot].Mtu = Math.Min(Mtu.Uplink, mtu);
            }

            _table[slot].Further?.NoteMtu(fam, Math.Min(Mtu.Uplink, mtu));
        }
    }

    /// <summary>A datagram from another node.</summary>
    public void OnPeer(PeerMessage message, Instant now)
    {
        switch (message)
        {
            case Drained drained:
                OnDrained(drained, now);
                break;
            case CopyMarked marked:
                OnCopyMarked(marked);
                break;
        }
    }

    /// <summary>Does what is due: ends drains that took too long and mappings that nobody has served for too long.</summary>
    public void Advance(Instant now)
    {
        if (now >= NextBlockCheck)
        {
            _pool.Wake(now);
            _blocksAt = now + BlockInterval;
        }

        EndOverdueDrains(now);
        MarkCopies(now);
        if (now >= _reportAt)
        {
            Report(now);
        }

        ExpireOrphans(now);
    }

    private void TellRerouting(int client) => Rerouting?.Invoke(_table.Client(client).Mac);

    private Verdict RewriteToFam(in PacketRewriter.Rewrite toFam, int mtu, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        if (summary.Ttl <= 1)
        {
            return SendBack(DropReason.TtlExpired, IcmpError.TimeExceeded, packet, summary);
        }

        if (LinkMtu.IsExceeded(mtu, summary, offload))
        {
            return SendBack(DropReason.TooBig, IcmpError.TooBig(mtu), packet, summary);
        }

        if (summary.Kind == PacketKind.IcmpError)
        {
            PacketRewriter.ErrorInbound(packet, summary, toFam);
        }
        else
        {
            PacketRewriter.Destination(packet, summary, toFam, offload.ChecksumPartial);
        }

        PacketRewriter.DecrementTtl(packet, summary);
        Forwarded++;
        return Verdict.Uplink;
    }

    /// <summary>Drops a packet and tells the server why: a HAM is a hop like any router.</summary>
    private Verdict SendBack(DropReason reason, in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary)
    {
        _output.SendError(error, packet, summary, MacAddress.None);
        return Drop(reason);
    }

    private Verdict Drop(DropReason reason)
    {
        _drops.Count(reason);
        return Verdict.Drop(reason);
    }
}
