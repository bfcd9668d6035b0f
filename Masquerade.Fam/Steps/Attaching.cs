using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// One connection at a time, the seeds' lazy way: hold the packet, ask the coordinator, become a FAM of the connection or establish it.
/// Used where an arrival did not bring everything, and where policy lets the coordinator place the HAM.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Packets without any answer before the way back is doubted.</summary>
    private const int ProbeAfterPackets = 8;

    /// <summary>The most questions about connections under way at once.</summary>
    private const int MaxPendingAttaches = 4_096;

    private readonly Dictionary<ulong, PendingAttach> _pendingById = [];
    private readonly Dictionary<(TransportProtocol Protocol, TransportEndpoint Client), ulong> _pendingByEndpoint = [];

    /// <summary>All wait equally long, so the order of asking is that of the deadlines.</summary>
    private readonly Queue<(ulong Id, Instant Deadline)> _pendingDeadlines = new();

    private Instant NextAttachDeadline => _pendingDeadlines.TryPeek(out var next) ? next.Deadline : Instant.Never;

    private Verdict AskAboutConnection(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var key = (summary.Tuple.Protocol, summary.Tuple.Source);
        if (_pendingByEndpoint.ContainsKey(key))
        {
            return Hold(client, packet, offload, HoldOutbound, now);
        }

        if (_pendingById.Count >= MaxPendingAttaches)
        {
            return Drop(DropReason.HoldQueueFull);
        }

        var canOpen = ConnectionTracker.CanOpen(summary.Kind, summary.TcpFlags);
        var asked = _config.Anchoring == AnchorPolicy.AskCoordinatorFirst
            ? AskWhetherKnown(client, summary.Tuple, canOpen, now)
            : AskToAttach(client, summary.Tuple, canOpen, now);
        return asked == DropReason.None ? Hold(client, packet, offload, HoldOutbound, now) : Drop(asked);
    }

    private DropReason AskToAttach(int client, in FlowTuple tuple, bool mayEstablish, Instant now)
    {
        if (!_pool.TryAllocate(tuple.Protocol, !tuple.Source.Address.IsIPv4, 0, now, out var endpoint))
        {
            return DropReason.PortsExhausted;
        }

        if (!TrySendAttach(client, tuple, endpoint, mayEstablish, now, out var id))
        {
            _pool.ReleaseUnused(tuple.Protocol, endpoint);
            return DropReason.ControlQueueFull;
        }

        Remember(id, new PendingAttach(_clients[client].Mac, tuple, endpoint, mayEstablish, IsKnown: false, now + _config.AnswerTimeout));
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

        Remember(id, new PendingAttach(_clients[client].Mac, tuple, TransportEndpoint.None, mayEstablish, IsKnown: false, now + _config.AnswerTimeout));
        return DropReason.None;
    }

    /// <summary>A mapping that came without an assigned FAM endpoint works outbound at once; the attach tells everybody where inbound packets go.</summary>
    private void AttachKnown(int client, int mapping, Instant now)
    {
        if (!TryAttachKnown(client, mapping, now))
        {
            _table.AddNews(mapping, MappingNews.Attach);
            SaySoon(client, ClientNews.None, now);
        }
    }

    /// <summary>False if it must be tried again.</summary>
    private bool TryAttachKnown(int client, int mapping, Instant now)
    {
        ref var record = ref _table.Mapping(mapping);
        if (record.FirstConnection < 0 || record.IsUnheardOf)
        {
            // Nobody can be asked about what nobody has heard of; the announcement is on its way.
            return true;
        }

        var tuple = _table.Connection(record.FirstConnection).Tuple;
        if (_pendingById.Count >= MaxPendingAttaches || !TrySendAttach(client, tuple, record.Fam, mayEstablish: false, now, out var id, record.Id.Masquerade))
        {
            return false;
        }

        Await(id, new PendingAttach(_clients[client].Mac, tuple, record.Fam, MayEstablish: false, IsKnown: true, now + _config.AnswerTimeout));
        return true;
    }

    private bool TrySendAttach(
        int client, in FlowTuple tuple, TransportEndpoint endpoint, bool mayEstablish, Instant now, out ulong id, TransportEndpoint masquerade = default)
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
                Masquerade = masquerade,
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

    /// <summary>
    /// A client speaks and nobody answers. The server may be silent; but records may also have been lost on both sides of a crash. The attach puts the HAM right if it
    /// is wrong, and a refusal shows that this node is not what it believes to be.
    /// </summary>
    private void ProbeWayBack(int slot, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        mapping.UnansweredSince = now;
        mapping.ProbeInterval = TimeSpan.FromTicks(Math.Min(mapping.ProbeInterval.Ticks * 2, _config.ProbeMaximum.Ticks));
        if (!_config.Standalone && _coordinatorUp && _clients[mapping.Client].State == ClientState.Serving)
        {
            AttachKnown(mapping.Client, slot, now);
        }
    }

    private void OnKnownAttached(AttachReply reply, int client, in PendingAttach pending, Instant now)
    {
        var mapping = _table.FindByFamEndpoint(pending.Tuple.Protocol, pending.Endpoint);
        if (mapping < 0 || _table.Mapping(mapping).Client != client)
        {
            return;
        }

        if (reply.Status == AttachStatus.Refused || reply.Mapping is null)
        {
            // Either the mapping or this node's place is not in the books: asking anew settles both.
            BeginArrival(client, byAssociation: false, now);
        }
        else if (reply.Mapping.Mapping != _table.Mapping(mapping).Id)
        {
            // The books have another mapping for this client endpoint; this one is announced, and its HAM disowns it if it is gone.
            MarkDirty(mapping, now);
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

        if (pending.IsKnown)
        {
            OnKnownAttached(reply, client, pending, now);
            return;
        }

        switch (reply.Status)
        {
            case AttachStatus.Attached when reply.Mapping is not null && InstallAttached(client, reply.Mapping, pending, now):
            case AttachStatus.Established when TryEstablish(client, reply.Mapping, pending, now):
                ReleaseHeld(client, now, out _);
                break;
            case AttachStatus.Refused:
                _pool.ReleaseUnused(pending.Tuple.Protocol, pending.Endpoint);
                ReleaseHeldAfterRefusal(client, pending, now);
                break;
            default:
                ReleaseHeldAfterRefusal(client, pending, now);
                break;
        }
    }

    private bool InstallAttached(int client, MappingRecord record, in PendingAttach pending, Instant now)
    {
        // The endpoint in hand counts as an offer: it is used unless the mapping is this node's own or has one already.
        var offer = new FamOffer(pending.Tuple.Protocol, pending.Endpoint);
        _clients[client].Offers.Add(offer);
        var slot = Install(client, record with { FamEndpoint = pending.Endpoint, Connections = WithConnection(record, pending.Tuple.Destination) }, now);
        if (_clients[client].Offers.Remove(offer))
        {
            _pool.ReleaseUnused(offer.Protocol, offer.Endpoint);
        }

        return slot >= 0;
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
        var id = new MappingId(pending.Tuple.Protocol, pending.Endpoint);
        ref var owner = ref _clients[client];
        var epoch = record?.AnchorEpoch ?? owner.Epoch;
        var hasOther = _table.FindByClientEndpoint(pending.Tuple.Protocol, pending.Tuple.Source) >= 0;
        if (hasOther || !_anchor.TryAdopt(id, pending.Tuple.Source, owner.Mac, epoch, now))
        {
            // Of two mappings of a client endpoint the one that has carried packets meanwhile stays.
            _pool.Release(pending.Tuple.Protocol, pending.Endpoint, now);
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
            var isRefused = PacketParser.Parse(waiting.Packet, out var summary) == DropReason.None && summary.Tuple == pending.Tuple;
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

    private void Remember(ulong id, in PendingAttach pending)
    {
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
        client = client >= 0 && _clients[client].State is ClientState.Serving or ClientState.Away ? client : -1;
        return true;
    }

    /// <summary>The client has gone while it was asked: what has been established all the same is anchored here, for the next FAM has heard of it.</summary>
    private void AnchorForNext(AttachReply reply, in PendingAttach pending, Instant now)
    {
        if (pending.IsKnown)
        {
            return;
        }

        var id = new MappingId(pending.Tuple.Protocol, pending.Endpoint);
        if (reply.Status != AttachStatus.Established || !_anchor.TryAdopt(id, pending.Tuple.Source, pending.Client, reply.Mapping?.AnchorEpoch ?? Epoch.None, now))
        {
            // Others may have been sent to it meanwhile.
            _pool.Release(id.Protocol, id.Masquerade, now);
        }
    }

    /// <summary>
    /// Others know a mapping as anchored here that was asked for, and whose answer has not come yet or has got lost: it is anchored now. False if it is none of those.
    /// </summary>
    private bool TryAnchorAwaited(MacAddress client, MappingId mapping, Epoch epoch, Instant now)
    {
        foreach (var (id, pending) in _pendingById)
        {
            if (pending.Client == client && pending.MayEstablish && pending.Tuple.Protocol == mapping.Protocol && pending.Endpoint == mapping.Masquerade)
            {
                return TryAnchorPending(id, epoch, now);
            }
        }

        return false;
    }

    /// <summary>
    /// This node goes alone after all, the coordinator being away: on the endpoint that it has asked with, for the coordinator may have counted that in. False if it has not asked.
    /// </summary>
    private bool TryAnchorAsked(MacAddress client, in FlowTuple tuple, Epoch epoch, Instant now, out TransportEndpoint masquerade)
    {
        masquerade = TransportEndpoint.None;
        if (!_pendingByEndpoint.TryGetValue((tuple.Protocol, tuple.Source), out var id)
            || _pendingById[id] is not { MayEstablish: true, Endpoint.IsNone: false } pending || pending.Client != client)
        {
            return false;
        }

        masquerade = pending.Endpoint;
        return TryAnchorPending(id, epoch, now);
    }

    private bool TryAnchorPending(ulong id, Epoch epoch, Instant now)
    {
        _outbox.Complete(id);
        return Take(id, out var pending, out _) && _anchor.TryAdopt(new MappingId(pending.Tuple.Protocol, pending.Endpoint), pending.Tuple.Source, pending.Client, epoch, now);
    }

    /// <summary>
    /// Questions that got no answer in time: their packets have expired. What may make this node a HAM goes on being asked, for the coordinator may have counted it in and told
    /// others. What concerns a mapping that is served is asked anew, for its inbound packets depend on it.
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
            if (!pending.IsKnown && !pending.Endpoint.IsNone)
            {
                _pool.Release(pending.Tuple.Protocol, pending.Endpoint, now);
            }
            else if (client >= 0 && pending.IsKnown && _table.FindByFamEndpoint(pending.Tuple.Protocol, pending.Endpoint) is var mapping and >= 0 && _table.Mapping(mapping).Client == client)
            {
                _table.AddNews(mapping, MappingNews.Attach);
                SaySoon(client, ClientNews.None, now);
            }
        }
    }

    private readonly record struct PendingAttach(
        MacAddress Client, FlowTuple Tuple, TransportEndpoint Endpoint, bool MayEstablish, bool IsKnown, Instant Deadline);
}
