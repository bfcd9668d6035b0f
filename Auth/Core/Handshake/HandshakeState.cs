namespace Masquerade.Auth.Handshake;

/// <summary>Where a handshake is.</summary>
public enum HandshakeState : byte
{
    /// <summary>Nothing has been said.</summary>
    Idle = 0,

    /// <summary>Message 1 has been sent (access point), or is waited for (client).</summary>
    Opening,

    /// <summary>Message 2 has been sent (client) or has proved the client (access point): the other side's word is waited for.</summary>
    Proving,

    /// <summary>Both sides have the same keys and know it.</summary>
    Established,

    /// <summary>It has ended without keys; <see cref="HandshakeFailure"/> says why.</summary>
    Failed,
}
