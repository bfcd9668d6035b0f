namespace Masquerade.Lab.Capture;

/// <summary>All frames captured at all points, each point's in the order of the kernel.</summary>
public sealed class PacketLog
{
    private const int ChunkSize = 1 << 15;
    private readonly List<PacketRecord[]>[] _chunks;
    private readonly int[] _used;

    /// <summary>Creates an empty log for a number of capture points.</summary>
    public PacketLog(int points)
    {
        _chunks = new List<PacketRecord[]>[points];
        _used = new int[points];
        for (var i = 0; i < points; i++)
        {
            _chunks[i] = [];
            _used[i] = ChunkSize;
        }
    }

    /// <summary>How many frames there are.</summary>
    public int Count => Enumerable.Range(0, _chunks.Length).Sum(p => _chunks[p].Count == 0 ? 0 : ((_chunks[p].Count - 1) * ChunkSize) + _used[p]);

    /// <summary>The frames of one point.</summary>
    public IEnumerable<PacketRecord> At(int point)
    {
        for (var c = 0; c < _chunks[point].Count; c++)
        {
            var chunk = _chunks[point][c];
            var end = c + 1 < _chunks[point].Count ? ChunkSize : _used[point];
            for (var i = 0; i < end; i++)
            {
                yield return chunk[i];
            }
        }
    }

    /// <summary>Appends a frame.</summary>
    public void Add(int point, in PacketRecord record)
    {
        if (_used[point] == ChunkSize)
        {
            _chunks[point].Add(GC.AllocateUninitializedArray<PacketRecord>(ChunkSize));
            _used[point] = 0;
        }

        _chunks[point][^1][_used[point]++] = record;
    }
}
