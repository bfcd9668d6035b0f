using System.Net;

namespace Masquerade.Auth.Radius;

/// <summary>Who may change sessions, and how that is checked (RFC 5176).</summary>
public sealed record DynamicAuthorisationSettings
{
    /// <summary>The secret of each server that may, by its address.</summary>
    public required IReadOnlyDictionary<IPAddress, RadiusSecret> Servers { get; init; }

    /// <summary>Our NAS-Identifier; a request that names another one is refused.</summary>
    public required string NasIdentifier { get; init; }

    /// <summary>Our NAS-IP-Address or NAS-IPv6-Address; null: a request that names one is refused.</summary>
    public IPAddress? NasAddress { get; init; }

    /// <summary>How far Event-Timestamp may be from our clock, either way (RFC 5176 section 6.3).</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>
    /// Whether Event-Timestamp must be there. Without it nobody can tell a request from its repetition a day later. Message-Authenticator must always be there.
    /// </summary>
    public bool RequiresEventTimestamp { get; init; } = true;

    /// <summary>Requests that are remembered, so that one that comes again is answered and not done again: 16 to 1,000,000. With more within twice the window further ones are refused by 506.</summary>
    public int MaximumRemembered { get; init; } = 16_384;
}
