using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>
/// What the coordinator must still be told stands as marks in the records of clients and mappings, which are bounded; the outbox has only what is under way. A mark goes when the
/// outbox has taken its message, so a full outbox delays what is said and loses nothing. Clients with marks wait in a queue, each once.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>When to try again what the outbox had no room for.</summary>
    private static readonly TimeSpan SayAgain = TimeSpan.FromMilliseconds(50);

    private readonly SlotQueue _unsaid;

    /// <summary>Messages of farewells whose acknowledgement matters, with the client and the farewell that they belong to.</summary>
    private readonly Dictionary<ulong, (int Client, ulong Farewell)> _awaited = [];

    /// <summary>The mappings of the part in hand.</summary>
    private readonly List<int> _part = [];
    private Instant _sayAt = Instant.Never;
    private ulong _lastFarewell;

    /// <summary>Clients of which the coordinator has not been told everything yet.</summary>
    public int UnsaidCount => _unsaid.Count;

    /// <summary>Something about a client is to be said, together with what else comes up in the next milliseconds.</summary>
    private void SaySoon(int client, ClientNews news, Instant now)
    {
        _clients[client].News |= news;
        _unsaid.Enqueue(client);
        _sayAt = Instant.Min(_sayAt, now + _config.AnnounceDelay);
    }

    /// <summary>Somebody waits for it.</summary>
    private void SayNow(int client, Instant now)
    {
        if (Say(client, now))
        {
            _unsaid.Remove(client);
        }
        else
        {
            _unsaid.Enqueue(client);
            _sayAt = Instant.Min(_sayAt, now + SayAgain);
        }
    }

    /// <summary>Says what has been collected. What finds no room keeps its turn.</summary>
    private void SayCollected(Instant now)
    {
        if (now < _sayAt)
        {
            return;
        }

        _sayAt = Instant.Never;
        var noRoom = false;
        for (var turns = _unsaid.Count; turns > 0 && _unsaid.TryDequeue(out var client); turns--)
        {
            if (!Say(client, now))
            {
                _unsaid.Enqueue(client);
                noRoom = true;
            }
        }

        if (noRoom)
        {
            _sayAt = Instant.Min(_sayAt, now + SayAgain);
        }
    }

    /// <summary>Says what a client's state allows. False: the outbox had no room for all of it. What waits for another state or an answer is taken up again when that comes.</summary>
    private bool Say(int client, Instant now) => _clients[client].State switch
    {
        ClientState.Arriving => SayArrival(client, now),
        ClientState.Serving or ClientState.Away or ClientState.Further => SayAttaches(client, now) && SayChanges(client, now),
        _ => SayFarewell(client, now),
    };

    private bool SayArrival(int client, Instant now)
    {
        ref var record = ref _clients[client];
        if ((record.News & ClientNews.Arrival) == 0)
        {
            return true;
        }

        var atHam = _anchor.NewestEpoch(record.Mac);
        var known = atHam > record.HighestEpoch ? atHam : record.HighestEpoch;
        var message = new Arrive { Id = record.ArriveId, Client = record.Mac, KnownEpoch = known, Addresses = [.. record.Addresses], Offers = [.. record.Offers], Also = IsAlso(record) };
        if (!_outbox.Send(message, now))
        {
            return false;
        }

        record.News &= ~ClientNews.Arrival;
        return true;
    }

    private bool SayChanges(int client, Instant now)
    {
        ref var record = ref _clients[client];
        while ((record.News & ClientNews.Changes) != 0)
        {
            if (!_outbox.HasRoom(canWait: true))
            {
                return false;
            }

            var full = (record.News & ClientNews.Full) != 0;
            var isLast = CollectPart(client, MappingNews.Changed, now, out var mappings, out var ended);
            if (full || mappings.Count > 0 || ended.Count > 0)
            {
                var message = new Announce
                {
                    Id = _outbox.NextId(),
                    Client = record.Mac,
                    Epoch = record.Epoch,
                    Addresses = [.. record.Addresses],
                    Mappings = mappings,
                    Ended = ended,
                    Full = full,
                    Also = record.State == ClientState.Further,
                };
                if (!_outbox.Send(message, now, canWait: true))
                {
                    return false;
                }

                record.AnnounceId = message.Id;
                PartIsSaid(client, MappingNews.Changed, ended.Count);
            }

            if (isLast)
            {
                record.News &= ~(ClientNews.Changes | ClientNews.Full);
            }
        }

        return true;
    }

    /// <summary>
    /// A hand-over or a departure: all that is known of the client, its last part when the coordinator has the others, for the last part lets go of the client. The parts
    /// of a departure are announcements; until its last part the client is this node's.
    /// </summary>
    private void BeginFarewell(int client, ClientNews farewell, Instant now)
    {
        ref var record = ref _clients[client];
        record.News = farewell;
        record.Farewell = ++_lastFarewell;
        record.PartsUnderWay = 0;
        for (var slot = record.FirstMapping; slot >= 0; slot = _table.Mapping(slot).NextOfClient)
        {
            _table.AddNews(slot, MappingNews.Whole);
        }

        SayNow(client, now);
    }

    private bool SayFarewell(int client, Instant now)
    {
        ref var record = ref _clients[client];
        var departs = (record.News & ClientNews.Departure) != 0;
        while ((record.News & (ClientNews.HandOver | ClientNews.Departure)) != 0)
        {
            if (!_outbox.HasRoom(canWait: false))
            {
                return false;
            }

            var isLast = CollectPart(client, MappingNews.Whole, now, out var mappings, out var ended);
            if (isLast && record.PartsUnderWay > 0)
            {
                return true;
            }

            var id = _outbox.NextId();
            ControlMessage message = !departs
                ? new HandOver { Id = id, Client = record.Mac, Epoch = record.Epoch, Mappings = mappings, Ended = ended, More = !isLast }
                : isLast
                    ? new Depart { Id = id, Client = record.Mac, Epoch = record.Epoch, Idle = record.DepartsIdle, Mappings = mappings, Ended = ended }
                    : new Announce { Id = id, Client = record.Mac, Epoch = record.Epoch, Addresses = [.. record.Addresses], Mappings = mappings, Ended = ended };
            if (!_outbox.Send(message, now))
            {
                return false;
            }

            PartIsSaid(client, MappingNews.Whole, ended.Count);
            if (!isLast || departs)
            {
                _awaited[id] = (client, record.Farewell);
            }

            record.PartsUnderWay += isLast ? 0 : 1;
            record.DepartId = isLast && departs ? id : 0;
            record.News = isLast ? ClientNews.None : record.News;
        }

        return true;
    }

    private void OnAck(Ack ack, Instant now)
    {
        if (_unsaid.Count > 0)
        {
            // There is room again.
            _sayAt = Instant.Min(_sayAt, now + _config.AnnounceDelay);
        }

        if (ack.Status == AckStatus.StaleEpoch)
        {
            OnStaleAnnouncement(ack.Id, now);
        }

        if (_attaching.Remove(ack.Id, out var attached))
        {
            OnAttached(attached, ack.Status, now);
            return;
        }

        if (!_awaited.Remove(ack.Id, out var awaited) || _clients[awaited.Client].Farewell != awaited.Farewell)
        {
            return;
        }

        ref var record = ref _clients[awaited.Client];
        if (record.DepartId == ack.Id)
        {
            // Only now that the coordinator has the client's state may this node let it go.
            Forget(awaited.Client, Core.Diagnostics.DropReason.ClientGone, now);
        }
        else if (--record.PartsUnderWay == 0)
        {
            SayNow(awaited.Client, now);
        }
    }

    /// <summary>
    /// This node is not the client's FAM any more, and the news of the move was lost with a store. What it knew it has just said; the rest it hands over. If the client is still
    /// here, its next packet is an arrival.
    /// </summary>
    private void OnStaleAnnouncement(ulong id, Instant now)
    {
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client].AnnounceId == id && _clients[client].State == ClientState.Further)
            {
                // One no more, by the coordinator's word: it asks anew, if the client is here.
                if (!_clients[client].Gone)
                {
                    BeginArrival(client, byAssociation: false, now);
                }

                return;
            }

            if (_clients[client].AnnounceId == id && _clients[client].State is ClientState.Serving or ClientState.Away)
            {
                LeaveToNext(client, now);
                return;
            }
        }
    }

    /// <summary>Another FAM serves the client, by the coordinator's word and not yet by the news of the move: what is known of it is handed over.</summary>
    private void LeaveToNext(int client, Instant now)
    {
        BeSuperseded(client, now, []);
        BeginFarewell(client, ClientNews.HandOver, now);
    }

    /// <summary>
    /// Whatever was still to be said in parting will not be. A departure that has been said may not have come through: it stays in the outbox, for it is the hand-over.
    /// </summary>
    private void EndFarewell(ref FamClient record)
    {
        if (record.DepartId != 0)
        {
            _awaited.Remove(record.DepartId);
        }

        record.DepartId = 0;
        record.Farewell = 0;
        record.PartsUnderWay = 0;
        record.News = ClientNews.None;
    }

    /// <summary>Writes down what has ended and as many mappings with this mark as one message holds. True if that is all there is.</summary>
    private bool CollectPart(int client, MappingNews mark, Instant now, out List<MappingRecord> mappings, out List<MappingId> ended)
    {
        ref var record = ref _clients[client];
        ended = record.Ended.GetRange(0, Math.Min(record.Ended.Count, ControlLimits.MaxBareMappings));
        mappings = [];
        _part.Clear();
        var room = default(RecordRoom);
        for (var slot = record.FirstNews; slot >= 0; slot = _table.Mapping(slot).NextNews)
        {
            if ((_table.Mapping(slot).News & mark) == 0)
            {
                continue;
            }

            var written = ToRecord(_table.Mapping(slot), now);
            if (!room.TryTake(written))
            {
                return false;
            }

            mappings.Add(written);
            _part.Add(slot);
        }

        return ended.Count == record.Ended.Count;
    }

    /// <summary>
    /// The outbox has the part that was collected. In a farewell the marks of changes stay: should the client come back before the coordinator has heard it, they are changes still.
    /// </summary>
    private void PartIsSaid(int client, MappingNews mark, int ended)
    {
        foreach (var slot in _part)
        {
            _table.ClearNews(slot, mark);
            _table.Mapping(slot).IsUnheardOf = false;
        }

        _clients[client].Ended.RemoveRange(0, ended);
    }
}
