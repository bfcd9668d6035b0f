namespace Masquerade.Auth.Eap;

/// <summary>Why octets are not an EAP packet.</summary>
public enum EapFault : byte
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>Fewer octets than a header has.</summary>
    TooShort,

    /// <summary>The length field is smaller than what its code must have, larger than what is there, or not 4 in a Success or Failure.</summary>
    Length,

    /// <summary>A code that RFC 3748 does not have.</summary>
    Code,

    /// <summary>An expanded type that is cut off.</summary>
    ExpandedType,
}
