using System.Globalization;
using System.Text.Json;
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
}

/// <summary>The kinds of values that a configuration has.</summary>
internal static class Values
{
    public const string AddressText = "a unicast IPv4 or IPv6 address";
    public const string PrefixText = "a prefix such as 192.0.2.0/24 or 2001:db8::/64, without bits behind the length";
    public const string MacText = "a unicast MAC address such as 02:6d:71:00:00:01";
    public const string CoordinatorText = "\"host:port\", a list of these, or \"none\" for an access point on its own";
    public const string TextText = "a text that is not empty";

    public static bool Text(JsonElement element, out string value)
    {
        value = element.ValueKind == JsonValueKind.String ? element.GetString()! : string.Empty;
        return value.Length > 0;
    }

    public static bool Node(JsonElement element, out NodeId value)
    {
        value = Text(element, out var text) ? new NodeId(text) : NodeId.None;
        return NodeId.IsValid(value.Name);
    }

    public static bool Address(JsonElement element, out IpAddress value)
    {
        value = IpAddress.None;
        return Text(element, out var text) && IpAddress.TryParse(text, out value) && IsUsable(value);
    }

    public static bool Prefix(JsonElement element, out IpPrefix value)
    {
        value = default;
        return Text(element, out var text) && IpPrefix.TryParse(text, out value);
    }

    public static bool Mac(JsonElement element, out MacAddress value)
    {
        value = MacAddress.None;
        return Text(element, out var text) && MacAddress.TryParse(text, out value) && !value.IsGroup && !value.IsNone;
    }

    public static bool Port(JsonElement element, out ushort value)
    {
        value = 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetUInt16(out value) && value > 0;
    }

    public static bool Seed(JsonElement element, out ulong? value)
    {
        value = element.ValueKind == JsonValueKind.Number && element.TryGetUInt64(out var number) ? number : null;
        return value is not null;
    }

    public static ValueParser<int> Number(int least, int most) => (JsonElement element, out int value) =>
    {
        value = 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out value) && value >= least && value <= most;
    };

    /// <summary>A time span as a number of milliseconds; parts of a millisecond are allowed.</summary>
    public static ValueParser<TimeSpan> Milliseconds(double least, double most) => (JsonElement element, out TimeSpan value) =>
    {
        var isNumber = element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out _);
        var milliseconds = isNumber ? element.GetDouble() : -1;
        var valid = isNumber && milliseconds >= least && milliseconds <= most;
        value = valid ? TimeSpan.FromMilliseconds(milliseconds) : default;
        return valid;
    };

    public static ValueParser<T> OneOf<T>(params (string Name, T Value)[] choices) => (JsonElement element, out T value) =>
    {
        value = choices[0].Value;
        if (!Text(element, out var text))
        {
            return false;
        }

        foreach (var choice in choices)
        {
            if (string.Equals(choice.Name, text, StringComparison.Ordinal))
            {
                value = choice.Value;
                return true;
            }
        }

        return false;
    };

    /// <summary>An address of a coordinator; null stands for "none".</summary>
    public static bool Coordinator(JsonElement element, out CoordinatorAddress? value)
    {
        value = null;
        if (!Text(element, out var text))
        {
            return false;
        }

        if (string.Equals(text, "none", StringComparison.Ordinal))
        {
            return true;
        }

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

    private static bool IsUsable(IpAddress address) =>
        !address.IsNone && !address.IsMulticastOrBroadcast
        && (address.IsIPv4 ? address.V4 >> 24 is not (0 or 127) and < 240 : address != new IpAddress(0, 1));
}
