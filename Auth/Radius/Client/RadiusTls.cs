using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Auth.Radius;

/// <summary>RADIUS over TLS (RFC 6614): who we are and whom we believe.</summary>
public sealed record RadiusTls
{
    /// <summary>Our certificate with its key. RFC 6614 section 2.3 demands one.</summary>
    public required X509Certificate2 Certificate { get; init; }

    /// <summary>The certification authorities that a server's certificate may come from; the machine's own are not asked.</summary>
    public required X509Certificate2Collection Authorities { get; init; }

    /// <summary>The name that the server's certificate must be for (RFC 6614 section 2.3, RFC 6125).</summary>
    public required string ServerName { get; init; }

    /// <summary>Whether certificates are looked up in revocation lists.</summary>
    public X509RevocationMode Revocation { get; init; } = X509RevocationMode.NoCheck;
}
