using System.Security.Cryptography;
using System.Threading.Channels;
using Masquerade.RoamingCoordinator.Api.Metrics;
using Masquerade.RoamingCoordinator.Redis;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>A store that other coordinators use too, and those coordinators.</summary>
internal sealed class SharedStore : IAsyncDisposable
{
    private SharedStore(RedisClientStore store, RedisPeers peers, RedisUserBook users, ulong life)
    {
        Store = store;
        Addresses = new RedisAddressStore(store);
        Peers = peers;
        Users = users;
        Life = life;
    }

    public RedisClientStore Store { get; }

    /// <summary>Where clients' addresses are.</summary>
    public RedisAddressStore Addresses { get; }

    public RedisPeers Peers { get; }

    /// <summary>Who is denied and which policies hold.</summary>
    public RedisUserBook Users { get; }

    /// <summary>A number that no other coordinator has or had.</summary>
    public ulong Life { get; }

    public static async Task<SharedStore> ConnectAsync(RedisOptions options, ChannelWriter<SessionInput> loop, ulong origin)
    {
        // No completion may be lost: where the loop's queue is full it waits. There are never more than the store has questions under way.
        void Post(Action completion)
        {
            var answer = new StoreAnswered(completion);
            if (!loop.TryWrite(answer))
            {
                _ = WaitAsync(loop, answer);
            }
        }

        var life = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;
        var store = await RedisClientStore.ConnectAsync(options, Post, origin).ConfigureAwait(false);
        var peers = new RedisPeers(store, options, life, Post);
        return new SharedStore(store, peers, new RedisUserBook(store, peers, options), life);
    }

    /// <summary>How the link to the store stands, as figures.</summary>
    public void Measure(MetricsSnapshot metrics)
    {
        metrics.Gauge("masq_store_requests_in_flight", "Commands that wait for an answer of Redis.", Store.InFlight);
        metrics.Counter("masq_store_unreadable_total", "Records and index entries that could not be read and were removed.", Store.Losses);
    }

    public async ValueTask DisposeAsync()
    {
        await Peers.DisposeAsync().ConfigureAwait(false);
        await Store.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task WaitAsync(ChannelWriter<SessionInput> loop, StoreAnswered answer) => await loop.WriteAsync(answer).ConfigureAwait(false);
}
