using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>A FAM of a mapping .</summary>
/// <param name="Node">The FAM's identity.</param>
/// <param name="Endpoint">The endpoint that it assigned.</param>
/// <param name="Epoch">The client's epoch when it became a FAM.</param>
public sealed record FamRecord(NodeId Node, TransportEndpoint Endpoint, Epoch Epoch);

/// <summary>A row of the connection table: a mapping with its connections and its FAMs, the most recent first.</summary>
/// <param name="Record">Mapping, client endpoint, HAM and connections as last reported.</param>
/// <param name="ReportEpoch">The epoch of the FAM that reported; with the revision it decides which of two reports is right.</param>
/// <param name="Fams">The FAMs, most recent first, at most <see cref="MaxFams"/>.</param>
public sealed record MappingEntry(MappingRecord Record, Epoch ReportEpoch, ImmutableArray<FamRecord> Fams)
{
    /// <summary>The most FAMs kept per mapping.</summary>
    public const int MaxFams = 4;

    /// <summary>When <see cref="MappingRecord.Explicit"/> was said: its times count from then.</summary>
    public Instant TermsAt { get; init; }

    /// <summary>What makes it an explicit mapping, as it is now; null if it is none.</summary>
    public ExplicitTerms? TermsNow(Instant now) => Record.Explicit?.After(now - TermsAt);

    /// <summary>The endpoint at a node, or none.</summary>
    public TransportEndpoint EndpointAt(NodeId node)
    {
        foreach (var fam in Fams)
        {
            if (fam.Node == node)
            {
                return fam.Endpoint;
            }
        }

        return TransportEndpoint.None;
    }

    /// <summary>This entry with a FAM put in front.</summary>
    public MappingEntry WithFam(FamRecord fam)
    {
        var others = Fams.RemoveAll(f => f.Node == fam.Node);
        return this with { Fams = [fam, .. others.Take(MaxFams - 1)] };
    }

    /// <summary>This entry with a further FAM put behind the first one.</summary>
    public MappingEntry WithFurther(FamRecord fam, NodeId first)
    {
        var (ahead, others) = (Fams.Where(f => f.Node == first), Fams.Where(f => f.Node != first && f.Node != fam.Node));
        return this with { Fams = [.. ahead.Append(fam).Concat(others).Take(MaxFams)] };
    }

    /// <summary>This entry without a node among its FAMs.</summary>
    public MappingEntry WithoutFam(NodeId node) => this with { Fams = Fams.RemoveAll(f => f.Node == node) };
}

/// <summary>A node that hears the client besides its FAM .</summary>
/// <param name="Node">Who.</param>
/// <param name="Since">The number of its message that made it one. Its messages count up, so one with a lower number is about an earlier link.</param>
public readonly record struct FurtherFam(NodeId Node, ulong Since);

/// <summary>A FAM whose hand-over is awaited.</summary>
/// <param name="Node">Who.</param>
/// <param name="Since">
/// The number of its message that began the stay that is over. Its messages count up, so a hand-over with a lower number is an echo of an earlier stay.
/// </param>
public readonly record struct AwaitedFam(NodeId Node, ulong Since);

/// <summary>An arrival whose previous FAMs have yet to hand over: more than one if the client went on before the one before had done so.</summary>
/// <param name="Awaited">Who is awaited; nobody in particular after a loss of the store, when whoever knows the client has yet to say so.</param>
/// <param name="Deadline">Until when.</param>
/// <param name="OffersLeft">FAM endpoints that the new FAM offered and that are not used yet.</param>
public sealed record PendingArrival(ImmutableArray<AwaitedFam> Awaited, Instant Deadline, ImmutableArray<FamOffer> OffersLeft)
{
    /// <summary>Whether this message of a node is the hand-over that is awaited.</summary>
    public bool IsAwaited(NodeId node, ulong id)
    {
        foreach (var awaited in Awaited)
        {
            if (awaited.Node == node)
            {
                return id > awaited.Since;
            }
        }

        return false;
    }

    /// <summary>What is left to wait for when a node need not be awaited any more; null if nothing is.</summary>
    public PendingArrival? Without(NodeId node)
    {
        var left = Awaited.RemoveAll(a => a.Node == node);
        return left.Length == Awaited.Length ? this : left.IsEmpty ? null : this with { Awaited = left };
    }
}

/// <summary>A mapping that has ended: an older report of it, late or repeated, must not bring it back.</summary>
/// <param name="Mapping">The mapping.</param>
/// <param name="Epoch">The epoch of the FAM that saw it end.</param>
/// <param name="Id">The number of the message that said so.</param>
public readonly record struct EndMark(MappingId Mapping, Epoch Epoch, ulong Id);

/// <summary>All that the coordinator knows of one client: the unit that a store loads and compares-and-sets. Immutable.</summary>
public sealed record ClientRecord
{
    /// <summary>The most ended mappings remembered.</summary>
    public const int MaxEnded = 256;

    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>How often it has moved; never goes back.</summary>
    public Epoch Epoch { get; init; }

    /// <summary>
    /// The highest epoch that HAMs have reported after a loss of the store. The next move's is above it; but it is not <see cref="Fam"/>'s, which may be a FAM of before the last
    /// move that has reported first.
    /// </summary>
    public Epoch HighestReported { get; init; }

    /// <summary>Its current FAM; none while it is out of coverage or unknown.</summary>
    public NodeId Fam { get; init; }

    /// <summary>The nodes that hear it besides, the newest first, at most <see cref="ControlLimits.MaxFurtherFams"/>. Every move ends this list: who still hears it says so again.</summary>
    public ImmutableArray<FurtherFam> Further { get; init; } = [];

    /// <summary>Whether its FAM has lost its link to it: who hears it next is its FAM, and not a further one.</summary>
    public bool IsLinkLost { get; init; }

    /// <summary>The FAM before the current one.</summary>
    public NodeId PreviousFam { get; init; }

    /// <summary>Whether it left its last FAM by an explicit departure.</summary>
    public bool Departed { get; init; }

    /// <summary>Since when it is where it is.</summary>
    public Instant Since { get; init; }

    /// <summary>Number of the message that made the current epoch.</summary>
    public ulong ArriveId { get; init; }

    /// <summary>Whether that was an <see cref="Arrive"/>, whose answer is given again when it is repeated.</summary>
    public bool Answered { get; init; }

    /// <summary>
    /// Which life of which coordinator decided the last move, and by which life of the store: only that coordinator knows whether what followed from it has been said, and not even
    /// that one knows it of a record that a store which had forgotten its last writes gave back. 0 where the coordinator has its store for itself.
    /// </summary>
    public ulong Decider { get; init; }

    /// <summary>The latest arrival that each node has asked for in its present life: what is older is a late copy.</summary>
    public ImmutableDictionary<string, (ulong Incarnation, ulong Id)> LastArrivals { get; init; } =
        ImmutableDictionary<string, (ulong Incarnation, ulong Id)>.Empty.WithComparers(StringComparer.Ordinal);

    /// <summary>The token of the current move.</summary>
    public ulong Token { get; init; }

    /// <summary>The previous FAM's last changes, while they are awaited.</summary>
    public PendingArrival? Pending { get; init; }

    /// <summary>What has ended lately, the most recent last, at most <see cref="MaxEnded"/>.</summary>
    public ImmutableArray<EndMark> Ended { get; init; } = [];

    /// <summary>
    /// The state of the book of addresses by which HAMs were last made right here; 0 if they never had to be. Who knows only an older state must not undo that.
    /// </summary>
    public ulong AddressesAsOf { get; init; }

    /// <summary>Whose client it is; null if nobody has authenticated, or need not.</summary>
    public UserRecord? User { get; init; }

    /// <summary>User sessions that are over, the latest last, at most <see cref="SessionEnd.MaxKept"/>.</summary>
    public ImmutableArray<SessionEnd> Over { get; init; } = [];

    /// <summary>The client's addresses.</summary>
    public ImmutableArray<IpAddress> Addresses { get; init; } = [];

    /// <summary>Its mappings.</summary>
    public ImmutableDictionary<MappingId, MappingEntry> Mappings { get; init; } = ImmutableDictionary<MappingId, MappingEntry>.Empty;

    /// <summary>
    /// The mapping that a client endpoint uses towards a server: the one for that server, or else the one for all. Of two that were made on both sides of a partition, the explicit one, then the one with the higher anchor epoch;
    /// ties go to the smaller HAM name.
    /// </summary>
    public MappingEntry? FindByClientEndpoint(TransportProtocol protocol, TransportEndpoint clientEndpoint, TransportEndpoint server = default)
    {
        MappingEntry? best = null;
        foreach (var entry in Mappings.Values)
        {
            var record = entry.Record;
            if (record.Mapping.Protocol == protocol && record.ClientEndpoint == clientEndpoint && (!record.Mapping.IsOfServer || record.Mapping.Server == server) && (best is null || Precedes(record, best.Record)))
            {
                best = entry;
            }
        }

        return best;
    }

    /// <summary>The nodes that are concerned with the client: who serves it, who did before, who anchors its mappings.</summary>
    public HashSet<NodeId> Nodes()
    {
        HashSet<NodeId> nodes = [Fam, PreviousFam, .. Further.Select(f => f.Node), .. Mappings.Values.Select(e => e.Record.Ham)];
        nodes.Remove(NodeId.None);
        return nodes;
    }

    /// <summary>Whether a node hears it besides its FAM.</summary>
    public bool IsFurther(NodeId node) => FurtherSince(node) is not null;

    /// <summary>The number of the message by which a node became a further FAM; null if it is none.</summary>
    public ulong? FurtherSince(NodeId node)
    {
        foreach (var further in Further)
        {
            if (further.Node == node)
            {
                return further.Since;
            }
        }

        return null;
    }

    /// <summary>Whether a node is the FAM of this epoch, or a further one.</summary>
    public bool IsServedBy(NodeId node, Epoch epoch) => Epoch == epoch && (Fam == node || IsFurther(node));

    /// <summary>Whether a report of an unknown mapping is older than the news of its end.</summary>
    public bool HasEnded(MappingId mapping, Epoch epoch, ulong id)
    {
        foreach (var mark in Ended)
        {
            if (mark.Mapping == mapping)
            {
                return mark.Epoch > epoch || (mark.Epoch == epoch && mark.Id > id);
            }
        }

        return false;
    }

    /// <summary>This record with the marks of what has ended, and without those of what is alive again.</summary>
    public ClientRecord WithEnded(IReadOnlyCollection<MappingId> ended, Epoch epoch, ulong id)
    {
        if (ended.Count == 0 && !Ended.Any(e => Mappings.ContainsKey(e.Mapping)))
        {
            return this;
        }

        var fresh = ended.Where(m => !Mappings.ContainsKey(m)).ToHashSet();
        ImmutableArray<EndMark> marks =
            [.. Ended.Where(e => !fresh.Contains(e.Mapping) && !Mappings.ContainsKey(e.Mapping)), .. fresh.Select(m => new EndMark(m, epoch, id))];
        return this with { Ended = marks.Length > MaxEnded ? marks[^MaxEnded..] : marks };
    }

    private static bool Precedes(MappingRecord a, MappingRecord b) =>
        a.Mapping.IsOfServer != b.Mapping.IsOfServer ? a.Mapping.IsOfServer
        : (a.Explicit is null) != (b.Explicit is null) ? a.Explicit is not null
        : a.AnchorEpoch != b.AnchorEpoch ? a.AnchorEpoch > b.AnchorEpoch : string.CompareOrdinal(a.Ham.Name, b.Ham.Name) < 0;
}
