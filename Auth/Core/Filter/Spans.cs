using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>Values from one to another, both counted.</summary>
internal readonly record struct Span128(UInt128 First, UInt128 Last);

/// <summary>Turns what entries take in one field into classes: the values between two edges are taken by the same entries.</summary>
internal static class Spans
{
    /// <summary>Sorts spans and joins those that overlap or touch.</summary>
    public static List<Span128> Join(List<Span128> spans)
    {
        spans.Sort(static (a, b) => a.First.CompareTo(b.First));
        var joined = new List<Span128>(spans.Count);
        foreach (var span in spans)
        {
            if (joined.Count > 0 && (joined[^1].Last == UInt128.MaxValue || span.First <= joined[^1].Last + 1))
            {
                joined[^1] = new Span128(joined[^1].First, UInt128.Max(joined[^1].Last, span.Last));
            }
            else
            {
                joined.Add(span);
            }
        }

        return joined;
    }

    /// <summary>All values up to <paramref name="most"/> that joined spans leave out.</summary>
    public static List<Span128> Others(List<Span128> joined, UInt128 most)
    {
        var others = new List<Span128>(joined.Count + 1);
        UInt128 next = 0;
        foreach (var span in joined)
        {
            if (span.First > next)
            {
                others.Add(new Span128(next, span.First - 1));
            }

            if (span.Last >= most)
            {
                return others;
            }

            next = span.Last + 1;
        }

        others.Add(new Span128(next, most));
        return others;
    }

    /// <summary>The prefixes of one family as joined spans. IPv4 in 32 bits.</summary>
    public static List<Span128> Of(AddressMatch match, bool isIPv4)
    {
        var spans = new List<Span128>();
        foreach (var prefix in match.Prefixes)
        {
            if (prefix.IsIPv4 == isIPv4)
            {
                spans.Add(new Span128(Number(prefix.Address, isIPv4), Number(prefix.Last, isIPv4)));
            }
        }

        var joined = Join(spans);
        return match.IsInverted ? Others(joined, isIPv4 ? uint.MaxValue : UInt128.MaxValue) : joined;
    }

    /// <summary>The classes of a field: where each begins (the first at 0), and its row.</summary>
    /// <param name="entries">What each entry takes, joined.</param>
    /// <param name="most">The highest value.</param>
    /// <param name="rows">Where rows are kept.</param>
    public static (List<UInt128> Starts, List<int> Rows) Classes(IReadOnlyList<List<Span128>> entries, UInt128 most, BitRows rows)
    {
        var edges = new List<(UInt128 At, int Entry)>();
        for (var entry = 0; entry < entries.Count; entry++)
        {
            foreach (var span in entries[entry])
            {
                edges.Add((span.First, entry));
                if (span.Last < most)
                {
                    edges.Add((span.Last + 1, entry));
                }
            }
        }

        edges.Sort(static (a, b) => a.At.CompareTo(b.At));
        var (starts, numbers) = (new List<UInt128>(), new List<int>());
        var bits = new ulong[rows.Words];
        var next = 0;
        for (UInt128 at = 0; ; at = edges[next].At)
        {
            for (; next < edges.Count && edges[next].At == at; next++)
            {
                BitRows.Flip(bits, edges[next].Entry);
            }

            var row = rows.Add(bits);
            if (starts.Count == 0 || numbers[^1] != row)
            {
                starts.Add(at);
                numbers.Add(row);
            }

            if (next == edges.Count)
            {
                return (starts, numbers);
            }
        }
    }

    private static UInt128 Number(IpAddress address, bool isIPv4) => isIPv4 ? address.V4 : new UInt128(address.High, address.Low);
}
