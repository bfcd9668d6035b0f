using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>
/// From an address to the row of the entries that take it: a search in sorted starts. For IPv4 sixteen starts are compared at once and there is nothing to be guessed: a tree of nodes of sixteen, whose leaves are all starts and
/// whose upper levels have the first of each node below.
/// </summary>
internal sealed class AddressClasses
{
    private const int Node = 16;

    /// <summary>The levels of the tree, from the root, each a whole number of nodes, filled up with the highest address; and where each begins.</summary>
    private readonly uint[] _tree4;
    private readonly int[] _levels4;
    private readonly int[] _rows4;
    private readonly ulong[] _high6;
    private readonly ulong[] _low6;
    private readonly int[] _rows6;

    public AddressClasses(IReadOnlyList<AddressMatch> entries, BitRows rows)
    {
        var (starts, numbers) = Spans.Classes([.. entries.Select(entry => Spans.Of(entry, isIPv4: true))], uint.MaxValue, rows);
        (_tree4, _levels4) = Tree([.. starts.Select(start => (uint)start)]);
        _rows4 = [.. numbers.Select(number => number * rows.Words)];
        (starts, numbers) = Spans.Classes([.. entries.Select(entry => Spans.Of(entry, isIPv4: false))], UInt128.MaxValue, rows);
        _high6 = [.. starts.Select(start => (ulong)(start >> 64))];
        _low6 = [.. starts.Select(start => (ulong)start)];
        _rows6 = [.. numbers.Select(number => number * rows.Words)];
    }

    /// <summary>Where the row begins.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int RowOf(in IpAddress address) => address.IsIPv4 ? _rows4[Find(address.V4)] : _rows6[Find(address.High, address.Low)];

    private static (uint[] Tree, int[] Levels) Tree(uint[] starts)
    {
        var tree = new List<uint>();
        var levels = new List<int>();
        for (var level = starts; ; level = [.. Enumerable.Range(0, (level.Length + Node - 1) / Node).Select(node => level[node * Node])])
        {
            var padded = new uint[(level.Length + Node - 1) / Node * Node];
            padded.AsSpan().Fill(uint.MaxValue);
            level.CopyTo(padded, 0);
            tree.InsertRange(0, padded);
            levels = [0, .. levels.Select(start => start + padded.Length)];
            if (level.Length <= Node)
            {
                return ([.. tree], [.. levels]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Find(uint value)
    {
        // Nodes are filled up with this one, and would lead beyond the last.
        if (value == uint.MaxValue)
        {
            return _rows4.Length - 1;
        }

        var sought = Vector512.Create(value);
        ref var tree = ref MemoryMarshal.GetArrayDataReference(_tree4);
        var at = 0;
        foreach (var level in _levels4)
        {
            // The first start of all is 0 and the way down leads to a node whose first is not above the value, so that each node has at least one that is not.
            var node = Vector512.LoadUnsafe(ref tree, (nuint)(level + (at * Node)));
            at = (at * Node) + BitOperations.PopCount(Vector512.LessThanOrEqual(node, sought).ExtractMostSignificantBits()) - 1;
        }

        return at;
    }

    private int Find(ulong high, ulong lowBits)
    {
        var (highs, lows) = (_high6, _low6);
        var low = 0;
        for (var count = highs.Length; count > 1;)
        {
            var half = count >> 1;
            var middle = low + half;
            if (highs[middle] < high || (highs[middle] == high && lows[middle] <= lowBits))
            {
                low = middle;
            }

            count -= half;
        }

        return low;
    }
}
