using System.Diagnostics.Metrics;
using Masquerade.RoamingCoordinator.Api.Metrics;

namespace Masquerade.RoamingCoordinator.Api.Telemetry;

/// <summary>
/// The families of a snapshot as instruments of .NET: each observes the snapshot that was shown last. Families come into being as they appear. Histograms are recorded value by
/// value instead, as there is no instrument that could be given buckets.
/// </summary>
internal sealed class Instruments : IDisposable
{
    private readonly Meter _meter;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private volatile Dictionary<string, Family> _latest = new(StringComparer.Ordinal);

    public Instruments(string scope, string version) => _meter = new Meter(new MeterOptions(scope) { Version = version, Scope = this });

    /// <summary>Has every value of a histogram recorded from now on.</summary>
    public void Follow(Histogram histogram)
    {
        var instrument = _meter.CreateHistogram<double>(
            histogram.Name, UnitOf(histogram.Name), histogram.Help, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = Metrics.Histogram.Bounds });
        histogram.Listener = value => instrument.Record(value);
    }

    /// <summary>What is observed from now on.</summary>
    public void Show(MetricsSnapshot snapshot)
    {
        _latest = snapshot.Families.ToDictionary(f => f.Name, StringComparer.Ordinal);
        foreach (var family in snapshot.Families.Where(f => f.Kind != FamilyKind.Histogram && _known.Add(f.Name)))
        {
            var name = family.Name;
            if (family.Kind == FamilyKind.Counter)
            {
                _meter.CreateObservableCounter(name, () => Observe(name), UnitOf(name), family.Help);
            }
            else
            {
                _meter.CreateObservableGauge(name, () => Observe(name), UnitOf(name), family.Help);
            }
        }
    }

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<double>> Observe(string name) => !_latest.TryGetValue(name, out var family)
        ? []
        : family.Samples.Select(s => family.Label.Length == 0 ? new Measurement<double>(s.Value) : new Measurement<double>(s.Value, new KeyValuePair<string, object?>(family.Label, s.Label)));

    /// <summary>The unit that the name says, as UCUM writes it.</summary>
    private static string? UnitOf(string name)
    {
        var bare = name.EndsWith("_total", StringComparison.Ordinal) ? name[..^"_total".Length] : name;
        return bare.EndsWith("_seconds", StringComparison.Ordinal) ? "s" : bare.EndsWith("_bytes", StringComparison.Ordinal) ? "By" : null;
    }
}
