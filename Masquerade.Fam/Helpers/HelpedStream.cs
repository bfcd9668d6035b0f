using System.Buffers.Binary;
using System.Text;
using Masquerade.Core.Control;

namespace Masquerade.Fam;

/// <summary>
/// What a client sends over a connection that has a helper: how far it has been looked at, and what has been changed in it. It belongs to the connection and goes with it to the next FAM,
/// as a note whose layout is known to FAMs alone.
/// </summary>
internal sealed class HelpedStream(IApplicationHelper? helper, string name)
{
    private const byte Version = 1;
    private const int MaxName = 16;

    /// <summary>Who looks at it; null if this node has no such helper: then what has been changed goes on being accounted for, and nothing more is changed.</summary>
    public IApplicationHelper? Helper { get; } = helper;

    public string Name { get; } = name;

    /// <summary>The helper's own word.</summary>
    public uint State { get; set; }

    /// <summary>The first octet that has not been sent yet, as far as is known.</summary>
    public uint Next { get; private set; }

    public bool HasNext { get; private set; }

    /// <summary>Of two notes the one that has been changed more often is right.</summary>
    public uint Changes { get; private set; }

    public StreamEdits Edits { get; } = new();

    /// <summary>The arrival in which it began here; 0 if it began elsewhere.</summary>
    public ulong BornIn { get; private set; }

    /// <summary>It has come from elsewhere, perhaps by way of somebody who knew it only up to some point: its next segment begins a line even if others have been missed.</summary>
    public bool PicksUp { get; private set; }

    /// <summary>The question that the client's segments wait for; 0 for none.</summary>
    public ulong Asked { get; set; }

    /// <summary>How many questions in a row got no answer.</summary>
    public int Unanswered { get; set; }

    /// <summary>The helper's word as it was announced last.</summary>
    public uint ToldState { get; set; }

    /// <summary>Where an endpoint is named for which no mapping could be had: it is sent as it is.</summary>
    public uint? GaveUpAt { get; set; }

    /// <summary>A SYN begins it anew.</summary>
    public void Restart(uint sequence, ulong arrival)
    {
        Edits.Clear();
        (Next, HasNext, PicksUp) = (unchecked(sequence + 1), true, false);
        (State, BornIn, Asked, GaveUpAt) = (Helper?.Begin ?? 0, arrival, 0, null);
        (ToldState, Unanswered) = (State, 0);
        Changes++;
    }

    public void Change(uint at, int length, ReadOnlySpan<byte> text)
    {
        Edits.Add(at, length, text);
        Changes++;
    }

    /// <summary>Everything before a position has been looked at.</summary>
    public void Advance(uint to) => (Next, HasNext, PicksUp) = (to, true, false);

    /// <summary>The other end says what it has: more than it can have says a forger.</summary>
    public void Acknowledge(uint position)
    {
        if (Edits.Pending.Count > 0 && HasNext && !StreamEdits.IsBefore(Edits.Forward(Next), position))
        {
            Edits.Acknowledge(position);
        }
    }

    /// <summary>Whether a note from elsewhere is to be taken instead of this.</summary>
    public bool IsOlderThan(HelpedStream other) =>
        unchecked((int)(other.Changes - Changes)) is var newer && (newer > 0 || (newer == 0 && other.HasNext && (!HasNext || StreamEdits.IsBefore(Next, other.Next))));

    /// <summary>Writes all that the next FAM needs.</summary>
    public HelperNote ToNote()
    {
        Span<byte> octets = stackalloc byte[HelperNote.MaxLength];
        octets[0] = Version;
        octets[1] = (byte)Encoding.ASCII.GetBytes(Name, octets[2..]);
        var at = 2 + octets[1];
        BinaryPrimitives.WriteUInt32BigEndian(octets[at..], State);
        BinaryPrimitives.WriteUInt32BigEndian(octets[(at + 4)..], Next);
        BinaryPrimitives.WriteUInt32BigEndian(octets[(at + 8)..], Changes);
        BinaryPrimitives.WriteUInt32BigEndian(octets[(at + 12)..], Edits.Base);
        octets[at + 16] = HasNext ? (byte)1 : (byte)0;
        octets[at + 17] = (byte)Edits.Pending.Count;
        at += 18;
        foreach (var edit in Edits.Pending)
        {
            BinaryPrimitives.WriteUInt32BigEndian(octets[at..], edit.At);
            octets[at + 4] = (byte)edit.Length;
            octets[at + 5] = (byte)edit.Text.Length;
            edit.Text.CopyTo(octets[(at + 6)..]);
            at += 6 + edit.Text.Length;
        }

        return new HelperNote(octets[..at]);
    }

    /// <summary>Reads a note; null if it is none. It comes from another node and is not trusted to be right.</summary>
    public static HelpedStream? FromNote(HelperNote note, ReadOnlySpan<IApplicationHelper> helpers)
    {
        var octets = note.Octets;
        if (octets.Length < 2 || octets[0] != Version || octets[1] is 0 or > MaxName || octets.Length < 2 + octets[1] + 18)
        {
            return null;
        }

        var name = Encoding.ASCII.GetString(octets.Slice(2, octets[1]));
        IApplicationHelper? helper = null;
        foreach (var candidate in helpers)
        {
            helper = string.Equals(candidate.Name, name, StringComparison.Ordinal) ? candidate : helper;
        }

        octets = octets[(2 + octets[1])..];
        var stream = new HelpedStream(helper, name)
        {
            State = BinaryPrimitives.ReadUInt32BigEndian(octets),
            Next = BinaryPrimitives.ReadUInt32BigEndian(octets[4..]),
            Changes = BinaryPrimitives.ReadUInt32BigEndian(octets[8..]),
            HasNext = octets[16] == 1,
            PicksUp = true,
        };
        var (moved, count) = (BinaryPrimitives.ReadUInt32BigEndian(octets[12..]), octets[17]);
        var edits = new List<StreamEdits.Edit>();
        for (octets = octets[18..]; count > 0; count--)
        {
            if (octets.Length < 6 || octets[4] is 0 or > HelperWish.MaxLength || octets[5] is 0 or > HelperWish.MaxLength || octets.Length < 6 + octets[5])
            {
                return null;
            }

            var edit = new StreamEdits.Edit(BinaryPrimitives.ReadUInt32BigEndian(octets), octets[4], octets.Slice(6, octets[5]).ToArray());
            if (!stream.HasNext || StreamEdits.IsBefore(stream.Next, edit.End))
            {
                return null;
            }

            edits.Add(edit);
            octets = octets[(6 + edit.Text.Length)..];
        }

        return octets.Length == 0 && stream.Edits.TryRestore(moved, edits) ? stream : null;
    }
}
