using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>What has passed of a client past the engine.</summary>
/// <param name="PacketsFrom">Packets of the client.</param>
/// <param name="OctetsFrom">Octets of their IP packets.</param>
/// <param name="PacketsTo">Packets for the client.</param>
/// <param name="OctetsTo">Octets of their IP packets.</param>
/// <param name="LastFrom">When the last one of the client passed.</param>
public readonly record struct PassedOfClient(long PacketsFrom, long OctetsFrom, long PacketsTo, long OctetsTo, Instant LastFrom)
{
    /// <summary>Both together.</summary>
    public static PassedOfClient operator +(in PassedOfClient left, in PassedOfClient right) =>
        new(left.PacketsFrom + right.PacketsFrom, left.OctetsFrom + right.OctetsFrom, left.PacketsTo + right.PacketsTo, left.OctetsTo + right.OctetsTo, Instant.Max(left.LastFrom, right.LastFrom));
}

/// <summary>
/// Connections whose packets need not be looked at one by one (decision 47): established, by a client that is served here and nowhere else, judged by its present policy, not limited and not helped. They may pass without the engine;
/// what has passed is read out before a connection is judged by it.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>A connection that ends after fewer packets is not worth the trouble.</summary>
    private const int PassAfter = 8;

    /// <summary>How often connections that pass by a HAM elsewhere are asked whether their servers still answer.</summary>
    private static readonly TimeSpan s_watchInterval = TimeSpan.FromSeconds(1);

    private Instant _watchAt = Instant.Never;
    private int _letPass = -1;

    /// <summary>What passes packets without this engine; null: nothing does.</summary>
    public IFastPath? FastPath
    {
        get => _table.FastPath;
        init => _table.FastPath = value;
    }

    /// <summary>Told each second of connections by which packets have passed to a server and whose HAM is elsewhere: masquerade address, FAM address, server.</summary>
    public Action<IpAddress, IpAddress, IpAddress>? PassedByHamElsewhere { get; init; }

    /// <summary>Whether packets like the last one, which was passed on, may pass without the engine; if so, whose they are.</summary>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="client">The number of the client.</param>
    /// <param name="owner">The client.</param>
    public bool MayPass(out int connection, out int client, out MacAddress owner)
    {
        connection = _letPass;
        client = connection >= 0 ? _table.Mapping(_table.Connection(connection).Mapping).Client : -1;
        owner = client >= 0 ? _clients[client].Mac : MacAddress.None;
        _letPass = -1;
        return connection >= 0;
    }

    /// <summary>The way of a client's packets has changed: the engine must see each until it has let them pass again.</summary>
    /// <param name="mac">The client.</param>
    public void StopPassing(MacAddress mac)
    {
        if (FastPath is not null && _clients.Find(mac) is >= 0 and var client)
        {
            FastPath.Void(client);
        }
    }

    /// <summary>What has passed of a client past the engine since it was asked last.</summary>
    /// <param name="mac">The client.</param>
    public PassedOfClient TakePassed(MacAddress mac)
    {
        if (FastPath is null || _clients.Find(mac) is not (>= 0 and var client))
        {
            return default;
        }

        for (var mapping = _clients[client].FirstMapping; mapping >= 0; mapping = _table.Mapping(mapping).NextOfClient)
        {
            for (var slot = _table.Mapping(mapping).FirstConnection; slot >= 0; slot = _table.Connection(slot).NextOfMapping)
            {
                _table.TakePassed(slot);
            }
        }

        var passed = _clients[client].Passed;
        _clients[client].Passed = default;
        return passed;
    }

    private void LetPass(int slot, in FamMapping mapping, in FamConnection connection)
    {
        if (FastPath is null || _replaying || connection.PacketsOut + connection.PacketsIn < PassAfter || connection.State != ConnectionState.Established || connection.IsHelped || mapping.IsUntranslated)
        {
            return;
        }

        ref var client = ref _clients[mapping.Client];
        if (client.State == ClientState.Serving && client is { Gone: false, GetsCopies: false, Copies: null, LinkOverhead: 0 } && connection.Judged == client.PolicyGeneration)
        {
            _letPass = slot;
        }
    }

    /// <summary>Packets like the last one pass without the engine from now on.</summary>
    /// <param name="way">As the fast path has it.</param>
    public void Pass(in PassingWay way)
    {
        ref var connection = ref _table.Connection(way.Connection);
        FastPath!.Offer(way);

        // To make room another way may have had to go, and that may have been this connection's other one.
        connection.Passes = true;
        if (!_table.Mapping(connection.Mapping).HamIsHere)
        {
            _table.Watched.Enqueue(way.Connection);
            _watchAt = _watchAt == Instant.Never ? connection.LastActivity + s_watchInterval : _watchAt;
        }
    }

    /// <summary>Asks for the way back of connections that pass and hear nothing, as the engine does by packets that it sees.</summary>
    private void WatchPassing(Instant now)
    {
        if (now < _watchAt)
        {
            return;
        }

        for (var left = _table.Watched.Count; left > 0 && _table.Watched.TryDequeue(out var slot); left--)
        {
            ref var connection = ref _table.Connection(slot);
            var before = connection.PacketsOut;
            _table.TakePassed(slot);
            _table.Watched.Enqueue(slot);
            var number = connection.Mapping;
            ref var mapping = ref _table.Mapping(number);
            if (connection.PacketsOut != before)
            {
                PassedByHamElsewhere?.Invoke(mapping.Id.Masquerade.Address, mapping.Fam.Address, connection.Tuple.Destination.Address);
            }

            if (mapping.Unanswered >= ProbeAfterPackets && now - mapping.UnansweredSince >= mapping.ProbeInterval)
            {
                ProbeWayBack(number, now);
            }
        }

        _watchAt = _table.Watched.Count > 0 ? now + s_watchInterval : Instant.Never;
    }

    /// <summary>Where a client stands decides how its packets go.</summary>
    private void SetState(int client, ClientState state)
    {
        _clients[client].State = state;
        FastPath?.Void(client);
    }
}
