using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>Mapping records that come from elsewhere are put into the translation table, and mappings leave it.</summary>
public sealed partial class FamEngine
{
    private void Install(int client, IReadOnlyList<MappingRecord> records, Instant now)
    {
        foreach (var record in records)
        {
            Install(client, record, now);
        }
    }

    /// <summary>Puts one mapping in, or brings it up to date; -1 if it cannot be served here.</summary>
    private int Install(int client, MappingRecord record, Instant now)
    {
        var hamIsHere = record.Ham == _self;
        if (hamIsHere && !_anchor.Owns(record.Mapping, _clients[client].Mac) && !TryAnchorAwaited(_clients[client].Mac, record.Mapping, record.AnchorEpoch, now))
        {
            // This node has lost it (a restart): saying so lets everybody forget it. At an address that is being taken over it may only not have been told yet.
            if (_pool.IsSettled(record.Mapping.Masquerade.Address))
            {
                NoteEnded(client, record.Mapping, now);
            }

            return -1;
        }

        if (!_clients.TryClaim(client, record.ClientEndpoint.Address))
        {
            return -1;
        }

        var slot = _table.FindOfClient(client, record.Mapping);
        if (slot >= 0 && _table.Mapping(slot).ClientEndpoint != record.ClientEndpoint)
        {
            // Its HAM has lost its tables and lent the masquerade endpoint again.
            RemoveMapping(slot, now);
            slot = -1;
        }

        var fam = ChooseFamEndpoint(client, slot, record, hamIsHere, now, out var mustAttach);
        if (fam.IsNone)
        {
            if (slot >= 0)
            {
                RemoveMapping(slot, now);
            }

            // It lives, and this node knows nothing of it now: a miss may belong to it.
            _clients[client].Truncated = true;
            return -1;
        }

        if (slot < 0)
        {
            slot = _table.AddMapping(client, record.Mapping, record.ClientEndpoint, fam, record.Ham, hamIsHere);
            if (slot < 0)
            {
                if (!hamIsHere)
                {
                    _pool.ReleaseUnused(record.Mapping.Protocol, fam, record.Mapping.Server);
                }

                return -1;
            }
        }
        else
        {
            Rebind(slot, record.Ham, fam, now);
        }

        ref var mapping = ref _table.Mapping(slot);
        mapping.AnchorEpoch = record.AnchorEpoch;
        mapping.Opened = record.Opened != 0 ? record.Opened : mapping.Opened;
        InstallTerms(slot, record, now);
        mapping.Revision = Math.Max(mapping.Revision, record.Revision);
        mapping.HasNextFam = false;
        if (hamIsHere)
        {
            InstallReturnEndpoint(client, slot, record, now);
        }

        InstallConnections(slot, record, now);
        if (mustAttach)
        {
            AttachSoon(client, slot, now);
        }

        return slot;
    }

    /// <summary>Gives a mapping the FAM endpoint, and the HAM, that it has from now on: its masquerade address may be another node's now, or this one's.</summary>
    private void Rebind(int slot, NodeId ham, TransportEndpoint fam, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        FastPath?.Void(mapping.Client);
        var (protocol, old, wasHere) = (mapping.Id.Protocol, mapping.Fam, mapping.HamIsHere);
        mapping.Ham = ham;
        mapping.HamIsHere = ham == _self;
        if (wasHere && !mapping.HamIsHere && _table.SetReturnEndpoint(slot, TransportEndpoint.None) is { IsNone: false } way)
        {
            _pool.Release(protocol, way, now);
        }

        if (old != fam)
        {
            _table.SetFamEndpoint(slot, fam);
            if (!wasHere)
            {
                // The masquerade endpoint is the HAM's affair.
                _pool.Release(protocol, old, mapping.Id.Server, now);
            }
        }
    }

    private void InstallReturnEndpoint(int client, int slot, MappingRecord record, Instant now)
    {
        if (record.FamEndpoint != record.Mapping.Masquerade && TakeOffer(ref _clients[client], record.Mapping.Protocol, record.FamEndpoint))
        {
            FastPath?.Void(client);
            var before = _table.SetReturnEndpoint(slot, record.FamEndpoint);
            if (!before.IsNone)
            {
                _pool.Release(record.Mapping.Protocol, before, now);
            }
        }
    }

    /// <summary>At its HAM a mapping's FAM endpoint is the masquerade endpoint; elsewhere the one that was assigned from the offers, or has been in use, or a fresh one.</summary>
    private TransportEndpoint ChooseFamEndpoint(int client, int slot, MappingRecord record, bool hamIsHere, Instant now, out bool mustAttach)
    {
        mustAttach = false;
        if (hamIsHere)
        {
            return record.Mapping.Masquerade;
        }

        ref var owner = ref _clients[client];
        if (!record.FamEndpoint.IsNone && _pool.Owns(record.FamEndpoint.Address))
        {
            if (TakeOffer(ref owner, record.Mapping.Protocol, record.FamEndpoint) || (slot >= 0 && _table.Mapping(slot).Fam == record.FamEndpoint))
            {
                return record.FamEndpoint;
            }

            // News that was overtaken by the end of the arrival: the offer has been withdrawn, but everybody else has heard of it.
            if (slot < 0 && _pool.TryTake(record.Mapping.Protocol, record.FamEndpoint, now))
            {
                return record.FamEndpoint;
            }
        }

        mustAttach = true;
        if (slot >= 0 && !_table.Mapping(slot).HamIsHere && _pool.Owns(_table.Mapping(slot).Fam.Address))
        {
            return _table.Mapping(slot).Fam;
        }

        return _pool.TryAllocateFor(record.Mapping.Server, record.Mapping.Protocol, !record.Mapping.Masquerade.Address.IsIPv4, 0, now, out var fresh) ? fresh : TransportEndpoint.None;
    }

    private void InstallConnections(int mapping, MappingRecord record, Instant now)
    {
        // Who is not the owner looks whether connections live before the owner takes them for idle. To begin anew with all news would be never to look.
        var watches = _clients[_table.Mapping(mapping).Client].State == ClientState.Further;
        foreach (var incoming in record.Connections)
        {
            if (record.Mapping.IsOfServer && incoming.Server != record.Mapping.Server)
            {
                continue;
            }

            var tuple = new FlowTuple(record.ClientEndpoint, incoming.Server, record.Mapping.Protocol);
            var lastActivity = now - TimeSpan.FromMilliseconds(incoming.IdleMilliseconds);
            var slot = _table.FindConnection(tuple);
            var before = slot < 0 ? ConnectionState.None : _table.Connection(slot).State;
            if (slot < 0)
            {
                slot = _table.AddConnection(mapping, tuple, incoming.State, lastActivity);
                if (slot < 0)
                {
                    return;
                }
            }
            else if (_table.Connection(slot).Mapping != mapping)
            {
                // A SYN that was repeated at the next access point before the first one's was known is anchored twice. The server answers both; the client has taken one
                // answer, and its connection is the one that is alive.
                _table.TakePassed(slot);
                ref var rival = ref _table.Connection(slot);
                if (!IsAnswered(incoming.State) || (IsAnswered(rival.State) && rival.LastActivity >= lastActivity))
                {
                    continue;
                }

                (slot, before) = (TakeOver(slot, mapping, incoming.State, lastActivity, now), ConnectionState.None);
                if (slot < 0)
                {
                    return;
                }
            }
            else
            {
                // What was seen here since the arrival is fresher than what the previous FAM wrote down before; but a close that only that one saw has happened.
                // An opening that was not seen here is no observation at all.
                _table.TakePassed(slot);
                ref var known = ref _table.Connection(slot);
                var seen = known.State == ConnectionState.Opening && !known.SynSeen ? ConnectionState.None : known.State;
                var state = known.LastActivity >= lastActivity ? ConnectionTracker.Merge(seen, incoming.State) : ConnectionTracker.Merge(incoming.State, seen);
                _table.SetState(slot, known.ClientHasClosed ? ConnectionTracker.WithClientClosed(state) : state, seenHere: false);
                lastActivity = Instant.Max(known.LastActivity, lastActivity);
                known.LastActivity = lastActivity;
            }

            _table.Connection(slot).IsToldEstablished |= IsAnswered(incoming.State);
            InstallNote(slot, incoming.Note);
            if (!watches)
            {
                var idle = ConnectionTracker.IdleTimeout(_config, tuple.Protocol, _table.Connection(slot).State);
                _idle.Schedule(slot, Instant.Max(lastActivity + idle, now + TimeSpan.FromSeconds(1)));
            }
            else if (_table.Connection(slot).State != before)
            {
                _idle.Schedule(slot, now + WatchInterval(_table.Connection(slot)));
            }
        }

        // After a loss of the store a HAM knows that a mapping lives but not with whom. Its idle time starts anew, or it would never end.
        if (_table.Mapping(mapping) is { ConnectionCount: 0, Explicit: null })
        {
            AddPlaceholder(mapping, now);
        }
    }

    private static bool IsAnswered(ConnectionState state) => state is not (ConnectionState.None or ConnectionState.Opening);

    /// <summary>
    /// A connection to nobody in particular: a mapping without any would never end. One of two TCP mappings of a client port is what a repeated SYN has left and goes soon.
    /// </summary>
    private void AddPlaceholder(int mapping, Instant now)
    {
        ref var record = ref _table.Mapping(mapping);
        var (protocol, endpoint) = (record.Id.Protocol, record.ClientEndpoint);
        var isSpare = protocol == TransportProtocol.Tcp && _table.CountOfClientEndpoint(record) > 1;
        var state = isSpare ? ConnectionState.Opening : ConnectionState.Established;
        var slot = _table.AddConnection(mapping, new FlowTuple(endpoint, TransportEndpoint.None, protocol), state, now);
        if (slot >= 0)
        {
            _idle.Schedule(slot, now + ConnectionTracker.IdleTimeout(_config, protocol, state));
        }
    }

    /// <summary>Gives a connection to another mapping of the same client endpoint.</summary>
    private int TakeOver(int slot, int mapping, ConnectionState state, Instant lastActivity, Instant now)
    {
        var tuple = _table.Connection(slot).Tuple;
        var loser = _table.Connection(slot).Mapping;
        _idle.Cancel(slot);
        _table.RemoveConnection(slot);
        if (_table.Mapping(loser) is { ConnectionCount: 0, Explicit: null })
        {
            AddPlaceholder(loser, now);
        }

        return _table.AddConnection(mapping, tuple, state, lastActivity);
    }

    /// <summary>After a stay elsewhere: mappings kept from an earlier stay that are in nobody's books any more have ended meanwhile.</summary>
    private void ForgetOutdated(int client, IReadOnlyList<MappingRecord> current, Instant now)
    {
        var live = new HashSet<MappingId>(current.Count);
        foreach (var record in current)
        {
            live.Add(record.Mapping);
        }

        for (var slot = _clients[client].FirstMapping; slot >= 0;)
        {
            var next = _table.Mapping(slot).NextOfClient;
            if (!live.Contains(_table.Mapping(slot).Id) && (_table.Mapping(slot).News & MappingNews.Changed) == 0)
            {
                RemoveMapping(slot, now);
            }

            slot = next;
        }
    }

    /// <summary>
    /// Mappings that this node has and the answer to an arrival does not list are announced: their HAMs hear of it, and disown what is gone. If there was no room for them in the
    /// answer, they are attached, for the move has taken their FAM endpoints from them.
    /// </summary>
    private void MarkUnlisted(int client, IReadOnlyList<MappingRecord> listed, Instant now)
    {
        if (_clients[client].FirstMapping < 0)
        {
            return;
        }

        var known = new HashSet<MappingId>(listed.Count);
        foreach (var record in listed)
        {
            known.Add(record.Mapping);
        }

        for (var slot = _clients[client].FirstMapping; slot >= 0; slot = _table.Mapping(slot).NextOfClient)
        {
            if (known.Contains(_table.Mapping(slot).Id))
            {
                continue;
            }

            if (_clients[client].Truncated)
            {
                AttachSoon(client, slot, now);
            }
            else
            {
                MarkDirty(slot, now);
            }
        }
    }

    /// <summary>A mapping has ended by what this FAM has seen: everybody else is told.</summary>
    private void EndMapping(int slot, Instant now)
    {
        var client = _table.Mapping(slot).Client;
        var id = _table.Mapping(slot).Id;
        var isUnheardOf = _table.Mapping(slot).IsUnheardOf || _table.Mapping(slot).IsUntranslated;
        if (_table.Mapping(slot).HamIsHere)
        {
            _anchor.Release(id, now);
        }

        RemoveMapping(slot, now);
        if (!isUnheardOf)
        {
            NoteEnded(client, id, now);
        }
    }

    /// <summary>Takes a mapping with its connections out of the table. A FAM endpoint of its own rests; the masquerade endpoint is the HAM's affair.</summary>
    private void RemoveMapping(int slot, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        while (mapping.FirstConnection >= 0)
        {
            var connection = mapping.FirstConnection;
            _idle.Cancel(connection);
            _table.RemoveConnection(connection);
        }

        _terms.Cancel(slot);
        var (protocol, fam, server, isOfPool) = (mapping.Id.Protocol, mapping.Fam, mapping.Id.Server, !mapping.HamIsHere && !mapping.IsUntranslated);
        if (!mapping.ReturnEndpoint.IsNone)
        {
            _pool.Release(protocol, mapping.ReturnEndpoint, now);
        }

        _table.RemoveMapping(slot);
        if (isOfPool)
        {
            _pool.Release(protocol, fam, server, now);
        }
    }
}
