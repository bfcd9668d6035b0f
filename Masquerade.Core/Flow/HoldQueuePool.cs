namespace Masquerade.Core.Flow;

/// <summary>
/// A bounded number of <see cref="HoldQueue"/>s that clients borrow while their packets wait. It bounds the memory of a node however many clients
/// roam at once: with no queue left, packets are not held (the caller counts them) and nobody else's queue is touched.
/// </summary>
public sealed class HoldQueuePool
{
    private readonly int _maxQueues;
    private readonly int _maxPackets;
    private readonly int _maxBytes;
    private readonly Stack<HoldQueue> _idle = new();
    private int _created;

    /// <summary>Creates an empty pool; queues are made when first needed.</summary>
    /// <param name="maxQueues">How many queues may be in use at once.</param>
    /// <param name="maxPackets">Packets per queue.</param>
    /// <param name="maxBytes">Octets per queue.</param>
    public HoldQueuePool(int maxQueues, int maxPackets, int maxBytes)
    {
        _maxQueues = maxQueues;
        _maxPackets = maxPackets;
        _maxBytes = maxBytes;
    }

    /// <summary>How many queues are lent.</summary>
    public int InUse => _created - _idle.Count;

    /// <summary>Lends an empty queue, or null when all are in use.</summary>
    public HoldQueue? Rent()
    {
        if (_idle.TryPop(out var queue))
        {
            return queue;
        }

        if (_created == _maxQueues)
        {
            return null;
        }

        _created++;
        return new HoldQueue(_maxPackets, _maxBytes);
    }

    /// <summary>Takes a queue back and empties it.</summary>
    public void Return(HoldQueue queue)
    {
        queue.Clear();
        _idle.Push(queue);
    }
}
