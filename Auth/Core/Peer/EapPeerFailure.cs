namespace Masquerade.Auth.Peer;

/// <summary>Why an authentication came to nothing, as the client sees it.</summary>
public enum EapPeerFailure : byte
{
    /// <summary>It did not.</summary>
    None = 0,

    /// <summary>The server says no: unknown user, wrong password or certificate, or not allowed now.</summary>
    Rejected,

    /// <summary>The server's certificate is not from the configured authority, not for the configured name, or not valid now. Nothing was told it.</summary>
    ServerNotTrusted,

    /// <summary>TLS failed otherwise: no common version or cipher, or the server has sent an alert, such as about the client's certificate.</summary>
    Tls,

    /// <summary>Inside the tunnel the server could not prove that it knows the password.</summary>
    ServerNotProven,

    /// <summary>What came through the tunnel is not what the method says.</summary>
    Tunnel,

    /// <summary>The server wants other methods than the configured one.</summary>
    NoCommonMethod,

    /// <summary>The server said yes before the method was finished.</summary>
    TooEarly,

    /// <summary>Nobody answered in time.</summary>
    Timeout,
}
