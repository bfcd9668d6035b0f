using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>What HAMs ask and report, and what follows when a node has lost its tables.</summary>
public static class HamStep
{
    /// <summary>Where is the client? Its other mappings at the same HAM ride along.</summary>
    public static Decision FamQuery(ClientRecord? state, NodeId node, FamQuery message)
    {
        // The one that was asked about comes first: a HAM takes its absence for an answer.
        var known = state is not null && state.Mappings.ContainsKey(message.Mapping);
        return Decision.Reply(new FamQueryReply
        {
            Id = message.Id,
            Client = message.Client,
            Epoch = state?.Epoch ?? Epoch.None,
            Status = known ? AckStatus.Ok : AckStatus.Unknown,
            Routes = !known || state!.Fam.IsNone
                ? []
                : [.. state.Mappings.Values
                    .Where(e => e.Record.Ham == node && !e.EndpointAt(state.Fam).IsNone)
                    .OrderBy(e => e.Record.Mapping != message.Mapping)
                    .Take(ControlLimits.MaxRoutes)
                    .Select(e => new FamRoute(e.Record.Mapping, node, TransportEndpoint.None, e.EndpointAt(state.Fam)))],
        });
    }

    /// <summary>A HAM's own timer has ended mappings that nobody served.</summary>
    public static Decision Release(ClientRecord? state, NodeId node, ReleaseMappings message)
    {
        if (state is null)
        {
            return Decision.Acknowledge(message.Id, AckStatus.Unknown);
        }

        var ended = message.Mappings.Where(m => state.Mappings.TryGetValue(m, out var e) && e.Record.Ham == node).ToList();
        var decision = new Decision(state with { Mappings = state.Mappings.RemoveRange(ended) }, new Ack { Id = message.Id, Status = AckStatus.Ok });
        PushGone(decision, state, ended);
        return decision;
    }

    /// <summary>A HAM reports what it owns after the store has forgotten. It is the authority on what it owns, not on where the client is.</summary>
    public static Decision AnchorReport(ClientRecord? state, NodeId node, AnchorReport message, StepContext context)
    {
        var client = state ?? new ClientRecord { Client = message.Client };
        if (message.Epoch > client.HighestReported)
        {
            client = client with { HighestReported = message.Epoch };
        }

        var mappings = client.Mappings.ToBuilder();
        var misled = new List<MappingEntry>();
        var unserved = new List<MappingEntry>();
        var cleared = new List<FamRoute>();
        foreach (var record in message.Mappings)
        {
            if (record.Ham != node || context.Nodes.OwnerOf(record.Mapping.Masquerade.Address) != node)
            {
                continue;
            }

            // A FAM that arrived without this being known has not been told of it, even if it had it in an earlier stay or life.
            var isNewsToFam = false;
            if (!mappings.TryGetValue(record.Mapping, out var entry))
            {
                isNewsToFam = !client.Fam.IsNone && message.FamEpoch < client.Epoch;
                if (mappings.Count >= context.Options.MaxMappingsPerClient || client.HasEnded(record.Mapping, message.Epoch, 0))
                {
                    continue;
                }

                var fam = context.Nodes.OwnerOf(record.FamEndpoint.Address);
                ImmutableArray<FamRecord> fams = record.FamEndpoint.IsNone || fam.IsNone ? [] : [new FamRecord(fam, record.FamEndpoint, message.FamEpoch)];
                entry = new MappingEntry(record with { FamEndpoint = TransportEndpoint.None }, Epoch.None, fams) { TermsAt = context.Now };
            }

            if (entry.Record.Opened == 0 && record.Opened != 0)
            {
                entry = entry with { Record = entry.Record with { Opened = record.Opened } };
            }

            if (client.Fam == node && entry.EndpointAt(node).IsNone)
            {
                entry = entry.WithFam(new FamRecord(node, record.Mapping.Masquerade, client.Epoch));
            }

            mappings[record.Mapping] = entry;
            var now = entry.EndpointAt(client.Fam);
            if (state is { Departed: true } && !record.FamEndpoint.IsNone && message.Epoch <= state.Epoch)
            {
                cleared.Add(new FamRoute(record.Mapping, node, record.FamEndpoint, TransportEndpoint.None));
            }

            if (client.Fam.IsNone)
            {
                continue;
            }

            if (!now.IsNone && now != record.FamEndpoint)
            {
                misled.Add(entry);
            }

            // Where the FAM is this same node and the HAM says that it serves nothing, neither knows of the other.
            if (now.IsNone || isNewsToFam || (client.Fam == node && record.FamEndpoint.IsNone))
            {
                unserved.Add(entry);
            }
        }

        // A move or a departure may have come between the loss and this report, when the HAM could not be told.
        var next = client with { Mappings = mappings.ToImmutable() };
        var decision = new Decision(next, new Ack { Id = message.Id, Status = AckStatus.Ok });
        if (cleared.Count > 0)
        {
            Pushes.Cleared(decision, node, next.Client, next.Epoch, cleared);
        }

        if (!next.Fam.IsNone)
        {
            Routes.PushFamChange(decision, next, NodeId.None, drain: false, misled, context);
        }

        if (unserved.Count > 0)
        {
            // The current FAM arrived while nobody could tell it of these; it attaches now.
            Pushes.Update(decision, next, unserved.Select(e => Routes.For(e, next.Fam, context.Now)), []);
        }

        return decision;
    }

    /// <summary>
    /// A node has come back with empty tables: it gets back what it anchored, and whom it served it serves no more. Null if the client is not concerned.
    /// </summary>
    /// <param name="state">The client.</param>
    /// <param name="node">The node.</param>
    /// <param name="addresses">Its addresses in its new life: what was anchored at others is gone.</param>
    /// <param name="context">What else a step may look at.</param>
    public static Decision? NodeRestarted(ClientRecord state, NodeId node, IReadOnlyList<IpAddress> addresses, StepContext context)
    {
        var anchored = state.Mappings.Values.Where(e => e.Record.Ham == node).OrderBy(e => e.Record.Mapping).ToList();
        var gone = anchored.Where(e => !addresses.Contains(e.Record.Mapping.Masquerade.Address)).Select(e => e.Record.Mapping).ToList();
        var served = state.Fam == node;
        var awaited = state.Pending?.Awaited.Any(a => a.Node == node) ?? false;
        if (anchored.Count == 0 && !served && !awaited && !state.IsFurther(node))
        {
            return null;
        }

        // Its FAM endpoints are gone with its tables.
        var left = state.Mappings.RemoveRange(gone);
        var next = state with { Mappings = left.SetItems(left.Select(m => KeyValuePair.Create(m.Key, m.Value.WithoutFam(node)))), Pending = state.Pending?.Without(node) };
        if (served)
        {
            next = next with { Fam = NodeId.None, PreviousFam = node, Pending = null, Answered = false, Since = context.Now };
        }

        var decision = state.IsFurther(node) ? FurtherStep.Left(next, node, isThere: false, context) : new Decision(next, null);
        next = decision.Next!;
        Pushes.Adopt(decision, node, next, anchored.Where(e => next.Mappings.ContainsKey(e.Record.Mapping)).Select(e => Routes.For(next.Mappings[e.Record.Mapping], next.Fam, context.Now)));
        PushGone(decision, next, gone, evenIfNone: awaited);
        if (served)
        {
            PushCleared(decision, state, next, node);
            FurtherStep.PushSummon(decision, state, context);
        }

        return decision;
    }

    /// <summary>Tells the HAMs of a client, except the node itself, that a node serves it no more.</summary>
    internal static void PushCleared(Decision decision, ClientRecord before, ClientRecord next, NodeId node)
    {
        var others = next.Mappings.Values.Where(e => e.Record.Ham != node).GroupBy(e => e.Record.Ham.Name, StringComparer.Ordinal);
        foreach (var group in others.OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            Pushes.Cleared(
                decision,
                new NodeId(group.Key),
                before.Client,
                before.Epoch,
                [.. group.Select(e => new FamRoute(e.Record.Mapping, e.Record.Ham, before.Mappings[e.Record.Mapping].EndpointAt(node), TransportEndpoint.None))]);
        }
    }

    /// <summary>Another client's claim on mappings was proven by their owner: here they are gone.</summary>
    public static Decision Disown(ClientRecord state, IReadOnlyList<MappingId> gone)
    {
        var decision = new Decision(state with { Mappings = state.Mappings.RemoveRange(gone) }, null);
        PushGone(decision, state, gone);
        return decision;
    }

    private static void PushGone(Decision decision, ClientRecord state, IReadOnlyList<MappingId> gone, bool evenIfNone = false)
    {
        if ((gone.Count > 0 || evenIfNone) && !state.Fam.IsNone)
        {
            Pushes.Update(decision, state, [], gone);
        }
    }
}
