using System.Globalization;
using System.Text;

namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary>
/// Writes the Prometheus text format 0.0.4: families one after the other, each with its help and type in front, counters named <c>_total</c>, base units.
/// </summary>
internal static class PrometheusText
{
    public static string Write(MetricsSnapshot snapshot)
    {
        var text = new StringBuilder();
        foreach (var family in snapshot.Families)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {family.Name} {Escaped(family.Help, quotes: false)}\n# TYPE {family.Name} {MetricsSnapshot.LabelOf(family.Kind)}\n");
            foreach (var (label, value) in family.Samples)
            {
                Sample(text, family.Name, family.Label, label, value);
            }

            if (family.Histogram is { } figures)
            {
                Histogram(text, family.Name, figures);
            }
        }

        return text.ToString();
    }

    private static void Histogram(StringBuilder text, string name, HistogramFigures figures)
    {
        var total = 0L;
        for (var i = 0; i < figures.Counts.Count; i++)
        {
            total += figures.Counts[i];
            var bound = i < figures.Upper.Count ? Number(figures.Upper[i]) : "+Inf";
            Sample(text, name + "_bucket", "le", bound, total);
        }

        Sample(text, name + "_sum", string.Empty, string.Empty, figures.Sum);
        Sample(text, name + "_count", string.Empty, string.Empty, total);
    }

    private static void Sample(StringBuilder text, string name, string label, string labelled, double value)
    {
        text.Append(name);
        if (label.Length > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{{{label}=\"{Escaped(labelled, quotes: true)}\"}}");
        }

        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Number(double value) => double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Escaped(string text, bool quotes)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }
}
