namespace Masquerade.Auth.Filter;

/// <summary>When a rule holds: minutes of the local week.</summary>
public sealed class RuleTimes
{
    /// <summary>Minutes of a day.</summary>
    public const int Day = 24 * 60;

    /// <summary>Minutes of a week.</summary>
    public const int Week = 7 * Day;

    /// <summary>At any time.</summary>
    public static readonly RuleTimes Always = new([]);

    private readonly (int From, int Until)[] _spans;

    /// <summary>Creates times from spans of minutes since Monday 00:00; the end does not belong to a span and may lie in the next week.</summary>
    internal RuleTimes((int From, int Until)[] spans) => _spans = spans;

    /// <summary>Whether the rule holds at any time.</summary>
    public bool IsAlways => _spans.Length == 0;

    /// <summary>The minute of the local week: 0 is Monday 00:00.</summary>
    public static int MinuteOf(DateTimeOffset local) => ((((int)local.DayOfWeek + 6) % 7) * Day) + (local.Hour * 60) + local.Minute;

    /// <summary>Whether the rule holds in a minute of the week.</summary>
    public bool HoldsAt(int minute)
    {
        if (IsAlways)
        {
            return true;
        }

        foreach (var (from, until) in _spans)
        {
            if ((minute >= from && minute < until) || (minute + Week >= from && minute + Week < until))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>In how many minutes that may change, at least 1; <see cref="int.MaxValue"/> if never.</summary>
    public int MinutesToChange(int minute)
    {
        var least = int.MaxValue;
        foreach (var (from, until) in _spans)
        {
            least = Math.Min(least, Math.Min(Ahead(minute, from), Ahead(minute, until)));
        }

        return least;
    }

    private static int Ahead(int minute, int edge)
    {
        var ahead = (edge - minute) % Week;
        return ahead > 0 ? ahead : ahead + Week;
    }
}
