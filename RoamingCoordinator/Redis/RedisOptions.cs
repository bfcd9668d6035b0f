using System.ComponentModel.DataAnnotations;
using System.Net;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>Where the Redis is that several coordinators share, and how to speak to it.</summary>
public sealed record RedisOptions
{
    /// <summary>Servers to begin with; of a cluster some are enough.</summary>
    public required IReadOnlyList<EndPoint> Endpoints { get; init; }

    /// <summary>The password; null for none. With an ACL it is the default user's.</summary>
    public string? Password { get; init; }

    /// <summary>Whether to speak TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>With TLS: PEM file of the authorities that the servers' certificates must come from; null for the system's.</summary>
    public string? TlsAuthorities { get; init; }

    /// <summary>With TLS: the name in the servers' certificates; null for the endpoint's.</summary>
    public string? TlsName { get; init; }

    /// <summary>Every key begins with this, so that several sites can share a Redis.</summary>
    public string Prefix { get; init; } = "masq:";

    /// <summary>How long a record lives without its access points.</summary>
    [Range(10_000, 30.0 * 24 * 3600 * 1000)]
    public TimeSpan Lease { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long an answer may take.</summary>
    [Range(50, 10_000)]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The most commands that wait for an answer.</summary>
    [Range(16, 1_000_000)]
    public int MaxInFlight { get; init; } = 16_384;

    /// <summary>How often the servers are looked at: is there a new master, has everything been lost?</summary>
    [Range(50, 60_000)]
    public TimeSpan WatchInterval { get; init; } = TimeSpan.FromMilliseconds(250);
}
