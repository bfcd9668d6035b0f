namespace Masquerade.Auth.KeyHolder;

/// <summary>The key holder's counters; read while others count.</summary>
public sealed class KeyHolderCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<KeyHolderCount>().Length];

    /// <summary>How often something has happened.</summary>
    public long this[KeyHolderCount count] => Interlocked.Read(ref _counts[(int)count]);

    internal void Add(KeyHolderCount count) => Interlocked.Increment(ref _counts[(int)count]);
}
