namespace Masquerade.Auth.Radius;

/// <summary>The counters of one server; read while others count.</summary>
public sealed class RadiusServerCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<RadiusCount>().Length];
    private long _roundTrip;
    private long _pending;

    /// <summary>How often something has happened.</summary>
    public long this[RadiusCount count] => Interlocked.Read(ref _counts[(int)count]);

    /// <summary>From the last request that was answered, or its last repetition, to its answer (RFC 4668 radiusAuthClientExtRoundTripTime).</summary>
    public TimeSpan RoundTripTime => new(Interlocked.Read(ref _roundTrip));

    /// <summary>Requests that wait now (RFC 4668 radiusAuthClientExtPendingRequests).</summary>
    public long PendingRequests => Interlocked.Read(ref _pending);

    internal void Add(RadiusCount count) => Interlocked.Increment(ref _counts[(int)count]);

    internal void Took(TimeSpan roundTrip) => Interlocked.Exchange(ref _roundTrip, roundTrip.Ticks);

    internal void Wait(int more) => Interlocked.Add(ref _pending, more);
}
