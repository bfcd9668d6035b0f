using System.Net;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.Pki.Channel;
using Masquerade.RoamingCoordinator.Api;
using Masquerade.RoamingCoordinator.Api.Telemetry;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Server.Users;

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

    /// <summary>The homes of clients that <see cref="CoordinatorOptions.Placement"/> looks at; null if there are none.</summary>
    public HomesFile? Homes { get; init; }

    public required ApiSettings Api { get; init; }

    /// <summary>How figures are sent to a collector; null if they are not.</summary>
    public TelemetrySettings? Telemetry { get; init; }

    /// <summary>Who users are and what they may; null: access points let everybody in.</summary>
    public UsersSettings? Users { get; init; }

    /// <summary>The Redis that is the store; null if the store is in memory.</summary>
    public RedisOptions? Redis { get; init; }

    /// <summary>How agents are let in over TLS; null for plain text.</summary>
    public TlsSettings? Tls { get; init; }

    /// <summary>Whether plain text is meant to be spoken where others can listen.</summary>
    public bool Insecure { get; init; }

    /// <summary>What the files of <see cref="Tls"/> held when they were opened, and hold since.</summary>
    public CredentialStore? Credentials { get; init; }

    /// <summary>Opens what <see cref="Tls"/> names. Null, and every mistake, if that cannot be, or if plain text would be spoken unasked where others can listen.</summary>
    public ServerConfig? Secure(List<ConfigMistake> mistakes)
    {
        if (Tls is null)
        {
            if (Insecure || IPAddress.IsLoopback(Listen.Address))
            {
                return this;
            }

            mistakes.Add(new ConfigMistake("tls", $"missing, and {Listen} can be reached from outside", TlsFiles.Allowed));
            return null;
        }

        return Tls.Open(Options.Name, mistakes) is { } credentials ? this with { Credentials = credentials } : null;
    }

    /// <summary>Reads a configuration's text. Null if there are mistakes; then all of them are named.</summary>
    public static ServerConfig? Read(ReadOnlyMemory<byte> text, out IReadOnlyList<ConfigMistake> mistakes) => ConfigText.Read(text, ReadRoot, out mistakes);

    private static ServerConfig ReadRoot(ConfigObject root)
    {
        var placement = PlacementSection.Read(root, out var homes);
        var options = new CoordinatorOptions
        {
            Name = root.Optional("name", Values.Node, Values.NodeText, new NodeId("coordinator")),
            Placement = placement,
            Pool = AddressingSection.Read(root),
            Services = ServicesSection.Read(root),
        };
        var roaming = root.Object("roaming");
        OptionGroup.Read(roaming, options, nameof(CoordinatorOptions.Lease));
        if (options.SessionTimeout < options.Heartbeat * 2)
        {
            roaming.Mistake("sessionTimeoutMilliseconds", $"{options.SessionTimeout.TotalMilliseconds}", "at least twice heartbeatMilliseconds, or every late heartbeat ends a session");
        }

        ReadBalance(root.Object("balance"), options);
        var config = new ServerConfig
        {
            Listen = root.Optional("listen", EndPoint, ListenText, IPEndPoint.Parse(DefaultListen)),
            StatusSocket = root.Optional("statusSocket", Values.Text, Values.TextText, string.Empty),
            MaxSessions = root.Optional("maxSessions", Values.Number(1, 1_000_000), "a whole number from 1 to 1000000", 12_000),
            MaxClients = root.Optional("maxClients", Values.Number(1, 100_000_000), "a whole number from 1 to 100000000", 1_000_000),
            Options = options,
            Homes = homes,
            Redis = StoreSection.Read(root),
            Tls = TlsSettings.Read(root),
            Insecure = root.Optional("insecure", Values.Flag, "true or false", false),
            Api = ApiSettings.Read(root),
            Telemetry = TelemetrySettings.Read(root, options.Name.Name!),
        };
        config = config with { Users = UsersSection.Read(root, config.Redis is not null) };
        if (config.Users is not null && config.Tls is null && !config.Insecure && !IPAddress.IsLoopback(config.Listen.Address))
        {
            root.Mistake("users", "{...}", "nothing without tls: access points are told keys");
        }

        if (config is { Insecure: true, Tls: not null })
        {
            root.Mistake("insecure", "true", "false, or nothing, where tls is set up");
        }

        root.Finish();
        return config.Redis is null ? config : config with { Options = options with { Lease = config.Redis.Lease } };
    }

    /// <summary>Reads <c>balance</c>: when addresses move because of load .</summary>
    private static void ReadBalance(ConfigObject source, CoordinatorOptions options)
    {
        var balance = options.Balance;
        OptionGroup.Read(source, balance);
        if (balance.CalmMappings >= balance.BusyMappings)
        {
            source.Mistake("calmMappings", $"{balance.CalmMappings}", $"less than busyMappings ({balance.BusyMappings}), or an address would go to and fro");
        }

        if (balance.AddressInterval < balance.Interval)
        {
            source.Mistake(
                "addressIntervalMilliseconds", $"{balance.AddressInterval.TotalMilliseconds}", $"at least intervalMilliseconds ({balance.Interval.TotalMilliseconds})");
        }

        if (balance.Enabled && !options.Takeover)
        {
            source.Mistake("enabled", "true", "false, unless roaming.takeover is true: what has been moved to a node must not be lost with it");
        }
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
