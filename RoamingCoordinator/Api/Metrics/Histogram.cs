namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary>Counts values by upper bounds, for the coordinator's loop alone. The bounds suit a move: from a millisecond on a wire to seconds of a lost link.</summary>
/// <param name="name">Its name, with its unit.</param>
/// <param name="help">What it counts.</param>
internal sealed class Histogram(string name, string help)
{
    private readonly long[] _counts = new long[Bounds.Count + 1];
    private double _sum;

    /// <summary>Upper bounds, ascending, without infinity.</summary>
    public static IReadOnlyList<double> Bounds { get; } = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    /// <summary>Its name.</summary>
    public string Name => name;

    /// <summary>What it counts.</summary>
    public string Help => help;

    /// <summary>Hears of every value; null if nobody does. Set before the first one.</summary>
    public Action<double>? Listener { get; set; }

    /// <summary>Counts a value.</summary>
    public void Observe(double value)
    {
        var index = 0;
        while (index < Bounds.Count && value > Bounds[index])
        {
            index++;
        }

        _counts[index]++;
        _sum += value;
        Listener?.Invoke(value);
    }

    /// <summary>What has been counted so far.</summary>
    public HistogramFigures Read() => new(Bounds, [.. _counts], _sum);
}

/// <summary>What a histogram has counted.</summary>
/// <param name="Upper">Upper bounds, ascending, without infinity.</param>
/// <param name="Counts">Values per bound, not cumulated, and behind them those above all bounds.</param>
/// <param name="Sum">The sum of all values.</param>
internal sealed record HistogramFigures(IReadOnlyList<double> Upper, IReadOnlyList<long> Counts, double Sum);
