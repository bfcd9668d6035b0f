using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>The coordinator's index follows what happens here: changes are collected for a few milliseconds and announced together.</summary>
public sealed partial class FamEngine
{
    /// <summary>The most mappings in one message, so that it stays within the frame limit.</summary>
    private const int AnnounceBatch = 512;

    private Instant _announceAt = Instant.Never;

    private void MarkDirty(int mapping, Instant now)
    {
        ref var record = ref _table.Mapping(mapping);
        record.Revision++;
        record.Dirty = true;
        MarkClientDirty(record.Client, now);
    }

    private void MarkClientDirty(int client, Instant now)
    {
        if (_config.Standalone)
        {
            return;
        }

        _clients[client].Dirty = true;
        _announceAt = Instant.Min(_announceAt, now + _config.AnnounceDelay);
    }

    private void NoteEnded(int client, MappingId id, Instant now)
    {
        if (!_config.Standalone)
        {
            _clients[client].Ended.Add(id);
            MarkClientDirty(client, now);
        }
    }

    /// <summary>What was anchored before the client's epoch was known is announced under it.</summary>
    private void AnnounceProvisional(int client, Instant now)
    {
        if (_clients[client].Dirty)
        {
            _announceAt = Instant.Min(_announceAt, now + _config.AnnounceDelay);
        }
    }

    private void FlushAnnouncements(Instant now)
    {
        if (now < _announceAt)
        {
            return;
        }

        _announceAt = Instant.Never;
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client].Dirty && _clients[client].State is ClientState.Serving or ClientState.Away && !Announce(client, now))
            {
                // The outbox is full: nothing is lost, it is said a little later.
                _announceAt = now + TimeSpan.FromMilliseconds(50);
                return;
            }
        }
    }

    private bool Announce(int client, Instant now)
    {
        ref var record = ref _clients[client];
        while (record.Dirty)
        {
            var mappings = RecordsOf(client, now, dirtyOnly: true, AnnounceBatch);
            var message = new Announce
            {
                Id = _outbox.NextId(),
                Client = record.Mac,
                Epoch = record.Epoch,
                Addresses = [.. record.Addresses],
                Mappings = mappings,
                Ended = [.. record.Ended],
            };
            if (!_outbox.Send(message, now))
            {
                return false;
            }

            record.Ended.Clear();
            ClearDirty(client, mappings.Count);
            record.Dirty = mappings.Count == AnnounceBatch;
        }

        return true;
    }

    /// <summary>Clears the marks of the first <paramref name="count"/> dirty mappings, the same that <see cref="RecordsOf"/> wrote down.</summary>
    private void ClearDirty(int client, int count)
    {
        for (var slot = _clients[client].FirstMapping; slot >= 0 && count > 0; slot = _table.Mapping(slot).NextOfClient)
        {
            if (_table.Mapping(slot).Dirty)
            {
                _table.Mapping(slot).Dirty = false;
                count--;
            }
        }
    }

    private void AnnounceEverything(Instant now)
    {
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            ref var record = ref _clients[client];
            if (record.State is ClientState.Serving or ClientState.Away && record.Epoch != Epoch.None)
            {
                _outbox.Send(
                    new Announce
                    {
                        Id = _outbox.NextId(),
                        Client = record.Mac,
                        Epoch = record.Epoch,
                        Addresses = [.. record.Addresses],
                        Mappings = RecordsOf(client, now, dirtyOnly: false),
                        Ended = [.. record.Ended],
                        Full = true,
                    },
                    now);
            }
        }
    }

    private List<MappingRecord> RecordsOf(int client, Instant now, bool dirtyOnly, int limit = ControlLimits.MaxMappingsPerMessage)
    {
        var records = new List<MappingRecord>(Math.Min(limit, _clients[client].MappingCount));
        for (var slot = _clients[client].FirstMapping; slot >= 0 && records.Count < limit; slot = _table.Mapping(slot).NextOfClient)
        {
            if (!dirtyOnly || _table.Mapping(slot).Dirty)
            {
                records.Add(ToRecord(_table.Mapping(slot), now));
            }
        }

        return records;
    }

    private MappingRecord ToRecord(in FamMapping mapping, Instant now)
    {
        var connections = new List<ConnectionRecord>(mapping.ConnectionCount);
        for (var slot = mapping.FirstConnection; slot >= 0 && connections.Count < ControlLimits.MaxConnectionsPerMapping; slot = _table.Connection(slot).NextOfMapping)
        {
            ref var connection = ref _table.Connection(slot);
            if (connection.Tuple.Destination.IsNone)
            {
                continue;
            }

            var idle = Math.Clamp((now - connection.LastActivity).TotalMilliseconds, 0, uint.MaxValue);
            connections.Add(new ConnectionRecord(connection.Tuple.Destination, connection.State, (uint)idle));
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
        };
    }
}
