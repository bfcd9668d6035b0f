using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Api.Metrics;
using Masquerade.RoamingCoordinator.Api.Observing;
using Masquerade.RoamingCoordinator.Api.Routes;
using Masquerade.RoamingCoordinator.Api.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Masquerade.RoamingCoordinator.Api;

/// <summary>The view for operators and applications: HTTP with JSON, an event stream and metrics, on the state of one coordinator.</summary>
public sealed class CoordinatorApi : IAsyncDisposable
{
    private readonly ApiSettings _settings;
    private readonly Action<string, string> _log;
    private readonly Chronicle _chronicle;
    private readonly CancellationTokenSource _stop = new();
    private readonly Site _site;
    private readonly List<Action<MetricsSnapshot>> _metrics = [];
    private readonly MetricsSource _source;
    private readonly OtlpExport? _export;
    private WebApplication? _server;

    /// <summary>An API that does not listen yet.</summary>
    /// <param name="settings">Its settings.</param>
    /// <param name="options">The coordinator's.</param>
    /// <param name="loop">The coordinator's loop.</param>
    /// <param name="log">Takes a level and a text; called on any thread.</param>
    /// <param name="telemetry">How figures are sent to a collector; null if they are not.</param>
    public CoordinatorApi(ApiSettings settings, CoordinatorOptions options, ICoordinatorLoop loop, Action<string, string> log, TelemetrySettings? telemetry = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(options);
        _settings = settings;
        _log = log;
        _chronicle = new Chronicle(settings, TimeProvider.System);
        var inquiry = new Inquiry(loop, _chronicle, TimeProvider.System, settings.MaxQuestions);
        _site = new Site(
            options.Name, options.Placement, inquiry, new Register(inquiry, _stop.Token), _chronicle, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6)), DateTimeOffset.UtcNow);
        _source = new MetricsSource(_site, _metrics);
        if (telemetry is not null)
        {
            _export = new OtlpExport(telemetry, _source, _chronicle, log);
            AddMetrics(_export.Measure);
        }
    }

    /// <summary>The store as the coordinator is to use it: what is set in it is noticed here.</summary>
    /// <param name="store">The store.</param>
    /// <param name="clock">The clock of the coordinator's loop.</param>
    public IClientStore Watch(IClientStore store, Func<Instant> clock) => new WatchedStore(store, (before, after) => _chronicle.OnStored(before, after, clock()));

    /// <summary>Takes an event of the coordinator. In its loop.</summary>
    public void Report(CoordinatorEvent report, Instant now) => _chronicle.Report(report, now);

    /// <summary>Counts a message of an agent. In the coordinator's loop.</summary>
    public void Received(ControlMessage message) => Chronicle.Count(_chronicle.Received, message);

    /// <summary>Counts a message to an agent. In the coordinator's loop.</summary>
    public void Sent(ControlMessage message) => Chronicle.Count(_chronicle.Sent, message);

    /// <summary>Adds figures of another part to the metrics. Before the start; what is added is called on any thread.</summary>
    public void AddMetrics(Action<MetricsSnapshot> metrics) => _metrics.Add(metrics);

    /// <summary>Begins to listen, where it is to, and to send figures. The text says why it cannot listen; empty if it does.</summary>
    public async Task<string> StartAsync(CancellationToken cancel)
    {
        var mistake = _settings.Listen is { } listen ? await ListenAsync(listen, cancel).ConfigureAwait(false) : string.Empty;
        _export?.Start();
        return mistake;
    }

    private async Task<string> ListenAsync(IPEndPoint listen, CancellationToken cancel)
    {
        TokenFile? tokens = null;
        TokenFile? guests = null;
        ServerCertificate? certificate = null;
        string mistake;
        try
        {
            if (_settings.Tokens.Length > 0 && (tokens = TokenFile.Open(_settings.Tokens, out mistake)) is null)
            {
                return mistake;
            }

            if (_settings.GuestTokens.Length > 0 && (guests = TokenFile.Open(_settings.GuestTokens, out mistake)) is null)
            {
                return mistake;
            }

            certificate = _settings.Certificate.Length == 0 ? null : new ServerCertificate(_settings.Certificate, _settings.Key, Trouble);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return $"{_settings.Certificate}: {e.Message}";
        }

        var server = Build(listen, tokens, guests, certificate);
        try
        {
            await server.StartAsync(cancel).ConfigureAwait(false);
            _server = server;
            return string.Empty;
        }
        catch (Exception e) when (e is IOException or AddressInUseException or System.Net.Sockets.SocketException or OperationCanceledException)
        {
            await server.DisposeAsync().ConfigureAwait(false);
            return $"cannot listen on {listen}: {e.Message}";
        }
    }

    /// <summary>Ends the streams and stops listening.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_server is not null)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await _server.StopAsync(limit.Token).ConfigureAwait(false);
            await _server.DisposeAsync().ConfigureAwait(false);
        }

        if (_export is not null)
        {
            await _export.DisposeAsync().ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private void Trouble(string text) => _log("error", text);

    private WebApplication Build(IPEndPoint listen, TokenFile? tokens, TokenFile? guests, ServerCertificate? certificate)
    {
        // Empty: no settings from the environment, no files, no logs but ours.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var doorman = new Doorman(_settings.MaxConnections);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
            kestrel.Limits.MaxRequestHeaderCount = 64;
            kestrel.Limits.MaxRequestLineSize = 4 * 1024;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            kestrel.Listen(listen, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1;
                endpoint.Use(next => connection => doorman.LetInAsync(connection, next));
                if (certificate is not null)
                {
                    endpoint.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        HandshakeTimeout = TimeSpan.FromSeconds(5),
                        OnConnection = _ => ValueTask.FromResult(new System.Net.Security.SslServerAuthenticationOptions
                        {
                            ServerCertificateContext = certificate.Current(),
                            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                        }),
                    });
                }
            });
        });
        var server = builder.Build();
        var gatekeeper = new Gatekeeper(tokens, guests, Trouble);
        if (certificate is not null)
        {
            AddMetrics(writer => writer.Gauge("masq_api_certificate_expiry_timestamp_seconds", "When the API's certificate ends, in seconds since 1970.", certificate.NotAfter.ToUnixTimeSeconds()));
        }

        server.Use((context, next) => AnswerErrorsAsync(context, () => gatekeeper.PassAsync(context, () => next(context))));
        server.UseRouting();
        var events = new EventRoute(_site, _settings.MaxStreams, _settings.StreamPatience, _stop.Token);
        AddMetrics(snapshot => Measure(snapshot, events, gatekeeper, doorman));
        Map(server, "/v1/status", context => SiteRoutes.StatusAsync(context, _site));
        Map(server, "/v1/aps", context => ApRoute.ListAsync(context, _site));
        server.MapPost("/v1/aps/{ap}/drain", context => ApRoute.DrainAsync(context, _site, isDrained: true));
        server.MapPost("/v1/aps/{ap}/undrain", context => ApRoute.DrainAsync(context, _site, isDrained: false));
        server.MapPost("/v1/users/{user}/deny", context => UserRoute.DenyAsync(context, _site, denied: true));
        server.MapPost("/v1/users/{user}/allow", context => UserRoute.DenyAsync(context, _site, denied: false));
        Map(server, "/v1/users/denied", context => UserRoute.DeniedAsync(context, _site));
        Map(server, "/v1/users/policies", context => PolicyRoute.ReadAsync(context, _site));
        server.MapPut("/v1/users/policies", context => PolicyRoute.ApplyAsync(context, _site));
        Map(server, "/v1/users/explain", context => PolicyRoute.ExplainAsync(context, _site));
        Map(server, "/v1/guests", context => GuestRoute.ListAsync(context, _site));
        server.MapPost("/v1/guests/{mac}", context => GuestRoute.AdmitAsync(context, _site));
        server.MapDelete("/v1/guests/{mac}", context => GuestRoute.RevokeAsync(context, _site));
        Map(server, "/v1/clients", context => ClientRoute.ListAsync(context, _site));
        Map(server, "/v1/clients/{mac}", context => ClientRoute.OneAsync(context, _site));
        Map(server, "/v1/clients/{mac}/location", context => ClientRoute.LocationAsync(context, _site));
        Map(server, "/v1/connections", context => ConnectionRoute.ListAsync(context, _site));
        Map(server, "/v1/policies", context => SiteRoutes.PoliciesAsync(context, _site));
        Map(server, "/v1/health", context => SiteRoutes.ReadyAsync(context, _site));
        Map(server, "/v1/health/live", context => SiteRoutes.LiveAsync(context, _site));
        Map(server, "/v1/health/ready", context => SiteRoutes.ReadyAsync(context, _site));
        Map(server, "/v1/events", events.ServeAsync);
        Map(server, "/metrics", context => MetricsRoute.ServeAsync(context, _source));
        server.UseEndpoints(_ => { });
        return server;
    }

    private void Measure(MetricsSnapshot snapshot, EventRoute events, Gatekeeper gatekeeper, Doorman doorman)
    {
        snapshot.Gauge("masq_api_connections", "Connections to the API.", doorman.Open);
        snapshot.Gauge("masq_api_streams", "Event streams that are open.", events.Open);
        snapshot.Counter(
            "masq_api_streams_dropped_total", "Event streams that were ended because their reader was too slow.", "reason", [("overrun", events.Overrun), ("stalled", events.Stalled)]);
        snapshot.Counter(
            "masq_api_refused_total", "What the API has turned away.", "reason",
            [
                ("unauthorized", gatekeeper.Unauthorized), ("wrong_host", gatekeeper.WrongHost), ("too_many_connections", doorman.Refused), ("too_many_streams", events.Refused),
                ("too_many_questions", _site.Inquiry.Refused),
            ]);
    }

    private static void Map(WebApplication server, string pattern, RequestDelegate answer) => server.MapGet(pattern, answer);

    /// <summary>Makes every error a problem document, also those that routing answers with an empty body.</summary>
    private async Task AnswerErrorsAsync(HttpContext context, Func<Task> next)
    {
        try
        {
            await next().ConfigureAwait(false);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
            {
                await Problem.WriteAsync(context, context.Response.StatusCode, context.Response.StatusCode switch
                {
                    StatusCodes.Status404NotFound => "there is nothing here; docs/api.md lists what there is",
                    StatusCodes.Status405MethodNotAllowed => "this cannot be done here; docs/api.md lists what can",
                    _ => "the request cannot be answered",
                }).ConfigureAwait(false);
            }
        }
        catch (ProblemException e) when (!context.Response.HasStarted)
        {
            await Problem.WriteAsync(context, e.Status, e.Message, e.Mistakes).ConfigureAwait(false);
        }
        catch (NotAvailableException e) when (!context.Response.HasStarted)
        {
            await Problem.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, e.Message).ConfigureAwait(false);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            await Problem.WriteAsync(context, e.StatusCode, e.Message).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Whoever asked has gone.
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            Trouble($"{context.Request.Path}: {e.GetType().Name}: {e.Message}");
            await Problem.WriteAsync(context, StatusCodes.Status500InternalServerError, "the request could not be answered; the coordinator's log says why").ConfigureAwait(false);
        }
    }
}
