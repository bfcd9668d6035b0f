using System.Net;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Who speaks RADIUS to the key holder.</summary>
/// <param name="Address">From where.</param>
/// <param name="Secret">What is shared with him; never written out.</param>
/// <param name="Node">The access point behind it; none for servers.</param>
internal sealed record RadiusPeerEntry(IPAddress Address, string Secret, NodeId Node)
{
    public override string ToString() => $"{Address}";
}

/// <summary>Servers that may change sessions (RFC 5176), as configured.</summary>
/// <param name="Listen">Where they are heard.</param>
/// <param name="Clients">The servers.</param>
/// <param name="NasAddress">What we are called by NAS-IP-Address; null: a request that names one is refused.</param>
/// <param name="RequireTimestamp">Whether Event-Timestamp must be there.</param>
internal sealed record ChangesEntry(IPEndPoint Listen, IReadOnlyList<RadiusPeerEntry> Clients, IPAddress? NasAddress, bool RequireTimestamp);

/// <summary>Access points that authenticate by themselves, as configured.</summary>
/// <param name="Listen">Where they ask.</param>
/// <param name="Clients">The access points.</param>
/// <param name="RequireKey">Whether who gets no key is refused.</param>
/// <param name="Radios">The radios (R1KH-IDs) of access points, each of which is one's alone.</param>
internal sealed record ProxyEntry(IPEndPoint Listen, IReadOnlyList<RadiusPeerEntry> Clients, bool RequireKey, IReadOnlyDictionary<MacAddress, NodeId> Radios);
