using System.Buffers.Binary;
using System.Security.Cryptography;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>
/// Whether the store may have forgotten something. Its incarnation stands in it, so an emptied Redis has none; a server that has become master may lack acknowledged writes, so a
/// new master means a new incarnation as well. All coordinators see the same one, and agents announce what they own when it changes.
/// </summary>
public sealed partial class RedisClientStore
{
    /// <summary>Records that could not be read make a new incarnation, at most this often.</summary>
    private static readonly TimeSpan LossInterval = TimeSpan.FromSeconds(10);

    private Task _watch = Task.CompletedTask;
    private ulong _incarnation;
    private int _lost;
    private int _looking;
    private long _losses;

    /// <inheritdoc/>
    public ulong Incarnation => Volatile.Read(ref _incarnation);

    /// <summary>Records and index entries that could not be read and were removed.</summary>
    public long Losses => Interlocked.Read(ref _losses);

    private void NoteLoss()
    {
        Interlocked.Increment(ref _losses);
        Interlocked.Exchange(ref _lost, 1);
    }

    private async Task WatchAsync()
    {
        var nextLoss = TimeSpan.Zero;
        var passed = TimeSpan.Zero;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(_options.WatchInterval, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            passed += _options.WatchInterval;
            var isLoss = passed >= nextLoss && Interlocked.Exchange(ref _lost, 0) == 1;
            nextLoss = isLoss ? passed + LossInterval : nextLoss;
            await ObserveAsync(isLoss).ConfigureAwait(false);
        }
    }

    /// <summary>Whether the store is what it was when it was last looked at; none if it is.</summary>
    private async Task<StoreFailure> WhyUnknownAsync()
    {
        var known = Incarnation;
        var reply = await _link.RunAsync(static (database, key) => database.StringGetAsync(key), _keys.Incarnation).ConfigureAwait(false);
        if (reply.Failure is not (StoreFailure.None or StoreFailure.Garbage))
        {
            return reply.Failure;
        }

        if (known != 0 && ulong.TryParse((string?)reply.Value, out var incarnation) && incarnation == known)
        {
            return StoreFailure.None;
        }

        if (Interlocked.Exchange(ref _looking, 1) == 0)
        {
            await ObserveAsync().ConfigureAwait(false);
            Volatile.Write(ref _looking, 0);
        }

        return StoreFailure.Forgotten;
    }

    private async Task ObserveAsync(bool isLoss = false)
    {
        var masters = Masters(await _link.ReplicationAsync().ConfigureAwait(false));
        if (masters.Length == 0)
        {
            return;
        }

        var fresh = BinaryPrimitives.ReadUInt64BigEndian(RandomNumberGenerator.GetBytes(8)) >> 1;
        var reply = await _link.RunAsync(
            Script.Observe, [_keys.Incarnation, _keys.Masters], [(long)Math.Max(1, fresh), isLoss ? "1" : "0", .. masters]).ConfigureAwait(false);
        if (reply.Failure == StoreFailure.None && ulong.TryParse((string?)reply.Value, out var incarnation))
        {
            Volatile.Write(ref _incarnation, incarnation);
        }
        else if (reply.Failure == StoreFailure.None)
        {
            Interlocked.Exchange(ref _lost, 1);
        }
    }

    /// <summary>The replication identities of the masters. A replica that is promoted takes a new one, and so does a server that starts.</summary>
    internal static RedisValue[] Masters(IReadOnlyList<string> replication)
    {
        var found = new List<RedisValue>();
        foreach (var text in replication)
        {
            var lines = text.Split('\n', StringSplitOptions.TrimEntries);
            const string Identity = "master_replid:";
            if (lines.Contains("role:master", StringComparer.Ordinal) && lines.FirstOrDefault(l => l.StartsWith(Identity, StringComparison.Ordinal)) is { } line)
            {
                found.Add(line[Identity.Length..]);
            }
        }

        return [.. found];
    }
}
