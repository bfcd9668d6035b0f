namespace Masquerade.Auth.Authenticator;

/// <summary>What became of an EAPOL frame.</summary>
public enum EapolVerdict : byte
{
    /// <summary>The authenticator has done what it says.</summary>
    Taken,

    /// <summary>It was dropped; <see cref="AuthenticatorStats"/> counts why.</summary>
    Dropped,

    /// <summary>It is sound, and not the authenticator's: a key frame, MKA, an announcement. It goes to whoever handles these, and to no other client.</summary>
    NotMine,
}
