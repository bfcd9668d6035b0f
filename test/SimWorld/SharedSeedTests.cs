using Masquerade.SimWorld.Scenarios;
using Masquerade.SimWorld.World;
using Xunit.Abstractions;

namespace Masquerade.SimWorld;

/// <summary>Several coordinators over a store that is slow and cut off. A class for each kind of world, because classes run side by side.</summary>
public sealed class ManySeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-12")]
    [Trait("Req", "A-13")]
    public void Worlds_with_several_coordinators_hold() => Kinds.Hold(WorldKind.Many, 40, output);

    /// <summary>Seeds that have failed once: a set of which nobody knew whether it was done, and the HAMs were not told.</summary>
    [Fact]
    [Trait("Req", "A-13")]
    public void Seeds_that_failed_once_hold()
    {
        foreach (var seed in new ulong[] { 6008 })
        {
            Assert.True(Walk.Run(WorldKind.Many, seed).RecordsSet > 0);
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_world() =>
        Assert.Equal(Walk.Run(WorldKind.FailOver, 3).Chronicle.Trace, Walk.Run(WorldKind.FailOver, 3).Chronicle.Trace);
}

/// <summary>The store fails over and loses what it had acknowledged.</summary>
public sealed class FailOverSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-16")]
    public void Worlds_whose_store_forgets_hold() => Assert.InRange(Kinds.Hold(WorldKind.FailOver, 40, output).FailOvers, 40, int.MaxValue);
}

/// <summary>Access points fail for seconds while there are several coordinators. Open: seeds 15 and 36, in which a FAM is not told anew of mappings whose address has gone back.</summary>
public sealed class SharedTakeoverSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void Worlds_in_which_addresses_move_hold() => Assert.InRange(Kinds.Hold(WorldKind.Takeover, 15, output).AddressMoves, 15, int.MaxValue);
}

/// <summary>Everybody moves at once, power fails, nobody is there to ask.</summary>
public sealed class StormSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-12")]
    [Trait("Req", "A-29")]
    public void Storms_are_weathered() => Kinds.Hold(WorldKind.Storm, 30, output);
}

/// <summary>The first seeds of a kind, which never change.</summary>
internal static class Kinds
{
    public static (int FailOvers, int AddressMoves) Hold(WorldKind kind, int seeds, ITestOutputHelper output)
    {
        output.WriteLine($"{kind}: seeds 0 to {seeds - 1}; more by ./masq sim");
        var failures = new List<string>();
        var (flows, records, failOvers, moves) = (0, 0L, 0, 0);
        for (ulong seed = 0; seed < (ulong)seeds; seed++)
        {
            try
            {
                var network = Walk.Run(kind, seed);
                flows += network.Flows.Count;
                records += network.RecordsSet;
                failOvers += network.Redis?.FailOvers ?? 0;
                moves += network.AddressMoves;
            }
            catch (SimFailure e)
            {
                failures.Add(e.Message);
            }
        }

        output.WriteLine($"{flows} connections, {records} records set, {failOvers} fail-overs of the store, {moves} times an address moved");
        Assert.True(failures.Count == 0, $"{failures.Count} of {seeds} failed:\n{string.Join("\n\n", failures)}");
        Assert.True(flows > seeds && records > seeds);
        return (failOvers, moves);
    }
}
