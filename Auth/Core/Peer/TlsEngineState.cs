namespace Masquerade.Auth.Peer;

/// <summary>Where a TLS client is.</summary>
public enum TlsEngineState : byte
{
    /// <summary>The handshake is under way.</summary>
    Negotiating = 0,

    /// <summary>The server is who it should be, and keys are there.</summary>
    Established,

    /// <summary>It has ended.</summary>
    Failed,
}
