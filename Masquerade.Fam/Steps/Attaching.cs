using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// One connection at a time, the seeds' lazy way: hold the packet, ask the coordinator, become a FAM of the connection or establish it.
/// Used where an arrival did not bring a mapping, and where policy lets the coordinator place the HAM.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>The most questions about connections under way at once.</summary>
    private const int MaxPendingAttaches = 4_096;

    /// <summary>The most questions of one client under way at once: nobody takes all of them.</summary>
    private const int MaxPendingPerClient = MaxPendingAttaches / 8;

    private readonly Dictionary<ulong, PendingAttach> _pendingById = [];
    private readonly Dictionary<(TransportProtocol Protocol, TransportEndpoint Client), ulong> _pendingByEndpoint = [];

    /// <summary>All wait equally long, so the order of asking is that of the deadlines.</summary>
    private readonly Queue<(ulong Id, Instant Deadline)> _pendingDeadlines = new();

    private Instant NextAttachDeadline => _pendingDeadlines.TryPeek(out var next) ? next.Deadline : Instant.Never;

    private Verdict AskAboutConnection(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now, IpAddress beside = default)
    {
        var key = (summary.Tuple.Protocol, summary.Tuple.Source);
        if (_pendingByEndpoint.ContainsKey(key))
        {
            return Hold(client, packet, offload, HoldOutbound, now);
        }

        ref var record = ref _clients[client];
        if (_pendingById.Count >= MaxPendingAttaches || record.PendingCount >= MaxPendingPerClient)
        {
            return Drop(DropReason.HoldQueueFull);
        }

        var canOpen = ConnectionTracker.CanOpen(summary.Kind, summary.TcpFlags);
        var quota = MayOpen(record, summary.Tuple.Protocol, newMapping: true, now);
        if (quota != DropReason.None)
        {
            if (!record.Truncated)
            {
                return Refuse(quota, client, packet, summary, now);
            }

            // It may be one of those that the client has brought along: these are its own whatever the limits.
            canOpen = false;
        }

        var asked = _config.Anchoring == AnchorPolicy.AskCoordinatorFirst && beside.IsNone
            ? AskWhetherKnown(client, summary.Tuple, canOpen, now)
            : AskToAttach(client, summary.Tuple, canOpen, now, beside);
        if (asked != DropReason.None)
        {
            return asked == DropReason.PairedPortsExhausted ? Refuse(asked, client, packet, summary, now) : Drop(asked);
        }

        ChargeOpening(ref record, now);
        return Hold(client, packet, offload, HoldOutbound, now);
    }

    private DropReason AskToAttach(int client, in FlowTuple tuple, bool mayEstablish, Instant now, IpAddress beside = default)
    {
        var ipv6 = !tuple.Source.Address.IsIPv4;
        var reason = DropReason.PortsExhausted;
        var endpoint = TransportEndpoint.None;
        var server = beside.IsNone ? ServerFor(tuple) : TransportEndpoint.None;
        if (mayEstablish && !_anchor.TryReserve(tuple.Protocol, ipv6, _clients[client].Mac, server, now, out endpoint, out reason))
        {
            if (!_clients[client].Truncated)
            {
                return reason;
            }

            // It may be anchored elsewhere already: then all that is needed here is a FAM endpoint.
            mayEstablish = false;
        }

        if (!mayEstablish && !_pool.TryAllocateFor(server, tuple.Protocol, ipv6, 0, now, out endpoint))
        {
            return reason;
        }

        if (!TrySendAttach(client, tuple, endpoint, mayEstablish, now, out var id, beside, isServerOnly: !server.IsNone))
        {
            _pool.ReleaseUnused(tuple.Protocol, endpoint, server);
            return DropReason.ControlQueueFull;
        }

        Remember(client, id, new PendingAttach(_clients[client].Mac, tuple, endpoint, mayEstablish, now + _config.AnswerTimeout) { Beside = beside, Server = server });
        return DropReason.None;
    }

    private DropReason AskWhetherKnown(int client, in FlowTuple tuple, bool mayEstablish, Instant now)
    {
        var id = _outbox.NextId();
        var lookup = new Lookup { Id = id, Client = _clients[client].Mac, Protocol = tuple.Protocol, ClientEndpoint = tuple.Source, Server = tuple.Destination };
        if (!_outbox.Send(lookup, now))
        {
            return DropReason.ControlQueueFull;
        }

        Remember(client, id, new PendingAttach(_clients[client].Mac, tuple, TransportEndpoint.None, mayEstablish, now + _config.AnswerTimeout));
        return DropReason.None;
    }

    private bool TrySendAttach(
        int client, in FlowTuple tuple, TransportEndpoint endpoint, bool mayEstablish, Instant now, out ulong id, IpAddress at = default, bool isServerOnly = false)
    {
        id = _outbox.NextId();
        return _outbox.Send(
            new Attach
            {
                Id = id,
                Client = _clients[client].Mac,
                Epoch = _clients[client].Epoch,
                Protocol = tuple.Protocol,
                ClientEndpoint = tuple.Source,
                Server = tuple.Destination,
                FamEndpoint = endpoint,
                MayEstablish = mayEstablish,
                At = at,
                ServerOnly = isServerOnly,
            },
            now);
    }

    private void OnLookupReply(LookupReply reply, Instant now)
    {
        if (!Take(reply.Id, out var pending, out var client) || client < 0)
        {
            return;
        }

        if (reply.Mapping is null && !pending.MayEstablish)
        {
            ReleaseHeldAfterRefusal(client, pending, now);
            return;
        }

        // Second phase: now the endpoint is allocated.
        if (AskToAttach(client, pending.Tuple, pending.MayEstablish && reply.Mapping is null, now) != DropReason.None)
        {
            ReleaseHeldAfterRefusal(client, pending, now);
        }
    }

    private void OnAttachReply(AttachReply reply, Instant now)
    {
        if (!Take(reply.Id, out var pending, out var client))
        {
            return;
        }

        if (client < 0)
        {
            AnchorForNext(reply, pending, now);
            return;
        }

        if (pending.IsExpected)
        {
            OnExpectedReply(reply, pending, client, now);
            return;
        }

        switch (reply.Status)
        {
            case AttachStatus.Attached when reply.Mapping is not null && InstallAttached(client, reply.Mapping, pending, now):
            case AttachStatus.Established when TryEstablish(client, reply.Mapping, pending, now):
                ReleaseHeld(client, now, out _);
                break;
            case AttachStatus.Refused when !pending.Beside.IsNone:
                _pool.ReleaseUnused(pending.Tuple.Protocol, pending.Endpoint, pending.Server);
                ReleaseApart(client, pending.Tuple, now);
                break;
            case AttachStatus.Refused:
                _pool.ReleaseUnused(pending.Tuple.Protocol, pending.Endpoint, pending.Server);
                ReleaseHeldAfterRefusal(client, pending, now);
                break;
            default:
                ReleaseHeldAfterRefusal(client, pending, now);
                break;
        }
    }

    private bool InstallAttached(int client, MappingRecord record, in PendingAttach pending, Instant now) =>
        InstallAt(client, record with { Connections = WithConnection(record, pending.Tuple.Destination) }, pending, now) >= 0;

    private int InstallAt(int client, MappingRecord record, in PendingAttach pending, Instant now)
    {
        // The endpoint in hand counts as an offer: it is used unless the mapping is this node's own or has one already.
        if (!pending.Server.IsNone && (!record.Mapping.IsOfServer || record.Ham == _self))
        {
            // It may be shared: neither a mapping for all servers nor a return can use it.
            _pool.ReleaseUnused(pending.Tuple.Protocol, pending.Endpoint, pending.Server);
            return Install(client, record, now);
        }

        var offer = new FamOffer(pending.Tuple.Protocol, pending.Endpoint);
        _clients[client].Offers.Add(offer);
        var slot = Install(client, record with { FamEndpoint = pending.Endpoint }, now);
        if (_clients[client].Offers.Remove(offer))
        {
            _pool.ReleaseUnused(offer.Protocol, offer.Endpoint, pending.Server);
        }

        return slot;
    }

    private static IReadOnlyList<ConnectionRecord> WithConnection(MappingRecord record, TransportEndpoint server)
    {
        foreach (var connection in record.Connections)
        {
            if (connection.Server == server)
            {
                return record.Connections;
            }
        }

        return [.. record.Connections, new ConnectionRecord(server, ConnectionState.None, 0)];
    }

    private bool TryEstablish(int client, MappingRecord? record, in PendingAttach pending, Instant now)
    {
        var id = pending.Id;
        ref var owner = ref _clients[client];
        var epoch = record?.AnchorEpoch ?? owner.Epoch;
        var hasOther = _table.FindByClientEndpoint(pending.Tuple.Protocol, pending.Tuple.Source, pending.Tuple.Destination) >= 0;
        if (hasOther || !_anchor.TryAdopt(id, pending.Tuple.Source, owner.Mac, epoch, now))
        {
            // Of two mappings of a client endpoint the one that has carried packets meanwhile stays.
            _pool.Release(pending.Tuple.Protocol, pending.Endpoint, pending.Server, now);
            NoteEnded(client, id, now);
            return hasOther;
        }

        var slot = _table.AddMapping(client, id, pending.Tuple.Source, pending.Endpoint, _self, hamIsHere: true);
        if (slot < 0 || OpenConnection(slot, pending.Tuple, ConnectionState.None, now) < 0)
        {
            if (slot >= 0)
            {
                RemoveMapping(slot, now);
            }

            _anchor.Release(id, now);
            NoteEnded(client, id, now);
            return false;
        }

        _table.Mapping(slot).AnchorEpoch = epoch;
        return true;
    }

    /// <summary>
    /// Nothing can be attached or established at an address that is another node's now: asked on, it would be taken for that node's. What waits for its first answer is asked about with
    /// another endpoint; what is served is attached anew, the mappings at that address by who lets it go.
    /// </summary>
    private void WithdrawAttachesAt(IpAddress address, Instant now)
    {
        foreach (var id in _pendingById.Where(p => p.Value.Endpoint.Address == address).Select(p => p.Key).Order().ToList())
        {
            _outbox.Complete(id);
            Take(id, out var pending, out var client);
            if (pending.IsExpected)
            {
                GiveUp(pending, isRefused: false);
                ReleaseHeldFor(client, now);
            }
            else if (client >= 0 && AskToAttach(client, pending.Tuple, pending.MayEstablish, now, pending.Beside) != DropReason.None)
            {
                ReleaseHeldAfterRefusal(client, pending, now);
            }
        }

        foreach (var asked in _attaching.Values.Where(a => a.Attachments.Any(at => at.FamEndpoint.Address == address)).OrderBy(a => a.Id).ToList())
        {
            _outbox.Complete(asked.Id);
            _attaching.Remove(asked.Id);
            var client = _clients.Find(asked.Client);
            foreach (var attachment in client >= 0 && _clients[client].State is ClientState.Serving or ClientState.Away or ClientState.Further ? asked.Attachments : [])
            {
                if (_table.FindOfClient(client, attachment.Mapping) is var slot and >= 0)
                {
                    AttachSoon(client, slot, now);
                }
            }
        }
    }

    /// <summary>Packets of a connection that was refused are dropped; others that wait stay.</summary>
    private void ReleaseHeldAfterRefusal(int client, in PendingAttach pending, Instant now)
    {
        var held = _clients[client].Held;
        if (held is null)
        {
            return;
        }

        _clients[client].Held = null;
        while (held.TryPeek(out var waiting))
        {
            var isRefused = Reader.Read(waiting.Packet, waiting.Tag == HoldOutbound ? _clients[client].Mac : MacAddress.None, out var summary) == DropReason.None && summary.Tuple == pending.Tuple;
            if (isRefused)
            {
                _drops.Count(DropReason.Refused);
            }
            else
            {
                Hold(client, waiting.Packet, waiting.Offload, waiting.Tag, now);
            }

            held.Dequeue();
        }

        _holds.Return(held);
    }

    private void Remember(int client, ulong id, in PendingAttach pending)
    {
        _clients[client].PendingCount++;
        Await(id, pending);
        _pendingByEndpoint[(pending.Tuple.Protocol, pending.Tuple.Source)] = id;
    }

    private void Await(ulong id, in PendingAttach pending)
    {
        _pendingById[id] = pending;
        _pendingDeadlines.Enqueue((id, pending.Deadline));
    }

    /// <summary>Ends the waiting for an answer; false if nobody waits for it. <paramref name="client"/> is -1 if the client is not served here any more.</summary>
    private bool Take(ulong id, out PendingAttach pending, out int client)
    {
        client = -1;
        if (!_pendingById.Remove(id, out pending))
        {
            return false;
        }

        var key = (pending.Tuple.Protocol, pending.Tuple.Source);
        if (_pendingByEndpoint.TryGetValue(key, out var current) && current == id)
        {
            _pendingByEndpoint.Remove(key);
        }

        client = _clients.Find(pending.Client);
        if (client >= 0 && _clients[client].PendingCount > 0)
        {
            _clients[client].PendingCount--;
        }

        client = client >= 0 && _clients[client].State is ClientState.Serving or ClientState.Away or ClientState.Further ? client : -1;
        return true;
    }

    /// <summary>The client has gone while it was asked: what has been established all the same is anchored here, for the next FAM has heard of it.</summary>
    private void AnchorForNext(AttachReply reply, in PendingAttach pending, Instant now)
    {
        var id = pending.Id;
        if (reply.Status != AttachStatus.Established || !_anchor.TryAdopt(id, pending.Tuple.Source, pending.Client, reply.Mapping?.AnchorEpoch ?? Epoch.None, now))
        {
            // Others may have been sent to it meanwhile.
            _pool.Release(id.Protocol, id.Masquerade, id.Server, now);
        }
    }

    /// <summary>
    /// Others know a mapping as anchored here that was asked for, and whose answer has not come yet or has got lost: it is anchored now. False if it is none of those.
    /// </summary>
    private bool TryAnchorAwaited(MacAddress client, MappingId mapping, Epoch epoch, Instant now)
    {
        foreach (var (id, pending) in _pendingById)
        {
            if (pending.Client == client && pending.MayEstablish && pending.Id == mapping)
            {
                return TryAnchorPending(id, epoch, now);
            }
        }

        return false;
    }

    /// <summary>
    /// This node goes alone after all, the coordinator being away: on the endpoint that it has asked with, for the coordinator may have counted that in. False if it has not asked.
    /// </summary>
    private bool TryAnchorAsked(MacAddress client, in FlowTuple tuple, Epoch epoch, Instant now, out MappingId mapping)
    {
        mapping = default;
        if (!_pendingByEndpoint.TryGetValue((tuple.Protocol, tuple.Source), out var id)
            || _pendingById[id] is not { MayEstablish: true, Endpoint.IsNone: false } pending || pending.Client != client
            || (pending.Id.IsOfServer && pending.Server != tuple.Destination))
        {
            return false;
        }

        mapping = pending.Id;
        return TryAnchorPending(id, epoch, now);
    }

    private bool TryAnchorPending(ulong id, Epoch epoch, Instant now)
    {
        _outbox.Complete(id);
        return Take(id, out var pending, out _) && _anchor.TryAdopt(pending.Id, pending.Tuple.Source, pending.Client, epoch, now);
    }

    /// <summary>
    /// Questions that got no answer in time: their packets have expired. What may make this node a HAM goes on being asked, for the coordinator may have counted it in and told
    /// others.
    /// </summary>
    private void AdvanceAttaches(Instant now)
    {
        while (_pendingDeadlines.TryPeek(out var next) && (next.Deadline <= now || !_pendingById.ContainsKey(next.Id)))
        {
            _pendingDeadlines.Dequeue();
            if (!_pendingById.TryGetValue(next.Id, out var overdue))
            {
                continue;
            }

            if (overdue.MayEstablish && !overdue.Endpoint.IsNone && _outbox.Contains(next.Id))
            {
                _pendingDeadlines.Enqueue((next.Id, now + _config.AnswerTimeout));
                continue;
            }

            _outbox.Complete(next.Id);
            Take(next.Id, out var pending, out var client);
            if (pending.IsExpected)
            {
                GiveUp(pending, isRefused: false);
                ReleaseHeldFor(client, now);
            }

            if (!pending.Endpoint.IsNone)
            {
                _pool.Release(pending.Tuple.Protocol, pending.Endpoint, pending.Server, now);
            }
        }
    }

    /// <summary>What has waited for an answer that will not come need not wait any longer.</summary>
    private void ReleaseHeldFor(int client, Instant now)
    {
        if (client >= 0)
        {
            ReleaseHeld(client, now, out _);
        }
    }

    private readonly record struct PendingAttach(
        MacAddress Client, FlowTuple Tuple, TransportEndpoint Endpoint, bool MayEstablish, Instant Deadline)
    {
        /// <summary>The connection whose helper has asked for it; none if the client's own packet has.</summary>
        public FlowTuple Control { get; init; }

        /// <summary>The address at which it must be anchored; none: any.</summary>
        public IpAddress Beside { get; init; }

        /// <summary>Where in that connection.</summary>
        public uint At { get; init; }

        /// <summary>The server that the endpoint is for; none: for all.</summary>
        public TransportEndpoint Server { get; init; }

        /// <summary>What the mapping is called, if it is made with the endpoint.</summary>
        public MappingId Id => new(Tuple.Protocol, Endpoint, Server);

        public bool IsExpected => Control != default;
    }
}
