using System.Net;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.RoamingCoordinator.Redis;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>Reads <c>store</c>: <c>"memory"</c>, or an object <c>redis</c> with the servers and how to speak to them.</summary>
internal static class StoreSection
{
    private enum StoreKind
    {
        Memory,
        Redis,
    }

    private const int MaxServers = 64;
    private const string ServerText = "host:port, for example 127.0.0.1:6379 or [::1]:6379";
    private const string FileText = "a file that can be read";
    private const string PrefixText = "1 to 32 characters of A-Z a-z 0-9 . _ - :";

    /// <summary>The Redis; null for the store in memory.</summary>
    public static RedisOptions? Read(ConfigObject root)
    {
        // A text is looked at here; anything else must be the object.
        var kind = root.Optional<StoreKind>("store", Kind, "\"memory\" or {\"redis\": {...}}", StoreKind.Memory);
        if (kind != StoreKind.Redis)
        {
            return null;
        }

        var store = root.Object("store");
        var redis = store.Object("redis");
        var options = new RedisOptions
        {
            Endpoints = redis.List<EndPoint>("servers", Server, ServerText, 1, MaxServers),
            Password = redis.Optional<string?>("passwordFile", FirstLine, FileText, null),
            TlsAuthorities = redis.Optional<string?>("tlsAuthorities", ExistingFile, FileText, null),
            TlsName = redis.Optional<string?>("tlsName", Name, Values.TextText, null),
            Prefix = redis.Optional("prefix", Prefix, PrefixText, "masq:"),
        };
        OptionGroup.Read(redis, options);
        store.Finish();
        if (!options.Tls && (options.TlsAuthorities is not null || options.TlsName is not null))
        {
            redis.Mistake("tls", "false", "true, if there is tlsAuthorities or tlsName");
        }

        return options;
    }

    private static bool Kind(JsonElement element, out StoreKind value)
    {
        value = element.ValueKind == JsonValueKind.Object ? StoreKind.Redis : StoreKind.Memory;
        return value == StoreKind.Redis || (Values.Text(element, out var text) && string.Equals(text, "memory", StringComparison.Ordinal));
    }

    private static bool Server(JsonElement element, out EndPoint value)
    {
        value = new IPEndPoint(IPAddress.Loopback, 6379);
        if (!Values.Text(element, out var text))
        {
            return false;
        }

        if (IPEndPoint.TryParse(text, out var endpoint) && endpoint.Port != 0)
        {
            value = endpoint;
            return true;
        }

        var colon = text.LastIndexOf(':');
        if (colon <= 0 || Uri.CheckHostName(text[..colon]) != UriHostNameType.Dns || !ushort.TryParse(text.AsSpan(colon + 1), out var port) || port == 0)
        {
            return false;
        }

        value = new DnsEndPoint(text[..colon], port);
        return true;
    }

    private static bool FirstLine(JsonElement element, out string? value)
    {
        value = null;
        try
        {
            value = Values.Text(element, out var path) ? File.ReadLines(path).FirstOrDefault() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Said by the caller.
        }

        return !string.IsNullOrEmpty(value);
    }

    private static bool ExistingFile(JsonElement element, out string? value)
    {
        var isText = Values.Text(element, out var path);
        value = path;
        return isText && File.Exists(path);
    }

    private static bool Name(JsonElement element, out string? value)
    {
        var isText = Values.Text(element, out var name);
        value = name;
        return isText;
    }

    private static bool Prefix(JsonElement element, out string value) =>
        Values.Text(element, out value) && value.Length <= 32 && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or ':');
}
