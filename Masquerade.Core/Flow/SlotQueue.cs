namespace Masquerade.Core.Flow;

/// <summary>
/// Slots in the order in which they came, each at most once: who is to be looked at again. Putting in, taking out and looking are one step each; storage is for the
/// whole capacity from the start.
/// </summary>
public sealed class SlotQueue
{
    private const int None = -1;
    private const int Absent = -2;

    // Per slot: the one behind and the one in front in the queue, None at its ends, Absent if the slot is not in it.
    private readonly int[] _next;
    private readonly int[] _previous;
    private int _first = None;
    private int _last = None;

    /// <summary>An empty queue for slots below <paramref name="capacity"/>.</summary>
    public SlotQueue(int capacity)
    {
        _next = new int[capacity];
        _previous = new int[capacity];
        Array.Fill(_next, Absent);
    }

    /// <summary>How many slots are in it.</summary>
    public int Count { get; private set; }

    /// <summary>Whether a slot is in it.</summary>
    public bool Contains(int slot) => _next[slot] != Absent;

    /// <summary>Puts a slot at the end; one that is in the queue keeps its place.</summary>
    public void Enqueue(int slot)
    {
        if (Contains(slot))
        {
            return;
        }

        _next[slot] = None;
        _previous[slot] = _last;
        if (_last == None)
        {
            _first = slot;
        }
        else
        {
            _next[_last] = slot;
        }

        _last = slot;
        Count++;
    }

    /// <summary>Looks at the first slot; false if there is none.</summary>
    public bool TryPeek(out int slot)
    {
        slot = _first;
        return slot != None;
    }

    /// <summary>Takes the first slot out; false if there is none.</summary>
    public bool TryDequeue(out int slot)
    {
        slot = _first;
        return slot != None && Remove(slot);
    }

    /// <summary>Takes a slot out; false if it was not in the queue.</summary>
    public bool Remove(int slot)
    {
        if (!Contains(slot))
        {
            return false;
        }

        var (next, previous) = (_next[slot], _previous[slot]);
        if (previous == None)
        {
            _first = next;
        }
        else
        {
            _next[previous] = next;
        }

        if (next == None)
        {
            _last = previous;
        }
        else
        {
            _previous[next] = previous;
        }

        _next[slot] = Absent;
        Count--;
        return true;
    }
}
