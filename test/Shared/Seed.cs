using System.Globalization;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Testing;

/// <summary>Randomised tests print their seed; MASQ_TEST_SEED replays it.</summary>
public static class Seed
{
    /// <summary>Chance of this run, or the one to be replayed.</summary>
    public static SeededRandom Fresh(ITestOutputHelper output) => new(Number(output));

    /// <summary>The seed of this run, or the one to be replayed.</summary>
    public static ulong Number(ITestOutputHelper output)
    {
        var text = Environment.GetEnvironmentVariable("MASQ_TEST_SEED");
        var seed = text is null ? (ulong)Random.Shared.NextInt64() : ulong.Parse(text, CultureInfo.InvariantCulture);
        output.WriteLine($"replay with MASQ_TEST_SEED={seed}");
        return seed;
    }
}
