namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary>Counts values by upper bounds, for the coordinator's loop alone. The bounds suit a move: from a millisecond on a wire to seconds of a lost link.</summary>
internal sealed class Histogram
{
    private static readonly double[] Upper = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly long[] _counts = new long[Upper.Length + 1];
    private double _sum;

    /// <summary>Counts a value.</summary>
    public void Observe(double value)
    {
        var index = Array.FindIndex(Upper, bound => value <= bound);
        _counts[index < 0 ? Upper.Length : index]++;
        _sum += value;
    }

    /// <summary>What has been counted so far.</summary>
    public HistogramFigures Read() => new(Upper, [.. _counts], _sum);
}

/// <summary>What a histogram has counted.</summary>
/// <param name="Upper">Upper bounds, ascending, without infinity.</param>
/// <param name="Counts">Values per bound, not cumulated, and behind them those above all bounds.</param>
/// <param name="Sum">The sum of all values.</param>
internal sealed record HistogramFigures(IReadOnlyList<double> Upper, IReadOnlyList<long> Counts, double Sum);
