namespace Masquerade.Auth.Radius;

/// <summary>What a RADIUS packet is: its first octet.</summary>
public enum RadiusCode : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>May this user in? (RFC 2865 section 4.1)</summary>
    AccessRequest = 1,

    /// <summary>Yes (RFC 2865 section 4.2).</summary>
    AccessAccept = 2,

    /// <summary>No (RFC 2865 section 4.3).</summary>
    AccessReject = 3,

    /// <summary>What a session has used (RFC 2866 section 4.1).</summary>
    AccountingRequest = 4,

    /// <summary>It is recorded (RFC 2866 section 4.2).</summary>
    AccountingResponse = 5,

    /// <summary>Say more first (RFC 2865 section 4.4).</summary>
    AccessChallenge = 11,

    /// <summary>Is the server there? (RFC 5997)</summary>
    StatusServer = 12,

    /// <summary>End these sessions (RFC 5176 section 2.1).</summary>
    DisconnectRequest = 40,

    /// <summary>They are ended.</summary>
    DisconnectAck = 41,

    /// <summary>They are not.</summary>
    DisconnectNak = 42,

    /// <summary>Change what this session may do (RFC 5176 section 2.2).</summary>
    CoaRequest = 43,

    /// <summary>It is changed.</summary>
    CoaAck = 44,

    /// <summary>It is as it was.</summary>
    CoaNak = 45,
}
