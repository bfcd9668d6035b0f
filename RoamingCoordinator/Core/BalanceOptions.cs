using System.ComponentModel.DataAnnotations;

namespace Masquerade.RoamingCoordinator;

/// <summary>When masquerade addresses move because of load; ranges of times are in milliseconds. A node's load is the number of mappings that it anchors.</summary>
public sealed record BalanceOptions
{
    /// <summary>Whether they do.</summary>
    public bool Enabled { get; init; }

    /// <summary>A node that anchors more mappings than this is busy: it gives addresses to others.</summary>
    [Range(1, 100_000_000)]
    public int BusyMappings { get; init; } = 20_000;

    /// <summary>An address goes home when its home would anchor no more than this with it; less than <see cref="BusyMappings"/>, or it would go to and fro.</summary>
    [Range(0, 100_000_000)]
    public int CalmMappings { get; init; } = 10_000;

    /// <summary>Only a node takes an address of which a busy one has at least this many percent of the mappings.</summary>
    [Range(110, 10_000)]
    public int RatioPercent { get; init; } = 200;

    /// <summary>For how long, looked at once a second, a node must have been busy, or a home have had room, before an address moves.</summary>
    [Range(0, 3_600_000)]
    public TimeSpan After { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a node that has given or been given an address neither gives nor takes another one because of load, and how long it must be connected before it gives any.</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long an address stays where it has come to, as far as load is concerned; at least <see cref="Interval"/>.</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan AddressInterval { get; init; } = TimeSpan.FromMinutes(10);
}
