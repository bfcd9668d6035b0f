namespace Masquerade.Fam;

/// <summary>
/// What has been changed in what one end of a TCP connection sends. Octet by octet it says where each one is for the other end, so that segments may be cut and repeated as they like: the
/// same octets always become the same. The replacement's octets stand for the replaced ones one by one; what is left over of the longer of the two goes with the last.
/// An edit is kept until the other end has acknowledged it; of those that have been only the sum of their lengths matters. Numbers wrap around (RFC 9293 section 3.4).
/// </summary>
internal sealed class StreamEdits
{
    /// <summary>How many edits may be unacknowledged at once; applications that name endpoints wait for an answer each time.</summary>
    public const int MaxPending = 4;

    /// <summary>How far behind the first edit that is kept another one may stand: what is compared must be less than half of all numbers apart.</summary>
    private const uint MaxSpan = 1 << 30;

    private readonly List<Edit> _edits = new(1);

    /// <summary>By how much positions behind all acknowledged edits, and before the others, have moved; counted around.</summary>
    public uint Base { get; private set; }

    public bool IsEmpty => Base == 0 && _edits.Count == 0;

    public IReadOnlyList<Edit> Pending => _edits;

    public static bool IsBefore(uint a, uint b) => unchecked((int)(a - b)) < 0;

    /// <summary>
    /// Whether there is room for one more, and it would stand behind all others. Who goes once around all numbers while one is kept comes before it again: clients say what they like.
    /// </summary>
    public bool CanAdd(uint at) => _edits.Count < MaxPending && (_edits.Count == 0 || (unchecked(at - _edits[0].At) < MaxSpan && !IsBefore(at, _edits[^1].End)));

    /// <summary>Replaces octets that nobody has been sent yet, where <see cref="CanAdd"/> says that it can be done.</summary>
    public void Add(uint at, int length, ReadOnlySpan<byte> text) => _edits.Add(new Edit(at, length, text.ToArray()));

    public void Clear()
    {
        Base = 0;
        _edits.Clear();
    }

    /// <summary>Takes over what another access point has written down; false if it cannot be so.</summary>
    public bool TryRestore(uint moved, IEnumerable<Edit> pending)
    {
        Clear();
        Base = moved;
        foreach (var edit in pending)
        {
            if (!CanAdd(edit.At))
            {
                return false;
            }

            _edits.Add(edit);
        }

        return true;
    }

    /// <summary>Where an octet is for the other end.</summary>
    public uint Forward(uint position)
    {
        var moved = Base;
        foreach (var edit in _edits)
        {
            if (!IsBefore(edit.At, position))
            {
                break;
            }

            if (IsBefore(position, edit.End))
            {
                return unchecked(edit.At + moved + Math.Min(position - edit.At, (uint)edit.Text.Length));
            }

            moved = unchecked(moved + edit.Growth);
        }

        return unchecked(position + moved);
    }

    /// <summary>The last position that is not beyond a position of the other end's: what that one has, its sender need not keep.</summary>
    public uint Back(uint position)
    {
        var moved = Base;
        foreach (var edit in _edits)
        {
            var begin = unchecked(edit.At + moved);
            if (IsBefore(position, begin))
            {
                break;
            }

            var into = unchecked(position - begin);
            if (into < (uint)edit.Text.Length)
            {
                return unchecked(edit.At + Math.Min(into, (uint)edit.Length - 1));
            }

            moved = unchecked(moved + edit.Growth);
        }

        return unchecked(position - moved);
    }

    /// <summary>The first position that is not before a position of the other end's.</summary>
    public uint BackUp(uint position) => Back(position) is var back && Forward(back) == position ? back : unchecked(back + 1);

    /// <summary>Whether some octets are concerned themselves, and not only their places.</summary>
    public bool Touches(uint from, int length)
    {
        var end = unchecked(from + (uint)length);
        foreach (var edit in _edits)
        {
            if (IsBefore(from, edit.End) && IsBefore(edit.At, end))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Writes octets as the other end is to have them; tells how many they are.</summary>
    public int Render(uint from, ReadOnlySpan<byte> octets, Span<byte> output)
    {
        var (position, written) = (from, 0);
        var end = unchecked(from + (uint)octets.Length);
        foreach (var edit in _edits)
        {
            if (!IsBefore(position, edit.End) || !IsBefore(edit.At, end))
            {
                continue;
            }

            if (IsBefore(position, edit.At))
            {
                written += Copy(octets.Slice((int)unchecked(position - from), (int)unchecked(edit.At - position)), output[written..]);
                position = edit.At;
            }

            var first = Math.Min((int)unchecked(position - edit.At), edit.Text.Length);
            var isWhole = !IsBefore(end, edit.End);
            var last = isWhole ? edit.Text.Length : Math.Min((int)unchecked(end - edit.At), edit.Text.Length);
            written += Copy(edit.Text.AsSpan(first, last - first), output[written..]);
            position = isWhole ? edit.End : end;
        }

        return written + Copy(octets[(int)unchecked(position - from)..], output[written..]);
    }

    /// <summary>
    /// The other end has everything before a position of its own. What comes of an edit after that are copies, of which it takes nothing; they end where they did.
    /// </summary>
    public void Acknowledge(uint position)
    {
        while (_edits.Count > 0 && !IsBefore(position, unchecked(_edits[0].End + Base + _edits[0].Growth)))
        {
            Base = unchecked(Base + _edits[0].Growth);
            _edits.RemoveAt(0);
        }
    }

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        from.CopyTo(to);
        return from.Length;
    }

    /// <summary>Some octets, and what stands in their place.</summary>
    public readonly record struct Edit(uint At, int Length, byte[] Text)
    {
        public uint End => unchecked(At + (uint)Length);

        public uint Growth => unchecked((uint)(Text.Length - Length));
    }
}
