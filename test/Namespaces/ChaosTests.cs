using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Coordinators, Redis and access points are killed (SIGKILL, and for access points the power) under a client that walks with very many connections.</summary>
[Trait("Req", "A-15")]
[Trait("Req", "A-16")]
public sealed class ChaosTests(ITestOutputHelper output)
{
    /// <summary>This seed draws a coordinator, AP3, Redis, AP1 and AP2; where c1 is then depends on the walk.</summary>
    private const ulong EveryKind = 21;

    /// <summary>This seed draws AP2 first.</summary>
    private const ulong OneAccessPoint = 1;

    [Fact]
    [Trait("Req", "A-22")]
    public void A_hundred_connections_survive_20_roams_and_5_kills()
    {
        var result = Walk.Run(
            Walk.Short with { Rate = 4, Roams = 20, Redis = true, Chaos = new ChaosOptions { Connections = 100, Kills = 5, Seed = EveryKind } },
            output);

        Assert.Equal("ok", Walk.VerdictOf(result));
        Assert.Equal(20, result.Roams);
        Assert.Equal(
            [KillTarget.Coordinator, KillTarget.AccessPoint, KillTarget.Redis, KillTarget.AccessPoint, KillTarget.AccessPoint],
            result.Kills!.Select(k => k.Target));
        Assert.True(result.Connections.Count(c => c.Name is "conversation" or "datagrams") == 100);
        Assert.All(result.Connections, c => Assert.Equal("Finished", c.Health));
        Assert.True(result.Path.ViaHamThenFam > 100, $"only {result.Path.ViaHamThenFam} datagrams were followed from HAM to FAM");

        // An access point that is dead is missed: otherwise nothing was killed.
        Assert.All(result.Kills!, k => Assert.True(k.Target != KillTarget.AccessPoint || k.Gap(100) > 200, $"{k.What}: {k.Gap(100)} ms"));
    }

    /// <summary>Nobody may take addresses over: the laboratory must say so.</summary>
    [Fact]
    public void An_access_point_that_nobody_replaces_is_judged_so()
    {
        var result = Walk.Run(
            Walk.Short with { Rate = 4, Roams = 3, WarmUpRoams = 0, Takeover = false, Chaos = new ChaosOptions { Connections = 9, Kills = 1, Seed = OneAccessPoint } },
            output);

        Assert.False(result.Verdict is "ok", result.Verdict);
        Assert.Contains(result.Troubles, t => t.Contains("nobody took over", StringComparison.Ordinal));
        Assert.True(result.TakeoverGap(99) > DemoVerdict.TakeoverLimitMs, $"{result.TakeoverGap(99)} ms");
    }
}
