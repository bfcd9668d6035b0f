using Masquerade.SimWorld.Scenarios;

namespace Masquerade.SimWorld;

/// <summary>Three hundred seeds that never change, in two halves because test classes run side by side.</summary>
public abstract class FixedSeedTests(int first)
{
    private const int BatchSize = 30;

    public static TheoryData<int> Batches => [.. Enumerable.Range(0, 5)];

    [Theory]
    [MemberData(nameof(Batches))]
    [Trait("Req", "A-02")]
    [Trait("Req", "A-04")]
    [Trait("Req", "A-05")]
    [Trait("Req", "A-12")]
    [Trait("Req", "A-29")]
    [Trait("Req", "N-03")]
    public void Fixed_seeds_hold(int batch)
    {
        for (var i = 0; i < BatchSize; i++)
        {
            Walk.Run((ulong)(first + (batch * BatchSize) + i));
        }
    }
}

/// <summary>Seeds 0 to 149.</summary>
public sealed class LowerFixedSeedTests() : FixedSeedTests(0);

/// <summary>Seeds 150 to 299.</summary>
public sealed class UpperFixedSeedTests() : FixedSeedTests(150);
