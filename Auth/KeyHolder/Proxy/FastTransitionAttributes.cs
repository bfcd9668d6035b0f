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

    /// <summary>The SSID behind BSSID and colon (RFC 3580 section 3.20), as it is on the air: since version 2.7 hostapd escapes nothing.</summary>
    internal static bool TryReadNetwork(ReadOnlySpan<byte> called, out ReadOnlySpan<byte> network)
    {
        network = called.Length > BssidLength && called[BssidLength] == ':' ? called[(BssidLength + 1)..] : default;
        return network.Length is >= 1 and <= MobilityDomain.MaxNetwork;
    }
}
