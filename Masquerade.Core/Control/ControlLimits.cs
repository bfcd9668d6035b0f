namespace Masquerade.Core.Control;

/// <summary>
/// How large messages may be. A decoder refuses what is larger before it allocates anything for it. The numbers of entries are chosen so that any message that keeps to
/// them fits a frame, whatever is in the entries; <see cref="MessageSize"/> does the sum.
/// </summary>
public static class ControlLimits
{
    /// <summary>Octets of one frame's body.</summary>
    public const int MaxFrameBytes = 1 << 20;

    /// <summary>Octets of the body of the first frame, a <see cref="Hello"/>: who has not introduced itself may not make anybody wait for more.</summary>
    public const int MaxFirstFrameBytes = 12_288;

    /// <summary>Mapping records in one message.</summary>
    public const int MaxMappingsPerMessage = 2_048;

    /// <summary>Connections in one mapping record.</summary>
    public const int MaxConnectionsPerMapping = 4_096;

    /// <summary>Connections in all mapping records of one message together.</summary>
    public const int MaxConnectionsPerMessage = 16_384;

    /// <summary>FAM endpoints offered with one arrival.</summary>
    public const int MaxOffers = 1_024;

    /// <summary>Addresses of a client or node; also prefixes, and owners of addresses, in one message.</summary>
    public const int MaxAddresses = 64;

    /// <summary>Routes in one message.</summary>
    public const int MaxRoutes = 4_096;

    /// <summary>FAMs of a client besides the first one.</summary>
    public const int MaxFurtherFams = 3;

    /// <summary>Mappings attached by one message.</summary>
    public const int MaxAttachments = 4_096;

    /// <summary>Bare mappings (ended, released) in one message.</summary>
    public const int MaxBareMappings = 2_816;

    /// <summary>Characters of a reason text.</summary>
    public const int MaxReasonLength = 200;

    /// <summary>Octets of an EAP message.</summary>
    public const int MaxEap = 4_096;

    /// <summary>Octets of a policy's text.</summary>
    public const int MaxPolicy = 131_072;

    /// <summary>Characters of a DNS domain.</summary>
    public const int MaxDomainLength = 128;
}
