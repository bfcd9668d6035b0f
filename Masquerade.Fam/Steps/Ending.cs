using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>Connections end by their idle timers (the last moment of the model); a mapping ends with its last connection, unless it is explicit.</summary>
public sealed partial class FamEngine
{
    private void ExpireConnections(Instant now)
    {
        int count;
        do
        {
            count = _idle.Advance(now, _expired);
            for (var i = 0; i < count; i++)
            {
                ExpireOrPostpone(_expired[i], now);
            }
        }
        while (count == _expired.Length);
    }

    private void ExpireOrPostpone(int slot, Instant now)
    {
        _table.TakePassed(slot);
        ref var connection = ref _table.Connection(slot);
        var due = connection.LastActivity + ConnectionTracker.IdleTimeout(_config, connection.Tuple.Protocol, connection.State);
        if (due > now && _clients[_table.Mapping(connection.Mapping).Client].State == ClientState.Further)
        {
            ReportLife(slot, now);
            return;
        }

        if (due > now)
        {
            // It has lasted: the timer was set to look at just that.
            if (IsNewsToTell(connection) && _clients[_table.Mapping(connection.Mapping).Client].State is ClientState.Serving or ClientState.Away or ClientState.Arriving)
            {
                connection.IsToldEstablished = true;
                MarkDirty(connection.Mapping, now);
            }

            _idle.Schedule(slot, due);
            return;
        }

        if (_clients[_table.Mapping(connection.Mapping).Client].State == ClientState.Further)
        {
            _idle.Schedule(slot, now + _config.ForwardTime);
            return;
        }

        if (connection.Tuple.Protocol == TransportProtocol.Tcp && connection.State == ConnectionState.Established && !connection.Tuple.Destination.IsNone)
        {
            // Both ends may still be there: it rests like one that a RST has met, and any packet takes it up again (RFC 7857 figure 1, "TCP_EST T.O.").
            _table.SetState(slot, ConnectionState.Reset, seenHere: true);
            connection.LastActivity = now;
            _idle.Schedule(slot, now + _config.TcpClosingTimeout);
            return;
        }

        var mapping = connection.Mapping;
        var state = _clients[_table.Mapping(mapping).Client].State;
        if (state is ClientState.Superseded or ClientState.Departing or ClientState.Arriving)
        {
            // Not the owner (any more, or yet): the current FAM decides when it ends.
            _idle.Schedule(slot, now + _config.ForwardTime);
            return;
        }

        _table.RemoveConnection(slot);
        if (_table.Mapping(mapping) is { ConnectionCount: 0, Explicit: null })
        {
            EndMapping(mapping, now);
        }
        else
        {
            MarkDirty(mapping, now);
        }
    }
}
