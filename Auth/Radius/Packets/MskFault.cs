namespace Masquerade.Auth.Radius;

/// <summary>Why an Access-Accept has no MSK.</summary>
public enum MskFault
{
    /// <summary>It has one.</summary>
    None,

    /// <summary>Neither of the two attributes is there: the EAP method makes no key, as EAP-MD5 does not.</summary>
    Absent,

    /// <summary>One of the two is missing.</summary>
    Half,

    /// <summary>One of them is there twice.</summary>
    Twice,

    /// <summary>One cannot be opened: a wrong form, or sealed with another secret.</summary>
    Sealed,

    /// <summary>A key that is not 32 octets long.</summary>
    Length,

    /// <summary>A key of zeros.</summary>
    AllZero,
}
