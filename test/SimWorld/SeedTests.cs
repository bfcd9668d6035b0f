using System.Globalization;
using Masquerade.SimWorld.Scenarios;
using Masquerade.SimWorld.World;
using Xunit.Abstractions;

namespace Masquerade.SimWorld;

public sealed class SeedTests(ITestOutputHelper output)
{
    /// <summary>
    /// Without restarts of the coordinator: there is an open case, in which a store that has forgotten gives out an epoch that an access point out of reach still holds (two FAMs of
    /// one epoch, until the client's next move; seed 41514150994503 of <see cref="Settings.From"/>). The fixed seeds have such restarts.
    /// </summary>
    [Fact]
    public void Fifty_fresh_seeds_hold()
    {
        var first = (ulong)Random.Shared.NextInt64(1L << 40) * 50;
        output.WriteLine($"seeds {first} to {first + 49}");
        for (ulong i = 0; i < 50; i++)
        {
            Walk.Run(first + i, Settings.From(first + i) with { CoordinatorRestarts = false });
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_world()
    {
        foreach (var seed in new ulong[] { 4, 7, 11 })
        {
            Assert.Equal(Walk.Run(seed).Chronicle.Trace, Walk.Run(seed).Chronicle.Trace);
        }
    }

    /// <summary>MASQ_SIM_SEED=n replays one seed; without it, seed 0.</summary>
    [Fact]
    public void Replay()
    {
        var network = Walk.Run(ulong.Parse(Environment.GetEnvironmentVariable("MASQ_SIM_SEED") ?? "0", CultureInfo.InvariantCulture));
        foreach (var ap in network.AccessPoints)
        {
            output.WriteLine($"{ap.Name}: {ap.Ledger.Describe(ap.Node.Drops)}");
        }

        output.WriteLine($"{network.Steps} steps, {network.Flows.Count} flows, trace {network.Chronicle.Trace:x16}");
    }
}
