using System.ComponentModel.DataAnnotations;

namespace Masquerade.AccessPoint;

/// <summary>What clients may do by the Port Control Protocol (RFC 6887), at their gateway's address.</summary>
public sealed record PcpConfig
{
    /// <summary>Whether they are answered at all.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>The shortest lifetime of a mapping; who asks for less gets this (RFC 6887 section 15: 120 s).</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan MinimumLifetime { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>The longest lifetime of a mapping (RFC 6887 section 15: 24 h).</summary>
    [Range(1_000, 2_592_000_000)]
    public TimeSpan MaximumLifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Requests of a client that are looked at in a second.</summary>
    [Range(1, 100_000)]
    public int RequestsPerSecond { get; init; } = 50;
}
