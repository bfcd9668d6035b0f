namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary>What a family of figures is.</summary>
internal enum FamilyKind
{
    /// <summary>It only grows.</summary>
    Counter,

    /// <summary>It goes up and down.</summary>
    Gauge,

    /// <summary>Values counted by upper bounds.</summary>
    Histogram,
}

/// <summary>Figures of one name.</summary>
/// <param name="Name">Its name by the naming rules of Prometheus.</param>
/// <param name="Help">What it is.</param>
/// <param name="Kind">How it behaves.</param>
/// <param name="Label">The label that tells the samples apart; empty if there is one sample.</param>
/// <param name="Samples">The values by label; none of a histogram.</param>
/// <param name="Histogram">Of a histogram: what it has counted.</param>
internal sealed record Family(string Name, string Help, FamilyKind Kind, string Label, IReadOnlyList<(string Label, double Value)> Samples, HistogramFigures? Histogram = null);

/// <summary>
/// The figures of one moment. Every part of the coordinator writes its own in here; each way out (Prometheus text, OTLP) reads them, so that all show the same.
/// </summary>
public sealed class MetricsSnapshot
{
    private readonly List<Family> _families = [];

    internal IReadOnlyList<Family> Families => _families;

    /// <summary>A family of one counter.</summary>
    public void Counter(string name, string help, double value) => Counter(name, help, string.Empty, [(string.Empty, value)]);

    /// <summary>A family of counters.</summary>
    /// <param name="name">Its name, ending in <c>_total</c>.</param>
    /// <param name="help">What it counts.</param>
    /// <param name="label">The label that tells them apart.</param>
    /// <param name="values">One per value of the label, of which there is a bounded number.</param>
    public void Counter(string name, string help, string label, IEnumerable<(string Label, double Value)> values) =>
        _families.Add(new Family(name, help, FamilyKind.Counter, label, [.. values]));

    /// <summary>A family of one gauge.</summary>
    public void Gauge(string name, string help, double value) => Gauge(name, help, string.Empty, [(string.Empty, value)]);

    /// <summary>A family of gauges.</summary>
    public void Gauge(string name, string help, string label, IEnumerable<(string Label, double Value)> values) =>
        _families.Add(new Family(name, help, FamilyKind.Gauge, label, [.. values]));

    /// <summary>A histogram.</summary>
    internal void Histogram(Histogram histogram) => _families.Add(new Family(histogram.Name, histogram.Help, FamilyKind.Histogram, string.Empty, [], histogram.Read()));

    /// <summary>A value of an enumeration as a label: <c>TimedOut</c> becomes <c>timed_out</c>.</summary>
    public static string LabelOf<T>(T value)
        where T : struct, Enum =>
        string.Concat(value.ToString().Select((c, i) => char.IsUpper(c) ? (i == 0 ? string.Empty : "_") + char.ToLowerInvariant(c) : c.ToString()));
}
