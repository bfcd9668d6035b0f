using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>The coordinator's index follows what happens here: changes are collected for a few milliseconds and announced together.</summary>
public sealed partial class FamEngine
{
    private void MarkDirty(int mapping, Instant now)
    {
        ref var record = ref _table.Mapping(mapping);
        record.Revision++;
        if (!_config.Standalone && !record.IsUntranslated)
        {
            _table.AddNews(mapping, MappingNews.Changed);
            SaySoon(record.Client, ClientNews.Changes, now);
        }
    }

    private void NoteEnded(int client, MappingId id, Instant now)
    {
        if (!_config.Standalone)
        {
            _clients[client].Ended.Add(id);
            SaySoon(client, ClientNews.Changes, now);
        }
    }

    /// <summary>What was anchored before the client's epoch was known is announced under it.</summary>
    private void AnnounceProvisional(int client, Instant now)
    {
        if (_clients[client].News != ClientNews.None)
        {
            SaySoon(client, ClientNews.None, now);
        }
    }

    /// <summary>The coordinator has forgotten: whoever is served here is announced with everything. What a HAM reports at the same time, the coordinator has heard of.</summary>
    private void AnnounceEverything(Instant now)
    {
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            ref var record = ref _clients[client];
            var serves = record.State is ClientState.Serving or ClientState.Away && record.Epoch != Epoch.None;
            for (var slot = record.FirstMapping; slot >= 0; slot = _table.Mapping(slot).NextOfClient)
            {
                _table.Mapping(slot).IsUnheardOf = false;
                if (serves || record.State == ClientState.Further)
                {
                    _table.AddNews(slot, MappingNews.Changed);
                }
            }

            if (serves)
            {
                SaySoon(client, ClientNews.Changes | ClientNews.Full, now);
            }
        }

        AskForFurther(now);
        _sayAt = now;
        SayCollected(now);
    }

    private MappingRecord ToRecord(in FamMapping mapping, Instant now)
    {
        var connections = new List<ConnectionRecord>(Math.Min(mapping.ConnectionCount, ControlLimits.MaxConnectionsPerMapping));

        // A record fits a message whatever its connections carry: what does not fit an empty one would never be said.
        var room = ControlLimits.MaxConnectionsPerMessage - (mapping.Explicit?.Filters.Count ?? 0);
        for (var slot = mapping.FirstConnection; slot >= 0 && connections.Count < ControlLimits.MaxConnectionsPerMapping; slot = _table.Connection(slot).NextOfMapping)
        {
            ref var connection = ref _table.Connection(slot);
            if (connection.Tuple.Destination.IsNone)
            {
                continue;
            }

            _table.TakePassed(slot);
            var note = connection.IsHelped ? _table.StreamOf(slot).ToNote() : null;
            room -= 1 + (note?.Weight ?? 0);
            if (room < 0)
            {
                break;
            }

            var idle = Math.Clamp((now - connection.LastActivity).TotalMilliseconds, 0, uint.MaxValue);
            connection.IsToldEstablished |= IsAnswered(connection.State);
            connections.Add(new ConnectionRecord(connection.Tuple.Destination, connection.State, (uint)idle) { Note = note });
        }

        return new MappingRecord
        {
            Mapping = mapping.Id,
            ClientEndpoint = mapping.ClientEndpoint,
            Ham = mapping.Ham,
            AnchorEpoch = mapping.AnchorEpoch,
            Revision = mapping.Revision,
            FamEndpoint = mapping.Fam,
            Connections = connections,
            Explicit = TermsOf(mapping.Explicit, mapping.Client, now),
            Opened = mapping.HamIsHere ? _anchor.OpenedAt(mapping.Id) : mapping.Opened,
        };
    }
}
