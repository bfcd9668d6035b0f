using System.ComponentModel.DataAnnotations;
using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;

namespace Masquerade.AccessPoint.Users;

/// <summary>Whether clients' users must be known, and how they are found out; ranges of times are in milliseconds.</summary>
public sealed record UsersConfig
{
    /// <summary>Everybody is let in, and nobody is asked.</summary>
    public static readonly UsersConfig Off = new();

    /// <summary>Nothing of a client passes before its user is known.</summary>
    public bool Enabled { get; init; }

    /// <summary>
    /// Whether a link that came up (hostapd's event) proves the client, because the access point's own link layer has proved a key before it says so (WPA-Enterprise). Without it only
    /// what happens here proves anything.
    /// </summary>
    public bool TrustLink { get; init; }

    /// <summary>
    /// Whether hostapd is asked, when it says that a link is up, whose key the link has proved. That proves a client whose session is that user's, until hostapd says that the link is gone. Links of sessions that are
    /// over are ended. Not with <see cref="TrustLink"/>.
    /// </summary>
    public bool AskLink { get; init; }

    /// <summary>Who asks clients who they are.</summary>
    public UserAuthenticator Authenticator { get; init; }

    /// <summary>Whether clients' links are protected.</summary>
    public LinkProtection Protection { get; init; } = LinkProtection.Optional;

    /// <summary>How long the keys of a protected link are used before new ones are made, without harm to the link; zero: until their packet numbers run out.</summary>
    [Range(0, 2_592_000_000)]
    public TimeSpan KeyLifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Whether a client is bound to its addresses: one IPv4 address, and IPv6 addresses of the clients' prefixes, that no other client has.</summary>
    public bool BindAddresses { get; init; } = true;

    /// <summary>For how long a client that has no lease must have been quiet under an IPv4 address before it may take another one.</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan AddressQuiet { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Whether methods that make no key are refused (MD5-Challenge, one-time password, token card: RFC 3748 sections 5.4 to 5.6).</summary>
    public bool RequireKey { get; init; } = true;

    /// <summary>How long a client is not heard after it was rejected (IEEE 802.1X quietPeriod).</summary>
    [Range(0, 65_535_000)]
    public TimeSpan QuietPeriod { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an answer of the server is awaited (IEEE 802.1X serverTimeout).</summary>
    [Range(1_000, 3_600_000)]
    public TimeSpan ServerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most clients that are let in, or being asked about, at once.</summary>
    [Range(16, 65_536)]
    public int MaxClients { get; init; } = 4_096;

    /// <summary>For how long the coordinator is not asked again about a client of which it knew nothing.</summary>
    [Range(100, 3_600_000)]
    public TimeSpan AskAgain { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often the coordinator is told what a client has used.</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan ReportInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The settings of protected links.</summary>
    internal MacsecConfig Macsec { get; init; } = new();

    /// <summary>The handshake's settings.</summary>
    internal HandshakeConfig ToHandshake() => new() { NewKeysAfter = KeyLifetime };

    /// <summary>The authenticator's settings.</summary>
    internal AuthenticatorConfig ToAuthenticator() => new()
    {
        KeyedPort = RequireKey, QuietPeriod = QuietPeriod, ServerTimeout = ServerTimeout, MaxAuthorised = MaxClients,
        ServerPause = ServerTimeout < TimeSpan.FromSeconds(3) ? ServerTimeout : TimeSpan.FromSeconds(3),
    };
}
