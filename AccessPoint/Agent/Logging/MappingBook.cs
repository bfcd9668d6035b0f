using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>
/// Makes records of events: one record for a mapping's whole life at this node, wherever its client has been meanwhile (N-12). Where clients have blocks of ports, one for the whole time of a
/// block, and none of the client's mappings in it (RFC 6888 REQ-14); others' mappings there have theirs. Knows which mappings live, so that a crash need not lose
/// them: what is alive is in a journal besides. No clock and no file: times come with the events, lines go to <paramref name="write"/>.
/// </summary>
/// <param name="node">This node: the HAM of all mappings here.</param>
/// <param name="saysBegin">Whether a mapping's beginning has a line of its own.</param>
/// <param name="write">Takes a line of the log.</param>
/// <param name="note">Takes a line of the journal.</param>
/// <param name="blockSize">How many ports a block has; 0: there are none.</param>
internal sealed class MappingBook(NodeId node, bool saysBegin, Action<byte[]> write, Action<byte[]> note, int blockSize = 0)
{
    /// <summary>Names of access points that are remembered.</summary>
    private const int MostNames = 4_096;

    /// <summary>The year 2001: a number of a move that is smaller is only counted.</summary>
    private const ulong Earliest = 978_307_200_000;

    /// <summary>News of a move that is not older than this, in milliseconds, is in time: a port that another node gives back in the meantime rests for longer.</summary>
    private const long Fresh = 5_000;

    private readonly Dictionary<MappingId, LoggedMapping> _live = [];

    /// <summary>Those of them that are blocks of this life of the node, by address and number.</summary>
    private readonly Dictionary<(IpAddress Address, int Number), LoggedMapping> _blocks = [];
    private readonly Dictionary<IpAddress, string> _names = [];
    private long _patience;
    private long _restarted;

    /// <summary>Mappings that are alive as far as is known.</summary>
    public int Count => _live.Count;

    /// <summary>Those of them of which it is to be told yet whether they have outlived a restart.</summary>
    public int RecoveredCount { get; private set; }

    /// <summary>The journal's lines, if it were written now.</summary>
    public IEnumerable<byte[]> Journal => _live.Values.Select(m => LogLine.Of(LogLine.Live, node, m));

    /// <summary>Begins with what was alive when an earlier life of the agent ended.</summary>
    /// <param name="mappings">Those mappings.</param>
    /// <param name="lastKnown">Until when the journal was right, milliseconds since 1970.</param>
    /// <param name="now">The time.</param>
    /// <param name="patience">How long they may be given back, in milliseconds; what is not is written down as lost.</param>
    /// <param name="tick">The time by a clock that nobody sets, in milliseconds; <paramref name="now"/> if there is no other.</param>
    public void Recover(IEnumerable<LoggedMapping> mappings, long lastKnown, long now, long patience, long? tick = null)
    {
        (_restarted, _patience) = (tick ?? now, patience);
        _blocks.Clear();
        foreach (var mapping in mappings)
        {
            // What was lost already has not been known since.
            mapping.KnownUntil = mapping.IsRecovered ? mapping.KnownUntil : lastKnown;
            mapping.IsRecovered = true;
            _live[mapping.Mapping] = mapping;
        }

        RecoveredCount = _live.Count;
    }

    /// <summary>Whether an event is one that makes records.</summary>
    public static bool Concerns(EngineEvent engineEvent) =>
        engineEvent is MappingAnchored or MappingReleased or BlockTaken or BlockReleased or FamSwitched or FamJoined or AddressYielded or StartedOver or ConnectionOpened;

    /// <summary>Something has happened.</summary>
    /// <param name="engineEvent">What.</param>
    /// <param name="at">When, milliseconds since 1970.</param>
    /// <param name="tick">The time by a clock that nobody sets, in milliseconds; <paramref name="at"/> if there is no other.</param>
    public void Take(EngineEvent engineEvent, long at, long? tick = null)
    {
        switch (engineEvent)
        {
            case MappingAnchored anchored:
                OnAnchored(anchored, at);
                break;
            case BlockTaken taken:
                OnTaken(taken, at);
                break;
            case BlockReleased block:
                OnReleased(new LoggedMapping { Mapping = LoggedMapping.IdOf(block.Block), LastPort = block.Block.Last, Client = block.Client }, MappingEnd.Ended, at);
                break;
            case FamSwitched switched when (_live.GetValueOrDefault(switched.Mapping) ?? BlockOf(switched.Mapping)) is { } mapping:
                if (mapping.MoveTo(NameOf(switched.Fam, switched.FamEndpoint, switched.Mapping), switched.FamEndpoint.Address))
                {
                    note(LogLine.Of(LogLine.Live, node, mapping));
                }

                break;
            case FamJoined joined when (_live.GetValueOrDefault(joined.Mapping) ?? BlockOf(joined.Mapping)) is { } also:
                if (also.Join(NameOf(NodeId.None, joined.FamEndpoint, joined.Mapping) is { Length: > 0 } name ? name : joined.FamEndpoint.Address.ToString()))
                {
                    note(LogLine.Of(LogLine.Live, node, also));
                }

                break;
            case MappingReleased released:
                OnReleased(new LoggedMapping { Mapping = released.Mapping, Client = released.Client }, released.Reason, at);
                break;
            case AddressYielded yielded:
                OnYielded(yielded, at);
                break;
            case StartedOver over:
                // This node has forgotten everything, as after a restart. Others may have had its addresses since the move that it had missed.
                Recover([.. _live.Values], TimeOf(over.Since, at), at, _patience, tick);
                break;
            case ConnectionOpened opened:
                write(LogLine.Of(node, opened, at));
                break;
        }
    }

    /// <summary>Events did not find room.</summary>
    public void NoteLost(long count, string where, long at, long since = 0) => write(LogLine.OfLost(node, count, where, at, since));

    /// <summary>What nobody has given back in time is not coming back.</summary>
    /// <param name="now">The time, milliseconds since 1970.</param>
    /// <param name="tick">The time by a clock that nobody sets, in milliseconds; <paramref name="now"/> if there is no other.</param>
    public void GiveUpRecovered(long now, long? tick = null)
    {
        var since = (tick ?? now) - _restarted;
        if (RecoveredCount > 0 && since >= _patience)
        {
            // The clock may have been set since the start: when that was is told by what it says now.
            GiveUp(now - since);
        }
    }

    /// <summary>The agent stops, and nobody will give its mappings back.</summary>
    public void EndAll(long at)
    {
        GiveUp(at);
        foreach (var mapping in _live.Values.ToList())
        {
            End(mapping, new LoggedEnd("agentStopped", at));
        }
    }

    private void GiveUp(long before)
    {
        foreach (var mapping in _live.Values.Where(m => m.IsRecovered).ToList())
        {
            Lose(mapping, before);
        }
    }

    private void OnAnchored(MappingAnchored anchored, long at)
    {
        var fam = NameOf(NodeId.None, anchored.FamEndpoint, anchored.Mapping);
        if (_live.TryGetValue(anchored.Mapping, out var before))
        {
            if (before.IsRecovered && anchored.Adopted && before.Client == anchored.Client && before.ClientEndpoint == anchored.ClientEndpoint
                && (before.Start == 0 || anchored.Opened == 0 || before.Start == anchored.Opened))
            {
                // It has been given back, and its record goes on.
                before.IsRecovered = false;
                RecoveredCount--;
                if (!anchored.FamEndpoint.IsNone && before.MoveTo(fam, anchored.FamEndpoint.Address))
                {
                    note(LogLine.Of(LogLine.Live, node, before));
                }

                return;
            }

            Lose(before, at);
        }

        if (BlockOf(anchored.Mapping) is { } block && block.Client == anchored.Client)
        {
            if ((!anchored.FamEndpoint.IsNone && block.MoveTo(fam, anchored.FamEndpoint.Address)) | (anchored.Adopted && block.NoteOpened(anchored.Opened)))
            {
                note(LogLine.Of(LogLine.Live, node, block));
            }

            return;
        }

        var mapping = new LoggedMapping
        {
            Mapping = anchored.Mapping,
            Client = anchored.Client,
            ClientEndpoint = anchored.ClientEndpoint,
            Start = anchored.Opened != 0 ? anchored.Opened : at,
            Adopted = anchored.Adopted ? at : 0,
        };
        if (!anchored.FamEndpoint.IsNone)
        {
            mapping.MoveTo(fam, anchored.FamEndpoint.Address);
        }

        Begin(mapping);
    }

    private void OnTaken(BlockTaken taken, long at)
    {
        var (id, key) = (LoggedMapping.IdOf(taken.Block), (taken.Block.Address, NumberOf(taken.Block.First)));
        if (_live.TryGetValue(id, out var before))
        {
            if (before.IsRecovered && taken.Adopted && before.Client == taken.Client && before.LastPort == taken.Block.Last)
            {
                // Its client has been given back a mapping in it: so nobody else has had it meanwhile.
                before.IsRecovered = false;
                RecoveredCount--;
                _blocks[key] = before;
                return;
            }

            Lose(before, at);
        }

        var block = new LoggedMapping
        {
            Mapping = id,
            LastPort = taken.Block.Last,
            Client = taken.Client,
            ClientEndpoint = new TransportEndpoint(taken.ClientAddress, 0),
            Start = at,
            Adopted = taken.Adopted ? at : 0,
        };
        _blocks[key] = block;
        Begin(block);
    }

    private void Begin(LoggedMapping mapping)
    {
        _live[mapping.Mapping] = mapping;
        note(LogLine.Of(LogLine.Live, node, mapping));
        if (saysBegin)
        {
            write(LogLine.Of(LogLine.Begin, node, mapping));
        }
    }

    /// <summary>A mapping or a block has ended, of which nothing may be known but its end.</summary>
    private void OnReleased(LoggedMapping released, MappingEnd reason, long at)
    {
        if (_live.TryGetValue(released.Mapping, out var known) && known.Client != released.Client)
        {
            // The end of the one and the beginning of the other were lost.
            Lose(known, at);
            known = null;
        }

        if (known is not null || released.IsBlock || BlockOf(released.Mapping)?.Client != released.Client)
        {
            End(known ?? released, new LoggedEnd(NameOf(reason), at));
        }
    }

    private int NumberOf(ushort port) => blockSize == 0 ? 0 : port / blockSize;

    /// <summary>The block that a mapping is in, if that is a client's.</summary>
    private LoggedMapping? BlockOf(MappingId mapping) => blockSize == 0 ? null : _blocks.GetValueOrDefault((mapping.Masquerade.Address, NumberOf(mapping.Masquerade.Port)));

    /// <summary>Who goes on with the mappings writes their records. Without a successor this node does, in its next life.</summary>
    private void OnYielded(AddressYielded yielded, long at)
    {
        // Of a node that was cut off, the successor may have had the address for long, and have given it back.
        var since = TimeOf(yielded.Epoch, at);
        var end = new LoggedEnd("addressMoved", at - since <= Fresh ? at : 0, since, at, yielded.To);
        foreach (var mapping in yielded.To.IsNone ? [] : _live.Values.Where(m => m.Mapping.Masquerade.Address == yielded.Address).ToList())
        {
            End(mapping, end, LogLine.Moved);
        }
    }

    /// <summary>Its end was not heard of; it was before a time.</summary>
    private void Lose(LoggedMapping mapping, long before) =>
        End(mapping, mapping.IsRecovered ? new LoggedEnd("agentLost", 0, mapping.KnownUntil, before) : new LoggedEnd("recordLost", 0, 0, before));

    /// <summary>The record first, and then the journal: what dies in between is in both.</summary>
    private void End(LoggedMapping mapping, LoggedEnd end, string record = LogLine.Whole)
    {
        write(LogLine.Of(record, node, mapping, end));
        Remove(mapping.Mapping);
    }

    /// <summary>When an address moved: numbers of moves are times where the coordinator has a clock. Where that cannot be so, the time at which it was heard of.</summary>
    private static long TimeOf(Epoch move, long heard) => move.Value > Earliest && move.Value < (ulong)Math.Max(0, heard) ? (long)move.Value : heard;

    private void Remove(MappingId id)
    {
        if (_live.Remove(id, out var mapping))
        {
            RecoveredCount -= mapping.IsRecovered ? 1 : 0;
            if (mapping.IsBlock && !mapping.IsRecovered)
            {
                _blocks.Remove((id.Masquerade.Address, NumberOf(id.Masquerade.Port)));
            }

            note(LogLine.OfGone(mapping));
        }
    }

    /// <summary>A FAM's name; empty where nobody has ever said it.</summary>
    private string NameOf(NodeId fam, TransportEndpoint endpoint, MappingId mapping)
    {
        if (endpoint == mapping.Masquerade)
        {
            return node.Name!;
        }

        if (fam.IsNone)
        {
            return _names.GetValueOrDefault(endpoint.Address, string.Empty);
        }

        if (_names.Count >= MostNames)
        {
            _names.Clear();
        }

        return _names[endpoint.Address] = fam.Name!;
    }

    private static string NameOf(MappingEnd reason) => reason switch
    {
        MappingEnd.Unserved => "unserved",
        MappingEnd.Unwanted => "unwanted",
        _ => "ended",
    };
}
