using System.Globalization;

namespace Masquerade.Auth.Filter;

/// <summary>Days and times of day in rules.</summary>
internal static class WeekText
{
    public const string DaysForm = "days such as mon-fri, sat,sun";
    public const string ClockForm = "times such as 08:00-18:00 or 22:00-06:00, that differ";
    public const int AllDays = 0x7F;

    private static readonly string[] s_days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// <summary>A bit per day, Monday first.</summary>
    public static bool TryParseDays(string text, out int days)
    {
        days = 0;
        foreach (var item in text.Split(','))
        {
            var dash = item.IndexOf('-', StringComparison.Ordinal);
            var first = Array.IndexOf(s_days, dash < 0 ? item : item[..dash]);
            var last = dash < 0 ? first : Array.IndexOf(s_days, item[(dash + 1)..]);
            if (first < 0 || last < 0)
            {
                return false;
            }

            for (var day = first; ; day = (day + 1) % 7)
            {
                days |= 1 << day;
                if (day == last)
                {
                    break;
                }
            }
        }

        return true;
    }

    /// <summary>Spans of minutes of the day; one that ends on the next day ends behind 24:00.</summary>
    public static bool TryParseClock(string text, out IReadOnlyList<(int From, int Until)> spans)
    {
        var found = new List<(int From, int Until)>();
        spans = found;
        foreach (var item in text.Split(','))
        {
            if (item.Length != 11 || item[5] != '-' || !TryMinute(item.AsSpan(0, 5), out var from) || !TryMinute(item.AsSpan(6), out var until) || from == until || from == RuleTimes.Day)
            {
                return false;
            }

            found.Add((from, until > from ? until : until + RuleTimes.Day));
        }

        return true;
    }

    public static RuleTimes Times(int days, IReadOnlyList<(int From, int Until)> clock)
    {
        var spans = new List<(int From, int Until)>();
        for (var day = 0; day < 7; day++)
        {
            if ((days & (1 << day)) != 0)
            {
                spans.AddRange(clock.Select(span => ((day * RuleTimes.Day) + span.From, (day * RuleTimes.Day) + span.Until)));
            }
        }

        return new RuleTimes([.. spans]);
    }

    private static bool TryMinute(ReadOnlySpan<char> text, out int minute)
    {
        minute = 0;
        if (text[2] != ':' || !int.TryParse(text[..2], NumberStyles.None, CultureInfo.InvariantCulture, out var hour)
            || !int.TryParse(text[3..], NumberStyles.None, CultureInfo.InvariantCulture, out var rest) || rest > 59)
        {
            return false;
        }

        minute = (hour * 60) + rest;
        return minute <= RuleTimes.Day;
    }
}
