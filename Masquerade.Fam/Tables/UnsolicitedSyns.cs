using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>A fixed number of SYNs that wait, in the order of their deadlines. When all places are taken a newcomer is not kept: those that are there were first.</summary>
internal sealed class UnsolicitedSyns
{
    /// <summary>Octets kept of each: both headers with all the options that TCP has room for, and more than an ICMP error must quote.</summary>
    private const int Room = 128;

    private readonly Entry[] _entries;
    private readonly byte[] _packets;
    private int _first;
    private int _count;

    public UnsolicitedSyns(int capacity)
    {
        _entries = new Entry[capacity];
        _packets = new byte[capacity * Room];
    }

    public Instant NextDeadline => _count == 0 ? Instant.Never : _entries[_first].Deadline;

    public bool TryAdd(ReadOnlySpan<byte> packet, in FlowTuple tuple, MacAddress client, Instant deadline)
    {
        if (_count == _entries.Length || packet.Length > Room)
        {
            // Data in a SYN of somebody unknown is not worth its room.
            return false;
        }

        var place = (_first + _count++) % _entries.Length;
        _entries[place] = new Entry(tuple, client, deadline, packet.Length);
        packet.CopyTo(_packets.AsSpan(place * Room));
        return true;
    }

    /// <summary>Takes the first one if it is due. The packet is good until the next call.</summary>
    public bool TryTake(Instant now, out ReadOnlySpan<byte> packet, out FlowTuple tuple, out MacAddress client)
    {
        if (_count == 0 || _entries[_first].Deadline > now)
        {
            packet = default;
            (tuple, client) = (default, default);
            return false;
        }

        ref var entry = ref _entries[_first];
        packet = _packets.AsSpan(_first * Room, entry.Length);
        (tuple, client) = (entry.Tuple, entry.Client);
        _first = (_first + 1) % _entries.Length;
        _count--;
        return true;
    }

    private readonly record struct Entry(FlowTuple Tuple, MacAddress Client, Instant Deadline, int Length);
}
