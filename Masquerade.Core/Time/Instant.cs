using System.Globalization;

namespace Masquerade.Core.Time;

/// <summary>
/// A point on a monotonic clock, in nanoseconds since an origin that the shell chooses (boot in the agent, zero in a simulation).
/// Engines receive it as an argument and never read a clock.
/// </summary>
/// <param name="Nanoseconds">Nanoseconds since the origin; the range is about 292 years.</param>
public readonly record struct Instant(long Nanoseconds) : IComparable<Instant>
{
    /// <summary>The origin of the clock.</summary>
    public static readonly Instant Zero = new(0);

    /// <summary>Later than any instant that occurs; means "no deadline".</summary>
    public static readonly Instant Never = new(long.MaxValue);

    /// <summary>The instant this many milliseconds after the origin.</summary>
    public static Instant FromMilliseconds(double milliseconds) => new((long)(milliseconds * 1_000_000.0));

    /// <summary>The instant <paramref name="span"/> later; saturates at <see cref="Never"/>.</summary>
    public static Instant operator +(Instant instant, TimeSpan span)
    {
        var delta = span.Ticks * 100;
        return instant.Nanoseconds > long.MaxValue - Math.Max(delta, 0) ? Never : new Instant(instant.Nanoseconds + delta);
    }

    /// <summary>The instant <paramref name="span"/> earlier.</summary>
    public static Instant operator -(Instant instant, TimeSpan span) => new(instant.Nanoseconds - (span.Ticks * 100));

    /// <summary>The time from <paramref name="earlier"/> to <paramref name="later"/>, rounded down to 100 ns.</summary>
    public static TimeSpan operator -(Instant later, Instant earlier) => new((later.Nanoseconds - earlier.Nanoseconds) / 100);

    /// <summary>Whether the left instant is the earlier one.</summary>
    public static bool operator <(Instant left, Instant right) => left.Nanoseconds < right.Nanoseconds;

    /// <summary>Whether the left instant is the later one.</summary>
    public static bool operator >(Instant left, Instant right) => left.Nanoseconds > right.Nanoseconds;

    /// <summary>Whether the left instant is not the later one.</summary>
    public static bool operator <=(Instant left, Instant right) => left.Nanoseconds <= right.Nanoseconds;

    /// <summary>Whether the left instant is not the earlier one.</summary>
    public static bool operator >=(Instant left, Instant right) => left.Nanoseconds >= right.Nanoseconds;

    /// <summary>The earlier of two instants.</summary>
    public static Instant Min(Instant a, Instant b) => a < b ? a : b;

    /// <summary>The later of two instants.</summary>
    public static Instant Max(Instant a, Instant b) => a > b ? a : b;

    /// <inheritdoc/>
    public int CompareTo(Instant other) => Nanoseconds.CompareTo(other.Nanoseconds);

    /// <inheritdoc/>
    public override string ToString() =>
        this == Never ? "never" : string.Create(CultureInfo.InvariantCulture, $"{Nanoseconds / 1_000_000_000.0:F6}s");
}
