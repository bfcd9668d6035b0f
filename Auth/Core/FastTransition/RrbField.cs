namespace Masquerade.Auth.FastTransition;

/// <summary>Fields of RRB frames: type and length, 16 bits each, least significant octet first, then the value.</summary>
internal enum RrbField : ushort
{
    /// <summary>Fills up.</summary>
    Padding = 0,

    /// <summary>Domain, number and sender's time in seconds, 32 bits each.</summary>
    Sequence = 1,

    /// <summary>16 octets that come back in the answer.</summary>
    Nonce = 2,

    /// <summary>R0KH-ID, 1 to 48 octets.</summary>
    R0Holder = 4,

    /// <summary>R1KH-ID, 6 octets.</summary>
    R1Holder = 5,

    /// <summary>S1KH-ID, the client's MAC address.</summary>
    Client = 6,

    /// <summary>PMKR0Name, 16 octets.</summary>
    PmkR0Name = 7,

    /// <summary>PMKR1Name, 16 octets.</summary>
    PmkR1Name = 9,

    /// <summary>PMK-R1, 32 octets.</summary>
    PmkR1 = 10,

    /// <summary>The pairwise cipher, 16 bits, in hostapd's own numbers.</summary>
    Cipher = 11,

    /// <summary>For how many seconds the key may be kept, 16 bits; 0: no limit.</summary>
    ExpiresIn = 12,

    /// <summary>The VLAN of the client, 16 bits.</summary>
    Vlan = 13,

    /// <summary>The name of the user, 1 to 253 octets.</summary>
    Identity = 15,

    /// <summary>For how many seconds the session lasts, 32 bits; 0: no limit.</summary>
    SessionTimeout = 17,
}
