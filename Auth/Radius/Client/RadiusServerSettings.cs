using System.Net;

namespace Masquerade.Auth.Radius;

/// <summary>One server.</summary>
public sealed record RadiusServerSettings
{
    /// <summary>What it is called in counters and logs.</summary>
    public required string Name { get; init; }

    /// <summary>Where it listens: UDP port 1812 for authentication and 1813 for accounting, TCP port 2083 for TLS.</summary>
    public required IPEndPoint EndPoint { get; init; }

    /// <summary>What we share with it; over TLS <see cref="RadiusSecret.RadSec"/>.</summary>
    public required RadiusSecret Secret { get; init; }

    /// <summary>Over TLS if this is given, else over UDP.</summary>
    public RadiusTls? Tls { get; init; }

    /// <summary>Our own address; null lets the system choose.</summary>
    public IPAddress? Source { get; init; }

    /// <summary>Whether it answers Status-Server (RFC 5997), by which a dead one is found alive again.</summary>
    public bool KnowsStatusServer { get; init; } = true;

    /// <summary>
    /// Source ports (over TLS: connections) that may be used at once, 1 to 256. Each has 256 identifiers, so this times 256 is how many requests may wait for this server.
    /// </summary>
    public int MaximumLanes { get; init; } = 16;
}
