namespace Masquerade.Auth.Protection;

/// <summary>Why a frame was not protected or not taken from a protected link. The value is the index of its counter; new reasons are added at the end.</summary>
public enum ProtectionDrop : byte
{
    /// <summary>Not dropped.</summary>
    None = 0,

    /// <summary>Cut off within a header or the check value.</summary>
    Truncated,

    /// <summary>EAPOL: it makes the keys, so it is never protected, neither outside nor inside a protected frame. A frame in the clear is the handshake's, not lost.</summary>
    Eapol,

    /// <summary>In the clear on a link that is protected.</summary>
    NotProtected,

    /// <summary>The tag contradicts itself or the frame (IEEE 802.1AE-2018 clause 9.12).</summary>
    Malformed,

    /// <summary>Checked but not encrypted, or encrypted and not to be read here (the E and C bits).</summary>
    NotEncrypted,

    /// <summary>There is no key yet, or it has been taken away.</summary>
    NoKey,

    /// <summary>Under a key number that is not, or no longer, in use.</summary>
    UnknownKey,

    /// <summary>Of another sender than the one at the other end of the link.</summary>
    UnknownSender,

    /// <summary>A packet number that was there already.</summary>
    Replayed,

    /// <summary>A packet number below the replay window.</summary>
    Late,

    /// <summary>The check value is wrong: altered, forged, or under another key.</summary>
    Forged,

    /// <summary>All packet numbers of the key are used up; a new key is needed.</summary>
    PacketNumbersExhausted,

    /// <summary>The caller's buffer is too short for the result.</summary>
    NoRoom,
}
