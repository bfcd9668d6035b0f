namespace Masquerade.Auth.Handshake;

/// <summary>How a handshake is conducted. Times and tries are hostapd's defaults.</summary>
public sealed record HandshakeConfig
{
    /// <summary>How the link may be protected: what the access point offers, or the client takes.</summary>
    public LinkCiphers Ciphers { get; init; } = LinkCiphers.GcmAes128;

    /// <summary>How often a message is sent before the access point gives up, 1 to 10.</summary>
    public int Tries { get; init; } = 4;

    /// <summary>How long the access point waits for an answer to a message that it has sent once.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long it waits for an answer to a message that it has repeated.</summary>
    public TimeSpan NextWait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long keys are used before the access point makes new ones, without harm to the link; zero: until packet numbers run out.</summary>
    public TimeSpan NewKeysAfter { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long a client waits for its first keys.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether all values are in their ranges.</summary>
    internal bool IsValid => Ciphers != LinkCiphers.None && Tries is >= 1 and <= 10 && FirstWait > TimeSpan.Zero && NextWait > TimeSpan.Zero &&
        NewKeysAfter >= TimeSpan.Zero && GiveUpAfter > TimeSpan.Zero;
}
