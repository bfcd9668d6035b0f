using Masquerade.Auth.Protection;

namespace Masquerade.Auth.Peer;

/// <summary>What became of a supplicant's frames, over all access points. One writer; readers see values that may be a moment old.</summary>
public sealed class SupplicantCounters
{
    /// <summary>How many reasons there are, <see cref="SupplicantDrop.None"/> included.</summary>
    public const int ReasonCount = (int)SupplicantDrop.ForeignSource + 1;

    private readonly long[] _drops = new long[ReasonCount];
    private readonly long[] _protection = new long[ProtectionCounters.ReasonCount];
    private long _sent;
    private long _delivered;
    private long _eapolSent;
    private long _eapolReceived;

    /// <summary>Frames dropped for this reason.</summary>
    public long this[SupplicantDrop reason] => Volatile.Read(ref _drops[(int)reason]);

    /// <summary>Frames dropped by the protection for this reason.</summary>
    public long this[ProtectionDrop reason] => Volatile.Read(ref _protection[(int)reason]);

    /// <summary>Frames of the client that went out protected.</summary>
    public long Sent => Volatile.Read(ref _sent);

    /// <summary>Frames that came in protected and were delivered.</summary>
    public long Delivered => Volatile.Read(ref _delivered);

    /// <summary>EAPOL frames sent.</summary>
    public long EapolSent => Volatile.Read(ref _eapolSent);

    /// <summary>EAPOL frames received.</summary>
    public long EapolReceived => Volatile.Read(ref _eapolReceived);

    internal void Count(SupplicantDrop reason) => _drops[(int)reason]++;

    internal void Count(ProtectionDrop reason) => _protection[(int)reason]++;

    internal void CountSent() => _sent++;

    internal void CountDelivered() => _delivered++;

    internal void CountEapolSent() => _eapolSent++;

    internal void CountEapolReceived() => _eapolReceived++;
}
