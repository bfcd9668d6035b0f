namespace Masquerade.Auth.Handshake;

/// <summary>Why a handshake has ended.</summary>
public enum HandshakeFailure : byte
{
    /// <summary>It has not.</summary>
    None = 0,

    /// <summary>The other side did not answer, or not rightly.</summary>
    Timeout,

    /// <summary>The client has chosen a protection that was not offered.</summary>
    NoCommonCipher,

    /// <summary>What was agreed is weaker than what both sides know: somebody has altered message 1.</summary>
    Downgraded,

    /// <summary>The link did not take the key.</summary>
    KeyRefused,
}
