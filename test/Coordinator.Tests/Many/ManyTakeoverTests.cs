using System.Diagnostics;
using System.Net;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>A failed access point's addresses move although several coordinators share the store, and whichever of them dies meanwhile.</summary>
[Collection(Alone.Name)]
public sealed class ManyTakeoverTests(ITestOutputHelper output) : IAsyncLifetime, IDisposable
{
    private static readonly string[] Names = ["north", "south", "west"];
    private readonly RedisProcess _redis = new();
    private readonly PlayedUplink _uplink = new();
    private readonly List<CoordinatorProcess> _coordinators = [];
    private readonly Dictionary<ulong, PlayedAgent> _agents = [];

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _coordinators.AddRange(Names.Select(name => new CoordinatorProcess(name, [_redis.EndPoint])));
        await Task.WhenAll(_coordinators.Select(c => c.WaitAsync()));
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        // What outlived the test would dial its Redis, and find that of another test there.
        foreach (var coordinator in _coordinators)
        {
            output.WriteLine(coordinator.Log);
            coordinator.Dispose();
        }

        foreach (var agent in _agents.Values)
        {
            await agent.DisposeAsync();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _redis.Dispose();

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public async Task A_failed_node_is_replaced_by_one_that_is_connected_to_another_coordinator()
    {
        var (mapping, fam) = await SiteAsync();
        var begin = Stopwatch.GetTimestamp();
        await FailAsync(1);
        await UntilAsync(() => _agents[3].Owns(Address(1)) && _agents[3].IsSettled(Address(1)), "ap3 has the address and knows all");
        output.WriteLine($"taken over and settled after {Stopwatch.GetElapsedTime(begin).TotalMilliseconds:f0} ms");
        Assert.True(_agents[3].Anchors(mapping));
        Assert.Equal(fam, _agents[3].WayOf(mapping));
        await UntilAsync(() => _agents[2].HamOf(Client, mapping) == Ap3, "the FAM knows the new HAM");
        Assert.Equal(Ap3, Assert.Single((await SiteReader.ReadAsync(_redis))[Client].Mappings.Values).Record.Ham);

        // It comes back, to the third coordinator: it has nothing of its own at first, and then all again.
        Start(1, first: 2, incarnation: 2);
        await UntilAsync(() => _agents[1].Fenced + _agents[1].Welcomes > 0 && !_agents[1].Owns(Address(1)), "it is told that its address is another's");
        await UntilAsync(() => _agents[1].Owns(Address(1)) && _agents[1].Anchors(mapping), "it gets its address and its mapping back");
        await UntilAsync(() => !_agents[3].Owns(Address(1)), "ap3 gives it up");
        Assert.Equal(fam, _agents[1].WayOf(mapping));
        await UntilAsync(() => _agents[2].HamOf(Client, mapping) == Ap1, "the FAM knows the HAM");
    }

    /// <summary>More clients than messages may wait for one node, over a real store and between three coordinators.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public async Task A_node_takes_over_twenty_thousand_clients()
    {
        const int Clients = 20_000;
        Start(1, first: 0);
        Start(3, first: 2, takes: true);
        await UntilAsync(() => _agents[1].Welcomes > 0 && _agents[3].Welcomes > 0, "the site is up");
        var mappings = new List<MappingId>();
        foreach (var some in Enumerable.Range(0, Clients).Chunk(200))
        {
            mappings.AddRange(await Task.WhenAll(some.Select(async i =>
            {
                var client = new MacAddress(0x0200_0001_0000 + (ulong)i);
                await _agents[1].ArriveAsync(client);
                return await _agents[1].OpenAsync(client, 10_000 + i);
            })));
        }

        var begin = Stopwatch.GetTimestamp();
        await FailAsync(1);
        await Wait.ForAsync(() => _agents[3].IsSettled(Address(1)), () => "in vain: ap3 has the address and knows all", seconds: 60, every: 2);
        output.WriteLine($"{Clients} clients taken over and settled after {Stopwatch.GetElapsedTime(begin).TotalMilliseconds:f0} ms");
        Assert.Equal(0, mappings.Count(m => !_agents[3].Anchors(m)));
        Assert.All(_coordinators, c => Assert.DoesNotContain("NodeBehind { Node = ap3", c.Log, StringComparison.Ordinal));
    }

    [Theory]
    [Trait("Req", "A-16")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_coordinator_that_dies_while_it_moves_an_address_leaves_it_to_another_one(bool offered)
    {
        var (mapping, fam) = await SiteAsync();
        (_agents[3].HoldsOffers, _agents[3].HoldsAdoptions) = (offered, !offered);
        await FailAsync(1);
        await UntilAsync(() => _agents[3].Owns(Address(1)) && (offered || _coordinators[0].Log.Contains("AddressMoved", StringComparison.Ordinal)), "ap3 is asked, or has the address");

        // Whichever coordinator it is that moves the address: it had the session of the node that failed.
        _coordinators[0].Kill();
        await Task.Delay(300);
        (_agents[3].HoldsOffers, _agents[3].HoldsAdoptions) = (false, false);
        await UntilAsync(() => _agents[3].Owns(Address(1)) && _agents[3].IsSettled(Address(1)), "ap3 has the address and knows all");
        Assert.True(_agents[3].Anchors(mapping));
        Assert.Equal(fam, _agents[3].WayOf(mapping));
        await UntilAsync(() => _agents[2].HamOf(Client, mapping) == Ap3, "the FAM knows the new HAM");
    }

    /// <summary>Redis is emptied after an address has moved: the coordinators remember.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public async Task An_emptied_store_learns_again_who_owns_what()
    {
        var (mapping, _) = await SiteAsync();
        await FailAsync(1);
        await UntilAsync(() => _agents[3].IsSettled(Address(1)), "ap3 has the address");
        _redis.Command("FLUSHALL");
        await UntilAsync(() => _redis.Command("HLEN", "masq:{store}:addresses").Contains('1', StringComparison.Ordinal), "the book is written again");

        // All coordinators forget as well: the agents know.
        foreach (var coordinator in _coordinators)
        {
            coordinator.Kill();
        }

        _redis.Command("FLUSHALL");
        foreach (var coordinator in _coordinators)
        {
            coordinator.Start();
            await coordinator.WaitAsync();
        }

        await UntilAsync(() => _redis.Command("HLEN", "masq:{store}:addresses").Contains('1', StringComparison.Ordinal), "the book is written again");
        Start(1, first: 1, incarnation: 2);
        await UntilAsync(() => _agents[1].Owns(Address(1)) && _agents[1].Anchors(mapping) && !_agents[3].Owns(Address(1)), "the node is back and gets everything back");
    }

    /// <summary>ap1 on north anchors what ap2 on south serves; ap3 on west can take ap1's place.</summary>
    private async Task<(MappingId Mapping, TransportEndpoint Fam)> SiteAsync()
    {
        Start(1, first: 0);
        Start(2, first: 1);
        Start(3, first: 2, takes: true);
        await _agents[1].ArriveAsync(Client);
        var mapping = await _agents[1].OpenAsync(Client, 5_000);
        var reply = await _agents[2].ArriveAsync(Client, 6_000);
        var fam = Assert.Single(reply.Mappings).FamEndpoint;
        await UntilAsync(() => _agents[1].WayOf(mapping) == fam && _agents[3].Welcomes > 0, "the site is up");
        await Task.Delay(500);
        return (mapping, fam);
    }

    private void Start(ulong number, int first, ulong incarnation = 1, bool takes = false) =>
        _agents[number] = new PlayedAgent(number, [.. _coordinators.Select(c => c.EndPoint)], first, incarnation, _uplink) { TakesOver = takes };

    private async Task FailAsync(ulong number)
    {
        _agents.Remove(number, out var agent);
        await agent!.DisposeAsync();
    }

    private static Task UntilAsync(Func<bool> isSo, string what) => Wait.ForAsync(isSo, () => $"in vain: {what}", every: 2);
}
