using Masquerade.SimWorld.World;
using Xunit.Abstractions;

namespace Masquerade.SimWorld;

/// <summary>Traffic of all shapes: see <see cref="WorldKind.Odd"/>.</summary>
public sealed class OddTrafficSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "N-04")]
    [Trait("Req", "N-05")]
    [Trait("Req", "N-06")]
    [Trait("Req", "N-11")]
    public void Worlds_with_odd_traffic_hold()
    {
        var sums = Kinds.Hold(WorldKind.Odd, 20, output);
        Assert.InRange(sums.ErrorsHeard, 500, int.MaxValue);
        Assert.InRange(sums.Assembled, 5_000, int.MaxValue);
        Assert.InRange(sums.MixedUp, 0, sums.Assembled / 1_000);
        Assert.InRange(sums.Hairpinned, 500, int.MaxValue);
    }
}
