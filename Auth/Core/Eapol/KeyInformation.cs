namespace Masquerade.Auth.Eapol;

/// <summary>
/// The Key Information field of an EAPOL-Key frame (IEEE 802.11-2020 figure 12-35). The lowest three bits are a number, the key descriptor version
/// (<see cref="EapolKeyFrame.DescriptorVersion"/>), not flags.
/// </summary>
[Flags]
public enum KeyInformation : ushort
{
    /// <summary>No flag.</summary>
    None = 0,

    /// <summary>Key Type: of a pair (1) or of a group (0).</summary>
    Pairwise = 1 << 3,

    /// <summary>Install: the receiver is to put the key to use.</summary>
    Install = 1 << 6,

    /// <summary>Key Ack: an answer is expected; only an authenticator sets it.</summary>
    Ack = 1 << 7,

    /// <summary>Key MIC: the MIC field holds one.</summary>
    Mic = 1 << 8,

    /// <summary>Secure: the keys of the first exchange are complete.</summary>
    Secure = 1 << 9,

    /// <summary>Error: a supplicant reports a wrong MIC.</summary>
    Error = 1 << 10,

    /// <summary>Request: a supplicant asks for an exchange.</summary>
    Request = 1 << 11,

    /// <summary>The key data is encrypted.</summary>
    EncryptedKeyData = 1 << 12,

    /// <summary>SMK Message: of the handshake between stations, which is obsolete.</summary>
    SmkMessage = 1 << 13,
}
