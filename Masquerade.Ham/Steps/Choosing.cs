using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Ham;

/// <summary>
/// Mappings with several FAMs: each packet goes to one of them, or to the first one and, for a bounded time, as a copy to the others. Behind the copies of each few milliseconds
/// goes a mark on every way; when the first FAM has answered it, the others know that what they got in front of it is delivered.
/// </summary>
public sealed partial class HamEngine
{
    /// <summary>How often copies are marked: what a FAM that dies has delivered in its last moment of this length may be delivered once more.</summary>
    private static readonly TimeSpan MarkInterval = TimeSpan.FromMilliseconds(5);

    private readonly uint _choiceSeed;
    private byte[] _copy = [];

    // Clients whose copies are marked; some of them may be so no more.
    private readonly HashSet<int> _marked = [];
    private Instant _nextMark = Instant.Never;

    /// <summary>Packets that were sent to a further FAM in the first one's stead.</summary>
    public long SentToFurther { get; private set; }

    /// <summary>Copies that were sent to further FAMs.</summary>
    public long CopiesSent { get; private set; }

    private Verdict SendToOneOfSeveral(ref HamEntry entry, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var further = entry.Further!;
        if (further.Choice == FamChoice.Duplicate)
        {
            Copy(ref entry, further, packet, summary, offload, now);
            return SendToFam(ref entry, packet, summary, offload, now);
        }

        var turn = further.Next(summary, _choiceSeed);
        if (turn == 0)
        {
            return SendToFam(ref entry, packet, summary, offload, now);
        }

        SentToFurther++;
        return further.IsLocal(turn - 1) ? Verdict.Local : RewriteToFam(further.To(turn - 1), further.Mtu(turn - 1), packet, summary, offload);
    }

    /// <summary>
    /// What is not copied is only not doubly safe: fragments, and what the way does not carry. Where this node is the FAM itself it would die with it, so nothing is.
    /// </summary>
    private void Copy(ref HamEntry entry, HamFurther further, ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        if (now >= further.CopiesUntil)
        {
            EndChoice(ref entry);
            return;
        }

        if (entry.Route != HamRoute.Remote || summary.Part != FragmentPart.Whole || summary.Ttl <= 1 || _table.Client(entry.Client).Marks is not { } marks)
        {
            return;
        }

        _copy = _copy.Length < packet.Length ? new byte[Math.Max(packet.Length, 1 << 16)] : _copy;
        for (var i = 0; i < further.Count; i++)
        {
            var copy = _copy.AsSpan(0, packet.Length);
            packet.CopyTo(copy);
            if (further.IsLocal(i))
            {
                _output.DeliverLocally(copy, offload);
            }
            else if (!LinkMtu.IsExceeded(further.Mtu(i), summary, offload) && Reader.Read(copy, MacAddress.None, out var same) == DropReason.None)
            {
                _ = RewriteToFam(further.To(i), further.Mtu(i), copy, same, offload);
                _output.TransmitUplink(copy[..same.Length], offload);
            }

            CopiesSent++;
        }

        marks.Due = Instant.Min(marks.Due, now + MarkInterval);
        _nextMark = Instant.Min(_nextMark, marks.Due);
    }

    private void MarkCopies(Instant now)
    {
        if (now < _nextMark)
        {
            return;
        }

        _nextMark = Instant.Never;
        foreach (var client in _marked)
        {
            ref var owner = ref _table.Client(client);
            if (owner.Marks is not { } marks)
            {
                _marked.Remove(client);
                continue;
            }

            if (marks.Due <= now)
            {
                marks.Due = Instant.Never;
                marks.Last++;
                foreach (var peer in marks.Peers)
                {
                    _output.SendPeer(peer, CopyMark.Of(_self, marks.Last, owner.Mac, marks.Token));
                }
            }

            _nextMark = Instant.Min(_nextMark, marks.Due);
        }
    }

    /// <summary>The first FAM has delivered all that went in front of a mark.</summary>
    private void OnCopyMarked(CopyMarked marked)
    {
        var client = _table.FindClient(marked.Client);
        if (client >= 0 && _table.Client(client).Marks is { } marks && marks.Token == marked.Token && marked.IsOf(_self) && marked.Number <= marks.Last && marked.Number > marks.Answered)
        {
            marks.Answered = marked.Number;
            for (var i = 1; i < marks.Peers.Count; i++)
            {
                _output.SendPeer(marks.Peers[i], marked);
            }
        }
    }

    private HamFurther? FurtherOf(MappingId mapping, MacAddress client) =>
        _table.Find(mapping) is >= 0 and var slot && _table.Client(_table[slot].Client).Mac == client ? _table[slot].Further : null;

    /// <summary>Who else is a FAM of a mapping. True if there may be packets on the way to one that is none any more.</summary>
    /// <param name="route">The mapping's route.</param>
    /// <param name="before">Who else was one before the message came; the route may have been switched since.</param>
    /// <param name="change">The message.</param>
    /// <param name="now">The time.</param>
    private bool SetFurther(FamRoute route, HamFurther? before, FamChange change, Instant now)
    {
        var slot = _table.Find(route.Mapping);
        if (slot < 0 || _table.Client(_table[slot].Client).Mac != change.Client)
        {
            return false;
        }

        ref var entry = ref _table[slot];
        if (change.Epoch != entry.Epoch || entry.Route == HamRoute.None || IsOlder(change.Id, entry.FurtherId))
        {
            return false;
        }

        entry.FurtherId = change.Id;
        EndChoice(ref entry);
        var (first, own) = (entry.Fam, entry.Mapping.Masquerade);
        List<TransportEndpoint> others = [.. route.Further.Where(e => e != first && (e == own || !_pool.Owns(e.Address)))];
        if (change.Choice != FamChoice.Newest && others.Count > 0)
        {
            var further = new HamFurther(change.Choice, entry.Mapping, others, now + TimeSpan.FromMilliseconds(change.CopyMilliseconds));
            for (var i = 0; i < further.Count; i++)
            {
                further.SetMtu(i, Math.Min(Mtu.Uplink, further.IsLocal(i) ? int.MaxValue : PathMtu?.Invoke(further.Endpoint(i).Address, now) ?? int.MaxValue));
            }

            TellRerouting(entry.Client);
            entry.Further = further;
            entry.Detour |= HamDetour.Several;
            ReportJoined(entry, before, others);
        }

        for (var i = 0; before is { Choice: FamChoice.RoundRobin } && i < before.Count; i++)
        {
            if (!before.IsLocal(i) && !others.Contains(before.Endpoint(i)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a push is one that was heard before, or was sent before it: repeated, it would undo what came after. What two coordinators say has no order.</summary>
    private static bool IsOlder(ulong id, ulong heard) => heard != 0 && PushId.LifeOf(id) == PushId.LifeOf(heard) && !PushId.IsLater(id, heard);

    /// <summary>Copies of a client's packets are marked, or not any more.</summary>
    private void SetMarks(int client, FamChange change, Instant now)
    {
        ref var owner = ref _table.Client(client);
        if (change.Epoch < owner.Epoch || IsOlder(change.Id, owner.MarksId))
        {
            return;
        }

        owner.MarksId = change.Id;
        var marks = change.Choice == FamChoice.Duplicate && change.Peers.Count > 1 ? new HamMarks(change.Token, change.Peers) : null;
        if (marks is not null && owner.Marks is { } before && before.Token == marks.Token)
        {
            (marks.Last, marks.Answered, marks.Due) = (before.Last, before.Answered, Instant.Min(before.Due, now + MarkInterval));
            _nextMark = Instant.Min(_nextMark, marks.Due);
        }

        owner.Marks = marks;
        if (marks is not null)
        {
            _marked.Add(client);
        }
    }

    private void ReportJoined(in HamEntry entry, HamFurther? before, List<TransportEndpoint> others)
    {
        foreach (var other in others)
        {
            var wasThere = false;
            for (var i = 0; i < before?.Count; i++)
            {
                wasThere |= before.Endpoint(i) == other;
            }

            if (!wasThere)
            {
                _output.Report(new FamJoined(entry.Mapping, other, entry.Epoch));
            }
        }
    }

    private static void EndChoice(ref HamEntry entry)
    {
        entry.Further = null;
        entry.Detour &= ~HamDetour.Several;
    }
}
