namespace Masquerade.Client.Tls;

/// <summary>Whom a TLS client believes and who it is.</summary>
public sealed record OpenSslOptions
{
    /// <summary>A PEM file with the authorities that the server's certificate may come from. Nothing of the system's is believed.</summary>
    public required string AuthorityFile { get; init; }

    /// <summary>The server's name (a DNS name in subjectAltName), or a domain with a dot in front, such as <c>.example.org</c>: any name below it.</summary>
    public required string ServerName { get; init; }

    /// <summary>A PEM file with the client's certificate and those between it and the authority; null for none.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>A PEM file with the key to it, not encrypted; null for none.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whether TLS 1.3 may be used; else TLS 1.2.</summary>
    public bool AllowTls13 { get; init; } = true;

    /// <summary>Whether a session is kept, so that the next authentication is short.</summary>
    public bool Resumes { get; init; } = true;
}
