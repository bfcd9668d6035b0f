namespace Masquerade.Auth.Protection;

/// <summary>What became of a key that was to be installed.</summary>
public enum KeyInstall : byte
{
    /// <summary>It is in use for receiving.</summary>
    Installed = 0,

    /// <summary>It was in use already under this number: nothing was done, no counter touched.</summary>
    AlreadyInstalled,

    /// <summary>All zero, or not 16 octets.</summary>
    NotAKey,

    /// <summary>It was in use before. Its counters are gone, so it must not come back.</summary>
    UsedBefore,

    /// <summary>The key number is above 3.</summary>
    BadNumber,

    /// <summary>A sender that cannot be, or the same at both ends: initial vectors would repeat.</summary>
    BadSender,

    /// <summary>The first packet number is 0.</summary>
    BadPacketNumber,
}
