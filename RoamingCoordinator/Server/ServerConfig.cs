using System.Globalization;
using System.Net;
using System.Text.Json;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>The coordinator's settings, checked as a whole: every mistake is reported, each with the key, the value and what is allowed.</summary>
internal sealed record ServerConfig
{
    public const string DefaultListen = "127.0.0.1:4750";

    public required IPEndPoint Listen { get; init; }

    public required string? StatusSocket { get; init; }

    public required int MaxSessions { get; init; }

    public required CoordinatorOptions Options { get; init; }

    public required int MaxClients { get; init; }

    /// <summary>Reads a file, if any, and the command line over it. Null if there are mistakes.</summary>
    public static ServerConfig? Load(string? path, string? listen, string? name, string? statusSocket, out IReadOnlyList<string> mistakes)
    {
        var found = new List<string>();
        mistakes = found;
        var values = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (path is not null)
        {
            try
            {
                using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
                if (document.RootElement.ValueKind == JsonValueKind.Object)
                {
                    foreach (var property in document.RootElement.EnumerateObject())
                    {
                        values[property.Name] = property.Value.Clone();
                    }
                }
                else
                {
                    found.Add($"{path}: must be a JSON object");
                }
            }
            catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
            {
                found.Add($"{path}: {e.Message}");
            }
        }

        var reader = new Reader(values, found);
        var listenText = listen ?? reader.Text("listen", DefaultListen);
        if (!IPEndPoint.TryParse(listenText, out var endpoint) || endpoint.Port == 0)
        {
            found.Add($"listen: \"{listenText}\" is not allowed; address:port, for example {DefaultListen} or [::1]:4750");
        }

        var nameText = name ?? reader.Text("name", "coordinator");
        if (!NodeId.IsValid(nameText))
        {
            found.Add($"name: \"{nameText}\" is not allowed; 1 to {NodeId.MaxLength} characters of A-Z a-z 0-9 . _ -");
        }

        var defaults = new CoordinatorOptions();
        var options = defaults with
        {
            Name = new NodeId(nameText),
            HandOverTimeout = reader.Milliseconds("handOverTimeoutMs", defaults.HandOverTimeout, 1, 60_000),
            Heartbeat = reader.Milliseconds("heartbeatMs", defaults.Heartbeat, 50, 60_000),
            SessionTimeout = reader.Milliseconds("sessionTimeoutMs", defaults.SessionTimeout, 200, 600_000),
            MaxNodes = reader.Number("maxNodes", defaults.MaxNodes, 1, 1_000_000),
            MaxMappingsPerClient = reader.Number("maxMappingsPerClient", defaults.MaxMappingsPerClient, 1, CoordinatorOptions.LargestMappingsPerClient),
        };
        if (options.SessionTimeout < options.Heartbeat * 2)
        {
            found.Add("sessionTimeoutMs: must be at least twice heartbeatMs, or every late heartbeat ends a session");
        }

        var socket = statusSocket ?? reader.Text("statusSocket", string.Empty);
        var maxSessions = reader.Number("maxSessions", 12_000, 1, 1_000_000);
        var maxClients = reader.Number("maxClients", 1_000_000, 1, 100_000_000);
        reader.RefuseOthers();
        return found.Count > 0 ? null : new ServerConfig
        {
            Listen = endpoint!,
            StatusSocket = socket.Length == 0 ? null : socket,
            MaxSessions = maxSessions,
            MaxClients = maxClients,
            Options = options,
        };
    }

    private sealed class Reader(Dictionary<string, JsonElement> values, List<string> mistakes)
    {
        private readonly List<string> _known = [];

        public string Text(string key, string fallback)
        {
            _known.Add(key);
            if (!values.TryGetValue(key, out var value))
            {
                return fallback;
            }

            if (value.ValueKind == JsonValueKind.String)
            {
                return value.GetString()!;
            }

            mistakes.Add($"{key}: {value.GetRawText()} is not allowed; a text");
            return fallback;
        }

        public int Number(string key, int fallback, int minimum, int maximum)
        {
            _known.Add(key);
            if (!values.TryGetValue(key, out var value))
            {
                return fallback;
            }

            if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= minimum && number <= maximum)
            {
                return number;
            }

            mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: {value.GetRawText()} is not allowed; a whole number from {minimum} to {maximum}"));
            return fallback;
        }

        public TimeSpan Milliseconds(string key, TimeSpan fallback, int minimum, int maximum) =>
            TimeSpan.FromMilliseconds(Number(key, (int)fallback.TotalMilliseconds, minimum, maximum));

        public void RefuseOthers()
        {
            foreach (var key in values.Keys.Where(k => !_known.Contains(k)).Order(StringComparer.Ordinal))
            {
                mistakes.Add($"{key}: is not a key; allowed are {string.Join(", ", _known)}");
            }
        }
    }
}
