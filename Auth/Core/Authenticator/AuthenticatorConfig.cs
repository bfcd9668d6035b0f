using Masquerade.Auth.Eapol;

namespace Masquerade.Auth.Authenticator;

/// <summary>Constants of the state machines (IEEE 802.1X-2004 clauses 8.2.4.1.2, 8.2.8.1 and 8.2.9.1.2, RFC 3748 section 4.3) and limits of an <see cref="AuthenticatorTable"/>.</summary>
public sealed record AuthenticatorConfig
{
    /// <summary>Who decides whether ports are authorised.</summary>
    public PortControl PortControl { get; init; } = PortControl.Auto;

    /// <summary>
    /// Whether links are to be protected by a key of the authentication. Then methods that make none (MD5-Challenge, one-time password, generic token card: RFC 3748
    /// sections 5.4 to 5.6) are refused, and so is an acceptance without any method.
    /// </summary>
    public bool KeyedPort { get; init; } = true;

    /// <summary>quietPeriod: how long a client is not heard after a failure; 0 to 65,535 s.</summary>
    public TimeSpan QuietPeriod { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>reAuthMax: how often an authentication is tried without an end before the port is given up; 1 to 100.</summary>
    public int ReAuthMax { get; init; } = 2;

    /// <summary>reAuthEnabled: whether a port authenticates again by itself where the server gives no session time.</summary>
    public bool ReAuthEnabled { get; init; }

    /// <summary>reAuthPeriod: after which time it does; 1 s to 30 days.</summary>
    public TimeSpan ReAuthPeriod { get; init; } = TimeSpan.FromSeconds(3_600);

    /// <summary>How long a session lasts at most once the client has to authenticate again; 1 s to 1 hour.</summary>
    public TimeSpan ReAuthGrace { get; init; } = TimeSpan.FromSeconds(180);

    /// <summary>serverTimeout: how long an answer of the server is awaited; 1 to 3,600 s.</summary>
    public TimeSpan ServerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long to wait until an authentication begins again because no server is available; 0 to <see cref="ServerTimeout"/>.</summary>
    public TimeSpan ServerPause { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The retransmission time before a round trip was measured; <see cref="RetransmitMin"/> to <see cref="RetransmitMax"/> (RFC 6298 by way of RFC 3748 section 4.3).</summary>
    public TimeSpan RetransmitInitial { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The shortest retransmission time; 100 ms or more.</summary>
    public TimeSpan RetransmitMin { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest retransmission time, and of what a server may ask for; up to 300 s (RFC 3748 section 4.3 has 20 s).</summary>
    public TimeSpan RetransmitMax { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How often a request is sent again; 0 to 20 (RFC 3748 section 4.3 suggests 3 to 5). With 0, one retransmission time is what 802.1X-2001 called suppTimeout.</summary>
    public int MaxRetransmissions { get; init; } = 5;

    /// <summary>Rounds of one authentication; 5 to 1,000. A server that never ends is taken for one that rejects.</summary>
    public int MaxRounds { get; init; } = 100;

    /// <summary>Whether an EAPOL-Logoff ends a session. It is not protected: where links are, the word of the link is better.</summary>
    public bool ObeyLogoff { get; init; } = true;

    /// <summary>The pause within which a further EAPOL-Start of the same client is dropped; 0 to 60 s.</summary>
    public TimeSpan StartPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The EAPOL version in frames that are sent, 1 to 3.</summary>
    public byte Version { get; init; } = EapolFrame.DefaultVersion;

    /// <summary>The text in identity requests (RFC 3748 section 5.1); up to 200 octets, usually none.</summary>
    public ReadOnlyMemory<byte> IdentityText { get; init; }

    /// <summary>The longest EAP packet to a client: what the link carries, less 4 octets; 1,020 (RFC 3748 section 3.1) to 4,096.</summary>
    public int MaxEapToClient { get; init; } = 1_496;

    /// <summary>The longest EAP packet to the server; 1,020 to 4,096.</summary>
    public int MaxEapToServer { get; init; } = 4_096;

    /// <summary>Ports whose client has not answered yet; 1 to 65,536. Beyond them clients are answered without a port.</summary>
    public int MaxUnanswered { get; init; } = 1_024;

    /// <summary>Ports in an exchange with the server that are not authorised; 1 to 65,536.</summary>
    public int MaxExchanges { get; init; } = 1_024;

    /// <summary>How long a client in an exchange may be silent before it makes place for another, where places are short; 1 s to 1 hour.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Ports in their quiet period; 1 to 65,536. Beyond them the oldest is forgotten.</summary>
    public int MaxHeld { get; init; } = 1_024;

    /// <summary>Authorised ports; 1 to 1,048,576.</summary>
    public int MaxAuthorised { get; init; } = 4_096;

    /// <summary>Ports made in a second for clients that have not answered yet; 1 to 1,000,000. Beyond them clients are answered without a port.</summary>
    public int NewPortsPerSecond { get; init; } = 200;

    /// <summary>Answers in a second to first words of unknown clients, with a port or without; 1 to 10,000,000.</summary>
    public int AnswersPerSecond { get; init; } = 20_000;

    /// <summary>Exchanges with the server that are begun in a second by clients that are not authorised; 1 to 1,000,000.</summary>
    public int ExchangesPerSecond { get; init; } = 500;

    /// <summary>Throws if a value is out of its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Names the value.</exception>
    internal void Validate()
    {
        InRange(QuietPeriod, TimeSpan.Zero, TimeSpan.FromSeconds(65_535), nameof(QuietPeriod));
        InRange(ReAuthMax, 1, 100, nameof(ReAuthMax));
        InRange(ReAuthPeriod, TimeSpan.FromSeconds(1), TimeSpan.FromDays(30), nameof(ReAuthPeriod));
        InRange(ReAuthGrace, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), nameof(ReAuthGrace));
        InRange(ServerTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3_600), nameof(ServerTimeout));
        InRange(ServerPause, TimeSpan.Zero, ServerTimeout, nameof(ServerPause));
        InRange(RetransmitMin, TimeSpan.FromMilliseconds(100), RetransmitMax, nameof(RetransmitMin));
        InRange(RetransmitMax, RetransmitMin, TimeSpan.FromSeconds(300), nameof(RetransmitMax));
        InRange(RetransmitInitial, RetransmitMin, RetransmitMax, nameof(RetransmitInitial));
        InRange(MaxRetransmissions, 0, 20, nameof(MaxRetransmissions));
        InRange(MaxRounds, 5, 1_000, nameof(MaxRounds));
        InRange(StartPause, TimeSpan.Zero, TimeSpan.FromSeconds(60), nameof(StartPause));
        InRange(Version, 1, 3, nameof(Version));
        InRange(IdentityText.Length, 0, 200, nameof(IdentityText));
        InRange(MaxEapToClient, 1_020, 4_096, nameof(MaxEapToClient));
        InRange(MaxEapToServer, 1_020, 4_096, nameof(MaxEapToServer));
        InRange(MaxUnanswered, 1, 65_536, nameof(MaxUnanswered));
        InRange(MaxExchanges, 1, 65_536, nameof(MaxExchanges));
        InRange(StallTime, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), nameof(StallTime));
        InRange(MaxHeld, 1, 65_536, nameof(MaxHeld));
        InRange(MaxAuthorised, 1, 1_048_576, nameof(MaxAuthorised));
        InRange(NewPortsPerSecond, 1, 1_000_000, nameof(NewPortsPerSecond));
        InRange(AnswersPerSecond, 1, 10_000_000, nameof(AnswersPerSecond));
        InRange(ExchangesPerSecond, 1, 1_000_000, nameof(ExchangesPerSecond));
    }

    private static void InRange<T>(T value, T minimum, T maximum, string name)
        where T : IComparable<T>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, minimum, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, maximum, name);
    }
}
