namespace Masquerade.Testing;

/// <summary>Measures what code allocates.</summary>
public static class Allocations
{
    private const int Rounds = 5;

    /// <summary>
    /// The octets that the cheapest of several rounds allocates on this thread. The first ones warm up, and in any of them the runtime, which compiles again what runs often, may
    /// allocate for itself; what the code itself allocates shows in every one.
    /// </summary>
    /// <param name="round">Does the same each time, often enough.</param>
    public static long Least(Action round)
    {
        ArgumentNullException.ThrowIfNull(round);
        var least = long.MaxValue;
        for (var i = 0; i < Rounds; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
