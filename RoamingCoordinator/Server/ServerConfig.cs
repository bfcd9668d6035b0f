using System.Net;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>The coordinator's settings, checked as a whole. The keys are listed in <c>docs/operations.md</c>.</summary>
internal sealed record ServerConfig
{
    public const string DefaultListen = "127.0.0.1:4750";

    public const string ListenText = "address:port, for example " + DefaultListen + " or [::1]:4750";

    public required IPEndPoint Listen { get; init; }

    public required string StatusSocket { get; init; }

    public required int MaxSessions { get; init; }

    public required int MaxClients { get; init; }

    public required CoordinatorOptions Options { get; init; }

    /// <summary>Reads a configuration's text. Null if there are mistakes; then all of them are named.</summary>
    public static ServerConfig? Read(ReadOnlyMemory<byte> text, out IReadOnlyList<ConfigMistake> mistakes) => ConfigText.Read(text, ReadRoot, out mistakes);

    private static ServerConfig ReadRoot(ConfigObject root)
    {
        var options = new CoordinatorOptions
        {
            Name = root.Optional("name", Values.Node, Values.NodeText, new NodeId("coordinator")),
            Placement = PlacementSection.Read(root),
        };
        var roaming = root.Object("roaming");
        OptionGroup.Read(roaming, options);
        if (options.SessionTimeout < options.Heartbeat * 2)
        {
            roaming.Mistake("sessionTimeoutMilliseconds", $"{options.SessionTimeout.TotalMilliseconds}", "at least twice heartbeatMilliseconds, or every late heartbeat ends a session");
        }

        var config = new ServerConfig
        {
            Listen = root.Optional("listen", EndPoint, ListenText, IPEndPoint.Parse(DefaultListen)),
            StatusSocket = root.Optional("statusSocket", Values.Text, Values.TextText, string.Empty),
            MaxSessions = root.Optional("maxSessions", Values.Number(1, 1_000_000), "a whole number from 1 to 1000000", 12_000),
            MaxClients = root.Optional("maxClients", Values.Number(1, 100_000_000), "a whole number from 1 to 100000000", 1_000_000),
            Options = options,
        };
        root.Finish();
        return config;
    }

    public static bool EndPoint(JsonElement element, out IPEndPoint value)
    {
        value = IPEndPoint.Parse(DefaultListen);
        if (!Values.Text(element, out var text) || !IPEndPoint.TryParse(text, out var parsed) || parsed.Port == 0)
        {
            return false;
        }

        value = parsed;
        return true;
    }
}
