using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>
/// Mappings that are served here and whose HAMs must hear where inbound packets go: those for which an arrival had no offer, and those of which nobody knows whether the way
/// back still exists. They are marked, and all that are marked of a client go in one message.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Packets without any answer before the way back is doubted.</summary>
    private const int ProbeAfterPackets = 8;

    /// <summary>What is under way; the outbox bounds it.</summary>
    private readonly Dictionary<ulong, AttachKnown> _attaching = [];

    /// <summary>A mapping that came without an assigned FAM endpoint works outbound at once; the attach tells everybody where inbound packets go.</summary>
    private void AttachSoon(int client, int mapping, Instant now)
    {
        _table.AddNews(mapping, MappingNews.Attach);
        SaySoon(client, ClientNews.None, now);

        // Packets wait for it: it does not wait for what else may come up.
        _sayAt = now;
    }

    /// <summary>False: the outbox had no room for all of it.</summary>
    private bool SayAttaches(int client, Instant now)
    {
        if (!_coordinatorUp)
        {
            return true;
        }

        while (CollectAttachments(client) is { Count: > 0 } attachments)
        {
            var message = new AttachKnown { Id = _outbox.NextId(), Client = _clients[client].Mac, Epoch = _clients[client].Epoch, Attachments = attachments };
            _attaching[message.Id] = message;
            if (!_outbox.Send(message, now))
            {
                _attaching.Remove(message.Id);
                return false;
            }

            foreach (var slot in _part)
            {
                _table.ClearNews(slot, MappingNews.Attach);
            }
        }

        return true;
    }

    private List<Attachment> CollectAttachments(int client)
    {
        var attachments = new List<Attachment>();
        _part.Clear();
        for (var slot = _clients[client].FirstNews; slot >= 0 && attachments.Count < ControlLimits.MaxAttachments;)
        {
            ref var mapping = ref _table.Mapping(slot);
            var next = mapping.NextNews;
            if ((mapping.News & MappingNews.Attach) != 0 && mapping.IsUnheardOf)
            {
                // Nobody can be asked about what nobody has heard of; the announcement is on its way.
                _table.ClearNews(slot, MappingNews.Attach);
            }
            else if ((mapping.News & MappingNews.Attach) != 0)
            {
                attachments.Add(new Attachment(mapping.Id, mapping.Fam));
                _part.Add(slot);
            }

            slot = next;
        }

        return attachments;
    }

    /// <summary>The answer. What it says of a stay that is over, or of endpoints that have changed since, is old.</summary>
    private void OnAttached(AttachKnown asked, AckStatus status, Instant now)
    {
        var client = _clients.Find(asked.Client);
        if (client < 0 || _clients[client].Epoch != asked.Epoch || _clients[client].State is not (ClientState.Serving or ClientState.Away or ClientState.Further))
        {
            return;
        }

        if (status == AckStatus.StaleEpoch && _clients[client].State == ClientState.Further)
        {
            BeginArrival(client, byAssociation: false, now);
            return;
        }

        if (status == AckStatus.StaleEpoch)
        {
            // It is elsewhere, and the news of that is still under way. If it is here all the same, its next packet is an arrival.
            LeaveToNext(client, now);
            return;
        }

        if (status != AckStatus.Ok && !_clients[client].Truncated)
        {
            // Either a mapping or this node's place is not in the books: asking anew settles both.
            BeginArrival(client, byAssociation: false, now);
            return;
        }

        foreach (var attachment in asked.Attachments)
        {
            var slot = _table.FindOfClient(client, attachment.Mapping);
            if (slot >= 0 && status != AckStatus.Ok)
            {
                // An answer would not hold them all. Their HAMs hear of them, and disown what is gone.
                MarkDirty(slot, now);
            }
            else if (slot >= 0 && _table.Mapping(slot).Fam != attachment.FamEndpoint)
            {
                AttachSoon(client, slot, now);
            }
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
            AttachSoon(mapping.Client, slot, now);
        }
    }
}
