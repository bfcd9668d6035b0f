namespace Masquerade.Core.Time;

/// <summary>
/// A hierarchical timer wheel for small integer ids: scheduling, re-scheduling and cancelling take constant time and allocate nothing.
/// A timer fires at most one tick late and never early.
/// </summary>
public sealed class TimerWheel
{
    private const int Bits = 8;
    private const int Slots = 1 << Bits;
    private const int Levels = 4;
    private const int None = -1;

    private readonly long _tick;
    private readonly int[] _heads = new int[Slots * Levels];
    private int[] _next;
    private int[] _previous;
    private long[] _due;
    private int[] _place;
    private readonly int _capacity;
    private long _current;
    private int _count;

    /// <summary>A wheel without timers.</summary>
    /// <param name="capacity">Ids are 0 to <paramref name="capacity"/> - 1.</param>
    /// <param name="tick">The resolution; the range is 2^32 ticks.</param>
    /// <param name="start">The current time.</param>
    public TimerWheel(int capacity, TimeSpan tick, Instant start)
    {
        _capacity = capacity;
        _tick = tick.Ticks * 100;
        _current = start.Nanoseconds / _tick;
        var initial = Math.Min(capacity, 1_024);
        _next = new int[initial];
        _previous = new int[initial];
        _due = new long[initial];
        _place = NewPlaces(initial);
        Array.Fill(_heads, None);
    }

    /// <summary>How many timers are scheduled.</summary>
    public int Count => _count;

    /// <summary>When <see cref="Advance"/> should be called next: less than one tick after the first timer is due, or earlier.</summary>
    public Instant NextDeadline
    {
        get
        {
            if (_count == 0)
            {
                return Instant.Never;
            }

            // Only the lowest level is exact; above it the next cascade is a safe, early answer.
            for (var tick = _current; tick < ((_current >> Bits) + 1) << Bits; tick++)
            {
                if (_heads[(int)(tick & (Slots - 1))] != None)
                {
                    // Deadlines were rounded up to the start of this tick: by then they are due, waiting for its end would be late.
                    return new Instant(tick * _tick);
                }
            }

            return new Instant((((_current >> Bits) + 1) << Bits) * _tick);
        }
    }

    /// <summary>Schedules a timer, or moves it if it is scheduled already. A deadline in the past fires with the next <see cref="Advance"/>.</summary>
    public void Schedule(int id, Instant deadline)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, _capacity);
        if (id >= _place.Length)
        {
            GrowTo(id + 1);
        }

        Cancel(id);

        // Rounded up, so that it never fires early; capped, so that "never" stays in range.
        var due = deadline.Nanoseconds >= long.MaxValue - _tick ? _current + uint.MaxValue : (deadline.Nanoseconds + _tick - 1) / _tick;
        _due[id] = Math.Clamp(due, _current, _current + uint.MaxValue);
        Link(id);
        _count++;
    }

    /// <summary>Cancels a timer; one that is not scheduled is ignored.</summary>
    public void Cancel(int id)
    {
        if ((uint)id >= (uint)_place.Length || _place[id] == None)
        {
            return;
        }

        Unlink(id);
        _count--;
    }

    /// <summary>Moves time on and fills <paramref name="expired"/> with ids that are due. If it is filled up, call again.</summary>
    public int Advance(Instant now, Span<int> expired)
    {
        var target = now.Nanoseconds / _tick;
        var found = 0;
        while (_current <= target)
        {
            ref var head = ref _heads[(int)(_current & (Slots - 1))];
            while (head != None)
            {
                if (found == expired.Length)
                {
                    return found;
                }

                var id = head;
                Unlink(id);
                _count--;
                expired[found++] = id;
            }

            if (_current == target)
            {
                break;
            }

            if (_count == 0)
            {
                _current = target;
                break;
            }

            _current++;
            Cascade();
        }

        return found;
    }

    private void Cascade()
    {
        for (var level = 1; level < Levels && (_current & ((1L << (Bits * level)) - 1)) == 0; level++)
        {
            ref var head = ref _heads[(level << Bits) + (int)((_current >> (Bits * level)) & (Slots - 1))];
            var id = head;
            head = None;
            while (id != None)
            {
                var next = _next[id];
                Link(id);
                id = next;
            }
        }
    }

    private void Link(int id)
    {
        var delta = _due[id] - _current;
        var level = delta < Slots ? 0 : delta < 1L << (2 * Bits) ? 1 : delta < 1L << (3 * Bits) ? 2 : 3;
        var place = (level << Bits) + (int)((_due[id] >> (Bits * level)) & (Slots - 1));
        _place[id] = place;
        _previous[id] = None;
        _next[id] = _heads[place];
        if (_heads[place] != None)
        {
            _previous[_heads[place]] = id;
        }

        _heads[place] = id;
    }

    private void Unlink(int id)
    {
        if (_next[id] != None)
        {
            _previous[_next[id]] = _previous[id];
        }

        if (_previous[id] != None)
        {
            _next[_previous[id]] = _next[id];
        }
        else
        {
            _heads[_place[id]] = _next[id];
        }

        _place[id] = None;
    }

    private void GrowTo(int size)
    {
        var old = _place.Length;
        var length = (int)Math.Min(_capacity, Math.Max(size, old * 2L));
        Array.Resize(ref _next, length);
        Array.Resize(ref _previous, length);
        Array.Resize(ref _due, length);
        Array.Resize(ref _place, length);
        Array.Fill(_place, None, old, length - old);
    }

    private static int[] NewPlaces(int length)
    {
        var places = new int[length];
        Array.Fill(places, None);
        return places;
    }
}
