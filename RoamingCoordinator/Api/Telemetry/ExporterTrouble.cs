using System.Diagnostics.Tracing;
using System.Globalization;

namespace Masquerade.RoamingCoordinator.Api.Telemetry;

/// <summary>Hears why the exporter could not deliver, which it tells only as an event of the runtime.</summary>
internal sealed class ExporterTrouble : EventListener
{
    private const int LongEnough = 300;

    private volatile string _latest = "no reason is known";

    /// <summary>The latest reason.</summary>
    public string Latest => _latest;

    /// <inheritdoc/>
    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (string.Equals(eventSource.Name, "OpenTelemetry-Exporter-OpenTelemetryProtocol", StringComparison.Ordinal))
        {
            EnableEvents(eventSource, EventLevel.Error);
        }
    }

    /// <inheritdoc/>
    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        var text = string.Format(CultureInfo.InvariantCulture, eventData.Message ?? string.Empty, [.. eventData.Payload ?? (IReadOnlyList<object?>)[]]);
        var line = text.AsSpan().IndexOfAny('\r', '\n') is var end and >= 0 ? text[..end] : text;
        _latest = line.Length <= LongEnough ? line : line[..LongEnough];
    }
}
