using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>
/// Copies of packets to a client that a further FAM keeps, ready for its link, until the first FAM is known to have delivered them. Each has the number of the last mark of its HAM that
/// came before it.
/// </summary>
internal sealed class CopyLog(HoldQueue queue, ulong token)
{
    /// <summary>HAMs of one client; copies from any more are not kept.</summary>
    private const int MaxHams = 16;

    private const int NumberBits = 27;

    private readonly List<(uint Ham, uint Last, uint Delivered)> _hams = [];

    /// <summary>The copies, in the order in which they came.</summary>
    public HoldQueue Queue { get; } = queue;

    /// <summary>The token of the move: a mark with another is not believed.</summary>
    public ulong Token { get; } = token;

    /// <summary>What a copy by way of a HAM is kept under; -1 if it cannot be.</summary>
    public int TagOf(uint ham)
    {
        var place = Find(ham);
        return place < 0 ? -1 : (place << NumberBits) | (int)(_hams[place].Last & ((1u << NumberBits) - 1));
    }

    /// <summary>What comes from now on is behind a HAM's mark.</summary>
    public void Mark(uint ham, uint number)
    {
        if (Find(ham) is var place and >= 0 && number > _hams[place].Last)
        {
            _hams[place] = _hams[place] with { Last = number };
        }
    }

    /// <summary>What came before a HAM's mark is delivered.</summary>
    public void Delivered(uint ham, uint number)
    {
        if (Find(ham) is var place and >= 0 && number > _hams[place].Delivered)
        {
            _hams[place] = _hams[place] with { Delivered = number };
        }
    }

    /// <summary>Whether a copy with this tag is known to be delivered.</summary>
    public bool IsDelivered(int tag)
    {
        var place = tag >> NumberBits;
        return (uint)(tag & ((1 << NumberBits) - 1)) < (_hams[place].Delivered & ((1u << NumberBits) - 1));
    }

    private int Find(uint ham)
    {
        var place = _hams.FindIndex(h => h.Ham == ham);
        if (place < 0 && _hams.Count < MaxHams)
        {
            place = _hams.Count;
            _hams.Add((ham, 0, 0));
        }

        return place;
    }
}
