using System.Numerics;

namespace Masquerade.Core.Flow;

/// <summary>
/// An open-addressing index from a 32-bit hash to slot numbers of records held elsewhere. The caller compares keys; here only hashes are.
/// Linear probing with deletion by backward shift: no tombstones, so look-ups stay short under churn. Fixed capacity.
/// </summary>
public sealed class HashIndex
{
    // Hash in the upper half, slot + 1 in the lower: an empty cell is 0 and one load decides most probes.
    private readonly ulong[] _cells;
    private readonly int _mask;

    /// <summary>An empty index for at most <paramref name="capacity"/> slots; it keeps at least a third of its cells free.</summary>
    public HashIndex(int capacity)
    {
        Capacity = capacity;
        var cells = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, (capacity * 3L) / 2));
        _cells = new ulong[cells];
        _mask = cells - 1;
    }

    /// <summary>The most slots.</summary>
    public int Capacity { get; }

    /// <summary>How many slots are indexed.</summary>
    public int Count { get; private set; }

    /// <summary>Where a walk over the candidates of a hash stands.</summary>
    public struct Probe
    {
        internal int Position;
        internal uint Hash;
    }

    /// <summary>Adds a slot under a hash. False when full; the same pair must not be added twice.</summary>
    public bool Insert(uint hash, int slot)
    {
        if (Count >= Capacity)
        {
            return false;
        }

        var position = (int)hash & _mask;
        while (_cells[position] != 0)
        {
            position = (position + 1) & _mask;
        }

        _cells[position] = Cell(hash, slot);
        Count++;
        return true;
    }

    /// <summary>The first slot with this hash, or -1.</summary>
    public int First(uint hash, out Probe probe)
    {
        probe.Hash = hash;
        probe.Position = ((int)hash & _mask) - 1;
        return Next(ref probe);
    }

    /// <summary>The next slot with the same hash, or -1.</summary>
    public int Next(ref Probe probe)
    {
        while (true)
        {
            probe.Position = (probe.Position + 1) & _mask;
            var cell = _cells[probe.Position];
            if (cell == 0)
            {
                return -1;
            }

            if ((uint)(cell >> 32) == probe.Hash)
            {
                return (int)(uint)cell - 1;
            }
        }
    }

    /// <summary>Removes a slot; false if it is not there.</summary>
    public bool Remove(uint hash, int slot)
    {
        var wanted = Cell(hash, slot);
        var position = (int)hash & _mask;
        while (_cells[position] != wanted)
        {
            if (_cells[position] == 0)
            {
                return false;
            }

            position = (position + 1) & _mask;
        }

        // Close the gap: move back every following cell that may stand nearer to its home.
        var gap = position;
        for (var next = (gap + 1) & _mask; _cells[next] != 0; next = (next + 1) & _mask)
        {
            var home = (int)(uint)(_cells[next] >> 32) & _mask;
            if (((next - home) & _mask) >= ((next - gap) & _mask))
            {
                _cells[gap] = _cells[next];
                gap = next;
            }
        }

        _cells[gap] = 0;
        Count--;
        return true;
    }

    private static ulong Cell(uint hash, int slot) => ((ulong)hash << 32) | (uint)(slot + 1);
}
