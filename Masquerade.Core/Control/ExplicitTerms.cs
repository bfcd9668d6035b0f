using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>What a client proves by that a mapping is its own to change: 96 random bits that it has chosen (RFC 6887 section 11.1).</summary>
/// <param name="High">The first eight octets, in network order.</param>
/// <param name="Low">The last four.</param>
public readonly record struct MappingNonce(ulong High, uint Low);

/// <summary>Whom an explicit mapping lets in.</summary>
/// <param name="Prefix">Any address in it.</param>
/// <param name="Port">This port; 0: any.</param>
public readonly record struct RemoteFilter(IpPrefix Prefix, ushort Port)
{
    /// <summary>Whether a server is one of those.</summary>
    public bool Admits(TransportEndpoint server) => Prefix.Contains(server.Address) && (Port == 0 || Port == server.Port);
}

/// <summary>
/// What makes a mapping explicit: it was asked for, by its client (RFC 6887) or by the operator, and lives by its lifetime, whether or not it is used. Times are relative to the
/// moment in which this is said, so that clocks need not agree.
/// </summary>
public sealed record ExplicitTerms
{
    /// <summary>The lifetime of what does not end, in milliseconds.</summary>
    public const uint Forever = uint.MaxValue;

    /// <summary>The most filters of one mapping.</summary>
    public const int MaxFilters = 16;

    /// <summary>The client's nonce; zero for a published service.</summary>
    public required MappingNonce Nonce { get; init; }

    /// <summary>How long it still lives, in milliseconds; <see cref="Forever"/> for what does not end, 0 for what has ended and is to be let go.</summary>
    public required uint LifetimeMilliseconds { get; init; }

    /// <summary>
    /// For how long the client's explicit mappings have been kept without a loss, in milliseconds: the epoch time that the client is told (RFC 6887 section 8.5). It goes where they
    /// go, and begins anew when they are lost.
    /// </summary>
    public required ulong AgeMilliseconds { get; init; }

    /// <summary>The operator's, a published service: the client can neither change nor end it.</summary>
    public bool Published { get; init; }

    /// <summary>Outbound only (PEER): it keeps the mapping, and lets in nobody whom the filter of all mappings does not.</summary>
    public bool OutboundOnly { get; init; }

    /// <summary>An application helper expects a connection there, by what the client has said to a server: it is no wish of the client's, and has served when the connection has come.</summary>
    public bool Expected { get; init; }

    /// <summary>Who may send to it besides those that the client has sent to; empty: everybody. At most <see cref="MaxFilters"/>.</summary>
    public IReadOnlyList<RemoteFilter> Filters { get; init; } = [];

    /// <summary>These terms when some time has passed.</summary>
    public ExplicitTerms After(TimeSpan time)
    {
        var passed = (ulong)Math.Max(0, time.TotalMilliseconds);
        return passed == 0 ? this : this with
        {
            LifetimeMilliseconds = LifetimeMilliseconds == Forever ? Forever : passed >= LifetimeMilliseconds ? 0 : LifetimeMilliseconds - (uint)passed,
            AgeMilliseconds = AgeMilliseconds > ulong.MaxValue - passed ? ulong.MaxValue : AgeMilliseconds + passed,
        };
    }

    /// <summary>Whether it is all the same which of the two one has; the lifetimes may differ by less than a second.</summary>
    public bool SaysTheSame(ExplicitTerms other) =>
        Nonce == other.Nonce && Published == other.Published && OutboundOnly == other.OutboundOnly && Expected == other.Expected && Filters.SequenceEqual(other.Filters)
        && Math.Abs((long)LifetimeMilliseconds - other.LifetimeMilliseconds) < 1_000;
}
