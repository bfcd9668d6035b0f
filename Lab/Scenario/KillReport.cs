namespace Masquerade.Lab.Scenario;

/// <summary>What was killed.</summary>
public enum KillTarget
{
    /// <summary>A coordinator's process.</summary>
    Coordinator,

    /// <summary>The store's process, with all that it had.</summary>
    Redis,

    /// <summary>An access point: agent, radio and uplink, as by a loss of power.</summary>
    AccessPoint,
}

/// <summary>How long one connection stood still because of a kill.</summary>
/// <param name="Connection">What it does.</param>
/// <param name="Protocol">"TCP", "UDP" or "ICMP".</param>
/// <param name="Server">The server's endpoint.</param>
/// <param name="Ms">The longest time without payload, by the receiver's clock, in the worse direction.</param>
public sealed record ConnectionGap(string Connection, string Protocol, string Server, double Ms);

/// <summary>One kill and what it did.</summary>
/// <param name="Target">What kind of thing was killed.</param>
/// <param name="What">What exactly, for people.</param>
/// <param name="AtSeconds">When, since the start of the traffic.</param>
/// <param name="BackSeconds">When it was there again: a program answers, an access point has its addresses.</param>
/// <param name="Gaps">
/// The longest silence from the kill until it was started anew, of the connections that it concerned, longest first: with an access point those anchored there and those of clients
/// that were there, else all.
/// </param>
/// <param name="ReturnGaps">The longest silence of every connection from then on until the next kill, longest first.</param>
public sealed record KillReport(KillTarget Target, string What, double AtSeconds, double BackSeconds, IReadOnlyList<ConnectionGap> Gaps, IReadOnlyList<ConnectionGap> ReturnGaps)
{
    /// <summary>The percentile (0…100) of the gaps, ms, nearest rank; 0 if no connection was concerned.</summary>
    public double Gap(double percentile) => DemoResult.Percentile(Gaps.Select(g => g.Ms), percentile);

    /// <summary>The percentile (0…100) of the gaps after the return, ms, nearest rank.</summary>
    public double ReturnGap(double percentile) => DemoResult.Percentile(ReturnGaps.Select(g => g.Ms), percentile);
}
