using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>Token buckets of clients, each in its client's list.</summary>
internal sealed class RateBuckets(int capacity)
{
    private readonly Slab<Bucket> _buckets = new(capacity);

    public int Count => _buckets.Count;

    /// <summary>The bucket of a rule in the list that begins at <paramref name="first"/>, put in front if it is new; -1 if there is no room.</summary>
    public int FindOrAdd(ref int first, int rule, RateLimit limit, Instant now)
    {
        for (var slot = first; slot >= 0; slot = _buckets[slot].Next)
        {
            if (_buckets[slot].Rule == rule)
            {
                return slot;
            }
        }

        if (!_buckets.TryAllocate(out var added))
        {
            return -1;
        }

        _buckets[added] = new Bucket { Rule = rule, Next = first, Limit = limit, Tokens = limit.Burst, At = now };
        first = added;
        return added;
    }

    /// <summary>Frees a list.</summary>
    public void Free(ref int first)
    {
        while (first >= 0)
        {
            var slot = first;
            first = _buckets[slot].Next;
            _buckets.Free(slot);
        }
    }

    /// <summary>
    /// Takes a packet's octets. It passes while there is anything left, and what is too much is owed: else a packet larger than the bucket would never pass.
    /// </summary>
    public bool TryTake(int slot, int octets, Instant now)
    {
        ref var bucket = ref _buckets[slot];
        if (now > bucket.At)
        {
            var earned = (now.Nanoseconds - bucket.At.Nanoseconds) * 1e-9 * bucket.Limit.BytesPerSecond;
            bucket.Tokens = Math.Min(bucket.Limit.Burst, bucket.Tokens + earned);
            bucket.At = now;
        }

        if (bucket.Tokens <= 0)
        {
            return false;
        }

        bucket.Tokens -= octets;
        return true;
    }

    private struct Bucket
    {
        public RateLimit Limit;
        public double Tokens;
        public Instant At;
        public int Rule;
        public int Next;
    }
}
