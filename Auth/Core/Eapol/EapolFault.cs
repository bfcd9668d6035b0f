namespace Masquerade.Auth.Eapol;

/// <summary>Why octets are not an EAPOL frame, or not an EAPOL-Key frame.</summary>
public enum EapolFault : byte
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>Fewer octets than the fixed fields take.</summary>
    TooShort,

    /// <summary>Version 0, which no edition of the standard has.</summary>
    Version,

    /// <summary>The body is longer than what is there of the frame.</summary>
    BodyLength,

    /// <summary>It is not of type <see cref="EapolType.Key"/>.</summary>
    NotKey,

    /// <summary>A key descriptor other than <see cref="EapolKeyFrame.DescriptorType"/>.</summary>
    Descriptor,

    /// <summary>The key data does not end where the body ends.</summary>
    KeyDataLength,
}
