using Masquerade.SimWorld.Runner;
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

/// <summary>Access points fail for seconds while there are several coordinators.</summary>
public sealed class SharedTakeoverSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void Worlds_in_which_addresses_move_hold() => Assert.InRange(Kinds.Hold(WorldKind.Takeover, 20, output).AddressMoves, 20, int.MaxValue);
}

/// <summary>Access points have too much to do.</summary>
public sealed class BalanceSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-15")]
    public void Worlds_in_which_addresses_move_because_of_load_hold() => Assert.InRange(Kinds.Hold(WorldKind.Balance, 10, output).LoadMoves, 10, int.MaxValue);
}

/// <summary>Everybody moves at once, power fails, nobody is there to ask.</summary>
public sealed class StormSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-12")]
    [Trait("Req", "A-29")]
    public void Storms_are_weathered() => Kinds.Hold(WorldKind.Storm, 30, output);
}

/// <summary>Seeds that have failed once, each with what was wrong.</summary>
public sealed class FailedSeedTests
{
    [Theory]
    [InlineData("many", 6008, "a set of which nobody knew whether it was done, and the HAMs were not told")]
    [InlineData("many", 520049, "a coordinator had a mapping placed and died before it could write it down")]
    [InlineData("failover", 700003, "the store gave back mappings of a HAM that had restarted meanwhile, and the HAM was not asked about them")]
    [InlineData("takeover", 15, "an address came back to a node that had never heard that it was gone, and the network was not told")]
    [InlineData("takeover", 36, "a mapping for which there was no endpoint was forgotten")]
    [InlineData("takeover", 70066, "an attach was repeated at an address that had gone")]
    [InlineData("takeover", 3002, "a node that had taken its peer's address sent a datagram to itself")]
    [InlineData("failover", 33, "a node did not hear that the store had forgotten, and nobody noticed")]
    [InlineData("failover", 70047, "a node joined when the store had forgotten its registration")]
    [InlineData("failover", 5039, "a HAM reported what it had been told in several epochs under the newest one, and a restarted FAM was not told of what it had forgotten")]
    [InlineData("takeover", 530012, "a node that came back was told two words on an address, and took it for a moment by the older one")]
    [InlineData("storm", 70067, "a client was reset when an anchor was lost, which was given back later: the simulation took it for alive")]
    [InlineData("storm", 70085, "a mapping was disowned whose answer was still to come")]
    [InlineData("takeover", 500065, "an arrival was answered before the mappings that it took for granted had been given to the node")]
    [InlineData("storm", 500043, "a client that had closed waited for a server of which nobody remembered that it spoke with it")]
    [InlineData("storm", 70247, "a coordinator died before a node had been given back all that it had written down as given")]
    [InlineData("balance", 13, "the address of an endpoint moved that a client had at its HAM, and the record named no FAM any more")]
    [InlineData("walk", 14_915_505_184_075, "a coordinator that was restarted counted its messages from 1 again")]
    [Trait("Req", "A-16")]
    public void Seeds_that_failed_once_hold(string kind, ulong seed, string reason)
    {
        Assert.NotEmpty(reason);
        Assert.True(Walk.Run(Enum.GetValues<WorldKind>().Single(k => string.Equals(Options.NameOf(k), kind, StringComparison.Ordinal)), seed).Flows.Count > 0);
    }
}

/// <summary>The first seeds of a kind, which never change.</summary>
internal static class Kinds
{
    public static Sums Hold(WorldKind kind, int seeds, ITestOutputHelper output)
    {
        output.WriteLine($"{kind}: seeds 0 to {seeds - 1}; more by ./masq sim");
        var failures = new List<string>();
        var (flows, records, sums) = (0, 0L, default(Sums));
        for (ulong seed = 0; seed < (ulong)seeds; seed++)
        {
            try
            {
                var network = Walk.Run(kind, seed);
                flows += network.Flows.Count;
                records += network.RecordsSet;
                sums = new Sums(
                    sums.FailOvers + (network.Redis?.FailOvers ?? 0), sums.AddressMoves + network.AddressMoves, sums.LoadMoves + network.LoadMoves, sums.ErrorsHeard + network.ErrorsHeard,
                    sums.Assembled + network.Assembled, sums.MixedUp + network.MixedUp, sums.Hairpinned + network.Flows.Where(f => f.Target is not null).Sum(f => (int)f.ReceivedDown),
                    sums.Shared + network.SharedSeen);
            }
            catch (SimFailure e)
            {
                failures.Add(e.Message);
            }
        }

        output.WriteLine($"{flows} connections, {records} records set, {sums}");
        Assert.True(failures.Count == 0, $"{failures.Count} of {seeds} failed:\n{string.Join("\n\n", failures)}");
        Assert.True(flows > seeds && (records > seeds || kind is WorldKind.Odd or WorldKind.Links or WorldKind.Dense));
        return sums;
    }

    /// <summary>What has happened in all of them.</summary>
    internal readonly record struct Sums(int FailOvers, int AddressMoves, int LoadMoves, int ErrorsHeard, int Assembled, int MixedUp, int Hairpinned, int Shared);
}
