using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Masquerade.Configuration;

namespace Masquerade.RoamingCoordinator.Api.Telemetry;

/// <summary>How the figures and moves are sent to a collector by the OpenTelemetry protocol (OTLP), the object <c>telemetry.otlp</c>.</summary>
public sealed record TelemetrySettings
{
    private const string EndpointText = "the collector's base address, for example http://127.0.0.1:4318; plain HTTP with headersFile only on loopback";
    private const string HeadersText = "the path of a file of mode 0600 with one \"name: value\" on a line";
    private const int MostAttributes = 64;

    /// <summary>The collector's base address; the signals' paths are appended to it.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>gRPC instead of protobuf over HTTP.</summary>
    public bool IsGrpc { get; init; }

    /// <summary>A file with headers of every request, which may hold secrets; empty for none.</summary>
    public string HeadersFile { get; init; } = string.Empty;

    /// <summary><c>service.name</c> of what is sent.</summary>
    public string ServiceName { get; init; } = "masq-coordinator";

    /// <summary><c>service.instance.id</c> of what is sent.</summary>
    public string Instance { get; init; } = string.Empty;

    /// <summary>More attributes of the resource.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The time between two deliveries of figures.</summary>
    [Range(1, 3_600)]
    public int IntervalSeconds { get; init; } = 15;

    /// <summary>How long one delivery may take.</summary>
    [Range(100, 60_000)]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether each move of a client is sent as a span.</summary>
    public bool Roams { get; init; } = true;

    /// <summary>Reads the object from the root of a configuration; null if it is not there.</summary>
    /// <param name="root">The configuration.</param>
    /// <param name="name">The coordinator's name.</param>
    public static TelemetrySettings? Read(ConfigObject root, string name)
    {
        ArgumentNullException.ThrowIfNull(root);
        var telemetry = root.Object("telemetry");
        var section = telemetry.Object("otlp");
        telemetry.Finish();
        if (!telemetry.Has("otlp"))
        {
            return null;
        }

        var nowhere = new Uri("http://127.0.0.1/");
        var settings = new TelemetrySettings
        {
            Endpoint = section.Required("endpoint", Address, EndpointText, nowhere),
            IsGrpc = section.Optional("protocol", Values.OneOf(("http/protobuf", false), ("grpc", true)), "\"http/protobuf\" or \"grpc\"", false),
            HeadersFile = section.Optional("headersFile", Values.Text, HeadersText, string.Empty),
            ServiceName = section.Optional("serviceName", Values.Text, Values.TextText, "masq-coordinator"),
            Instance = section.Optional("instance", Values.Text, Values.TextText, name),
            Attributes = ReadAttributes(section),
        };
        OptionGroup.Read(section, settings, nameof(IsGrpc));
        if (settings.HeadersFile.Length > 0)
        {
            if (settings.Endpoint.Scheme is "http" && !settings.Endpoint.IsLoopback)
            {
                section.Mistake("endpoint", settings.Endpoint.ToString(), EndpointText);
            }

            HeaderFile.Read(settings.HeadersFile, out var mistake);
            if (mistake.Length > 0)
            {
                section.Mistake("headersFile", mistake, HeadersText);
            }
        }

        return settings;
    }

    private static Dictionary<string, string> ReadAttributes(ConfigObject section)
    {
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        var source = section.Object("attributes");
        foreach (var (key, element) in source.Members())
        {
            if (!Values.Text(element, out var value) || key.Length == 0 || attributes.Count == MostAttributes)
            {
                source.Mistake(key, ConfigObject.Text(element), $"a text; at most {MostAttributes} attributes");
                continue;
            }

            attributes[key] = value;
        }

        return attributes;
    }

    private static bool Address(JsonElement element, out Uri value)
    {
        value = new Uri("http://127.0.0.1/");
        if (!Values.Text(element, out var text) || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.UserInfo.Length > 0 || uri.Query.Length > 0
            || uri.Scheme is not ("http" or "https"))
        {
            return false;
        }

        value = uri;
        return true;
    }
}
