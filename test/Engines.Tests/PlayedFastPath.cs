using Masquerade.Core.FastPath;
using Masquerade.Core.Time;

namespace Masquerade.Engines.Tests;

/// <summary>A fast path by hand: it writes down what the engine says, and what has passed is what the test says.</summary>
internal sealed class PlayedFastPath : IFastPath
{
    private readonly Dictionary<(int Connection, bool ToClient), (PassingWay Way, int Generation)> _ways = [];
    private readonly Dictionary<(int Connection, bool ToClient), PassedPackets> _passed = [];
    private readonly Dictionary<int, int> _generations = [];

    public Action<int>? Leaving { get; set; }

    /// <summary>Ways by which packets pass now.</summary>
    public IReadOnlyList<PassingWay> Ways => [.. _ways.Values.Where(w => w.Generation == _generations.GetValueOrDefault(w.Way.Client)).Select(w => w.Way)];

    /// <summary>Packets pass by every way in one direction.</summary>
    public void Pass(bool toClient, Instant at, int packets = 1, uint acknowledged = 0, ushort window = 0)
    {
        foreach (var way in Ways.Where(w => w.ToClient == toClient))
        {
            var before = _passed.GetValueOrDefault((way.Connection, toClient));
            _passed[(way.Connection, toClient)] = new PassedPackets(before.Packets + packets, before.Octets + (100 * packets), at, acknowledged, window);
        }
    }

    /// <summary>Happens when a way is offered, before it is taken.</summary>
    public Action<PassingWay>? Offered { get; set; }

    public void Offer(in PassingWay way)
    {
        Offered?.Invoke(way);
        _ways[(way.Connection, way.ToClient)] = (way, _generations.GetValueOrDefault(way.Client));
    }

    public void Void(int client) => _generations[client] = _generations.GetValueOrDefault(client) + 1;

    public void VoidAll() => Clear();

    public void Clear() => _ways.Clear();

    public void Forget(int connection)
    {
        foreach (var toClient in (bool[])[false, true])
        {
            _ways.Remove((connection, toClient));
            _passed.Remove((connection, toClient));
        }
    }

    public bool TryTake(int connection, bool toClient, out PassedPackets passed) => _passed.Remove((connection, toClient), out passed);
}
