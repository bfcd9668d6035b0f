using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint;

/// <summary>How many ICMP errors the node makes itself, and towards whom (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f), RFC 5508 REQ-9).</summary>
public sealed record IcmpConfig
{
    /// <summary>Whether clients are told why their packets are not passed on.</summary>
    public bool ErrorsToClients { get; init; } = true;

    /// <summary>Whether servers and others on the uplink side are.</summary>
    public bool ErrorsToUplink { get; init; } = true;

    /// <summary>The most such errors in a second, all receivers together; as many may come at once.</summary>
    public int ErrorsPerSecond { get; init; } = 1_000;

    /// <summary>The most such errors in a second to one receiver; as many may come at once.</summary>
    public int ErrorsPerReceiver { get; init; } = 100;
}

/// <summary>
/// Limits a rate per receiver and in all, in a fixed amount of memory: receivers share 256 places by a seeded hash, so that a flood of forged sources takes nothing but its own share
/// of the whole.
/// </summary>
internal sealed class ErrorLimiter(IcmpConfig config, uint seed)
{
    private const int Places = 256;

    // Per place: until when it is filled up with what has been sent, in nanoseconds; a second ahead is full.
    private readonly long[] _filled = new long[Places];
    private long _allFilled;

    /// <summary>Takes one from the receiver's share and from the whole; false if one of them is used up.</summary>
    public bool TryTake(IpAddress receiver, Instant now)
    {
        ref var own = ref _filled[FlowHash.Of(TransportProtocol.Icmp, new TransportEndpoint(receiver, 0), seed) % Places];

        // Its own limit first: who is over it takes nothing from the others.
        if (!Fits(own, config.ErrorsPerReceiver, now) || !Fits(_allFilled, config.ErrorsPerSecond, now))
        {
            return false;
        }

        own = Fill(own, config.ErrorsPerReceiver, now);
        _allFilled = Fill(_allFilled, config.ErrorsPerSecond, now);
        return true;
    }

    private static bool Fits(long filled, int perSecond, Instant now) => Fill(filled, perSecond, now) <= now.Nanoseconds + TimeSpan.NanosecondsPerTick * TimeSpan.TicksPerSecond;

    private static long Fill(long filled, int perSecond, Instant now) => Math.Max(filled, now.Nanoseconds) + (TimeSpan.NanosecondsPerTick * TimeSpan.TicksPerSecond / perSecond);
}
