namespace Masquerade.Lab.Traffic;

/// <summary>What became of each datagram of one direction of a flow, as the two applications saw it. One writer for sending, one for receiving.</summary>
public sealed class DatagramLog
{
    private readonly long[] _sentAt;
    private readonly long[] _receivedAt;
    private readonly byte[] _copies;
    private readonly int[] _order;
    private int _highest = -1;
    private int _sent;
    private int _received;
    private int _reordered;
    private int _duplicated;
    private int _foreign;

    /// <summary>Makes room for <paramref name="capacity"/> datagrams; all memory is taken now so that measuring does not disturb itself.</summary>
    public DatagramLog(int capacity)
    {
        _sentAt = new long[capacity];
        _receivedAt = new long[capacity];
        _copies = new byte[capacity];
        _order = new int[capacity];
    }

    /// <summary>How many were handed to the kernel.</summary>
    public int Sent => Volatile.Read(ref _sent);

    /// <summary>How many different ones arrived.</summary>
    public int Received => Volatile.Read(ref _received);

    /// <summary>How many arrived once more.</summary>
    public int Duplicated => Volatile.Read(ref _duplicated);

    /// <summary>How many arrived after one that was sent later.</summary>
    public int Reordered => Volatile.Read(ref _reordered);

    /// <summary>How many arrived that belong to no such datagram: corrupted, or another flow's.</summary>
    public int Foreign => Volatile.Read(ref _foreign);

    /// <summary>Whether there is room for another one.</summary>
    public bool HasRoom => _sent < _sentAt.Length;

    /// <summary>When a datagram was sent; 0 if it was not.</summary>
    public long SentAt(int sequence) => _sentAt[sequence];

    /// <summary>When a datagram first arrived; 0 if it did not.</summary>
    public long ReceivedAt(int sequence) => Volatile.Read(ref _receivedAt[sequence]);

    /// <summary>The instants of arrival in order, without duplicates.</summary>
    public IEnumerable<long> Arrivals()
    {
        var count = Received;
        for (var i = 0; i < count; i++)
        {
            yield return _receivedAt[_order[i]];
        }
    }

    internal int NextSequence => _sent;

    internal void RecordSent(long at)
    {
        _sentAt[_sent] = at;
        Volatile.Write(ref _sent, _sent + 1);
    }

    internal void RecordReceived(long sequence, long at)
    {
        if (sequence < 0 || sequence >= _sentAt.Length)
        {
            _foreign++;
            return;
        }

        var index = (int)sequence;
        if (_copies[index]++ > 0)
        {
            _duplicated++;
            return;
        }

        if (index < _highest)
        {
            _reordered++;
        }

        _highest = Math.Max(_highest, index);
        Volatile.Write(ref _receivedAt[index], at);
        _order[_received] = index;
        Volatile.Write(ref _received, _received + 1);
    }

    internal void RecordForeign() => _foreign++;
}
