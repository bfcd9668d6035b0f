using Masquerade.Auth.Protection;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Protection;

/// <summary>The replay window against a set of numbers.</summary>
public sealed class ReplayWindowTests(ITestOutputHelper output)
{
    [Theory]
    [Trait("Req", "A-24")]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    [InlineData(4096)]
    public void Every_number_is_taken_once_and_none_below_the_window(int size)
    {
        var chance = Seed.Fresh(output);
        foreach (var first in new[] { 1u, 64u, uint.MaxValue - 20_000 })
        {
            var window = new ReplayWindow(size, first);
            var taken = new HashSet<ulong>();
            ulong next = first;
            for (var i = 0; i < 20_000; i++)
            {
                var jump = chance.Chance(0.01) ? chance.NextInt(3 * (size + 64)) : chance.NextInt(3);
                var number = (uint)Math.Clamp((long)next + jump - (chance.Chance(0.5) ? chance.NextInt(size + 70) : 0), 0, uint.MaxValue);
                var late = number < first || number + (ulong)size < next;
                var expected = late ? ProtectionDrop.Late : taken.Contains(number) ? ProtectionDrop.Replayed : ProtectionDrop.None;
                Assert.Equal(expected, window.Check(number));
                if (expected == ProtectionDrop.None && chance.Chance(0.9))
                {
                    window.Take(number);
                    Assert.True(taken.Add(number));
                    next = Math.Max(next, number + 1UL);
                }

                Assert.Equal(next, window.Next);
            }
        }
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void The_last_number_of_all_is_taken_once()
    {
        var window = new ReplayWindow(64, 1);
        window.Take(uint.MaxValue);
        Assert.Equal(ProtectionDrop.Replayed, window.Check(uint.MaxValue));
        Assert.Equal(ProtectionDrop.None, window.Check(uint.MaxValue - 63));
        Assert.Equal(ProtectionDrop.Late, window.Check(uint.MaxValue - 64));
        Assert.Equal(1UL << 32, window.Next);
    }
}
