using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>Connections that pass without the engine: what has passed comes into their records before anybody reads these, and before they end.</summary>
internal sealed partial class FamTranslationTable
{
    private readonly bool _refreshesInbound;

    /// <summary>What passes packets without the engine; null: nothing does.</summary>
    public IFastPath? FastPath
    {
        get;
        set
        {
            field = value;
            if (value is not null)
            {
                value.Leaving = StopPassing;
            }
        }
    }

    /// <summary>Connections that pass and whose HAM is elsewhere.</summary>
    public SlotQueue Watched => field ??= new SlotQueue(_connections.Capacity);

    /// <summary>Brings a connection up to date with what has passed.</summary>
    public void TakePassed(int slot)
    {
        ref var connection = ref _connections[slot];
        if (!connection.Passes)
        {
            return;
        }

        ref var mapping = ref _mappings[connection.Mapping];
        ref var client = ref _clients[mapping.Client];
        var isTcp = connection.Tuple.Protocol == TransportProtocol.Tcp;
        var lastAnswer = Instant.Zero;
        if (FastPath!.TryTake(slot, toClient: true, out var passed))
        {
            lastAnswer = passed.Last;
            connection.PacketsIn += passed.Packets;
            client.Passed += new PassedOfClient(0, 0, passed.Packets, passed.Octets, Instant.Zero);
            mapping.Unanswered = 0;
            mapping.ProbeInterval = _probeInterval;
            connection.LastActivity = _refreshesInbound ? Instant.Max(connection.LastActivity, passed.Last) : connection.LastActivity;
            if (isTcp)
            {
                connection.Windows.Observe(passed.Acknowledged, passed.Window, fromClient: false);
            }
        }

        if (!FastPath.TryTake(slot, toClient: false, out passed))
        {
            return;
        }

        connection.PacketsOut += passed.Packets;
        client.Passed += new PassedOfClient(passed.Packets, passed.Octets, 0, 0, passed.Last);
        connection.LastActivity = Instant.Max(connection.LastActivity, passed.Last);
        client.LastSeen = Instant.Max(client.LastSeen, passed.Last);
        if (isTcp)
        {
            connection.Windows.Observe(passed.Acknowledged, passed.Window, fromClient: true);
        }

        if (passed.Last > lastAnswer)
        {
            mapping.UnansweredSince = mapping.Unanswered == 0 ? passed.Last : mapping.UnansweredSince;
            mapping.Unanswered = (int)Math.Min(mapping.Unanswered + passed.Packets, int.MaxValue);
        }
    }

    /// <summary>The engine must see every packet of a connection from now on.</summary>
    private void StopPassing(int slot)
    {
        ref var connection = ref _connections[slot];
        if (connection.Passes)
        {
            TakePassed(slot);
            FastPath!.Forget(slot);
            Watched.Remove(slot);
            connection.Passes = false;
        }
    }
}
