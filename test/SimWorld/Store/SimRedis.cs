using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Store;

/// <summary>
/// A Redis, or a cluster of several parts, that all coordinators of a site share. A part can be away for a while and come back as a server that lacks the last commands which the
/// one before had acknowledged. Published messages come at most once.
/// </summary>
internal sealed class SimRedis
{
    /// <summary>Unix time when the world begins, in milliseconds.</summary>
    public const ulong Epoch = 1_000_000_000;

    private readonly SimMaster[] _masters;
    private readonly List<(SimStoreLink Link, ulong Channel, Action<object> Hear)> _subscriptions = [];

    private readonly HashSet<int> _failing = [];

    public SimRedis(SimNetwork network, int parts)
    {
        Network = network;
        Random = new SeededRandom(network.Seed ^ 0x5707_AE00);
        _masters = [.. Enumerable.Range(0, parts).Select(_ => SimMaster.Empty(Random.NextUInt64()))];
    }

    public SimNetwork Network { get; }

    public SeededRandom Random { get; }

    public int Parts => _masters.Length;

    /// <summary>How often a part has come back with less than it had acknowledged, or may have.</summary>
    public int FailOvers { get; private set; }

    /// <summary>When the store was last away, or some of its parts.</summary>
    public Instant TroubleAt { get; private set; } = new(long.MinValue / 2);

    /// <summary>Called for each record that the present master of its part has taken: before and after.</summary>
    public Action<StoreKey, StoredRecord>? OnRecord { get; set; }

    public Action? OnFailOver { get; set; }

    public SimMaster Master(int part) => _masters[part];

    public int PartOf(StoreKey key)
    {
        var hash = 2_166_136_261U;
        foreach (var c in key.Tag)
        {
            hash = (hash ^ c) * 16_777_619;
        }

        return (int)((hash ^ (hash >> 15)) % (uint)_masters.Length);
    }

    /// <summary>What the present masters hold.</summary>
    public IEnumerable<(StoreKey Key, T Value)> All<T>()
        where T : class => _masters.SelectMany(m => m.All<T>(Network.Now)).OrderBy(e => e.Key.Tag, StringComparer.Ordinal).ThenBy(e => e.Key.Name, StringComparer.Ordinal);

    /// <summary>
    /// The master of a part fails. After <paramref name="away"/> another server takes its place, without the last <paramref name="lost"/> commands that wrote. If it
    /// <paramref name="lingers"/>, it is only cut off from the other servers, and goes on until then, as a cluster's node does; what it is told meanwhile is lost as well.
    /// </summary>
    public void FailOver(int part, TimeSpan away, int lost, bool lingers = false)
    {
        var old = _masters[part];
        if (!old.IsUp || _failing.Contains(part))
        {
            return;
        }

        _failing.Add(part);
        var successor = old.Successor(Random.NextUInt64(), lost, TimeSpan.FromMilliseconds(Random.NextInt(20)));
        Network.Chronicle.Note(Network.Now, "store", "store", $"part {part} fails for {away}, {lost} writes lost{(lingers ? ", and all until then" : string.Empty)}");
        old.IsUp = lingers;
        FailOvers++;
        TroubleAt = Network.Now;
        Network.At(away, () =>
        {
            old.IsUp = false;
            TroubleAt = Network.Now;
            _failing.Remove(part);
            _masters[part] = successor;
            OnFailOver?.Invoke();
        });
    }

    /// <summary>All is gone, the incarnation as well.</summary>
    public void Empty()
    {
        Network.Chronicle.Note(Network.Now, "store", "store", "is emptied");
        FailOvers++;
        TroubleAt = Network.Now;
        for (var part = 0; part < _masters.Length; part++)
        {
            _masters[part].Execute(m => m.Clear(), Network.Now);
        }

        OnFailOver?.Invoke();
    }

    public void NoteTrouble() => TroubleAt = Network.Now;

    /// <summary>A coordinator listens; its subscriptions end with its link.</summary>
    public void Subscribe(SimStoreLink link, ulong channel, Action<object> hear) => _subscriptions.Add((link, channel, hear));

    public void Unsubscribe(SimStoreLink link) => _subscriptions.RemoveAll(s => s.Link == link);

    /// <summary>A message is at the server: it goes to whoever listens, if it can.</summary>
    public void Publish(ulong channel, object frame)
    {
        foreach (var (link, _, hear) in _subscriptions.Where(s => s.Channel == channel).ToList())
        {
            link.Hear(() => hear(frame));
        }
    }
}
