namespace Masquerade.Lab;

/// <summary>Port numbers that the laboratory gives out.</summary>
public static class LabPorts
{
    /// <summary>Where access points send each other markers (UDP).</summary>
    public const int Peer = 4747;

    /// <summary>Where coordinators listen (TCP).</summary>
    public const int Coordinator = 4700;

    /// <summary>Where the store that coordinators share listens (TCP), on the loopback of their namespace.</summary>
    public const int Redis = 6379;

    /// <summary>Identities of the pings that try the network before the walk; not flows of the demonstration.</summary>
    public const int FirstProbe = 6001;

    /// <summary>Server ports of the traffic that is not judged.</summary>
    public const int FirstWarmUp = 6901;

    /// <summary>The first server port; each connection gets the next one.</summary>
    public const int FirstServer = 7001;
}
