using System.Runtime.CompilerServices;

namespace Masquerade.Core.Flow;

/// <summary>
/// Records addressed by small slot numbers. Storage grows by chunks up to a fixed capacity and never moves, so references stay valid; freed slots are used again first.
/// </summary>
/// <typeparam name="T">The record.</typeparam>
public sealed class Slab<T>
    where T : struct
{
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;
    private const int Live = -2;

    private readonly T[]?[] _chunks;

    // Per slot: Live, or the next free slot (-1 ends the list).
    private readonly int[]?[] _links;
    private int _firstFree = -1;
    private int _used;

    /// <summary>An empty slab for at most <paramref name="capacity"/> records.</summary>
    public Slab(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Capacity = capacity;
        var chunks = (capacity + ChunkSize - 1) >> ChunkBits;
        _chunks = new T[chunks][];
        _links = new int[chunks][];
    }

    /// <summary>The most records.</summary>
    public int Capacity { get; }

    /// <summary>How many records are live.</summary>
    public int Count { get; private set; }

    /// <summary>The record in a slot.</summary>
    public ref T this[int slot]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _chunks[slot >> ChunkBits]![slot & (ChunkSize - 1)];
    }

    /// <summary>Takes a free slot; its record is whatever was last there. False when full.</summary>
    public bool TryAllocate(out int slot)
    {
        if (_firstFree >= 0)
        {
            slot = _firstFree;
            _firstFree = Link(slot);
        }
        else if (_used < Capacity)
        {
            slot = _used++;
            _chunks[slot >> ChunkBits] ??= new T[ChunkSize];
            _links[slot >> ChunkBits] ??= new int[ChunkSize];
        }
        else
        {
            slot = -1;
            return false;
        }

        Link(slot) = Live;
        Count++;
        return true;
    }

    /// <summary>Gives a live slot back.</summary>
    public void Free(int slot)
    {
        if (!IsLive(slot))
        {
            throw new InvalidOperationException("a slot was freed twice");
        }

        this[slot] = default;
        Link(slot) = _firstFree;
        _firstFree = slot;
        Count--;
    }

    /// <summary>Whether a slot holds a live record.</summary>
    public bool IsLive(int slot) => (uint)slot < (uint)_used && Link(slot) == Live;

    /// <summary>The first live slot that is not below <paramref name="from"/>, or -1.</summary>
    public int NextLive(int from)
    {
        for (var slot = Math.Max(0, from); slot < _used; slot++)
        {
            if (Link(slot) == Live)
            {
                return slot;
            }
        }

        return -1;
    }

    private ref int Link(int slot) => ref _links[slot >> ChunkBits]![slot & (ChunkSize - 1)];
}
