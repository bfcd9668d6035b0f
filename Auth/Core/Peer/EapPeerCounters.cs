namespace Masquerade.Auth.Peer;

/// <summary>What became of EAP packets. One writer; readers see values that may be a moment old.</summary>
public sealed class EapPeerCounters
{
    /// <summary>How many reasons there are, <see cref="EapPeerDrop.None"/> included.</summary>
    public const int ReasonCount = (int)EapPeerDrop.NoStart + 1;

    private readonly long[] _drops = new long[ReasonCount];
    private long _requests;
    private long _repeated;

    /// <summary>Packets dropped for this reason.</summary>
    public long this[EapPeerDrop reason] => Volatile.Read(ref _drops[(int)reason]);

    /// <summary>Requests that were answered, repetitions not counted.</summary>
    public long Requests => Volatile.Read(ref _requests);

    /// <summary>Requests that came again and were answered as before.</summary>
    public long Repeated => Volatile.Read(ref _repeated);

    internal void Count(EapPeerDrop reason) => _drops[(int)reason]++;

    internal void CountRequest() => _requests++;

    internal void CountRepeated() => _repeated++;
}
