using System.Text.Json;
using Masquerade.Core.Flow;

namespace Masquerade.Configuration;

/// <summary>The kinds of values that a configuration has.</summary>
public static class Values
{
    /// <summary>What a node name may be.</summary>
    public const string NodeText = "1 to 64 characters of A-Z a-z 0-9 . _ -";

    /// <summary>What an address may be.</summary>
    public const string AddressText = "a unicast IPv4 or IPv6 address";

    /// <summary>What a prefix may be.</summary>
    public const string PrefixText = "a prefix such as 192.0.2.0/24 or 2001:db8::/64, without bits behind the length";

    /// <summary>What a MAC address may be.</summary>
    public const string MacText = "a unicast MAC address such as 02:6d:71:00:00:01";

    /// <summary>What a text may be.</summary>
    public const string TextText = "a text that is not empty";

    /// <summary>A text that is not empty.</summary>
    public static bool Text(JsonElement element, out string value)
    {
        value = element.ValueKind == JsonValueKind.String ? element.GetString()! : string.Empty;
        return value.Length > 0;
    }

    /// <summary>The name of a node.</summary>
    public static bool Node(JsonElement element, out NodeId value)
    {
        value = Text(element, out var text) ? new NodeId(text) : NodeId.None;
        return NodeId.IsValid(value.Name);
    }

    /// <summary>An address that a node may have.</summary>
    public static bool Address(JsonElement element, out IpAddress value)
    {
        value = IpAddress.None;
        return Text(element, out var text) && IpAddress.TryParse(text, out value) && IsUsable(value);
    }

    /// <summary>A prefix.</summary>
    public static bool Prefix(JsonElement element, out IpPrefix value)
    {
        value = default;
        return Text(element, out var text) && IpPrefix.TryParse(text, out value);
    }

    /// <summary>A MAC address of one station.</summary>
    public static bool Mac(JsonElement element, out MacAddress value)
    {
        value = MacAddress.None;
        return Text(element, out var text) && MacAddress.TryParse(text, out value) && !value.IsGroup && !value.IsNone;
    }

    /// <summary>A port, not 0.</summary>
    public static bool Port(JsonElement element, out ushort value)
    {
        value = 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetUInt16(out value) && value > 0;
    }

    /// <summary>A seed.</summary>
    public static bool Seed(JsonElement element, out ulong? value)
    {
        value = element.ValueKind == JsonValueKind.Number && element.TryGetUInt64(out var number) ? number : null;
        return value is not null;
    }

    /// <summary>A whole number within bounds, both included.</summary>
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

    /// <summary>One of some words.</summary>
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

    /// <summary>True or false.</summary>
    public static bool Flag(JsonElement element, out bool value)
    {
        value = element.ValueKind == JsonValueKind.True;
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False;
    }

    private static bool IsUsable(IpAddress address) =>
        !address.IsNone && !address.IsMulticastOrBroadcast
        && (address.IsIPv4 ? address.V4 >> 24 is not (0 or 127) and < 240 : address != new IpAddress(0, 1));
}
