using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Observing;

namespace Masquerade.Api.Tests;

/// <summary>What is kept of what happened, and how much of it.</summary>
public sealed class ObservingTests
{
    [Fact]
    public async Task The_ring_keeps_the_latest_in_order_and_says_who_has_fallen_behind()
    {
        var ring = new EventRing(16);
        var into = new SiteEvent[5];
        Assert.Equal(RingState.UpToDate, ring.Read(0, into, out _));
        var news = ring.WaitAsync(0);
        Assert.False(news.IsCompleted);
        for (var i = 1; i <= 40; i++)
        {
            ring.Append(new ApUp(new NodeId($"ap{i}"), Restarted: false), DateTimeOffset.UnixEpoch.AddSeconds(i));
        }

        await news.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.True(ring.WaitAsync(39).IsCompleted);
        Assert.Equal((40, 25), (ring.Last, ring.Oldest));
        Assert.Equal(RingState.Overrun, ring.Read(23, into, out _));
        Assert.Equal(RingState.Events, ring.Read(24, into, out var count));
        Assert.Equal([25, 26, 27, 28, 29], into.Take(count).Select(e => e.Sequence));
        Assert.Equal(RingState.Events, ring.Read(38, into, out count));
        Assert.Equal(["ap39", "ap40"], into.Take(count).Select(e => ((ApUp)e).Node.Name!));
        Assert.Equal(RingState.UpToDate, ring.Read(40, into, out _));
    }

    [Fact]
    public void Trails_are_bounded_by_length_and_by_clients_and_those_that_moved_last_stay()
    {
        var trails = new Trails(length: 3, clients: 2);
        Roam Move(int client, int number) => new(
            FakeAgent.Mac(client), new Epoch((ulong)number), new NodeId("a"), new NodeId("b"), DateTimeOffset.UnixEpoch, null, TimeSpan.Zero, 0, RoamOutcome.Complete);
        for (var number = 1; number <= 5; number++)
        {
            trails.Add(Move(1, number));
        }

        trails.Add(Move(2, 1));
        Assert.Equal([5UL, 4UL, 3UL], trails.Of(FakeAgent.Mac(1)).Select(r => r.Epoch.Value));
        trails.Add(Move(1, 6));
        trails.Add(Move(3, 1));
        Assert.Empty(trails.Of(FakeAgent.Mac(2)));
        Assert.Equal(6UL, trails.Of(FakeAgent.Mac(1))[0].Epoch.Value);
        Assert.Single(trails.Of(FakeAgent.Mac(3)));
    }
}
