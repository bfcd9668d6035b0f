namespace Masquerade.Auth.Handshake;

/// <summary>Why an EAPOL-Key frame was not answered. The value is the index of its counter; new reasons are added at the end.</summary>
public enum HandshakeDrop : byte
{
    /// <summary>Not dropped.</summary>
    None = 0,

    /// <summary>No EAPOL-Key frame, or cut off, or longer than any of the handshake.</summary>
    Malformed,

    /// <summary>Another key descriptor version than 3, or a frame about group keys.</summary>
    UnknownForm,

    /// <summary>Flags that no message has that this side is sent, or a message that nobody waits for.</summary>
    Unexpected,

    /// <summary>A replay counter that is used up or that nothing was sent with.</summary>
    StaleCounter,

    /// <summary>The MIC is wrong: another key, or altered.</summary>
    BadMic,

    /// <summary>The key data cannot be decrypted or lacks something.</summary>
    BadKeyData,

    /// <summary>The client has no key for the session that the access point speaks of.</summary>
    UnknownSession,

    /// <summary>No protection that both sides know, or a weaker one than the link has.</summary>
    NoCommonCipher,

    /// <summary>Authentic, and in contradiction to what was agreed before; the handshake has failed.</summary>
    Contradiction,
}
