using System.Net.Sockets;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>The same walk through today's network must be judged bad: otherwise a good verdict about the product would mean nothing.</summary>
[Trait("Req", "A-01")]
public sealed class BaselineTests(ITestOutputHelper output)
{

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_walk_through_kernel_NAT_kills_connections_and_is_judged_so(bool ipv6)
    {
        var result = Walk.Run(Walk.Short with { Network = NetworkKind.KernelNat, WarmUpRoams = 0, Roams = 2, Families = [ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork] }, output);

        Assert.Equal(2, result.Roams);
        Assert.False(result.Verdict is "ok", result.Verdict);
        Assert.True(result.TcpResets >= 2, $"{result.TcpResets} resets");
        Assert.True(result.Udp.Lost > 500, $"{result.Udp.Lost} datagrams lost");
        Assert.True(result.Gap(50) > 500, $"gap {result.Gap(50)} ms");
        Assert.False(result.Path.Ok);
        Assert.Contains(result.Path.Violations, v => v.Contains("the server saw 2 endpoints", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_roam_kernel_NAT_loses_nothing_and_the_laboratory_adds_nothing()
    {
        var result = Walk.Run(Walk.Short with { Network = NetworkKind.KernelNat, WarmUpRoams = 0, Roams = 0, Dwell = TimeSpan.FromSeconds(3) }, output);

        Assert.Equal("ok", result.Verdict);
        Assert.Equal(0, result.Udp.Unsent + result.Udp.Lost + result.Udp.Duplicated + result.Udp.Reordered);
        Assert.True(result.Udp.Sent > 3000, $"only {result.Udp.Sent} datagrams in 3 s at 2 x 1000/s");
        Assert.All(result.Connections, c => Assert.Equal("Finished", c.Health));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_walk_through_a_network_that_sees_the_future_reads_nearly_zero(bool ipv6)
    {
        var result = Walk.Run(Walk.Short with { Network = NetworkKind.Ideal, Families = [ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork] }, output);

        Assert.All(result.Connections, c => Assert.Equal("Finished", c.Health));
        Assert.Equal(0, result.Udp.Lost + result.Udp.Duplicated + result.Udp.Reordered + result.Udp.Corrupted);

        // One datagram a millisecond each way while the link was dead, and nothing else. The oracle's tools may be slow on a busy machine: the dead time is what was measured. And a machine
        // that others use stands still now and then for longer than the gap is; kernel NAT reads over 500.
        Assert.InRange(result.Udp.Unsent, 1, (int)(2 * result.Gaps.Sum(g => g.SwitchMs + Walk.SlowMachineMs)));
        Assert.True(result.Gap(50) < Walk.SlowMachineMs, $"gap {result.Gap(50)} ms");
        Assert.Equal(0, result.Path.Encapsulated);
        Assert.Equal(0, result.CaptureDrops);
        Assert.Equal("ok", Walk.VerdictOf(result));
        Assert.True(result.Path.ViaHamThenFam > 1000, $"{result.Path.ViaHamThenFam} datagrams followed");
    }

    [Fact]
    public void Nothing_is_left_behind_by_a_walk_nor_by_one_that_is_cancelled()
    {
        var before = NetNamespace.List();
        using (var cancel = new CancellationTokenSource(TimeSpan.FromSeconds(1)))
        {
            Assert.ThrowsAny<OperationCanceledException>(() => DemoScenario.Run(Walk.Short with { Network = NetworkKind.KernelNat, WarmUpRoams = 0 }, new Walk(output), cancel.Token));
        }

        Assert.Equal(before, NetNamespace.List());
        Walk.Run(Walk.Short with { Network = NetworkKind.KernelNat, WarmUpRoams = 0, Roams = 0, Dwell = TimeSpan.FromMilliseconds(600) }, output);
        Assert.Equal(before, NetNamespace.List());
        Assert.Empty(Directory.EnumerateDirectories(Path.GetTempPath(), $"masq-lab-mq{Environment.ProcessId}x*"));
    }

    [Fact]
    public void Leftovers_of_a_run_that_was_killed_are_removed_and_those_of_living_runs_are_not()
    {
        // 4194304 is one above the highest process id Linux gives out.
        var dead = "mq4194304x1-left";
        var living = $"mq{Environment.ProcessId}x999999-left";
        try
        {
            Tool.Run("ip", ["netns", "add", dead]);
            Tool.Run("ip", ["netns", "add", living]);
            LabTopology.RemoveLeftovers();
            Assert.DoesNotContain(dead, NetNamespace.List(), StringComparer.Ordinal);
            Assert.Contains(living, NetNamespace.List(), StringComparer.Ordinal);
        }
        finally
        {
            NetNamespace.Delete(dead);
            NetNamespace.Delete(living);
        }
    }
}
