using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

/// <summary>So many a second, and as many at once (the generic cell rate algorithm: one number is its whole state).</summary>
internal struct TokenBucket
{
    private const long Second = 1_000_000_000;

    private readonly long _interval;
    private long _next;

    public TokenBucket(int perSecond)
    {
        _interval = Second / perSecond;
        _next = long.MinValue;
    }

    /// <summary>Takes one; false if there is none.</summary>
    public bool TryTake(Instant now)
    {
        var next = Math.Max(_next, now.Nanoseconds);
        if (next - now.Nanoseconds > Second - _interval)
        {
            return false;
        }

        _next = next + _interval;
        return true;
    }
}
