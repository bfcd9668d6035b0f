namespace Masquerade.Auth.Filter;

/// <summary>From a port to the row of the entries that take it: two loads. Equal pages of 256 ports are kept once.</summary>
internal sealed class PortClasses
{
    private const int PageSize = 256;

    private readonly int[] _pages = new int[65_536 / PageSize];
    private readonly int[] _rows;

    public PortClasses(IReadOnlyList<IReadOnlyList<PortRange>> entries, BitRows rows)
    {
        var (starts, numbers) = Spans.Classes([.. entries.Select(SpansOf)], ushort.MaxValue, rows);
        var flat = new List<int>();
        var page = new int[PageSize];
        var next = 0;
        for (var number = 0; number < _pages.Length; number++)
        {
            for (var i = 0; i < PageSize; i++)
            {
                while (next + 1 < starts.Count && starts[next + 1] <= (uint)((number * PageSize) + i))
                {
                    next++;
                }

                page[i] = numbers[next] * rows.Words;
            }

            _pages[number] = FindOrAdd(flat, page);
        }

        _rows = [.. flat];
    }

    /// <summary>Where the row begins.</summary>
    public int RowOf(ushort port) => _rows[_pages[port >> 8] + (port & 0xFF)];

    private static List<Span128> SpansOf(IReadOnlyList<PortRange> ports) =>
        ports.Count == 0 ? [new Span128(0, ushort.MaxValue)] : Spans.Join([.. ports.Select(range => new Span128(range.First, range.Last))]);

    private static int FindOrAdd(List<int> flat, int[] page)
    {
        for (var at = 0; at < flat.Count; at += PageSize)
        {
            if (System.Runtime.InteropServices.CollectionsMarshal.AsSpan(flat).Slice(at, PageSize).SequenceEqual(page))
            {
                return at;
            }
        }

        flat.AddRange(page);
        return flat.Count - PageSize;
    }
}
