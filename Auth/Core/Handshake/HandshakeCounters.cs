namespace Masquerade.Auth.Handshake;

/// <summary>How many frames were dropped for which reason. One writer; readers see values that may be a moment old.</summary>
public sealed class HandshakeCounters
{
    /// <summary>How many reasons there are, <see cref="HandshakeDrop.None"/> included.</summary>
    public const int ReasonCount = (int)HandshakeDrop.Contradiction + 1;

    private readonly long[] _drops = new long[ReasonCount];

    /// <summary>Frames dropped for this reason.</summary>
    public long this[HandshakeDrop reason] => Volatile.Read(ref _drops[(int)reason]);

    internal void Count(HandshakeDrop reason) => _drops[(int)reason]++;
}
