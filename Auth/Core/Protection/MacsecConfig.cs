namespace Masquerade.Auth.Protection;

/// <summary>How a <see cref="MacsecChannel"/> works. The defaults are for a wireless or bridged link.</summary>
public sealed record MacsecConfig
{
    /// <summary>
    /// By how many packet numbers a frame may come late, 0 (strict order) to 4,096. 64 by default: receive queues of several cores and retries of a link reorder by a few frames, and each
    /// number is taken once only, so a window costs nothing in safety.
    /// </summary>
    public int ReplayWindow { get; init; } = 64;

    /// <summary>How long the key before may still be received under once the new one has been: what was under way. 0 to 60 s.</summary>
    public TimeSpan OldKeyStays { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>From which packet number on a new key is asked for. The default is where IEEE 802.1X-2020 clause 9.8 has MKA ask.</summary>
    public uint NewKeyFrom { get; init; } = 0xC000_0000;

    /// <summary>Whether all values are in their ranges.</summary>
    internal bool IsValid => ReplayWindow is >= 0 and <= Protection.ReplayWindow.MaxSize && OldKeyStays >= TimeSpan.Zero && OldKeyStays <= TimeSpan.FromMinutes(1);
}
