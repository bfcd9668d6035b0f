using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>The same walk through today's network must be judged bad: otherwise a good verdict about the product would mean nothing.</summary>
[Trait("Req", "A-01")]
public sealed class KernelNatTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_walk_through_kernel_NAT_kills_connections_and_is_judged_so(bool ipv6)
    {
        var result = Walk.Run(Walk.Short with { KernelNat = true, Roams = 2, IPv6 = ipv6 }, output);

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
        var result = Walk.Run(Walk.Short with { KernelNat = true, Roams = 0, Dwell = TimeSpan.FromSeconds(3) }, output);

        Assert.Equal("ok", result.Verdict);
        Assert.Equal(0, result.Udp.Unsent + result.Udp.Lost + result.Udp.Duplicated + result.Udp.Reordered);
        Assert.True(result.Udp.Sent > 5000, $"only {result.Udp.Sent} datagrams in 3 s at 2 x 1000/s");
        Assert.All(result.Connections, c => Assert.Equal("Finished", c.Health));
    }

    [Fact]
    public void Nothing_is_left_behind_by_a_walk_nor_by_one_that_is_cancelled()
    {
        var before = NetNamespace.List();
        using (var cancel = new CancellationTokenSource(TimeSpan.FromSeconds(1)))
        {
            Assert.ThrowsAny<OperationCanceledException>(() => DemoScenario.Run(Walk.Short with { KernelNat = true }, new Walk(output), cancel.Token));
        }

        Assert.Equal(before, NetNamespace.List());
        Walk.Run(Walk.Short with { KernelNat = true, Roams = 0, Dwell = TimeSpan.FromMilliseconds(600) }, output);
        Assert.Equal(before, NetNamespace.List());
        Assert.Empty(Directory.EnumerateDirectories(Path.GetTempPath(), $"masq-lab-mq{Environment.ProcessId}x*"));
    }
}
