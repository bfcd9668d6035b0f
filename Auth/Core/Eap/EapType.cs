namespace Masquerade.Auth.Eap;

/// <summary>Types of EAP requests and responses (RFC 3748 section 5 and the IANA registry). Other values exist and are passed through as they are.</summary>
public enum EapType : byte
{
    /// <summary>No type: a Success or Failure, or an expanded type that no octet can name.</summary>
    None = 0,

    /// <summary>Who are you? (section 5.1).</summary>
    Identity = 1,

    /// <summary>A text for the user (section 5.2).</summary>
    Notification = 2,

    /// <summary>The proposed method is not wanted (section 5.3.1); only in responses.</summary>
    Nak = 3,

    /// <summary>MD5-Challenge (section 5.4): neither a key nor mutual authentication.</summary>
    Md5Challenge = 4,

    /// <summary>One-time password (section 5.5): neither a key nor mutual authentication.</summary>
    OneTimePassword = 5,

    /// <summary>Generic token card (section 5.6): neither a key nor mutual authentication.</summary>
    GenericTokenCard = 6,

    /// <summary>EAP-TLS (RFC 5216, RFC 9190).</summary>
    Tls = 13,

    /// <summary>EAP-TTLS (RFC 5281).</summary>
    Ttls = 21,

    /// <summary>Protected EAP.</summary>
    Peap = 25,

    /// <summary>MS-CHAPv2, usually inside <see cref="Peap"/>.</summary>
    MsChapV2 = 26,

    /// <summary>EAP-FAST (RFC 4851).</summary>
    Fast = 43,

    /// <summary>EAP-PWD (RFC 5931).</summary>
    Pwd = 52,

    /// <summary>TEAP (RFC 7170).</summary>
    Teap = 55,

    /// <summary>An expanded type: a vendor and a type of its own (section 5.7).</summary>
    Expanded = 254,

    /// <summary>For experiments (section 5.8).</summary>
    Experimental = 255,
}
