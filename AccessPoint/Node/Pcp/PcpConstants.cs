namespace Masquerade.AccessPoint.Pcp;

/// <summary>Numbers of RFC 6887.</summary>
internal static class PcpProtocol
{
    /// <summary>The UDP port of servers (section 19.1).</summary>
    public const ushort Port = 5351;

    /// <summary>The version that is spoken.</summary>
    public const byte Version = 2;

    /// <summary>The most octets of a message (section 7).</summary>
    public const int MaxLength = 1_100;

    /// <summary>Octets in front of what belongs to the opcode.</summary>
    public const int HeaderLength = 24;

    /// <summary>Octets of a MAP after the header.</summary>
    public const int MapLength = 36;

    /// <summary>Octets of a PEER after the header.</summary>
    public const int PeerLength = 56;

    /// <summary>Octets in front of an option's data.</summary>
    public const int OptionHeader = 4;

    /// <summary>The bit that makes a message a response.</summary>
    public const byte ResponseBit = 0x80;

    /// <summary>The first option that may be passed over by who does not know it (section 7.3).</summary>
    public const byte FirstOptional = 128;
}

/// <summary>What is asked for (RFC 6887 section 19.2).</summary>
internal enum PcpOpcode : byte
{
    Announce = 0,
    Map = 1,
    Peer = 2,
}

/// <summary>Options (RFC 6887 section 13).</summary>
internal enum PcpOption : byte
{
    ThirdParty = 1,
    PreferFailure = 2,
    Filter = 3,
}

/// <summary>Result codes (RFC 6887 section 7.4).</summary>
internal enum PcpResult : byte
{
    Success = 0,
    UnsupportedVersion = 1,
    NotAuthorized = 2,
    MalformedRequest = 3,
    UnsupportedOpcode = 4,
    UnsupportedOption = 5,
    MalformedOption = 6,
    NetworkFailure = 7,
    NoResources = 8,
    UnsupportedProtocol = 9,
    UserExceedsQuota = 10,
    CannotProvideExternal = 11,
    AddressMismatch = 12,
    ExcessiveRemotePeers = 13,
}
