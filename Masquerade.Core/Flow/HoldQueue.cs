using Masquerade.Core.Engine;
using Masquerade.Core.Time;

namespace Masquerade.Core.Flow;

/// <summary>A packet that waits. The span is valid, and may be written to, until it is dequeued or another packet is added.</summary>
public readonly ref struct HeldPacket
{
    internal HeldPacket(Span<byte> packet, OffloadInfo offload, int tag, Instant deadline)
    {
        Packet = packet;
        Offload = offload;
        Tag = tag;
        Deadline = deadline;
    }

    /// <summary>The packet's octets.</summary>
    public Span<byte> Packet { get; }

    /// <summary>Its offload state.</summary>
    public OffloadInfo Offload { get; }

    /// <summary>What the owner of the queue noted with it.</summary>
    public int Tag { get; }

    /// <summary>When it is no longer worth sending.</summary>
    public Instant Deadline { get; }
}

/// <summary>A FIFO of copied packets, bounded in packets and octets, for packets that wait for an answer or for a client. Octets are kept in one ring that grows up to twice that bound.</summary>
public sealed class HoldQueue
{
    private const int InitialBytes = 16 * 1024;

    private readonly int _maxPackets;
    private readonly int _maxBytes;
    private readonly Queue<Entry> _entries = new();
    private byte[] _ring = [];
    private int _tail;

    /// <summary>An empty queue.</summary>
    /// <param name="maxPackets">The most packets.</param>
    /// <param name="maxBytes">The most octets of packets.</param>
    public HoldQueue(int maxPackets, int maxBytes)
    {
        _maxPackets = maxPackets;
        _maxBytes = maxBytes;
    }

    /// <summary>How many packets wait.</summary>
    public int Count => _entries.Count;

    /// <summary>How many octets wait.</summary>
    public int Bytes { get; private set; }

    /// <summary>Copies a packet to the end; false when there is no room, or the packet is empty.</summary>
    public bool TryEnqueue(ReadOnlySpan<byte> packet, in OffloadInfo offload, int tag, Instant deadline)
    {
        if (packet.IsEmpty || _entries.Count >= _maxPackets || Bytes + packet.Length > _maxBytes)
        {
            return false;
        }

        var offset = Place(packet.Length);
        if (offset < 0)
        {
            Grow(packet.Length);
            offset = Place(packet.Length);
        }

        packet.CopyTo(_ring.AsSpan(offset));
        _tail = offset + packet.Length;
        Bytes += packet.Length;
        _entries.Enqueue(new Entry(offset, packet.Length, offload, tag, deadline));
        return true;
    }

    /// <summary>Looks at the first packet; false when none waits.</summary>
    public bool TryPeek(out HeldPacket packet)
    {
        if (!_entries.TryPeek(out var entry))
        {
            packet = default;
            return false;
        }

        packet = new HeldPacket(_ring.AsSpan(entry.Offset, entry.Length), entry.Offload, entry.Tag, entry.Deadline);
        return true;
    }

    /// <summary>Removes the first packet.</summary>
    public void Dequeue()
    {
        if (_entries.TryDequeue(out var entry))
        {
            Bytes -= entry.Length;
        }
    }

    /// <summary>Removes all packets.</summary>
    public void Clear()
    {
        _entries.Clear();
        Bytes = 0;
        _tail = 0;
    }

    /// <summary>A contiguous free place in the ring, or -1.</summary>
    private int Place(int length)
    {
        if (!_entries.TryPeek(out var first))
        {
            return length <= _ring.Length ? 0 : -1;
        }

        var head = first.Offset;
        if (_tail > head)
        {
            return _tail + length <= _ring.Length ? _tail : length <= head ? 0 : -1;
        }

        return _tail + length <= head ? _tail : -1;
    }

    private void Grow(int length)
    {
        // Twice what waits leaves room for the gap at the ring's end. At twice the bound every packet that is admitted finds a place, so it ends there.
        var wanted = Math.Max(Math.Max(InitialBytes, _ring.Length * 2L), (Bytes + length) * 2L);
        var ring = new byte[Math.Min(wanted, _maxBytes * 2L)];
        var offset = 0;
        for (var i = _entries.Count; i > 0; i--)
        {
            var entry = _entries.Dequeue();
            _ring.AsSpan(entry.Offset, entry.Length).CopyTo(ring.AsSpan(offset));
            _entries.Enqueue(entry with { Offset = offset });
            offset += entry.Length;
        }

        _ring = ring;
        _tail = offset;
    }

    private readonly record struct Entry(int Offset, int Length, OffloadInfo Offload, int Tag, Instant Deadline);
}
