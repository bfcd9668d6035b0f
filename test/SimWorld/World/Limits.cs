using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.SimWorld.World;

/// <summary>The bounds of a simulated access point: small, so that they are cheap to make, and so that what grows without end is seen to.</summary>
internal static class Limits
{
    public static FamConfig Fam { get; } = new()
    {
        MaxClients = 32,
        MaxMappings = 1_024,
        MaxConnections = 1_024,
        MaxHolds = 16,
        HoldPackets = 1_024,
        HoldBytes = 1 << 17,
        UdpTimeout = TimeSpan.FromMinutes(5),

        // Shorter than RFC 5382 allows, or half of every run would be spent waiting for what was not closed.
        TcpEstablishedTimeout = TimeSpan.FromMinutes(20),
    };

    public static HamConfig Ham { get; } = new()
    {
        MaxMappings = 1_024,
        MaxClients = 32,
        MaxDrains = 16,
        DrainPackets = 1_024,
        DrainBytes = 1 << 17,
        TcpOrphanTimeout = TimeSpan.FromMinutes(20),
        VerifyInterval = TimeSpan.FromMinutes(10),

        // The simulated network carries packets of any length.
        PathMtuInterval = TimeSpan.Zero,
    };
}
