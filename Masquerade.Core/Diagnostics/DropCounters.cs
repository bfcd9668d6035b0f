namespace Masquerade.Core.Diagnostics;

/// <summary>One counter per <see cref="DropReason"/>. One writer; readers see values that may be a moment old.</summary>
public sealed class DropCounters
{
    /// <summary>How many reasons there are, <see cref="DropReason.None"/> included.</summary>
    public static readonly int ReasonCount = Enum.GetValues<DropReason>().Length;

    private readonly long[] _counts = new long[ReasonCount];

    /// <summary>How many packets were dropped for this reason.</summary>
    public long this[DropReason reason] => Volatile.Read(ref _counts[(int)reason]);

    /// <summary>How many packets were dropped in all.</summary>
    public long Total
    {
        get
        {
            long total = 0;
            for (var i = 1; i < _counts.Length; i++)
            {
                total += Volatile.Read(ref _counts[i]);
            }

            return total;
        }
    }

    /// <summary>Counts one drop.</summary>
    public void Count(DropReason reason) => _counts[(int)reason]++;

    /// <summary>Counts several drops.</summary>
    public void Count(DropReason reason, int packets) => _counts[(int)reason] += packets;
}
