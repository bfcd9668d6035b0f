using System.Globalization;
using System.Text;

namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary>
/// Writes the Prometheus text format 0.0.4: families one after the other, each with its help and type in front, counters named <c>_total</c>, base units.
/// </summary>
public sealed class MetricsWriter
{
    private readonly StringBuilder _text = new();

    /// <summary>A family of one counter.</summary>
    public void Counter(string name, string help, double value) => Counter(name, help, string.Empty, [(string.Empty, value)]);

    /// <summary>A family of counters.</summary>
    /// <param name="name">Its name, ending in <c>_total</c>.</param>
    /// <param name="help">What it counts.</param>
    /// <param name="label">The label that tells them apart.</param>
    /// <param name="values">One per value of the label, of which there is a bounded number.</param>
    public void Counter(string name, string help, string label, IEnumerable<(string Label, double Value)> values) => Family(name, help, "counter", label, values);

    /// <summary>A family of one gauge.</summary>
    public void Gauge(string name, string help, double value) => Gauge(name, help, string.Empty, [(string.Empty, value)]);

    /// <summary>A family of gauges.</summary>
    public void Gauge(string name, string help, string label, IEnumerable<(string Label, double Value)> values) => Family(name, help, "gauge", label, values);

    /// <summary>A histogram.</summary>
    internal void Histogram(string name, string help, HistogramFigures figures)
    {
        Head(name, help, "histogram");
        var total = 0L;
        for (var i = 0; i < figures.Counts.Count; i++)
        {
            total += figures.Counts[i];
            var bound = i < figures.Upper.Count ? Number(figures.Upper[i]) : "+Inf";
            Sample(name + "_bucket", "le", bound, total);
        }

        Sample(name + "_sum", string.Empty, string.Empty, figures.Sum);
        Sample(name + "_count", string.Empty, string.Empty, total);
    }

    /// <summary>A value of an enumeration as a label: <c>TimedOut</c> becomes <c>timed_out</c>.</summary>
    public static string LabelOf<T>(T value)
        where T : struct, Enum =>
        string.Concat(value.ToString().Select((c, i) => char.IsUpper(c) ? (i == 0 ? string.Empty : "_") + char.ToLowerInvariant(c) : c.ToString()));

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    private void Family(string name, string help, string type, string label, IEnumerable<(string Label, double Value)> values)
    {
        Head(name, help, type);
        foreach (var (text, value) in values)
        {
            Sample(name, label, text, value);
        }
    }

    private void Head(string name, string help, string type) => _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {Escaped(help, quotes: false)}\n# TYPE {name} {type}\n");

    private void Sample(string name, string label, string text, double value)
    {
        _text.Append(name);
        if (label.Length > 0)
        {
            _text.Append(CultureInfo.InvariantCulture, $"{{{label}=\"{Escaped(text, quotes: true)}\"}}");
        }

        _text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Escaped(string text, bool quotes)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }
}
