using System.Net;
using Masquerade.Coordinator.Tests.Redis;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>Reads all records of a site, and sees that the index agrees with them.</summary>
internal static class SiteReader
{
    public static async Task<Dictionary<MacAddress, ClientRecord>> ReadAsync(params RedisProcess[] redis)
    {
        var options = new RedisOptions { Endpoints = [.. redis.Select(r => (EndPoint)r.EndPoint)], Timeout = TimeSpan.FromSeconds(5) };
        await using var store = await RedisClientStore.ConnectAsync(options, completion => completion(), 0);
        return await Task.Run(() =>
        {
            var blocking = new BlockingStore(store);
            var records = new Dictionary<MacAddress, ClientRecord>();
            foreach (var client in blocking.Clients())
            {
                LoadResult loaded = default;
                blocking.Load(client, found => loaded = found);
                Assert.Equal(StoreFailure.None, loaded.Failure);
                records[client] = loaded.Found.Record!;
                foreach (var mapping in records[client].Mappings.Keys)
                {
                    Assert.True(blocking.TryFindOwner(mapping, out var owner), $"{mapping} of {client} is not claimed");
                    Assert.Equal(client, owner);
                }
            }

            return records;
        });
    }
}
