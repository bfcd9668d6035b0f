using System.Diagnostics;
using Masquerade.Coordinator.Tests.Redis;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>Several masq-coordinator processes over one Redis, and access points that are connected to different ones.</summary>
[Collection(Alone.Name)]
public sealed class ManyCoordinatorsTests(ITestOutputHelper output)
{
    private static readonly TimeSpan MostDelay = TimeSpan.FromSeconds(2);

    [Fact]
    [Trait("Req", "A-13")]
    public async Task A_push_reaches_a_node_wherever_it_is_connected()
    {
        using var redis = new RedisProcess();
        using var north = new CoordinatorProcess("north", [redis.EndPoint]);
        using var south = new CoordinatorProcess("south", [redis.EndPoint]);
        await Task.WhenAll(north.WaitAsync(), south.WaitAsync());
        await using var first = new PlayedAgent(1, [north.EndPoint], 0);
        await using var second = new PlayedAgent(2, [south.EndPoint], 0);
        await first.ArriveAsync(Client);
        var mapping = await first.OpenAsync(Client, 5_000);
        var reply = await second.ArriveAsync(Client, 6_000);
        Assert.Equal(At(2, 6_000), Assert.Single(reply.Mappings).FamEndpoint);
        await UntilAsync(() => first.WayOf(mapping) == At(2, 6_000), "the HAM is told by way of the other coordinator");
        Assert.False(first.Serves(Client, out _));
    }

    /// <summary>Redis ends the connections over which coordinators hear each other: they subscribe anew, and a push is not long in coming.</summary>
    [Fact]
    [Trait("Req", "A-13")]
    public async Task A_push_arrives_although_the_coordinators_lose_their_subscriptions()
    {
        using var redis = new RedisProcess();
        using var north = new CoordinatorProcess("north", [redis.EndPoint]);
        using var south = new CoordinatorProcess("south", [redis.EndPoint]);
        await Task.WhenAll(north.WaitAsync(), south.WaitAsync());
        await using var first = new PlayedAgent(1, [north.EndPoint], 0);
        await using var second = new PlayedAgent(2, [south.EndPoint], 0);
        await first.ArriveAsync(Client);
        var mapping = await first.OpenAsync(Client, 5_000);
        for (var i = 0; i < 5; i++)
        {
            redis.Command("CLIENT", "KILL", "TYPE", "pubsub");
            var (here, there) = i % 2 == 0 ? (second, first) : (first, second);
            var reply = await here.ArriveAsync(Client, 6_000 + i);
            var fam = Assert.Single(reply.Mappings).FamEndpoint;
            await UntilAsync(() => here == first || first.WayOf(mapping) == fam, "the HAM is told by way of the other coordinator");
            await UntilAsync(() => !there.Serves(Client, out _), "the previous FAM is told by way of the other coordinator");
        }
    }

    /// <summary>Roams go on while one coordinator after the other is killed: no binding is lost, and none takes longer than 2 s.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public async Task Killing_any_coordinator_loses_no_binding_and_delays_roams_by_2_s_at_most()
    {
        const int Clients = 4;
        const int Rounds = 12;
        using var redis = new RedisProcess();
        var coordinators = Enumerable.Range(0, 3).Select(i => new CoordinatorProcess($"c{i}", [redis.EndPoint])).ToArray();
        try
        {
            await Task.WhenAll(coordinators.Select(c => c.WaitAsync()));
            var endpoints = coordinators.Select(c => c.EndPoint).ToArray();
            PlayedAgent[] agents = [.. Enumerable.Range(0, 3).Select(i => new PlayedAgent((ulong)i + 1, endpoints, i))];
            var clients = Enumerable.Range(0, Clients).Select(i => new MacAddress(0x0200_0000_0100 + (ulong)i)).ToArray();
            var anchors = new Dictionary<MacAddress, List<(PlayedAgent Ham, MappingId Mapping)>>();
            var delays = new List<TimeSpan>();
            for (var i = 0; i < Clients; i++)
            {
                await agents[i % 3].ArriveAsync(clients[i]);
                anchors[clients[i]] = [(agents[i % 3], await agents[i % 3].OpenAsync(clients[i], 5_000 + i))];
            }

            for (var round = 1; round <= Rounds; round++)
            {
                var victim = coordinators[round % 3];
                var isKilled = round % 2 == 0;
                var killing = isKilled ? Task.Run(async () =>
                {
                    await Task.Delay(Random.Shared.Next(20));
                    victim.Kill();
                }) : Task.CompletedTask;
                delays.AddRange(await Task.WhenAll(clients.Select((client, i) => RoamAsync(client, agents[(i + round) % 3], 6_000 + (round * 16) + (i * 2), anchors[client]))));
                if (round % 4 == 0)
                {
                    for (var i = 0; i < Clients; i++)
                    {
                        var here = agents[(i + round) % 3];
                        anchors[clients[i]].Add((here, await here.OpenAsync(clients[i], 7_000 + (round * 16) + i)));
                    }
                }

                await killing;
                if (isKilled)
                {
                    victim.Start();
                    await victim.WaitAsync();
                }
            }

            output.WriteLine($"{delays.Count} roams, {Rounds / 2} coordinators killed: median {Median(delays).TotalMilliseconds:f1} ms, longest {delays.Max().TotalMilliseconds:f0} ms");
            Assert.True(delays.Max() < MostDelay, $"a roam took {delays.Max()}; {string.Join(Environment.NewLine, coordinators.Select(c => c.Log))}");
            await CheckBindingsAsync(redis, clients, anchors, client => (ulong)((Array.IndexOf(clients, client) + Rounds) % 3) + 1);
            foreach (var agent in agents)
            {
                await agent.DisposeAsync();
            }
        }
        finally
        {
            foreach (var coordinator in coordinators)
            {
                coordinator.Dispose();
            }
        }
    }

    /// <summary>A roam is over when the new FAM has its answer and every HAM knows the new way.</summary>
    private static async Task<TimeSpan> RoamAsync(MacAddress client, PlayedAgent to, int port, List<(PlayedAgent Ham, MappingId Mapping)> anchors)
    {
        var begin = Stopwatch.GetTimestamp();
        var reply = await to.ArriveAsync(client, [.. Enumerable.Range(port, 8)]);
        Assert.Equal(AckStatus.Ok, reply.Status);
        Assert.Equal(anchors.Count, reply.Mappings.Count);
        foreach (var (ham, mapping) in anchors)
        {
            var fam = reply.Mappings.Single(m => m.Mapping == mapping).FamEndpoint;
            await UntilAsync(() => ham == to || ham.WayOf(mapping) == fam, $"{mapping} goes to {fam}");
        }

        return Stopwatch.GetElapsedTime(begin);
    }

    private static async Task CheckBindingsAsync(
        RedisProcess redis, MacAddress[] clients, Dictionary<MacAddress, List<(PlayedAgent Ham, MappingId Mapping)>> anchors, Func<MacAddress, ulong> fam)
    {
        await using var store = await RedisClientStore.ConnectAsync(new RedisOptions { Endpoints = [redis.EndPoint], Timeout = TimeSpan.FromSeconds(5) }, completion => completion(), 0);
        var blocking = new BlockingStore(store);
        foreach (var client in clients)
        {
            LoadResult loaded = default;
            blocking.Load(client, found => loaded = found);
            Assert.Equal(StoreFailure.None, loaded.Failure);
            var record = loaded.Found.Record!;
            Assert.Equal(Name(fam(client)), record.Fam);
            Assert.Equal(anchors[client].Select(a => a.Mapping).ToHashSet(), record.Mappings.Keys.ToHashSet());
            foreach (var mapping in record.Mappings.Keys)
            {
                Assert.True(blocking.TryFindOwner(mapping, out var owner));
                Assert.Equal(client, owner);
            }
        }
    }

    private static Task UntilAsync(Func<bool> isSo, string what) => Wait.ForAsync(isSo, () => $"in vain: {what}", every: 2);

    private static TimeSpan Median(List<TimeSpan> times) => times.Order().ElementAt(times.Count / 2);
}
