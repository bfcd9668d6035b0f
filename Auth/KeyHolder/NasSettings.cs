using System.Globalization;
using System.Net;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>How the site presents itself to its RADIUS servers. To them it is one NAS with many ports, so that a session stays one while its user walks (decision 33).</summary>
public sealed record NasSettings
{
    /// <summary>NAS-Identifier: the site, the same wherever a user is. 1 to 253 octets.</summary>
    public required string Identifier { get; init; }

    /// <summary>NAS-IP-Address or NAS-IPv6-Address; null leaves it out.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>What follows the access point's name in Called-Station-Id, behind a colon (RFC 3580 section 3.20); null: nothing.</summary>
    public string? Ssid { get; init; }

    /// <summary>NAS-Port-Type: 19 is wireless IEEE 802.11, 15 Ethernet.</summary>
    public uint PortType { get; init; } = 19;

    /// <summary>Framed-MTU: how long an EAP message a server may send, in octets (RFC 3579 section 2.4).</summary>
    public uint FramedMtu { get; init; } = 1_400;

    /// <summary>A MAC address as RADIUS servers want to see it (RFC 3580 section 3.21): <c>00-10-A4-23-19-C0</c>.</summary>
    public static string Station(MacAddress mac) => string.Create(CultureInfo.InvariantCulture,
        $"{(byte)(mac.Value >> 40):X2}-{(byte)(mac.Value >> 32):X2}-{(byte)(mac.Value >> 24):X2}-{(byte)(mac.Value >> 16):X2}-{(byte)(mac.Value >> 8):X2}-{(byte)mac.Value:X2}");

    /// <summary>Says who asks, where the user is, and who.</summary>
    internal void Write(RadiusAttributeWriter attributes, NodeId node, string? ssid, MacAddress client, DateTimeOffset now)
    {
        attributes.Add(RadiusAttributeType.NasIdentifier, Identifier);
        if (Address is not null)
        {
            attributes.Add(Address.GetAddressBytes().Length == 4 ? RadiusAttributeType.NasIpAddress : RadiusAttributeType.NasIpv6Address, Address);
        }

        attributes.Add(RadiusAttributeType.CalledStationId, (ssid ?? Ssid) is { } name ? $"{node.Name}:{name}" : node.Name!);
        attributes.Add(RadiusAttributeType.CallingStationId, Station(client));
        attributes.Add(RadiusAttributeType.NasPortType, PortType);
        attributes.Add(RadiusAttributeType.EventTimestamp, (uint)now.ToUnixTimeSeconds());
    }
}
