namespace Masquerade.Core.Control;

/// <summary>How large messages may be. A decoder refuses what is larger before it allocates anything for it.</summary>
public static class ControlLimits
{
    /// <summary>Octets of one frame's body.</summary>
    public const int MaxFrameBytes = 1 << 20;

    /// <summary>Mappings in one message.</summary>
    public const int MaxMappingsPerMessage = 4_096;

    /// <summary>Connections in one mapping record.</summary>
    public const int MaxConnectionsPerMapping = 4_096;

    /// <summary>FAM endpoints offered with one arrival.</summary>
    public const int MaxOffers = 1_024;

    /// <summary>Addresses of a client or node.</summary>
    public const int MaxAddresses = 64;

    /// <summary>Routes in one message.</summary>
    public const int MaxRoutes = 8_192;

    /// <summary>Characters of a reason text.</summary>
    public const int MaxReasonLength = 200;
}
