namespace Masquerade.Auth.Filter;

/// <summary>Rows of bits, one bit per entry of a program; equal rows are kept once. Row 0 has all bits.</summary>
internal sealed class BitRows
{
    private readonly Dictionary<ulong, List<int>> _byHash = [];
    private readonly List<ulong[]> _rows = [];
    private readonly int _mostRows;

    public BitRows(int entries)
    {
        // Whole vectors of 512 bits, where there is more than a word.
        Words = entries <= 64 ? 1 : (entries + 511) / 512 * 8;
        _mostRows = FilterLimits.MaxProgramBytes / (Words * sizeof(ulong));
        var all = new ulong[Words];
        for (var entry = 0; entry < entries; entry++)
        {
            Set(all, entry);
        }

        Add(all);
    }

    /// <summary>Words of a row.</summary>
    public int Words { get; }

    /// <summary>There are more rows than may be; those that came later are wrong.</summary>
    public bool IsTooLarge { get; private set; }

    public static void Set(ulong[] row, int entry) => row[entry >> 6] |= 1UL << entry;

    public static void Flip(ulong[] row, int entry) => row[entry >> 6] ^= 1UL << entry;

    /// <summary>The number of a row with these bits.</summary>
    public int Add(ulong[] bits)
    {
        var hash = 0UL;
        foreach (var word in bits)
        {
            hash = ((hash ^ word) * 0xE7037ED1A0B428DB) ^ (hash >> 29);
        }

        if (!_byHash.TryGetValue(hash, out var same))
        {
            _byHash[hash] = same = [];
        }

        foreach (var row in same)
        {
            if (_rows[row].AsSpan().SequenceEqual(bits))
            {
                return row;
            }
        }

        if (_rows.Count >= _mostRows)
        {
            IsTooLarge = true;
            return 0;
        }

        same.Add(_rows.Count);
        _rows.Add([.. bits]);
        return _rows.Count - 1;
    }

    /// <summary>All rows in one array.</summary>
    public ulong[] Flatten()
    {
        var flat = new ulong[_rows.Count * Words];
        for (var i = 0; i < _rows.Count; i++)
        {
            _rows[i].CopyTo(flat, i * Words);
        }

        return flat;
    }
}
