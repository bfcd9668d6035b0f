using System.Globalization;
using System.Net;
using System.Text.Json;
using Masquerade.Auth.Filter;
using Masquerade.Auth.Keys;
using Masquerade.Configuration;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Reads <c>users</c>: the RADIUS servers, the site's keys, and what users may.</summary>
internal static class UsersSection
{
    private const int MaxServers = 16;
    private const int MaxTrusted = 4_096;
    private const string ServerText = "address:port, for example 192.0.2.5:1812 or [2001:db8::5]:1812";
    internal const string SecretText = "a file that can be read, with the secret in its first line";
    private const string KeysText = "a file that can be read, with a number and 64 hexadecimal digits in each line, the highest number for what is sealed from now on";
    private const string PoliciesText = "a file with a policy document (docs/auth.md)";

    /// <summary>The settings; null if there is no such section.</summary>
    /// <param name="root">The whole configuration.</param>
    /// <param name="isShared">Whether the store is shared: then what is sealed in it has to be opened by others.</param>
    public static UsersSettings? Read(ConfigObject root, bool isShared)
    {
        if (!root.Has("users"))
        {
            return null;
        }

        var users = root.Object("users");
        var servers = users.Objects("radius", MaxServers);
        if (servers.Count == 0)
        {
            users.Mistake("radius", users.Has("radius") ? "[]" : string.Empty, $"1 to {MaxServers} objects with server, secretFile and, where it is told what users use, accounting");
        }

        var path = users.Optional("policies", Values.Text, PoliciesText, string.Empty);
        var settings = new UsersSettings
        {
            Radius = [.. servers.Select(ReadServer)],
            Network = users.Optional("network", NetworkName, "1 to 32 printable characters", string.Empty),
            RequireKey = users.Optional("requireKey", Values.Flag, "true or false", true),
            TrustIdentity = users.Optional("trustIdentity", Values.Flag, "true or false", false),
            SiteKeys = users.Optional<IReadOnlyList<(uint Number, byte[] Key)>>("siteKeyFile", SiteKeyFile, KeysText, []),
            Policies = users.Optional<PolicyFile?>("policies", (JsonElement element, out PolicyFile? file) => Policies(element, users, out file), PoliciesText, null),
            PoliciesPath = path,
            Changes = RadiusSections.ReadChanges(users),
            Proxy = RadiusSections.ReadProxy(users),
            DeniedFile = users.Optional("deniedFile", Values.Text, Values.TextText, string.Empty),
            Trusted = users.Objects("trusted", MaxTrusted).Select(ReadTrusted).DistinctBy(t => t.Client).ToDictionary(t => t.Client, t => t.User),
            Portal = ReadPortal(users),
            LetsGuestsIn = users.Optional("guests", Values.Flag, "true or false", false),
        };
        if (settings.Portal is not null && !settings.LetsGuestsIn)
        {
            users.Mistake("guests", users.Has("guests") ? "false" : string.Empty, "true, where there is a portal: who is not let in as a guest does not come as far as that");
        }

        foreach (var role in settings.Portal?.Roles.Where(r => settings.Policies is { } policies && !policies.Book.HasRole(r)) ?? [])
        {
            users.Mistake("portal.roles", role, "a role of the policies");
        }

        if (isShared && !users.Has("siteKeyFile"))
        {
            users.Mistake("siteKeyFile", string.Empty, $"{KeysText}: coordinators that share a store need the same keys");
        }

        users.Finish();
        return settings;
    }

    private static GuestRules? ReadPortal(ConfigObject users)
    {
        if (!users.Has("portal"))
        {
            return null;
        }

        var portal = users.Object("portal");
        var roles = portal.Has("roles") ? portal.List("roles", (JsonElement element, out string value) => Values.Text(element, out value), "a role of the policies", 1, 64) : ["admitted"];
        var rules = new GuestRules(roles.Count == 0 ? ["admitted"] : roles, TimeSpan.FromSeconds(portal.Optional("maxSeconds", Values.Number(1, 31_536_000), "a whole number from 1 to 31536000", 604_800)));
        portal.Finish();
        return rules;
    }

    private static RadiusServerEntry ReadServer(ConfigObject source)
    {
        var none = IPEndPoint.Parse("127.0.0.1:1812");
        var server = new RadiusServerEntry(
            source.Required("server", ServerConfig.EndPoint, ServerText, none),
            source.Optional<IPEndPoint?>("accounting", (JsonElement element, out IPEndPoint? value) => ServerConfig.EndPoint(element, out value!), ServerText, null),
            source.Required("secretFile", FirstLine, SecretText, "?"));
        source.Finish();
        return server;
    }

    private static (MacAddress Client, string User) ReadTrusted(ConfigObject source)
    {
        var trusted = (
            source.Required("client", Values.Mac, Values.MacText, MacAddress.None),
            source.Required("user", UserName, $"1 to {ControlLimits.MaxReasonLength} characters", "?"));
        source.Finish();
        return trusted;
    }

    private static bool NetworkName(JsonElement element, out string value) =>
        Values.Text(element, out value) && value.Length <= 32 && value.All(c => c is >= ' ' and <= '~');

    private static bool UserName(JsonElement element, out string value) => Values.Text(element, out value) && value.Length <= ControlLimits.MaxReasonLength;

    internal static bool FirstLine(JsonElement element, out string value)
    {
        value = TryReadLines(element, out var lines) && lines.Length > 0 ? lines[0] : string.Empty;
        return value.Length > 0;
    }

    private static bool SiteKeyFile(JsonElement element, out IReadOnlyList<(uint Number, byte[] Key)> value)
    {
        value = [];
        if (!TryReadLines(element, out var lines))
        {
            return false;
        }

        var keys = new List<(uint, byte[])>();
        foreach (var line in lines.Where(l => l.Length > 0 && l[0] != '#'))
        {
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length != 2 || !uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                || parts[1].Length != 2 * Masquerade.Auth.Keys.SiteKeys.KeyLength || !parts[1].All(char.IsAsciiHexDigit))
            {
                return false;
            }

            if (parts[1].All(c => c == '0') || keys.Exists(k => k.Item1 == number))
            {
                return false;
            }

            keys.Add((number, Convert.FromHexString(parts[1])));
        }

        value = keys;
        return keys.Count is >= 1 and <= Masquerade.Auth.Keys.SiteKeys.MaxKeys;
    }

    private static bool Policies(JsonElement element, ConfigObject users, out PolicyFile? value)
    {
        value = null;
        byte[] text;
        try
        {
            if (!Values.Text(element, out var path))
            {
                return false;
            }

            text = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }

        var book = PolicyDocument.Parse(text, out var mistakes);
        foreach (var mistake in mistakes)
        {
            users.Mistake("policies", mistake.ToString(), "a document without mistakes");
        }

        // What is wrong with it has been said.
        value = new PolicyFile(text, book ?? PolicyBook.Empty);
        return true;
    }

    private static bool TryReadLines(JsonElement element, out string[] lines)
    {
        lines = [];
        try
        {
            if (!Values.Text(element, out var path))
            {
                return false;
            }

            lines = [.. File.ReadLines(path).Take(64).Select(l => l.Trim())];
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
