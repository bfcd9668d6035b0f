namespace Masquerade.Lab.Users;

/// <summary>One user's change of access point.</summary>
/// <param name="From">The access point left, 1 is AP1.</param>
/// <param name="To">The access point reached.</param>
/// <param name="AtSeconds">Since the start of the traffic.</param>
/// <param name="Proof">How it was proved there that the client is the user's; empty: it was not.</param>
/// <param name="SwitchMs">How long the link was certainly dead.</param>
/// <param name="SilenceMs">The longest silence of the user's connections around it, the dead link included; NaN if that cannot be said, because the user has been denied.</param>
public sealed record UserRoam(int From, int To, double AtSeconds, string Proof, double SwitchMs, double SilenceMs)
{
    /// <summary>What the silence exceeds the dead link by, ms.</summary>
    public double BeyondMs => Math.Max(0, SilenceMs - SwitchMs);
}

/// <summary>A connection that a user has tried to open at an access point.</summary>
/// <param name="User">The user.</param>
/// <param name="AccessPoint">Where, 1 is AP1.</param>
/// <param name="What">To what.</param>
/// <param name="Allowed">Whether the policy, and the user's standing, allow it.</param>
/// <param name="Bytes">What came of it.</param>
public sealed record PolicyTrial(string User, int AccessPoint, string What, bool Allowed, long Bytes)
{
    /// <summary>Whether it came as the policy says.</summary>
    public bool IsRight => Allowed == Bytes > 0;
}

/// <summary>What became of one user.</summary>
/// <param name="Name">The user.</param>
/// <param name="With">What runs on the client.</param>
/// <param name="Client">c1, c2, …</param>
/// <param name="Logins">How often the RADIUS server has let the client in.</param>
/// <param name="Roams">The walk.</param>
/// <param name="Connections">The TCP connections opened at the beginning.</param>
/// <param name="Alive">Of these, those that ended in order, every octet verified.</param>
public sealed record UserOutcome(string Name, string With, string Client, int Logins, IReadOnlyList<UserRoam> Roams, int Connections, int Alive)
{
    /// <summary>Why the user's client program ended that should not have; null: it did not, or there is none.</summary>
    public string? Failure { get; init; }

    /// <summary>The median of what the silences exceed the dead link by, ms; 0 without roams.</summary>
    public double MedianBeyondMs => Percentile(Roams.Where(r => !double.IsNaN(r.SilenceMs)).Select(r => r.BeyondMs), 0.5);

    internal static double Percentile(IEnumerable<double> values, double part)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? 0 : sorted[Math.Clamp((int)Math.Ceiling(part * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}

/// <summary>What came of denying a user.</summary>
/// <param name="User">Who was denied.</param>
/// <param name="AtSeconds">When the order was given, since the start of the traffic.</param>
/// <param name="LastOctetMs">How long after the order the last octet of the user's connections came.</param>
public sealed record DenialOutcome(string User, double AtSeconds, double LastOctetMs);

/// <summary>The whole outcome of a walk with users.</summary>
public sealed record AuthResult
{
    /// <summary>The users: the employee whose link is protected, the one with an ordinary supplicant, the guest.</summary>
    public required IReadOnlyList<UserOutcome> Users { get; init; }

    /// <summary>What was tried at each access point.</summary>
    public required IReadOnlyList<PolicyTrial> Trials { get; init; }

    /// <summary>The denial in the middle of the walk.</summary>
    public required DenialOutcome Denial { get; init; }

    /// <summary>Frames seen on the protected link.</summary>
    public required int LinkFrames { get; init; }

    /// <summary>Of these, frames from the client or to it alone that show an IP packet or an address resolution.</summary>
    public required IReadOnlyList<string> ReadableFrames { get; init; }

    /// <summary>The handshakes at access points that the protected client walked to: ms, frames sent, frames received.</summary>
    public required IReadOnlyList<(double Milliseconds, int Sent, int Received)> Handshakes { get; init; }

    /// <summary>How long the run took, without preparing the network.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Why a program ended that should not have; null: none did.</summary>
    public string? ProgramFailure { get; init; }

    /// <summary>"ok" or why not.</summary>
    public string Verdict { get; init; } = "not judged";

    /// <summary>How many of the handshakes took two frames each way.</summary>
    public int InTwoRoundTrips => Handshakes.Count(h => h is { Sent: 2, Received: 2 });

    /// <summary>The median handshake, ms; 0 without any.</summary>
    public double MedianHandshakeMs => UserOutcome.Percentile(Handshakes.Select(h => h.Milliseconds), 0.5);
}
