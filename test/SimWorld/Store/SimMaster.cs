using System.Collections.Immutable;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.Store;

/// <summary>A key: what has the same tag is in the same part of the cluster.</summary>
internal readonly record struct StoreKey(string Tag, string Name);

/// <summary>An answer of the store, or why there is none.</summary>
internal readonly record struct SimReply<T>(T Value, StoreFailure Failure);

/// <summary>
/// One server's data, and what they were before each of the last commands that wrote: a replica that takes its place may be some commands behind. Values are immutable, so that
/// to remember costs nothing.
/// </summary>
internal sealed class SimMaster
{
    private const int Remembered = 64;

    private readonly Queue<ImmutableDictionary<StoreKey, Entry>> _before = new();
    private ImmutableDictionary<StoreKey, Entry> _data;

    private SimMaster(ulong identity, ImmutableDictionary<StoreKey, Entry> data, TimeSpan skew)
    {
        Identity = identity;
        _data = data;
        Skew = skew;
    }

    /// <summary>The replication identity: another one whenever a server starts or becomes master.</summary>
    public ulong Identity { get; }

    /// <summary>How far its clock is ahead.</summary>
    public TimeSpan Skew { get; }

    public bool IsUp { get; set; } = true;

    public Instant Now { get; private set; }

    public static SimMaster Empty(ulong identity) => new(identity, ImmutableDictionary<StoreKey, Entry>.Empty, TimeSpan.Zero);

    /// <summary>A server with this one's data, but for the last commands that wrote.</summary>
    public SimMaster Successor(ulong identity, int lost, TimeSpan skew) =>
        new(identity, lost == 0 || _before.Count == 0 ? _data : _before.ElementAt(Math.Max(0, _before.Count - lost)), skew);

    /// <summary>Runs a command, which is atomic.</summary>
    public T Execute<T>(Func<SimMaster, T> command, Instant now)
    {
        Now = now;
        var before = _data;
        var answer = command(this);
        if (!ReferenceEquals(before, _data))
        {
            _before.Enqueue(before);
            if (_before.Count > Remembered)
            {
                _before.Dequeue();
            }
        }

        return answer;
    }

    /// <summary>A value; null if there is none, or nobody has renewed it in time.</summary>
    public T? Get<T>(StoreKey key)
        where T : class => _data.TryGetValue(key, out var entry) && entry.Expires > Now ? (T)entry.Value : null;

    public void Set(StoreKey key, object value, TimeSpan lease) => _data = _data.SetItem(key, new Entry(value, Now + lease));

    public void Set(StoreKey key, object value) => _data = _data.SetItem(key, new Entry(value, _data.TryGetValue(key, out var entry) ? entry.Expires : Instant.Never));

    public void Remove(StoreKey key) => _data = _data.Remove(key);

    public bool Clear()
    {
        _data = _data.Clear();
        return true;
    }

    /// <summary>The values of a type, in the order of their keys.</summary>
    public IEnumerable<(StoreKey Key, T Value)> All<T>(Instant now)
        where T : class => _data.Where(e => e.Value.Expires > now && e.Value.Value is T)
            .OrderBy(e => e.Key.Tag, StringComparer.Ordinal).ThenBy(e => e.Key.Name, StringComparer.Ordinal)
            .Select(e => (e.Key, (T)e.Value.Value));

    public sealed record Entry(object Value, Instant Expires);
}
