namespace Masquerade.Api.Tests;

/// <summary>What operators see of networks that drop foreign sources.</summary>
public sealed class WayViewTests
{
    [Fact, Trait("Req", "N-09")]
    public async Task Ways_on_which_packets_are_rewritten_are_counted_over_all_nodes_that_are_connected()
    {
        await using var site = await TestSite.StartAsync();
        using var first = await site.AgentAsync(1);
        var second = await site.AgentAsync(2);
        (first.WaysRewritten, second.WaysRewritten) = (3, 2);
        using var end = new CancellationTokenSource();
        using var death = new CancellationTokenSource();
        var living = first.LiveAsync(end.Token);
        var dying = second.LiveAsync(death.Token);
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_ways_rewritten") == 5, "not all of them are counted");
        first.WaysRewritten = 0;
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_ways_rewritten") == 2, "those that are direct again are still counted");
        await death.CancelAsync();
        await dying;
        second.Dispose();
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_ways_rewritten") == 0, "those of a node that is gone are still counted");
        await end.CancelAsync();
        await living;
    }
}
