namespace Masquerade.Auth.Radius;

/// <summary>Attributes by their number (the registry of RFC 3575).</summary>
public enum RadiusAttributeType : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>RFC 2865 section 5.1.</summary>
    UserName = 1,

    /// <summary>RFC 2865 section 5.2.</summary>
    UserPassword = 2,

    /// <summary>RFC 2865 section 5.4.</summary>
    NasIpAddress = 4,

    /// <summary>RFC 2865 section 5.5.</summary>
    NasPort = 5,

    /// <summary>RFC 2865 section 5.6.</summary>
    ServiceType = 6,

    /// <summary>RFC 2865 section 5.8.</summary>
    FramedIpAddress = 8,

    /// <summary>RFC 2865 section 5.11.</summary>
    FilterId = 11,

    /// <summary>RFC 2865 section 5.12.</summary>
    FramedMtu = 12,

    /// <summary>RFC 2865 section 5.18.</summary>
    ReplyMessage = 18,

    /// <summary>RFC 2865 section 5.24.</summary>
    State = 24,

    /// <summary>RFC 2865 section 5.25.</summary>
    Class = 25,

    /// <summary>RFC 2865 section 5.26.</summary>
    VendorSpecific = 26,

    /// <summary>RFC 2865 section 5.27; seconds.</summary>
    SessionTimeout = 27,

    /// <summary>RFC 2865 section 5.28; seconds.</summary>
    IdleTimeout = 28,

    /// <summary>RFC 2865 section 5.29.</summary>
    TerminationAction = 29,

    /// <summary>RFC 2865 section 5.30, RFC 3580 section 3.20.</summary>
    CalledStationId = 30,

    /// <summary>RFC 2865 section 5.31, RFC 3580 section 3.21.</summary>
    CallingStationId = 31,

    /// <summary>RFC 2865 section 5.32.</summary>
    NasIdentifier = 32,

    /// <summary>RFC 2865 section 5.33.</summary>
    ProxyState = 33,

    /// <summary>RFC 2866 section 5.1.</summary>
    AcctStatusType = 40,

    /// <summary>RFC 2866 section 5.2; seconds.</summary>
    AcctDelayTime = 41,

    /// <summary>RFC 2866 section 5.3; from the user.</summary>
    AcctInputOctets = 42,

    /// <summary>RFC 2866 section 5.4; to the user.</summary>
    AcctOutputOctets = 43,

    /// <summary>RFC 2866 section 5.5.</summary>
    AcctSessionId = 44,

    /// <summary>RFC 2866 section 5.6.</summary>
    AcctAuthentic = 45,

    /// <summary>RFC 2866 section 5.7; seconds.</summary>
    AcctSessionTime = 46,

    /// <summary>RFC 2866 section 5.8.</summary>
    AcctInputPackets = 47,

    /// <summary>RFC 2866 section 5.9.</summary>
    AcctOutputPackets = 48,

    /// <summary>RFC 2866 section 5.10.</summary>
    AcctTerminateCause = 49,

    /// <summary>RFC 2866 section 5.11.</summary>
    AcctMultiSessionId = 50,

    /// <summary>RFC 2869 section 5.1; 2^32 octets.</summary>
    AcctInputGigawords = 52,

    /// <summary>RFC 2869 section 5.2; 2^32 octets.</summary>
    AcctOutputGigawords = 53,

    /// <summary>RFC 2869 section 5.3; seconds since 1970.</summary>
    EventTimestamp = 55,

    /// <summary>RFC 2865 section 5.41.</summary>
    NasPortType = 61,

    /// <summary>RFC 2868 section 3.1.</summary>
    TunnelType = 64,

    /// <summary>RFC 2868 section 3.2.</summary>
    TunnelMediumType = 65,

    /// <summary>RFC 2868 section 3.5.</summary>
    TunnelPassword = 69,

    /// <summary>RFC 2869 section 5.11.</summary>
    ConnectInfo = 77,

    /// <summary>RFC 3579 section 3.1; split over several attributes.</summary>
    EapMessage = 79,

    /// <summary>RFC 3579 section 3.2.</summary>
    MessageAuthenticator = 80,

    /// <summary>RFC 2868 section 3.6.</summary>
    TunnelPrivateGroupId = 81,

    /// <summary>RFC 2869 section 5.16; seconds.</summary>
    AcctInterimInterval = 85,

    /// <summary>RFC 2869 section 5.17.</summary>
    NasPortId = 87,

    /// <summary>RFC 4372.</summary>
    ChargeableUserIdentity = 89,

    /// <summary>RFC 4849; rules end in NUL and go over several attributes.</summary>
    NasFilterRule = 92,

    /// <summary>RFC 3162 section 2.1.</summary>
    NasIpv6Address = 95,

    /// <summary>RFC 3162 section 2.3.</summary>
    FramedIpv6Prefix = 97,

    /// <summary>RFC 5176 section 3.5.</summary>
    ErrorCause = 101,

    /// <summary>RFC 6911 section 3.1.</summary>
    FramedIpv6Address = 168,

    /// <summary>RFC 7268 section 2.9: MDID.</summary>
    MobilityDomainId = 177,

    /// <summary>RFC 7268 section 2.11: a suite selector.</summary>
    WlanPairwiseCipher = 186,

    /// <summary>RFC 7268 section 2.13: a suite selector.</summary>
    WlanAkmSuite = 188,
}
