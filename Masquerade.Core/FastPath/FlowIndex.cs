using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Masquerade.Core.FastPath;

/// <summary>
/// From the hash of a key to a number of 32 bits. A bucket is a cache line: twelve numbers, an octet of the hash of each, and how many keys had to go on to a later bucket because this one was full. So a key that is there is found,
/// and one that is not is known not to be, by one line nearly always (after Facebook's F14). It does not know the keys: whoever asks compares.
/// </summary>
/// <remarks>One writer; the table never grows. Tags are compared sixteen at a time, of which the last four are no tags.</remarks>
internal sealed unsafe class FlowIndex
{
    private const int Ways = 12;
    private const uint WaysMask = (1U << Ways) - 1;

    private readonly LineTable<Bucket> _buckets;
    private readonly uint _mask;

    /// <summary>An empty index for at most that many numbers; ten in a bucket when it is full.</summary>
    public FlowIndex(int capacity)
    {
        Capacity = capacity;
        var buckets = BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, (capacity + 9) / 10));
        _buckets = new LineTable<Bucket>((int)buckets);
        _mask = buckets - 1;
    }

    public int Capacity { get; }

    public int Count { get; private set; }

    /// <summary>Brings the bucket of a hash into the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Prefetch(ulong hash)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(_buckets.Records + ((uint)hash & _mask));
        }
    }

    /// <summary>The first number whose tag fits in the first bucket of a hash; -1 if there is none in any, -2 if one must be looked for further.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Guess(ulong hash)
    {
        var bucket = _buckets.Records + ((uint)hash & _mask);
        var fits = Fits(bucket, Tag(hash));
        return fits != 0 ? (int)bucket->Numbers[BitOperations.TrailingZeroCount(fits)] : bucket->Overflow == 0 ? -1 : -2;
    }

    /// <summary>The next number whose tag fits, from wherever <paramref name="walk"/> stands; -1: no more.</summary>
    public int Next(ref Walk walk)
    {
        while (true)
        {
            if (walk.Fits != 0)
            {
                var way = BitOperations.TrailingZeroCount(walk.Fits);
                walk.Fits &= walk.Fits - 1;
                return (int)_buckets.Records[walk.Bucket].Numbers[way];
            }

            if (walk.Steps > _mask || (walk.Steps > 0 && _buckets.Records[walk.Bucket].Overflow == 0))
            {
                return -1;
            }

            walk.Bucket = (walk.Home + (walk.Steps * walk.Stride)) & _mask;
            walk.Steps++;
            walk.Fits = Fits(_buckets.Records + walk.Bucket, walk.Tag);
        }
    }

    /// <summary>Begins a walk over all numbers whose tags fit.</summary>
    public Walk Begin(ulong hash) => new() { Home = (uint)hash & _mask, Tag = Tag(hash), Stride = Stride(hash) };

    /// <summary>Adds a number; false: the index is full. The same pair must not be added twice.</summary>
    public bool Insert(ulong hash, int number)
    {
        if (Count >= Capacity)
        {
            return false;
        }

        var (home, stride) = ((uint)hash & _mask, Stride(hash));
        for (uint step = 0; step <= _mask; step++)
        {
            var bucket = _buckets.Records + ((home + (step * stride)) & _mask);
            var free = Fits(bucket, 0);
            if (free != 0)
            {
                var way = BitOperations.TrailingZeroCount(free);
                bucket->Numbers[way] = (uint)number;
                bucket->Tags[way] = Tag(hash);
                Count++;
                return true;
            }

            // Once it can count no further it never says again that nothing went on.
            bucket->Overflow += bucket->Overflow == ushort.MaxValue ? (ushort)0 : (ushort)1;
        }

        // There are more ways than numbers, and an odd stride visits every bucket.
        throw new InvalidOperationException("an index that is not full has no way free");
    }

    /// <summary>Removes a number; false if it is not there.</summary>
    public bool Remove(ulong hash, int number)
    {
        var (home, stride, tag) = ((uint)hash & _mask, Stride(hash), Tag(hash));
        for (uint step = 0; step <= _mask; step++)
        {
            var bucket = _buckets.Records + ((home + (step * stride)) & _mask);
            for (var fits = Fits(bucket, tag); fits != 0; fits &= fits - 1)
            {
                var way = BitOperations.TrailingZeroCount(fits);
                if (bucket->Numbers[way] == (uint)number)
                {
                    bucket->Tags[way] = 0;
                    Count--;
                    for (uint before = 0; before < step; before++)
                    {
                        var passed = _buckets.Records + ((home + (before * stride)) & _mask);
                        passed->Overflow -= passed->Overflow == ushort.MaxValue ? (ushort)0 : (ushort)1;
                    }

                    return true;
                }
            }

            if (bucket->Overflow == 0)
            {
                return false;
            }
        }

        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Fits(Bucket* bucket, byte tag) => Vector128.Equals(Vector128.LoadAligned(bucket->Tags), Vector128.Create(tag)).ExtractMostSignificantBits() & WaysMask;

    /// <summary>0 is no tag: it marks a way that is free.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Tag(ulong hash)
    {
        var tag = (byte)(hash >> 56);
        return tag == 0 ? (byte)1 : tag;
    }

    private static uint Stride(ulong hash) => (uint)(hash >> 32) | 1;

    /// <summary>Where a walk over the numbers of a hash stands.</summary>
    public struct Walk
    {
        internal uint Home;
        internal uint Stride;
        internal uint Steps;
        internal uint Bucket;
        internal uint Fits;
        internal byte Tag;
    }

    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct Bucket
    {
        [FieldOffset(0)]
        public fixed byte Tags[Ways];

        [FieldOffset(12)]
        public ushort Overflow;

        [FieldOffset(16)]
        public fixed uint Numbers[Ways];
    }
}
