using System.Collections.Concurrent;
using Masquerade.SimWorld.Scenarios;
using Masquerade.SimWorld.World;
using Xunit.Abstractions;

namespace Masquerade.SimWorld;

/// <summary>Worlds in which clients have blocks of ports to themselves, while they walk and access points fail.</summary>
public sealed class PortBlockTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "N-12")]
    [Trait("Rfc", "6888 REQ-14")]
    public void No_block_is_ever_two_clients_and_all_of_them_come_back()
    {
        var first = (ulong)Random.Shared.NextInt64(1L << 40) * 6;
        output.WriteLine($"seeds {first} to {first + 5}");
        var failures = new ConcurrentBag<string>();
        var (begun, ended) = (0, 0);
        Parallel.For(0L, 6L, i =>
        {
            var seed = first + (ulong)i;
            var kind = (i % 3) switch { 0 => WorldKind.Walk, 1 => WorldKind.Deaths, _ => WorldKind.Balance };
            try
            {
                var network = Walk.Run(seed, Settings.Of(kind, seed) with { Kind = null, PortBlocks = 64, IsLong = true });
                network.Run(TimeSpan.FromMinutes(3));
                foreach (var ap in network.AccessPoints.Where(a => !a.IsDead))
                {
                    Interlocked.Add(ref begun, ap.Blocks.Count.Begun);
                    Interlocked.Add(ref ended, ap.Blocks.Count.Ended);
                    if (ap.Node.PortBlocks is not { Clients: 0, Shared: 0 })
                    {
                        failures.Add($"seed {seed}, {kind}: at the end {ap.Name} has {ap.Node.PortBlocks}");
                    }
                }
            }
            catch (SimFailure e)
            {
                failures.Add($"{kind}: {e.Message}");
            }
        });

        Assert.True(failures.IsEmpty, string.Join("\n\n", failures));
        output.WriteLine($"{begun} blocks, {ended} ended at the node that gave them");
        Assert.InRange(begun, 12, int.MaxValue);
        Assert.InRange(ended, 6, begun);
    }

    /// <summary>An address that was taken over, whose taker failed as well, came home while the coordinator forgot everything: the FAM held on to what nobody had.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void What_was_at_an_address_that_came_home_unseen_does_not_hang()
    {
        const ulong Seed = 2_992_618_827_523;
        var network = Walk.Run(Seed, Settings.Of(WorldKind.Deaths, Seed) with { Kind = null, PortBlocks = 64, IsLong = true });
        Assert.NotEmpty(network.Flows);
    }
}
