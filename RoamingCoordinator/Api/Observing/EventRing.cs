namespace Masquerade.RoamingCoordinator.Api.Observing;

/// <summary>What a reader finds behind its place.</summary>
internal enum RingState
{
    /// <summary>Nothing yet.</summary>
    UpToDate,

    /// <summary>Events.</summary>
    Events,

    /// <summary>Events that are gone.</summary>
    Overrun,
}

/// <summary>
/// The latest events, in order. One writer; readers have a place of their own and no queue, so a slow one costs nothing but its own connection.
/// </summary>
internal sealed class EventRing(int capacity)
{
    private readonly SiteEvent?[] _slots = new SiteEvent?[capacity];
    private readonly Lock _gate = new();
    private TaskCompletionSource? _news;
    private long _last;

    /// <summary>The number of the latest event; 0 if there is none.</summary>
    public long Last => Interlocked.Read(ref _last);

    /// <summary>The number of the oldest event that is still there; one more than the latest if there is none.</summary>
    public long Oldest => Math.Max(1, Last - _slots.Length + 1);

    /// <summary>Writes an event down and gives it its number.</summary>
    public void Append(SiteEvent happened, DateTimeOffset time)
    {
        TaskCompletionSource? news;
        lock (_gate)
        {
            happened.Sequence = _last + 1;
            happened.Time = time;
            _slots[(int)(_last % _slots.Length)] = happened;
            Interlocked.Increment(ref _last);
            news = _news;
            _news = null;
        }

        news?.TrySetResult();
    }

    /// <summary>Reads events behind a number.</summary>
    /// <param name="after">The number of the last event that the reader has.</param>
    /// <param name="into">Gets the events.</param>
    /// <param name="count">How many there are.</param>
    public RingState Read(long after, Span<SiteEvent> into, out int count)
    {
        lock (_gate)
        {
            count = 0;
            if (after >= _last)
            {
                return RingState.UpToDate;
            }

            if (after + 1 < _last - _slots.Length + 1)
            {
                return RingState.Overrun;
            }

            while (count < into.Length && after + count < _last)
            {
                into[count] = _slots[(int)((after + count) % _slots.Length)]!;
                count++;
            }

            return RingState.Events;
        }
    }

    /// <summary>Ends when there is an event behind a number.</summary>
    public Task WaitAsync(long after)
    {
        lock (_gate)
        {
            if (after < _last)
            {
                return Task.CompletedTask;
            }

            _news ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _news.Task;
        }
    }
}
