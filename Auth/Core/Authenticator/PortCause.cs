namespace Masquerade.Auth.Authenticator;

/// <summary>What a port was made for.</summary>
internal enum PortCause : byte
{
    /// <summary>The shell has seen the client on the link.</summary>
    Seen,

    /// <summary>An EAPOL-Start.</summary>
    Start,

    /// <summary>The answer to an identity request that was sent without a port.</summary>
    Identity,
}
