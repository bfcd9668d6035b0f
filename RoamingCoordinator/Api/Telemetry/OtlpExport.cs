using System.Diagnostics;
using System.Globalization;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Metrics;
using Masquerade.RoamingCoordinator.Api.Observing;
using Masquerade.RoamingCoordinator.Api.Routes;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Masquerade.RoamingCoordinator.Api.Telemetry;

/// <summary>
/// Sends the figures of <c>/metrics</c> to a collector again and again, and each move of a client as a span. Beside the coordinator's loop: a collector that is slow or gone
/// delays nothing but its own deliveries. What it misses of the figures is in the next delivery, as counters are sums.
/// </summary>
internal sealed class OtlpExport : IAsyncDisposable
{
    private const string Scope = "Masquerade.RoamingCoordinator";

    private static readonly string Version = typeof(OtlpExport).Assembly.GetName().Version!.ToString(3);

    private readonly TelemetrySettings _settings;
    private readonly MetricsSource _source;
    private readonly Chronicle _chronicle;
    private readonly Action<string, string> _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Instruments _instruments = new(Scope, Version);
    private readonly ExporterTrouble _trouble = new();
    private readonly ActivitySource _moves = new(Scope, Version);
    private readonly HttpMessageHandler _handler;
    private readonly BaseExportingMetricReader _reader;
    private readonly MeterProvider _meters;
    private readonly TracerProvider? _traces;
    private Task _work = Task.CompletedTask;
    private long _delivered;
    private long _failed;

    public OtlpExport(TelemetrySettings settings, MetricsSource source, Chronicle chronicle, Action<string, string> log)
    {
        (_settings, _source, _chronicle, _log) = (settings, source, chronicle, log);
        var sockets = new SocketsHttpHandler { AllowAutoRedirect = false };
        _handler = settings.HeadersFile.Length == 0 ? sockets : new HeaderFile(settings.HeadersFile, text => log("warning", text), sockets);
        _reader = new BaseExportingMetricReader(new OtlpMetricExporter(Options("v1/metrics")));

        // A view of the meter of this coordinator only: names of meters belong to the whole process.
        _meters = Sdk.CreateMeterProviderBuilder().ConfigureResource(Describe).AddMeter(Scope)
            .AddView(instrument => instrument.Meter.Scope == _instruments ? null : MetricStreamConfiguration.Drop).AddReader(_reader).Build();
        _traces = !settings.Roams ? null : Sdk.CreateTracerProviderBuilder().ConfigureResource(Describe).AddSource(Scope).SetSampler(new AlwaysOnSampler())
            .AddProcessor(new BatchActivityExportProcessor(new OtlpTraceExporter(Options("v1/traces")), scheduledDelayMilliseconds: 1_000)).Build();
        _instruments.Follow(chronicle.HandOvers);
        _instruments.Follow(chronicle.Gaps);
    }

    /// <summary>How deliveries went, as figures.</summary>
    public void Measure(MetricsSnapshot snapshot) => snapshot.Counter(
        "masq_telemetry_deliveries_total", "Deliveries of figures to a collector.", "outcome", [("delivered", Interlocked.Read(ref _delivered)), ("failed", Interlocked.Read(ref _failed))]);

    /// <summary>Begins.</summary>
    public void Start() => _work = Task.WhenAll(Task.Run(DeliverAsync), _traces is null ? Task.CompletedTask : Task.Run(TellMovesAsync));

    /// <summary>Delivers the last figures, in bounded time, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _work.ConfigureAwait(false);
        var ending = Task.Run(() =>
        {
            _traces?.Dispose();
            _meters.Dispose();
        });
        await Task.WhenAny(ending, Task.Delay(TimeSpan.FromSeconds(2))).ConfigureAwait(false);
        _moves.Dispose();
        _instruments.Dispose();
        _trouble.Dispose();
        _handler.Dispose();
        _stop.Dispose();
    }

    private async Task DeliverAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(_settings.IntervalSeconds));
        var isDelivered = true;
        try
        {
            do
            {
                var mistake = await DeliverOnceAsync().ConfigureAwait(false);
                Interlocked.Increment(ref mistake.Length == 0 ? ref _delivered : ref _failed);
                if (isDelivered != (mistake.Length == 0))
                {
                    isDelivered = !isDelivered;
                    _log(isDelivered ? "info" : "warning", $"telemetry to {_settings.Endpoint}: {(isDelivered ? "delivered again" : mistake)}");
                }
            }
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The coordinator stops.
        }
    }

    /// <summary>One delivery; the text says why it failed.</summary>
    private async Task<string> DeliverOnceAsync()
    {
        try
        {
            _instruments.Show(await _source.TakeAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (NotAvailableException e)
        {
            return e.Message;
        }

        // The exporter waits for the answer in its thread.
        var isTaken = await Task.Factory.StartNew(
            () => _reader.Collect((int)_settings.Timeout.TotalMilliseconds), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        return isTaken ? string.Empty : $"not taken: {_trouble.Latest}";
    }

    private async Task TellMovesAsync()
    {
        var batch = new SiteEvent[64];
        long after = 0;
        try
        {
            while (true)
            {
                switch (_chronicle.Ring.Read(after, batch, out var count))
                {
                    case RingState.Overrun:
                        after = _chronicle.Ring.Oldest - 1;
                        break;
                    case RingState.Events:
                        after = batch[count - 1].Sequence;
                        foreach (var moved in batch.Take(count).OfType<ClientRoamed>())
                        {
                            Tell(moved);
                        }

                        break;
                    default:
                        await _chronicle.Ring.WaitAsync(after).WaitAsync(_stop.Token).ConfigureAwait(false);
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The coordinator stops.
        }
    }

    private void Tell(ClientRoamed moved)
    {
        var roam = moved.Roam;
        var begin = roam.Arrived - (roam.Absence ?? TimeSpan.Zero);
        using var span = _moves.StartActivity(
            moved.Type,
            ActivityKind.Internal,
            default(ActivityContext),
            [
                new("masq.client", roam.Client.ToString()), new("masq.from", Documents.Name(roam.From)), new("masq.to", Documents.Name(roam.To)),
                new("masq.epoch", roam.Epoch.Value.ToString(CultureInfo.InvariantCulture)), new("masq.outcome", Documents.Camel(roam.Outcome)), new("masq.mappings", roam.Mappings),
                new("masq.hand_over_seconds", Documents.Seconds(roam.HandOver)),
            ],
            startTime: begin);
        span?.SetEndTime((begin + roam.Gap).UtcDateTime);
    }

    private void Describe(ResourceBuilder resource) => resource.Clear()
        .AddService(_settings.ServiceName, serviceVersion: Version, autoGenerateServiceInstanceId: false, serviceInstanceId: _settings.Instance)
        .AddAttributes(_settings.Attributes.Select(a => new KeyValuePair<string, object>(a.Key, a.Value)));

    private OtlpExporterOptions Options(string path) => new()
    {
        Protocol = _settings.IsGrpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf,
        Endpoint = _settings.IsGrpc ? _settings.Endpoint : new Uri(_settings.Endpoint.AbsoluteUri.TrimEnd('/') + "/" + path),
        TimeoutMilliseconds = (int)_settings.Timeout.TotalMilliseconds,
        HttpClientFactory = () => new HttpClient(_handler, disposeHandler: false) { Timeout = _settings.Timeout },
    };
}
