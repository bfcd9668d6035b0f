using System.Globalization;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>Where a coordinator listens.</summary>
/// <param name="Host">A name or an address.</param>
/// <param name="Port">A TCP port.</param>
public sealed record CoordinatorAddress(string Host, ushort Port)
{
    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");

    internal const string Allowed = "\"host:port\", a list of these, or \"none\" for an access point on its own";

    /// <summary>An address of a coordinator; null stands for "none".</summary>
    internal static bool TryRead(JsonElement element, out CoordinatorAddress? value)
    {
        value = null;
        if (!Values.Text(element, out var text))
        {
            return false;
        }

        return string.Equals(text, "none", StringComparison.Ordinal) || TryParse(text, out value);
    }

    /// <summary>Parses <c>host:port</c>; an IPv6 address is in brackets.</summary>
    internal static bool TryParse(string text, out CoordinatorAddress? value)
    {
        value = null;
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
        {
            return false;
        }

        var host = text[..colon];
        var isBracketed = host.StartsWith('[') && host.EndsWith(']');
        host = isBracketed ? host[1..^1] : host;
        value = new CoordinatorAddress(host, port);
        return isBracketed ? IpAddress.TryParse(host, out _) : Uri.CheckHostName(host) is UriHostNameType.Dns or UriHostNameType.IPv4;
    }
}
