namespace Masquerade.Lab.Scenario;

/// <summary>What became of one connection.</summary>
/// <param name="Name">What it did.</param>
/// <param name="Protocol">"TCP", "UDP" or "ICMP".</param>
/// <param name="Client">c1, c2, …</param>
/// <param name="Server">The server's endpoint.</param>
/// <param name="SeenByServer">The endpoint that the server saw; empty if unknown.</param>
/// <param name="Health">Final health.</param>
/// <param name="Bytes">Payload received, both directions.</param>
/// <param name="Failure">What went wrong, or null.</param>
public sealed record ConnectionOutcome(string Name, string Protocol, string Client, string Server, string SeenByServer, string Health, long Bytes, string? Failure);

/// <summary>The silence around one roam.</summary>
/// <param name="From">The access point left, 1 is AP1.</param>
/// <param name="To">The access point reached, 1 is AP1.</param>
/// <param name="AtSeconds">Since the start of the traffic.</param>
/// <param name="SwitchMs">How long the link was certainly dead.</param>
/// <param name="DownMs">Longest silence of the downlink datagrams.</param>
/// <param name="UpMs">Longest silence of the uplink datagrams.</param>
public sealed record RoamGap(int From, int To, double AtSeconds, double SwitchMs, double DownMs, double UpMs)
{
    /// <summary>The longer of both silences.</summary>
    public double RawMs => Math.Max(DownMs, UpMs);

    /// <summary>What the longer silence exceeds the switch of the link by: the part that the network is responsible for.</summary>
    public double BeyondMs => Math.Max(0, RawMs - SwitchMs);
}

/// <summary>The datagrams of one run, both directions together. Sent = arrived + unsent + lost.</summary>
/// <param name="Sent">Handed to a kernel.</param>
/// <param name="Unsent">Could not cross: the client's radio was down, or an access point put them onto a link already dead.</param>
/// <param name="Lost">All other losses.</param>
/// <param name="Duplicated">Arrived again.</param>
/// <param name="Reordered">Arrived after a later one.</param>
/// <param name="Corrupted">Arrived with other content, or from another flow.</param>
public sealed record DatagramSummary(int Sent, int Unsent, int Lost, int Duplicated, int Reordered, int Corrupted)
{
    /// <summary>Of the lost ones, those sent while something killed was being replaced.</summary>
    public int LostInKills { get; init; }
}

/// <summary>What the captures prove about the way of the packets.</summary>
/// <param name="Ok">Whether the way was always the direct one, and enough was seen to say so.</param>
/// <param name="Encapsulated">Packets in tunnels, of unknown kind, or longer than the original.</param>
/// <param name="Examined">Packets of connections that were judged.</param>
/// <param name="ViaHamThenFam">Inbound datagrams that were seen at the HAM and then at the FAM.</param>
/// <param name="Violations">The first violations, for people.</param>
public sealed record PathSummary(bool Ok, long Encapsulated, long Examined, long ViaHamThenFam, IReadOnlyList<string> Violations);

/// <summary>One coordinator of the site.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Address">Where it listens.</param>
/// <param name="AccessPoints">The access points whose agents were connected to it, 1 is AP1.</param>
public sealed record CoordinatorSummary(string Name, string Address, IReadOnlyList<int> AccessPoints);

/// <summary>The programs behind the access points.</summary>
/// <param name="Store">"memory" or "redis".</param>
/// <param name="Coordinators">The coordinators.</param>
public sealed record SiteSummary(string Store, IReadOnlyList<CoordinatorSummary> Coordinators)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"store: {Store}; coordinators: {string.Join("; ", Coordinators.Select(c => $"{c.Name} at {c.Address} with {(c.AccessPoints.Count == 0 ? "no access point" : string.Join(", ", c.AccessPoints.Select(k => $"AP{k}")))}"))}";
}

/// <summary>The whole outcome of one run.</summary>
public sealed record DemoResult
{
    /// <summary>How often c1 changed its access point.</summary>
    public required int Roams { get; init; }

    /// <summary>TCP connections attempted.</summary>
    public required int TcpConnections { get; init; }

    /// <summary>Of these, reset, refused or timed out.</summary>
    public required int TcpResets { get; init; }

    /// <summary>Of these, with wrong content.</summary>
    public required int TcpCorrupted { get; init; }

    /// <summary>Of these, alive in name only: no longer moving at the end.</summary>
    public required int TcpStalled { get; init; }

    /// <summary>The datagrams.</summary>
    public required DatagramSummary Udp { get; init; }

    /// <summary>Where the lost datagrams were last seen.</summary>
    public required IReadOnlyList<string> Losses { get; init; }

    /// <summary>Echo requests sent.</summary>
    public required int PingSent { get; init; }

    /// <summary>Echo requests sent over a live link and not answered.</summary>
    public required int PingLost { get; init; }

    /// <summary>The silences, one for each roam.</summary>
    public required IReadOnlyList<RoamGap> Gaps { get; init; }

    /// <summary>The proof by captures.</summary>
    public required PathSummary Path { get; init; }

    /// <summary>Frames that the captures could not store.</summary>
    public required long CaptureDrops { get; init; }

    /// <summary>Every connection.</summary>
    public required IReadOnlyList<ConnectionOutcome> Connections { get; init; }

    /// <summary>What was killed and what it did; null if nothing was to be.</summary>
    public IReadOnlyList<KillReport>? Kills { get; init; }

    /// <summary>What did not happen after a kill although it should have.</summary>
    public IReadOnlyList<string> Troubles { get; init; } = [];

    /// <summary>The programs behind the access points when the traffic started; null if there are none.</summary>
    public SiteSummary? Site { get; init; }

    /// <summary>How long the run took, without preparing the network.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Why a program ended that should not have; null: none did.</summary>
    public string? ProgramFailure { get; init; }

    /// <summary>"ok" or why not.</summary>
    public string Verdict { get; init; } = "not judged";

    /// <summary>The percentile (0…100) of the gaps beyond the switch, ms, nearest rank; 0 without roams.</summary>
    public double Gap(double percentile) => Percentile(Gaps.Select(g => g.BeyondMs), percentile);

    /// <summary>The percentile (0…100) of how long connections stood still because their access point, or that of their client, was dead; ms, nearest rank.</summary>
    public double TakeoverGap(double percentile) => KillGap(k => k.Target == KillTarget.AccessPoint ? k.Gaps : [], percentile);

    /// <summary>The same for coordinators and the store.</summary>
    public double OutageGap(double percentile) => KillGap(k => k.Target == KillTarget.AccessPoint ? [] : k.Gaps, percentile);

    /// <summary>The same for what came back.</summary>
    public double ReturnGap(double percentile) => KillGap(k => k.ReturnGaps, percentile);

    /// <summary>The percentile (0…100) of the whole silences, ms, nearest rank; 0 without roams.</summary>
    public double RawGap(double percentile) => Percentile(Gaps.Select(g => g.RawMs), percentile);

    private double KillGap(Func<KillReport, IReadOnlyList<ConnectionGap>> of, double percentile) => Percentile((Kills ?? []).SelectMany(of).Select(g => g.Ms), percentile);

    internal static double Percentile(IEnumerable<double> values, double percentile)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? 0 : sorted[Math.Clamp((int)Math.Ceiling(percentile / 100 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}
