using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Addressing;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>
/// Clients' addresses in Redis: two hashes in one slot, so that each act is one script. A site's addresses are few and seldom asked for, compared with its connections. The clock is
/// the server's.
/// </summary>
public sealed class RedisAddressStore : IAddressStore
{
    private readonly RedisClientStore _store;
    private readonly RedisKey[] _keys;

    /// <summary>Uses the connection of a client store.</summary>
    public RedisAddressStore(RedisClientStore store)
    {
        _store = store;
        _keys = [store.Keys.Leases, store.Keys.LeaseHolders];
    }

    /// <inheritdoc/>
    public void Find(MacAddress client, Instant now, Action<LeaseResult> done) => _store.Answer(FindAsync(client), done);

    /// <inheritdoc/>
    public void Claim(MacAddress client, IReadOnlyList<IpAddress> candidates, TimeSpan atLeast, Instant now, Action<LeaseResult> done) =>
        _store.Answer(ClaimAsync(client, candidates, atLeast), done);

    /// <inheritdoc/>
    public void Release(MacAddress client, IpAddress address, TimeSpan quarantine, Instant now, Action<LeaseResult> done) =>
        _store.Answer(ReleaseAsync(client, address, quarantine), done);

    private static RedisValue Octets(MacAddress client)
    {
        var octets = new byte[6];
        client.WriteTo(octets);
        return octets;
    }

    private static RedisValue Octets(IpAddress address)
    {
        var octets = new byte[16];
        return octets.AsMemory(0, address.WriteTo(octets)).ToArray();
    }

    private async Task<LeaseResult> FindAsync(MacAddress client)
    {
        var reply = await _store.Link.RunAsync(static (database, ask) => database.HashGetAsync(ask.Key, ask.Field), (Key: _keys[1], Field: Octets(client))).ConfigureAwait(false);
        return await ResultAsync(reply.Failure, reply.Failure == StoreFailure.None ? (byte[]?)reply.Value : null).ConfigureAwait(false);
    }

    private async Task<LeaseResult> ClaimAsync(MacAddress client, IReadOnlyList<IpAddress> candidates, TimeSpan atLeast)
    {
        var reply = await _store.Link.RunAsync(Script.Lease, _keys, [Octets(client), (long)atLeast.TotalMilliseconds, .. candidates.Select(Octets)]).ConfigureAwait(false);
        return await ResultAsync(reply.Failure, reply.Failure == StoreFailure.None ? (byte[]?)reply.Value : null).ConfigureAwait(false);
    }

    private async Task<LeaseResult> ReleaseAsync(MacAddress client, IpAddress address, TimeSpan quarantine)
    {
        var reply = await _store.Link.RunAsync(Script.Release, _keys, [Octets(client), Octets(address), (long)quarantine.TotalMilliseconds]).ConfigureAwait(false);
        return reply.Failure == StoreFailure.None && (long)reply.Value == 1 ? new LeaseResult(address) : await ResultAsync(reply.Failure, null).ConfigureAwait(false);
    }

    /// <summary>Keys of the wrong type are removed, so that the next attempt succeeds. What is no address is none.</summary>
    private async Task<LeaseResult> ResultAsync(StoreFailure failure, byte[]? address)
    {
        if (failure == StoreFailure.Garbage)
        {
            await _store.RepairAsync(failure, _keys[0], "hash").ConfigureAwait(false);
            await _store.RepairAsync(failure, _keys[1], "hash").ConfigureAwait(false);
        }

        return new LeaseResult(address is null ? IpAddress.None : IpAddress.FromBytes(address), failure);
    }
}
