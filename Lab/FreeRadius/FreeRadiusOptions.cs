using System.Net;

namespace Masquerade.Lab.FreeRadius;

/// <summary>A user of the laboratory's RADIUS server.</summary>
/// <param name="Name">What the user is called; for EAP-TLS the client certificate is for this name.</param>
/// <param name="Password">For PEAP, TTLS and EAP-MD5; null where only a certificate counts.</param>
/// <param name="Reply">Attributes of the Access-Accept in FreeRADIUS's words, such as <c>Session-Timeout = 3600</c> or <c>Class += 0x01</c>.</param>
public sealed record FreeRadiusUser(string Name, string? Password, params string[] Reply);

/// <summary>How the laboratory's RADIUS server is to be.</summary>
public sealed record FreeRadiusOptions
{
    /// <summary>Where it listens.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>UDP port for authentication; 0 takes a free one of this namespace.</summary>
    public int AuthPort { get; init; }

    /// <summary>UDP port for accounting; 0 takes a free one of this namespace.</summary>
    public int AccountingPort { get; init; }

    /// <summary>TCP port for RADIUS over TLS; 0 takes a free one of this namespace.</summary>
    public int TlsPort { get; init; }

    /// <summary>Who may ask, as a network.</summary>
    public string Clients { get; init; } = "127.0.0.0/8";

    /// <summary>The command that runs it elsewhere, such as <c>ip netns exec NAME</c>, in words.</summary>
    public IReadOnlyList<string> Prefix { get; init; } = [];

    /// <summary>Its users.</summary>
    public IReadOnlyList<FreeRadiusUser> Users { get; init; } = [];

    /// <summary>The EAP method that it offers first: peap, ttls, tls, md5.</summary>
    public string Method { get; init; } = "peap";

    /// <summary>The newest TLS of its EAP methods.</summary>
    public string NewestTls { get; init; } = "1.2";

    /// <summary>Whether its certificate has an RSA key of 2,048 bits, as most have, instead of one on P-256.</summary>
    public bool RsaKey { get; init; }

    /// <summary>Whether it remembers TLS sessions, so that a client resumes.</summary>
    public bool Resumes { get; init; } = true;

    /// <summary>Whether it writes down what it answers to whom it lets in, with the keys of the sessions: for tests that look for them where they may not be.</summary>
    public bool KeepsGrants { get; init; }

    /// <summary>Whether TLS sessions are kept in files. From memory alone FreeRADIUS 3.2 resumes none.</summary>
    public bool KeepsSessions { get; init; }
}
