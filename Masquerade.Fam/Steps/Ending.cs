using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>Connections end by their idle timers (the last moment of the model); a mapping ends with its last connection.</summary>
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
        ref var connection = ref _table.Connection(slot);
        var due = connection.LastActivity + ConnectionTracker.IdleTimeout(_config, connection.Tuple.Protocol, connection.State);
        if (due > now)
        {
            _idle.Schedule(slot, due);
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
        if (_table.Mapping(mapping).ConnectionCount == 0)
        {
            EndMapping(mapping, now);
        }
        else
        {
            MarkDirty(mapping, now);
        }
    }
}
