using System.Net;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>A RADIUS server as configured.</summary>
/// <param name="Authentication">Where it is asked about users.</param>
/// <param name="Accounting">Where it is told what they use; null: it is not.</param>
/// <param name="Secret">What is shared with it; never written out.</param>
internal sealed record RadiusServerEntry(IPEndPoint Authentication, IPEndPoint? Accounting, string Secret)
{
    public override string ToString() => $"{Authentication}";
}

/// <summary>Who users are and what they may, as configured.</summary>
internal sealed record UsersSettings
{
    public required IReadOnlyList<RadiusServerEntry> Radius { get; init; }

    /// <summary>The network's name in what RADIUS servers are told; empty: none.</summary>
    public required string Network { get; init; }

    /// <summary>Whether EAP methods that make no key are refused.</summary>
    public required bool RequireKey { get; init; }

    /// <summary>Whether a user is who the client says outside the tunnel, where the server does not say it.</summary>
    public required bool TrustIdentity { get; init; }

    /// <summary>Keys under which session keys are kept, numbered; empty: one that lives as long as the process.</summary>
    public required IReadOnlyList<(uint Number, byte[] Key)> SiteKeys { get; init; }

    /// <summary>Who has which policy; null: whoever is known may do everything.</summary>
    public required PolicyFile? Policies { get; init; }

    /// <summary>The file of <see cref="Policies"/>; empty if there is none.</summary>
    public required string PoliciesPath { get; init; }

    /// <summary>Who may change sessions by RADIUS; null: nobody.</summary>
    public required ChangesEntry? Changes { get; init; }

    /// <summary>Which access points authenticate by themselves and ask by RADIUS; null: none.</summary>
    public required ProxyEntry? Proxy { get; init; }

    /// <summary>The file of users who are denied; empty: a denial lives as long as the process.</summary>
    public required string DeniedFile { get; init; }

    /// <summary>Clients that are trusted by their MAC address, with the user that they count as.</summary>
    public required IReadOnlyDictionary<MacAddress, string> Trusted { get; init; }

    /// <summary>Whether a client of which nothing is known is let in with the role <c>guest</c>.</summary>
    public required bool LetsGuestsIn { get; init; }

    /// <summary>What a captive portal may give guests; null: there is none.</summary>
    public required GuestRules? Portal { get; init; }
}
