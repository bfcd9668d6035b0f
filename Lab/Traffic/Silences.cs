namespace Masquerade.Lab.Traffic;

/// <summary>The longer pauses between arrivals of one connection's payload, by the receivers' clocks. What is shorter than <see cref="Threshold"/> is not kept.</summary>
internal sealed class Silences
{
    /// <summary>The shortest pause that is kept, ns.</summary>
    public static readonly long Threshold = LabClock.Milliseconds(10);

    private const int Most = 65_536;
    private readonly List<(long Begin, long End)> _pauses = [];
    private long _last;

    /// <summary>Payload arrived.</summary>
    public void Arrived(long at)
    {
        lock (_pauses)
        {
            if (_last != 0 && at - _last >= Threshold && _pauses.Count < Most)
            {
                _pauses.Add((_last, at));
            }

            _last = Math.Max(_last, at);
        }
    }

    /// <summary>The longest pause (ns) that has a part between two instants; what lasts longer counts until <paramref name="until"/>. 0 if nothing ever arrived.</summary>
    public long Longest(long from, long until)
    {
        lock (_pauses)
        {
            if (_last == 0)
            {
                return 0;
            }

            var longest = _last < until ? until - _last : 0;
            foreach (var (begin, end) in _pauses)
            {
                if (end >= from && begin < until)
                {
                    longest = Math.Max(longest, Math.Min(end, until) - begin);
                }
            }

            return longest;
        }
    }
}
