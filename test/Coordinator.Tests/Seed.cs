using System.Globalization;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Coordinator.Tests;

/// <summary>Randomised tests print their seed; MASQ_TEST_SEED replays it.</summary>
internal static class Seed
{
    public static SeededRandom Fresh(ITestOutputHelper output)
    {
        var text = Environment.GetEnvironmentVariable("MASQ_TEST_SEED");
        var seed = text is null ? (ulong)Random.Shared.NextInt64() : ulong.Parse(text, CultureInfo.InvariantCulture);
        output.WriteLine($"replay with MASQ_TEST_SEED={seed}");
        return new SeededRandom(seed);
    }
}
