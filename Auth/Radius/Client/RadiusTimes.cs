namespace Masquerade.Auth.Radius;

/// <summary>How often and how long a request is repeated (RFC 5080 section 2.2.1) and when another server is asked.</summary>
public sealed record RadiusTimes
{
    /// <summary>IRT: the first pause before a repetition, about.</summary>
    public TimeSpan Initial { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>MRT: no pause is longer, about.</summary>
    public TimeSpan Maximum { get; init; } = TimeSpan.FromSeconds(16);

    /// <summary>MRC: how often the only server left is asked, 1 to 255.</summary>
    public int Count { get; init; } = 5;

    /// <summary>MRD: after this a request is given up, whoever has been asked.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a server is asked before it is the next one's turn, 1 to <see cref="Count"/>.</summary>
    public int TriesBeforeNext { get; init; } = 2;

    /// <summary>The pause between two questions whether a dead server is back (RFC 5997 section 4.4), about.</summary>
    public TimeSpan ProbeEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a server that knows no Status-Server is taken for dead before a request tries it again.</summary>
    public TimeSpan DeadFor { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A pause with its tenth of chance more or less.</summary>
    internal static TimeSpan Jitter(TimeSpan pause, Func<double> chance) => pause + (((chance() * 0.2) - 0.1) * pause);

    /// <summary>The pause after the first transmission, and after each further one, from the one before (RFC 5080 section 2.2.1).</summary>
    internal TimeSpan Next(TimeSpan? before, Func<double> chance)
    {
        if (before is not { } previous)
        {
            return Jitter(Initial, chance);
        }

        var next = previous + Jitter(previous, chance);
        return next > Maximum ? Jitter(Maximum, chance) : next;
    }

    internal void Validate(string parameter)
    {
        if (Initial <= TimeSpan.Zero || Maximum < Initial || Count is < 1 or > 255 || TriesBeforeNext < 1 || TriesBeforeNext > Count || Duration <= TimeSpan.Zero || ProbeEvery <= TimeSpan.Zero || DeadFor <= TimeSpan.Zero)
        {
            throw new ArgumentException("RADIUS times must be positive, Maximum not below Initial, Count 1 to 255 and TriesBeforeNext not above it", parameter);
        }
    }
}
