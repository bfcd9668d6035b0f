using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;

namespace Masquerade.Auth.Peer;

/// <summary>How a supplicant behaves on its link.</summary>
public sealed record SupplicantConfig
{
    /// <summary>How long an EAPOL-Start is waited on before another one (startPeriod; IEEE 802.1X-2004 clause 8.2.11.1.2 has 30 s, too long for who walks).</summary>
    public TimeSpan StartPeriod { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>After how many of them without an answer there is taken to be no authenticator (maxStart, clause 8.2.11.1.2). They go on, every <see cref="HeldPeriod"/>.</summary>
    public int MaxStart { get; init; } = 3;

    /// <summary>How long an authenticator may be silent in an authentication (authPeriod, clause 8.2.11.1.2).</summary>
    public TimeSpan AuthPeriod { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long after a rejection the supplicant does not ask by itself (heldPeriod, clause 8.2.11.1.2).</summary>
    public TimeSpan HeldPeriod { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long after an authentication the access point may take to offer protection.</summary>
    public TimeSpan OfferWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long frames of the client are held back when the link has come up again and new keys are awaited.</summary>
    public TimeSpan HoldAtMost { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>After how long without any good frame, while frames are sent, the access point is asked whether it still knows the client. Doubles each time, to a minute.</summary>
    public TimeSpan SilenceAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether a link that nobody offers to protect is good enough.</summary>
    public bool PlainIsGood { get; init; }

    /// <summary>The longest Ethernet frame, octets.</summary>
    public int MaxFrame { get; init; } = 9_216;

    /// <summary>How the handshake is conducted.</summary>
    public HandshakeConfig Handshake { get; init; } = new();

    /// <summary>How frames are protected.</summary>
    public MacsecConfig Macsec { get; init; } = new();

    /// <summary>Whether all values are in their ranges.</summary>
    internal bool IsValid => StartPeriod > TimeSpan.Zero && MaxStart > 0 && AuthPeriod > TimeSpan.Zero && HeldPeriod > TimeSpan.Zero && OfferWait > TimeSpan.Zero && HoldAtMost >= TimeSpan.Zero &&
        SilenceAfter > TimeSpan.Zero && MaxFrame is >= 1_514 and <= 65_536;
}
