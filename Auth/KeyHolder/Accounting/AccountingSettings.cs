namespace Masquerade.Auth.KeyHolder;

/// <summary>How sessions are told to accounting servers.</summary>
public sealed record AccountingSettings
{
    /// <summary>How the site presents itself; the same as to the servers that authenticate.</summary>
    public required NasSettings Nas { get; init; }

    /// <summary>Records that may wait; with a server that is away for long, new ones are dropped, but for stop records, which take the place of an interim one.</summary>
    public int MaximumRecords { get; init; } = 65_536;

    /// <summary>Records on their way to a server at once.</summary>
    public int MaximumUnderWay { get; init; } = 32;

    /// <summary>A record that could not be delivered for so long is dropped.</summary>
    public TimeSpan MaximumAge { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long after no server has answered it is tried again.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate(string parameter)
    {
        if (MaximumRecords < 1 || MaximumUnderWay < 1 || MaximumAge <= TimeSpan.Zero || RetryAfter <= TimeSpan.Zero)
        {
            throw new ArgumentException("a limit of accounting is out of its range", parameter);
        }
    }
}
