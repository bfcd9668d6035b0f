using System.ComponentModel.DataAnnotations;

namespace Masquerade.Ham;

/// <summary>Limits and times of a <see cref="HamEngine"/>.</summary>
public sealed record HamConfig
{
    /// <summary>The most mappings this node owns at once; 1 to 4,194,304.</summary>
    public int MaxMappings { get; init; } = 262_144;

    /// <summary>The most clients that have mappings here at once.</summary>
    public int MaxClients { get; init; } = 16_384;

    /// <summary>How long new packets wait for the previous FAM's <c>Drained</c> after a move, at most. One round trip between two nodes is enough.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How many clients may be draining at once; beyond it packets go the new way at once and may overtake others.</summary>
    public int MaxDrains { get; init; } = 256;

    /// <summary>Packets held per draining client.</summary>
    public int DrainPackets { get; init; } = 2_048;

    /// <summary>Octets held per draining client.</summary>
    public int DrainBytes { get; init; } = 1 << 21;

    /// <summary>The first interval in which the coordinator is not asked again where a client is; it doubles up to <see cref="FamQueryMaximum"/>.</summary>
    public TimeSpan FamQueryInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest interval between two such questions about one mapping.</summary>
    public TimeSpan FamQueryMaximum { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a TCP mapping without a FAM is kept (RFC 5382 REQ-5: not under 2 h 4 min).</summary>
    public TimeSpan TcpOrphanTimeout { get; init; } = TimeSpan.FromMinutes(124);

    /// <summary>How long a UDP mapping without a FAM is kept (RFC 4787 REQ-5: 5 min or more is recommended).</summary>
    public TimeSpan UdpOrphanTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long an ICMP mapping without a FAM is kept (RFC 5508 REQ-2: not under 60 s).</summary>
    public TimeSpan IcmpOrphanTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How often the coordinator is asked whether a mapping that has a FAM still has one. It should always be told; this bounds what a loss on both sides can leave behind.
    /// </summary>
    public TimeSpan VerifyInterval { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How often the way to each FAM is measured anew: how large packets may be there. A question is one full packet.</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan PathMtuInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The shortest time between two reports of unsolicited packets.</summary>
    public TimeSpan UnsolicitedReportInterval { get; init; } = TimeSpan.FromSeconds(1);
}
