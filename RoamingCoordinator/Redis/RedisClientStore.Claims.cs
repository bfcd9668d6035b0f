using Masquerade.Core.Flow;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>The index of masquerade endpoints.</summary>
public sealed partial class RedisClientStore
{
    private async Task<EndpointClaim?> FindClaimAsync(MappingId mapping)
    {
        var claims = await SeeAsync([mapping]).ConfigureAwait(false);
        return claims.Count > 0 ? claims[0] : null;
    }

    /// <summary>Claims mappings for a client; bucket by bucket, side by side.</summary>
    private async Task<SetResult> ClaimAsync(MacAddress client, ulong ticket, MappingId[] mappings)
    {
        if (mappings.Length == 0)
        {
            return new SetResult(StoreOutcome.Stored);
        }

        RedisValue claim = RedisKeys.Claim(client, ticket);
        var lease = (long)_options.Lease.TotalMilliseconds;
        var groups = Grouped(mappings);
        var replies = await Task.WhenAll(groups.Select(g => _link.RunAsync(Script.Claim, [g.Key], [claim, lease, .. g.Value.Select(RedisKeys.Field)]))).ConfigureAwait(false);
        List<EndpointClaim>? taken = null;
        for (var i = 0; i < replies.Length; i++)
        {
            var (key, ids) = groups[i];
            if (replies[i].Failure != StoreFailure.None)
            {
                return new SetResult(StoreOutcome.Failed, await RepairAsync(replies[i].Failure, key, "hash").ConfigureAwait(false));
            }

            var pairs = (RedisValue[]?)replies[i].Value ?? [];
            for (var p = 0; p + 1 < pairs.Length; p += 2)
            {
                var field = pairs[p];
                if (RedisKeys.ReadClaim(ids.First(m => RedisKeys.Field(m) == field), pairs[p + 1]) is { } other)
                {
                    (taken ??= []).Add(other);
                }
            }
        }

        return taken is null ? new SetResult(StoreOutcome.Stored) : new SetResult(StoreOutcome.Taken, Claims: taken);
    }

    /// <summary>The claims on mappings, as far as there are any and they can be read.</summary>
    private async Task<IReadOnlyList<EndpointClaim>> SeeAsync(MappingId[] mappings)
    {
        if (mappings.Length == 0)
        {
            return [];
        }

        var groups = Grouped(mappings);
        var replies = await Task.WhenAll(groups.Select(g => _link.RunAsync(
            static (database, a) => database.HashGetAsync(a.Key, a.Fields), (g.Key, Fields: g.Value.Select(RedisKeys.Field).ToArray())))).ConfigureAwait(false);
        var claims = new List<EndpointClaim>();
        for (var i = 0; i < replies.Length; i++)
        {
            for (var f = 0; replies[i].Value is { } values && f < values.Length; f++)
            {
                if (RedisKeys.ReadClaim(groups[i].Value[f], values[f]) is { } claim)
                {
                    claims.Add(claim);
                }
            }
        }

        return claims;
    }

    /// <summary>Gives claims up. If that fails they stay, and whoever runs into them settles it.</summary>
    private Task WithdrawAsync(EndpointClaim[] claims) => claims.Length == 0 ? Task.CompletedTask : Task.WhenAll(
        claims.GroupBy(c => _keys.Bucket(c.Mapping)).Select(g => _link.RunAsync(
            Script.Withdraw, [g.Key], [.. g.SelectMany(c => new RedisValue[] { RedisKeys.Field(c.Mapping), RedisKeys.Claim(c.Client, c.Ticket) })])));

    private KeyValuePair<RedisKey, MappingId[]>[] Grouped(MappingId[] mappings) => mappings.Length == 1
        ? [new(_keys.Bucket(mappings[0]), mappings)]
        : [.. mappings.GroupBy(_keys.Bucket).Select(g => new KeyValuePair<RedisKey, MappingId[]>(g.Key, [.. g]))];
}
