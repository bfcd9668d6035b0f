using Masquerade.SimWorld.World;
using Xunit.Abstractions;

namespace Masquerade.SimWorld;

/// <summary>Clients share masquerade endpoints: see <see cref="WorldKind.Dense"/>.</summary>
public sealed class DenseSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "N-01")]
    public void Worlds_with_few_ports_hold() => Assert.InRange(Kinds.Hold(WorldKind.Dense, 40, output).Shared, 1_000, int.MaxValue);
}
