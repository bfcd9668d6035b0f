using System.Globalization;

namespace Masquerade.Core.Flow;

/// <summary>The transport protocols that are translated; the value is the IANA protocol number. ICMPv6 queries use <see cref="Icmp"/> too.</summary>
public enum TransportProtocol : byte
{
    /// <summary>ICMP and ICMPv6 queries; the query identifier takes the place of the port (RFC 5508).</summary>
    Icmp = 1,

    /// <summary>TCP.</summary>
    Tcp = 6,

    /// <summary>UDP.</summary>
    Udp = 17,
}

/// <summary>An address and a port (or ICMP query identifier).</summary>
/// <param name="Address">The address, either family.</param>
/// <param name="Port">The port or identifier; 0 for the far side of an ICMP query.</param>
public readonly record struct TransportEndpoint(IpAddress Address, ushort Port) : IComparable<TransportEndpoint>
{
    /// <summary>No endpoint.</summary>
    public static readonly TransportEndpoint None;

    /// <summary>Whether this is "no endpoint".</summary>
    public bool IsNone => Address.IsNone;

    /// <summary>Parses <c>192.0.2.1:80</c> or <c>[2001:db8::1]:80</c>.</summary>
    /// <exception cref="FormatException">The text is not an endpoint.</exception>
    public static TransportEndpoint Parse(string text) =>
        TryParse(text, out var endpoint) ? endpoint : throw new FormatException($"'{text}' is not address:port");

    /// <summary>Parses <c>192.0.2.1:80</c> or <c>[2001:db8::1]:80</c>.</summary>
    public static bool TryParse(string? text, out TransportEndpoint endpoint)
    {
        endpoint = None;
        var colon = text?.LastIndexOf(':') ?? -1;
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            return false;
        }

        var host = text![..colon];
        if (host.StartsWith('[') && host.EndsWith(']'))
        {
            host = host[1..^1];
        }
        else if (host.Contains(':', StringComparison.Ordinal))
        {
            return false;
        }

        if (!IpAddress.TryParse(host, out var address))
        {
            return false;
        }

        endpoint = new TransportEndpoint(address, port);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(TransportEndpoint other)
    {
        var byAddress = Address.CompareTo(other.Address);
        return byAddress != 0 ? byAddress : Port.CompareTo(other.Port);
    }

    /// <inheritdoc/>
    public override string ToString() => IsNone ? "none"
        : string.Create(CultureInfo.InvariantCulture, $"{(Address.IsIPv4 ? Address.ToString() : $"[{Address}]")}:{Port}");
}
