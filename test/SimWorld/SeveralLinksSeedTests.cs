using Masquerade.SimWorld.World;
using Xunit.Abstractions;

namespace Masquerade.SimWorld;

/// <summary>Clients with several links: see <see cref="WorldKind.Links"/>.</summary>
public sealed class SeveralLinksSeedTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-13")]
    public void Worlds_in_which_several_access_points_hear_a_client_hold() => Kinds.Hold(WorldKind.Links, 20, output);
}
