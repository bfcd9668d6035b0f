using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Timing;

/// <summary>Timers never fire early, and a shell that sleeps until <see cref="TimerWheel.NextDeadline"/> fires them at most one tick late.</summary>
public sealed class TimerWheelTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(25_600)]
    [InlineData(25_601)]
    [InlineData(259_200_000)]
    public void Sleeping_until_the_next_deadline_fires_at_most_one_tick_late(int milliseconds)
    {
        var start = Instant.FromMilliseconds(12_345);
        var deadline = start + TimeSpan.FromMilliseconds(milliseconds);
        var wheel = new TimerWheel(4, Tick, start);
        wheel.Schedule(3, deadline);
        Span<int> expired = stackalloc int[2];
        var wakes = 0;
        while (true)
        {
            var now = wheel.NextDeadline;
            Assert.True(now <= deadline + Tick, $"due at {deadline}, asked to be woken at {now}");
            Assert.True(++wakes < 100_000);
            if (wheel.Advance(now, expired) == 1)
            {
                Assert.Equal(3, expired[0]);
                Assert.True(now >= deadline, $"fired at {now}, due at {deadline}");
                break;
            }
        }

        Assert.Equal(Instant.Never, wheel.NextDeadline);
    }

    [Fact]
    public void Random_use_agrees_with_a_simple_model()
    {
        var random = Seed.Fresh(output);
        const int Ids = 3_000;
        var now = Instant.FromMilliseconds(random.NextInt(1_000_000));
        var wheel = new TimerWheel(Ids, Tick, now);
        var model = new Dictionary<int, Instant>();
        Span<int> expired = stackalloc int[7];
        for (var step = 0; step < 20_000; step++)
        {
            var id = random.NextInt(Ids);
            if (random.Chance(0.2))
            {
                wheel.Cancel(id);
                model.Remove(id);
            }
            else
            {
                int[] ranges = [1_000, 60_000, 7_200_000, 259_200_000];
                model[id] = now + TimeSpan.FromMilliseconds(random.NextInt(ranges[random.NextInt(4)]));
                wheel.Schedule(id, model[id]);
            }

            if (!random.Chance(0.1))
            {
                continue;
            }

            now += TimeSpan.FromMilliseconds(random.NextInt(random.Chance(0.05) ? 500_000 : 2_000));
            int count;
            do
            {
                count = wheel.Advance(now, expired);
                foreach (var fired in expired[..count])
                {
                    Assert.True(model.Remove(fired, out var due));
                    Assert.True(due <= now, $"{fired} fired at {now}, due {due}");
                }
            }
            while (count == expired.Length);

            Assert.Equal(model.Count, wheel.Count);
            foreach (var (late, due) in model)
            {
                Assert.True(due + Tick > now, $"{late} was due {due} and has not fired at {now}");
            }

            if (model.Count > 0)
            {
                Assert.True(wheel.NextDeadline <= model.Values.Min() + Tick);
            }
        }
    }

    [Fact]
    public void Equal_deadlines_fire_in_the_same_order_in_every_run_and_nothing_is_allocated()
    {
        static int[] Run()
        {
            var wheel = new TimerWheel(100, Tick, Instant.Zero);
            for (var id = 0; id < 100; id++)
            {
                wheel.Schedule(id, Instant.FromMilliseconds(700_000));
            }

            var expired = new int[100];
            var before = GC.GetAllocatedBytesForCurrentThread();
            wheel.Schedule(5, Instant.FromMilliseconds(700_000));
            wheel.Cancel(6);
            var fired = wheel.Advance(Instant.FromMilliseconds(700_000), expired);
            var after = GC.GetAllocatedBytesForCurrentThread();
            Assert.Equal(99, fired);
            Assert.Equal(before, after);
            return expired;
        }

        Assert.Equal(Run(), Run());
    }
}
