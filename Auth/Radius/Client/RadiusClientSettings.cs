namespace Masquerade.Auth.Radius;

/// <summary>Whom a client asks, and how patiently.</summary>
public sealed record RadiusClientSettings
{
    /// <summary>1 to 16 servers, in the order in which they are asked.</summary>
    public required IReadOnlyList<RadiusServerSettings> Servers { get; init; }

    /// <summary>How often and how long.</summary>
    public RadiusTimes Times { get; init; } = new();
}
