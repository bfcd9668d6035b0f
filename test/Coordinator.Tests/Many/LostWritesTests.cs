using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>
/// A Redis that comes back without the last k writes that it had acknowledged: after the agents have said anew what they own and serve, every masquerade endpoint has one client,
/// the one that its HAM says, and the newest FAM is right.
/// </summary>
public sealed class LostWritesTests(ITestOutputHelper output)
{
    private const int Clients = 6;
    private const int Agents = 3;

    [Fact]
    [Trait("Req", "A-16")]
    public async Task A_store_that_has_lost_its_last_writes_is_put_right_by_the_agents()
    {
        var random = Seed.Fresh(output);
        using var redis = new RedisProcess();
        using var coordinator = new CoordinatorProcess("c", [redis.EndPoint]);
        await coordinator.WaitAsync();
        var site = new Site(coordinator, random);
        for (var i = 0; i < 40; i++)
        {
            await site.StepAsync();
        }

        foreach (var lost in new[] { 1, 2, 3, 5, 8, 13, 21, 34, 55 })
        {
            redis.Command("SAVE");
            for (var i = 0; i < lost; i++)
            {
                await site.StepAsync();
            }

            var welcomes = site.Welcomes;
            redis.Kill();
            redis.Start();
            await site.UntilToldAsync(welcomes, coordinator);
            await site.CheckAsync(redis, $"{lost} steps lost");
            output.WriteLine($"{lost} steps lost: right again");
        }

        await site.DisposeAsync();
    }

    [Fact]
    [Trait("Req", "A-16")]
    public async Task A_redis_that_was_emptied_is_whole_again()
    {
        using var redis = new RedisProcess();
        using var coordinator = new CoordinatorProcess("c", [redis.EndPoint]);
        await coordinator.WaitAsync();
        var site = new Site(coordinator, Seed.Fresh(output));
        for (var i = 0; i < 60; i++)
        {
            await site.StepAsync();
        }

        var before = await site.ReadAsync(redis);
        var welcomes = site.Welcomes;
        redis.Command("FLUSHALL");
        await site.UntilToldAsync(welcomes, coordinator);
        await site.CheckAsync(redis, "emptied");

        // Record by record: what is served or anchored by anybody is there as it was.
        var after = await site.ReadAsync(redis);
        foreach (var (client, record) in before.Where(b => !b.Value.Fam.IsNone))
        {
            Assert.Equal((record.Epoch, record.Fam), (after[client].Epoch, after[client].Fam));
            Assert.Equal(record.Mappings.Keys.ToHashSet(), after[client].Mappings.Keys.ToHashSet());
        }

        await site.DisposeAsync();
    }

    /// <summary>Three access points and a few clients that move, open and close connections; ports are used again soon, by whoever comes.</summary>
    internal sealed class Site(CoordinatorProcess coordinator, SeededRandom random) : IAsyncDisposable
    {
        private readonly PlayedAgent[] _agents = [.. Enumerable.Range(1, Agents).Select(i => new PlayedAgent((ulong)i, [coordinator.EndPoint], 0))];
        private readonly Dictionary<MacAddress, int> _at = [];
        private readonly Dictionary<MappingId, (MacAddress Client, int Ham)> _open = [];
        private int _nextFamPort = 20_000;

        public int Welcomes => _agents.Min(a => a.Welcomes);

        public async Task StepAsync()
        {
            var client = new MacAddress(0x0200_0000_0200 + (ulong)random.NextInt(Clients));
            if (!_at.TryGetValue(client, out var at) || random.Chance(0.3))
            {
                at = random.NextInt(Agents);
                _at[client] = at;
                _nextFamPort = _nextFamPort > 60_000 ? 20_000 : _nextFamPort + 16;
                await _agents[at].ArriveAsync(client, [.. Enumerable.Range(_nextFamPort, 16)]);
            }
            else if (_open.Count(o => o.Value.Client == client) > 4 || random.Chance(0.35))
            {
                // Of a client's connections only those that are anchored where it is are ended here, so that the port can be used again at once.
                foreach (var (mapping, _) in _open.Where(o => o.Value == (client, at)).Take(1).ToArray())
                {
                    await _agents[at].CloseAsync(client, mapping);
                    _open.Remove(mapping);
                }
            }
            else
            {
                var port = 5_000 + random.NextInt(12);
                var id = CoordinatorBench.Mapping((ulong)at + 1, port, 1).Mapping;
                if (!_open.ContainsKey(id) && _agents[at].Serves(client, out _))
                {
                    Assert.Equal(id, await _agents[at].OpenAsync(client, port));
                    _open[id] = (client, at);
                }
            }
        }

        public Task UntilToldAsync(int welcomes, CoordinatorProcess process) =>
            Wait.ForAsync(() => Welcomes > welcomes && _agents.All(a => a.IsQuiet), () => $"the agents are not told: {process.Log}", seconds: 40);

        public Task<Dictionary<MacAddress, RoamingCoordinator.ClientRecord>> ReadAsync(params RedisProcess[] redis) => SiteReader.ReadAsync(redis);

        public Task CheckAsync(RedisProcess redis, string when) => CheckAsync([redis], when);

        public async Task CheckAsync(RedisProcess[] redis, string when)
        {
            var records = await SiteReader.ReadAsync(redis);
            var owners = new Dictionary<MappingId, MacAddress>();
            foreach (var (client, record) in records)
            {
                foreach (var id in record.Mappings.Keys)
                {
                    Assert.True(owners.TryAdd(id, client), $"{when}: {id} is owned by {client} and {owners.GetValueOrDefault(id)}");
                }
            }

            foreach (var (id, (client, _)) in _open)
            {
                Assert.True(owners.TryGetValue(id, out var owner) && owner == client, $"{when}: {id} is {client}'s, and the store says {owners.GetValueOrDefault(id)}");
            }

            foreach (var (client, at) in _at)
            {
                Assert.Equal(CoordinatorBench.Name((ulong)at + 1), records[client].Fam);
                Assert.True(_agents[at].Serves(client, out var epoch));
                Assert.Equal(epoch, records[client].Epoch);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var agent in _agents)
            {
                await agent.DisposeAsync();
            }
        }
    }
}
