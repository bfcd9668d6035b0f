using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>From an address to the row of the entries that take it: a binary search in sorted starts, without branches for IPv4.</summary>
internal sealed class AddressClasses
{
    private readonly uint[] _starts4;
    private readonly int[] _rows4;
    private readonly ulong[] _high6;
    private readonly ulong[] _low6;
    private readonly int[] _rows6;

    public AddressClasses(IReadOnlyList<AddressMatch> entries, BitRows rows)
    {
        var (starts, numbers) = Spans.Classes([.. entries.Select(entry => Spans.Of(entry, isIPv4: true))], uint.MaxValue, rows);
        _starts4 = [.. starts.Select(start => (uint)start)];
        _rows4 = [.. numbers.Select(number => number * rows.Words)];
        (starts, numbers) = Spans.Classes([.. entries.Select(entry => Spans.Of(entry, isIPv4: false))], UInt128.MaxValue, rows);
        _high6 = [.. starts.Select(start => (ulong)(start >> 64))];
        _low6 = [.. starts.Select(start => (ulong)start)];
        _rows6 = [.. numbers.Select(number => number * rows.Words)];
    }

    /// <summary>Where the row begins.</summary>
    public int RowOf(IpAddress address) => address.IsIPv4 ? _rows4[Find(address.V4)] : _rows6[Find(address.High, address.Low)];

    private int Find(uint value)
    {
        var starts = _starts4;
        var low = 0;
        for (var count = starts.Length; count > 1;)
        {
            var half = count >> 1;

            // All ones if the start is not above the value: addresses come in no order, so a branch here would be guessed wrong half of the time.
            var goes = (int)(((long)starts[low + half] - value - 1) >> 63);
            low += half & goes;
            count -= half;
        }

        return low;
    }

    private int Find(ulong high, ulong lowBits)
    {
        var (highs, lows) = (_high6, _low6);
        var low = 0;
        for (var count = highs.Length; count > 1;)
        {
            var half = count >> 1;
            var middle = low + half;
            if (highs[middle] < high || (highs[middle] == high && lows[middle] <= lowBits))
            {
                low = middle;
            }

            count -= half;
        }

        return low;
    }
}
