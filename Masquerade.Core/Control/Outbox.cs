using Masquerade.Core.Time;

namespace Masquerade.Core.Control;

/// <summary>Limits and times of an <see cref="Outbox"/>.</summary>
public sealed record OutboxOptions
{
    /// <summary>The most messages that may wait for an answer.</summary>
    public int Capacity { get; init; } = 4_096;

    /// <summary>The most octets of messages that may wait for an answer, by <see cref="MessageSize.AtMost"/>. One message may always wait, so that there is progress.</summary>
    public long CapacityBytes { get; init; } = 64L << 20;

    /// <summary>When a message is repeated for the first time.</summary>
    public TimeSpan First { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The interval between repetitions doubles up to this.</summary>
    public TimeSpan Maximum { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>
/// Messages that wait for an answer, repeated until it comes. Sans-I/O; used by agents for requests and by the coordinator for pushes. Order is that of the
/// message numbers, so that runs replay. It is only what is under way, and bounded: whoever has something to say keeps a mark of it until <see cref="Send"/> has taken it.
/// </summary>
public sealed class Outbox
{
    private readonly SortedDictionary<ulong, Entry> _entries = [];
    private readonly Action<ControlMessage> _send;
    private readonly OutboxOptions _options;
    private ulong _lastId;
    private long _bytes;

    /// <summary>An empty outbox.</summary>
    /// <param name="send">Puts a message on its way; called by <see cref="Send"/> and <see cref="Advance"/>.</param>
    /// <param name="options">Limits and times; null for the defaults.</param>
    public Outbox(Action<ControlMessage> send, OutboxOptions? options = null)
    {
        _send = send;
        _options = options ?? new OutboxOptions();
    }

    /// <summary>How many messages wait.</summary>
    public int Count => _entries.Count;

    /// <summary>While true (there is no session) nothing is sent, but everything is remembered. When it ends, <see cref="Restart"/> makes what waits due.</summary>
    public bool Suspended { get; set; }

    /// <summary>When the next repetition is due.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Never;

    /// <summary>The next message number: 1, 2, 3 …</summary>
    public ulong NextId() => ++_lastId;

    /// <summary>Octets of what waits, at most.</summary>
    public long Bytes => _bytes;

    /// <summary>How much of the room is taken: 0 to 1 of the messages or of the octets, whichever is more; one large message may make it more than 1.</summary>
    public double Fill => Math.Max((double)_entries.Count / _options.Capacity, (double)_bytes / _options.CapacityBytes);

    /// <summary>When the oldest of what waits was first sent, or was to be; <see cref="Instant.Never"/> if nothing waits.</summary>
    public Instant OldestSince => _entries.Count == 0 ? Instant.Never : _entries.First().Value.Since;

    /// <summary>Whether a small message would be taken; to ask before a large one is made.</summary>
    public bool HasRoom(bool canWait) => HasRoom(MessageSize.Fixed, canWait);

    /// <summary>
    /// Sends a message and remembers it under its number, in place of one with the same number. False, and nothing is sent, when there is no room: whoever has it to say
    /// still has it to say.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The time.</param>
    /// <param name="canWait">True for what keeps its worth if it is said later. It leaves the last quarter of the room to what packets wait for.</param>
    public bool Send(ControlMessage message, Instant now, bool canWait = false)
    {
        var size = MessageSize.AtMost(message);
        var known = _entries.TryGetValue(message.Id, out var old);
        if (!known && !HasRoom(size, canWait))
        {
            return false;
        }

        _bytes += size - (known ? old!.Size : 0);
        _entries[message.Id] = new Entry(message, size, now, now + _options.First, _options.First);
        NextDeadline = Instant.Min(NextDeadline, Suspended ? Instant.Never : now + _options.First);
        if (!Suspended)
        {
            _send(message);
        }

        return true;
    }

    /// <summary>A message was answered; false if it was not waiting.</summary>
    public bool Complete(ulong id)
    {
        var removed = _entries.Remove(id, out var entry);
        _bytes -= removed ? entry!.Size : 0;
        if (_entries.Count == 0)
        {
            NextDeadline = Instant.Never;
        }

        return removed;
    }

    /// <summary>Whether a message waits.</summary>
    public bool Contains(ulong id) => _entries.ContainsKey(id);

    /// <summary>A message that waits.</summary>
    public bool TryGet(ulong id, out ControlMessage? message)
    {
        message = _entries.TryGetValue(id, out var entry) ? entry.Message : null;
        return message is not null;
    }

    /// <summary>How many messages that match wait.</summary>
    public int CountOf(Predicate<ControlMessage> match) => _entries.Values.Count(e => match(e.Message));

    /// <summary>Forgets every message that matches; returns how many.</summary>
    public int RemoveAll(Predicate<ControlMessage> match)
    {
        var ids = _entries.Where(e => match(e.Value.Message)).Select(e => e.Key).ToArray();
        foreach (var id in ids)
        {
            Complete(id);
        }

        return ids.Length;
    }

    /// <summary>Forgets every message that was first sent, or was to be, before a time; returns how many.</summary>
    public int RemoveBefore(Instant time)
    {
        var ids = _entries.Where(e => e.Value.Since < time).Select(e => e.Key).ToArray();
        foreach (var id in ids)
        {
            Complete(id);
        }

        return ids.Length;
    }

    /// <summary>After a reconnect: everything that waits is due at once, and its intervals start over.</summary>
    public void Restart(Instant now)
    {
        foreach (var entry in _entries.Values)
        {
            entry.Due = now;
            entry.Interval = TimeSpan.Zero;
        }

        NextDeadline = _entries.Count == 0 ? Instant.Never : now;
    }

    /// <summary>Repeats what is due.</summary>
    public void Advance(Instant now)
    {
        if (Suspended)
        {
            NextDeadline = Instant.Never;
            return;
        }

        if (now < NextDeadline)
        {
            return;
        }

        var next = Instant.Never;
        List<ControlMessage>? due = null;
        foreach (var entry in _entries.Values)
        {
            if (entry.Due <= now)
            {
                (due ??= []).Add(entry.Message);
                entry.Interval = entry.Interval == TimeSpan.Zero
                    ? _options.First
                    : TimeSpan.FromTicks(Math.Min(entry.Interval.Ticks * 2, _options.Maximum.Ticks));
                entry.Due = now + entry.Interval;
            }

            next = Instant.Min(next, entry.Due);
        }

        NextDeadline = next;
        foreach (var message in due ?? [])
        {
            // The sink may have brought the answer to a later one at once.
            if (_entries.ContainsKey(message.Id))
            {
                _send(message);
            }
        }
    }

    private bool HasRoom(int size, bool canWait)
    {
        var (count, bytes) = (_options.Capacity, _options.CapacityBytes);
        if (canWait)
        {
            (count, bytes) = (count - (count / 4), bytes - (bytes / 4));
        }

        return _entries.Count == 0 || (_entries.Count < count && _bytes + size <= bytes);
    }

    private sealed class Entry(ControlMessage message, int size, Instant since, Instant due, TimeSpan interval)
    {
        public Instant Since { get; } = since;

        public ControlMessage Message { get; } = message;

        public int Size { get; } = size;

        public Instant Due { get; set; } = due;

        public TimeSpan Interval { get; set; } = interval;
    }
}
