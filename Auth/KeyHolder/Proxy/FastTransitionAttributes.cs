using System.Globalization;
using System.Text;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Radius;

namespace Masquerade.Auth.KeyHolder;

/// <summary>What an access point says of fast transitions when it asks (RFC 7268): Mobility-Domain-Id, NAS-Identifier (its R0KH-ID), Called-Station-Id (BSSID and SSID) and suites.</summary>
internal static class FastTransitionAttributes
{
    // 00-0F-AC:3, FT over 802.1X with SHA-256 (IEEE 802.11-2020 table 9-151). Others have keys of another length.
    private const uint FastTransitionSuite = 0x000F_AC03;
    private const uint Ccmp = 0x000F_AC04;
    private const int BssidLength = 17;

    /// <summary>Where keys hold for a client that has chosen fast transitions; null: it has not, or something is missing.</summary>
    public static MobilityDomain? Read(in RadiusPacket request)
    {
        if (!request.TryGet(RadiusAttributeType.MobilityDomainId, out var identifier) || !identifier.TryGetNumber(out var number) || number > ushort.MaxValue
            || !request.TryGet(RadiusAttributeType.NasIdentifier, out var holder)
            || !request.TryGet(RadiusAttributeType.CalledStationId, out var called) || !TryReadNetwork(called.Value, out var network)
            || (request.TryGet(RadiusAttributeType.WlanAkmSuite, out var akm) && !(akm.TryGetNumber(out var suite) && suite == FastTransitionSuite)))
        {
            return null;
        }

        var cipher = request.TryGet(RadiusAttributeType.WlanPairwiseCipher, out var pairwise) && pairwise.TryGetNumber(out var chosen) ? chosen : Ccmp;
        return MobilityDomain.TryMake(network, (ushort)number, holder.Value, cipher, out var domain) ? domain : null;
    }

    /// <summary>The SSID behind BSSID and colon (RFC 3580 section 3.20). hostapd writes what is not printable with a backslash.</summary>
    internal static bool TryReadNetwork(ReadOnlySpan<byte> called, out byte[] network)
    {
        network = [];
        if (called.Length <= BssidLength || called[BssidLength] != ':')
        {
            return false;
        }

        var result = new List<byte>(MobilityDomain.MaxNetwork);
        for (var rest = called[(BssidLength + 1)..]; rest.Length > 0;)
        {
            if (rest[0] != '\\')
            {
                result.Add(rest[0]);
                rest = rest[1..];
                continue;
            }

            if (rest.Length < 2)
            {
                return false;
            }

            if (rest[1] != 'x')
            {
                var plain = rest[1] switch { (byte)'"' => '"', (byte)'\\' => '\\', (byte)'e' => '\e', (byte)'r' => '\r', (byte)'n' => '\n', (byte)'t' => '\t', _ => '\0' };
                if (plain == '\0')
                {
                    return false;
                }

                result.Add((byte)plain);
                rest = rest[2..];
                continue;
            }

            if (rest.Length < 4 || !byte.TryParse(Encoding.ASCII.GetString(rest[2..4]), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var octet))
            {
                return false;
            }

            result.Add(octet);
            rest = rest[4..];
        }

        network = [.. result];
        return network.Length is >= 1 and <= MobilityDomain.MaxNetwork;
    }
}
