using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Text.Json;
using Masquerade.Configuration;

namespace Masquerade.RoamingCoordinator.Api;

/// <summary>The settings of the API, the object <c>api</c>. Beyond loopback it is encrypted and asks for a token, or the configuration is a mistake.</summary>
public sealed record ApiSettings
{
    /// <summary>Where the API listens if nothing is said.</summary>
    public const string DefaultListen = "127.0.0.1:4751";

    private const string ListenText = "address:port, for example " + DefaultListen + ", or \"none\"";
    private const string PathText = "the path of a PEM file";
    private const string TokensText = "the path of a file that \"masq token\" writes";

    /// <summary>Where the API listens; null if it does not.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>Whether that was asked for, or is the default, which gives way if somebody else has the port.</summary>
    public bool IsAskedFor { get; init; }

    /// <summary>The file with the hashes of tokens; empty if no token is asked for.</summary>
    public string Tokens { get; init; } = string.Empty;

    /// <summary>The file with the hashes of tokens that open <c>/v1/guests</c> and nothing else; empty if there are none.</summary>
    public string GuestTokens { get; init; } = string.Empty;

    /// <summary>The server's certificate, followed by those between it and its authority; empty for plain HTTP.</summary>
    public string Certificate { get; init; } = string.Empty;

    /// <summary>Its private key.</summary>
    public string Key { get; init; } = string.Empty;

    /// <summary>Connections at once.</summary>
    [Range(1, 100_000)]
    public int MaxConnections { get; init; } = 256;

    /// <summary>Event streams among them.</summary>
    [Range(1, 100_000)]
    public int MaxStreams { get; init; } = 64;

    /// <summary>Requests that wait for the coordinator at once.</summary>
    [Range(1, 10_000)]
    public int MaxQuestions { get; init; } = 64;

    /// <summary>Events kept for streams that lag behind or come back.</summary>
    [Range(16, 1_000_000)]
    public int EventHistory { get; init; } = 10_000;

    /// <summary>Moves kept per client.</summary>
    [Range(1, 256)]
    public int TrailLength { get; init; } = 16;

    /// <summary>Clients of which moves are kept: those that moved last.</summary>
    [Range(1, 10_000_000)]
    public int TrailClients { get; init; } = 65_536;

    /// <summary>How long a stream may take nothing of what is sent to it.</summary>
    [Range(100, 600_000)]
    public TimeSpan StreamPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Reads the object from the root of a configuration.</summary>
    public static ApiSettings Read(ConfigObject root)
    {
        ArgumentNullException.ThrowIfNull(root);
        var section = root.Object("api");
        var settings = new ApiSettings
        {
            IsAskedFor = section.Has("listen"),
            Listen = section.Optional<IPEndPoint?>("listen", EndPoint, ListenText, IPEndPoint.Parse(DefaultListen)),
            Tokens = section.Optional("tokens", Values.Text, TokensText, string.Empty),
            GuestTokens = section.Optional("guestTokens", Values.Text, TokensText, string.Empty),
            Certificate = section.Optional("certificate", Values.Text, PathText, string.Empty),
            Key = section.Optional("key", Values.Text, PathText, string.Empty),
        };
        OptionGroup.Read(section, settings, nameof(IsAskedFor));
        if (settings.GuestTokens.Length > 0 && settings.Tokens.Length == 0)
        {
            section.Mistake("guestTokens", settings.GuestTokens, "nothing without tokens: then everything is open to everybody on this machine");
        }

        if (settings.Certificate.Length > 0 != settings.Key.Length > 0)
        {
            section.Mistake(settings.Certificate.Length > 0 ? "key" : "certificate", string.Empty, "certificate and key together");
        }
        else if (settings.Listen is { } listen && !IPAddress.IsLoopback(listen.Address))
        {
            if (settings.Certificate.Length == 0)
            {
                section.Mistake("certificate", string.Empty, $"{PathText}: plain HTTP only on loopback, not on {listen}");
            }

            if (settings.Tokens.Length == 0)
            {
                section.Mistake("tokens", string.Empty, $"{TokensText}: without tokens only on loopback, not on {listen}");
            }
        }

        return settings;
    }

    private static bool EndPoint(JsonElement element, out IPEndPoint? value)
    {
        value = null;
        if (!Values.Text(element, out var text))
        {
            return false;
        }

        return string.Equals(text, "none", StringComparison.Ordinal) || (IPEndPoint.TryParse(text, out value) && value.Port != 0);
    }
}
