namespace Masquerade.Auth.Protection;

/// <summary>What became of frames on a protected link. One writer; readers see values that may be a moment old.</summary>
public sealed class ProtectionCounters
{
    /// <summary>How many reasons there are, <see cref="ProtectionDrop.None"/> included.</summary>
    public const int ReasonCount = (int)ProtectionDrop.NoRoom + 1;

    private readonly long[] _drops = new long[ReasonCount];
    private long _protected;
    private long _validated;

    /// <summary>Frames that were protected.</summary>
    public long Protected => Volatile.Read(ref _protected);

    /// <summary>Frames that were taken from the link.</summary>
    public long Validated => Volatile.Read(ref _validated);

    /// <summary>Frames dropped for this reason, in both directions.</summary>
    public long this[ProtectionDrop reason] => Volatile.Read(ref _drops[(int)reason]);

    internal void CountProtected(ProtectionDrop result) => Count(result, ref _protected);

    internal void CountValidated(ProtectionDrop result) => Count(result, ref _validated);

    private void Count(ProtectionDrop result, ref long good)
    {
        if (result == ProtectionDrop.None)
        {
            good++;
        }
        else
        {
            _drops[(int)result]++;
        }
    }
}
