using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>
/// What FAMs report of a client's mappings: the current one by <see cref="Announce"/>, the one before by <see cref="HandOver"/>, one that lost the client by <see cref="Depart"/>.
/// Epoch and revision, not the order of arrival, decide what is right.
/// </summary>
public static class ReportStep
{
    /// <summary>Decides an announcement.</summary>
    public static Decision Announce(ClientRecord? state, NodeId node, Announce message, StepContext context)
    {
        var client = state ?? new ClientRecord { Client = message.Client };
        var isCurrent = client.Fam == node && client.Epoch == message.Epoch;
        var claims = !isCurrent && (message.Epoch > client.Epoch || (message.Epoch == client.Epoch && client.Fam.IsNone && !client.Departed));
        if (!isCurrent && !claims)
        {
            // A stale FAM may still know mappings that nobody else knows; and it must learn that it is stale.
            return Merge(client, node, message.Epoch, message.Mappings, message.Ended, message.Id, AckStatus.StaleEpoch, completes: false, context);
        }

        var displaced = NodeId.None;
        if (claims)
        {
            // The store has forgotten, or was behind: the agents know better.
            displaced = client.Fam != node ? client.Fam : NodeId.None;
            client = client with
            {
                Epoch = message.Epoch,
                Fam = node,
                PreviousFam = NodeId.None,
                Departed = false,
                Since = context.Now,
                Token = context.Token,
                Pending = null,
                Answered = false,
                ArriveId = message.Id,
                Decider = context.Options.Life,
            };
        }
        else if (message.Full)
        {
            client = client with { Decider = context.Options.Life };
        }

        client = client with { Addresses = [.. client.Addresses.Union(message.Addresses).Take(ControlLimits.MaxAddresses)] };
        var mappings = client.Mappings.ToBuilder();
        var changed = new List<MappingEntry>();
        var status = Upsert(client, node, message.Epoch, message.Id, message.Mappings, mappings, changed, context);
        var ended = Remove(mappings, message.Ended);
        var unserved = claims ? Unserved(mappings, node, message) : [];
        var next = (client with { Mappings = mappings.ToImmutable() }).WithEnded(message.Ended, message.Epoch, message.Id);
        var decision = new Decision(next, new Ack { Id = message.Id, Status = status });
        NoteRefused(decision, client, node, status);
        if (unserved.Count > 0)
        {
            // HAMs or earlier FAMs have reported them; whoever serves the client must know them to serve them.
            Pushes.Update(decision, next, unserved, ended: []);
        }

        Routes.PushEnded(decision, client.Client, message.Epoch, ended, except: node);
        if (!displaced.IsNone)
        {
            // Who served the client by an older epoch must learn that it does so no more.
            Routes.PushFamChange(decision, next, displaced, drain: context.Nodes.IsConnected(displaced), next.Mappings.Values, context);
        }
        else if (message.Full && !claims && context.Options.Life != 0)
        {
            // The reporter comes from another coordinator, which may have died before it told everybody.
            Routes.PushWhole(decision, next, context);
        }
        else if (claims || changed.Count > 0)
        {
            var known = client.Mappings;
            var news = changed.Where(e => !known.TryGetValue(e.Record.Mapping, out var before) || before.EndpointAt(node) != e.EndpointAt(node));
            Routes.PushFamChange(decision, next, NodeId.None, drain: false, claims ? next.Mappings.Values : news.Where(e => e.Record.Ham != node), context);
        }

        return decision;
    }

    /// <summary>Decides a hand-over.</summary>
    public static Decision HandOver(ClientRecord? state, NodeId node, HandOver message, StepContext context) => state is null
        ? Decision.Acknowledge(message.Id, AckStatus.Unknown)
        : Merge(state, node, message.Epoch, message.Mappings, message.Ended, message.Id, AckStatus.Ok, !message.More && IsAwaited(state, node, message.Id), context);

    /// <summary>Decides a departure.</summary>
    public static Decision Depart(ClientRecord? state, NodeId node, Depart message, StepContext context)
    {
        if (state is null)
        {
            // After a loss of the store the departure is the first that is heard of the client; it is a hand-over to whoever comes next.
            state = new ClientRecord { Client = message.Client, Epoch = message.Epoch, Fam = node };
        }

        var departedBefore = state.Departed && state.PreviousFam == node && state.Epoch == message.Epoch;
        if (departedBefore && !message.Ended.Any(state.Mappings.ContainsKey)
            && message.Mappings.All(m => state.Mappings.TryGetValue(m.Mapping, out var known) && m.Revision <= known.Record.Revision))
        {
            // The same request again.
            return Decision.Acknowledge(message.Id, AckStatus.Ok);
        }

        // A node that lost the client before it had the answer to its arrival does not know the epoch; it says so after it has asked.
        // One that could not reach the coordinator between two stays says the second one's end under the first one's epoch.
        var isCurrent = departedBefore || (state.Fam == node && (state.Epoch == message.Epoch || (state.Epoch > message.Epoch && message.Id > state.ArriveId)));
        if (!isCurrent)
        {
            return Merge(state, node, message.Epoch, message.Mappings, message.Ended, message.Id, AckStatus.StaleEpoch, IsAwaited(state, node, message.Id), context);
        }

        var mappings = state.Mappings.ToBuilder();
        var taken = Upsert(state, node, message.Epoch, message.Id, message.Mappings, mappings, [], context);
        var ended = Remove(mappings, message.Ended);
        var cleared = new SortedDictionary<string, List<FamRoute>>(StringComparer.Ordinal);
        foreach (var (id, entry) in mappings.ToArray())
        {
            if (!cleared.TryGetValue(entry.Record.Ham.Name!, out var routes))
            {
                cleared[entry.Record.Ham.Name!] = routes = [];
            }

            routes.Add(new FamRoute(id, entry.Record.Ham, entry.EndpointAt(node), TransportEndpoint.None));
            mappings[id] = entry.WithoutFam(node);
        }

        var next = (state with
        {
            Fam = NodeId.None,
            PreviousFam = node,
            Departed = true,
            Pending = null,
            Answered = false,
            Since = context.Now,
            Mappings = mappings.ToImmutable(),
        }).WithEnded(message.Ended, message.Epoch, message.Id);
        var decision = new Decision(next, new Ack { Id = message.Id, Status = AckStatus.Ok });
        NoteRefused(decision, state, node, taken);
        Routes.PushEnded(decision, state.Client, message.Epoch, ended, except: node);
        foreach (var (ham, routes) in cleared)
        {
            Pushes.Cleared(decision, new NodeId(ham), state.Client, state.Epoch, routes);
        }

        decision.Events.Add(new ClientLeft(state.Client, state.Epoch, node));
        return decision;
    }

    /// <summary>A FAM that is not the current one reports: what is fresher than known is taken in and passed on to the current FAM.</summary>
    private static Decision Merge(
        ClientRecord state, NodeId node, Epoch epoch, IReadOnlyList<MappingRecord> records, IReadOnlyList<MappingId> endedIds, ulong id, AckStatus status,
        bool completes, StepContext context)
    {
        var mappings = state.Mappings.ToBuilder();
        var changed = new List<MappingEntry>();
        var wasKnown = state.Mappings;

        // What is not the current FAM's word never ranks with it, whatever epoch it claims.
        var limit = node == state.Fam || state.Fam.IsNone || state.Epoch == Epoch.None ? state.Epoch : new Epoch(state.Epoch.Value - 1);
        epoch = epoch > limit ? limit : epoch;

        var taken = Upsert(state, node, epoch, id, records, mappings, changed, context);

        // What the current FAM has reported itself is not ended by the one before it.
        var ended = Remove(mappings, endedIds.Where(m => mappings.TryGetValue(m, out var e) && e.ReportEpoch <= epoch));
        var offers = state.Pending?.OffersLeft ?? [];
        var moved = new List<MappingEntry>();
        if (!state.Fam.IsNone)
        {
            foreach (var entry in changed.Where(e => !wasKnown.ContainsKey(e.Record.Mapping)))
            {
                var assigned = Routes.Assign(entry, state.Fam, state.Epoch, drain: node != state.Fam, ref offers);
                mappings[entry.Record.Mapping] = assigned;
                moved.Add(assigned);
            }
        }

        var pending = completes ? state.Pending?.Without(node) : state.Pending;
        var next = (state with
        {
            Mappings = mappings.ToImmutable(),
            Pending = pending is null ? null : pending with { OffersLeft = offers },
        }).WithEnded(endedIds, epoch, id);
        var decision = new Decision(next, new Ack { Id = id, Status = status });
        NoteRefused(decision, state, node, taken);
        Routes.PushEnded(decision, state.Client, epoch, ended, except: node);
        if (state.Fam.IsNone)
        {
            return decision;
        }

        if (moved.Count > 0 || status == AckStatus.StaleEpoch)
        {
            Routes.PushFamChange(decision, next, node, drain: context.Nodes.IsConnected(node) && node != next.Fam, moved, context);
        }

        if (completes || changed.Count > 0 || ended.Count > 0)
        {
            Pushes.Update(
                decision,
                next,
                changed.Where(e => mappings.ContainsKey(e.Record.Mapping)).Select(e => Routes.For(mappings[e.Record.Mapping], state.Fam)),
                [.. ended.Select(e => e.Record.Mapping)]);
        }

        return decision;
    }

    private static void NoteRefused(Decision decision, ClientRecord client, NodeId node, AckStatus status)
    {
        if (status == AckStatus.Refused)
        {
            decision.Events.Add(new ClaimRefused(node, client.Client, "mappings that are not the node's to report, or too many of one client"));
        }
    }

    /// <summary>
    /// What others have reported of a client and the node that claims it does not know, though it may have known it in an earlier life. At its HAM a mapping needs no endpoint;
    /// elsewhere the FAM attaches.
    /// </summary>
    private static List<MappingRecord> Unserved(ImmutableDictionary<MappingId, MappingEntry>.Builder mappings, NodeId node, Announce message)
    {
        var epoch = message.Epoch;
        var said = message.Mappings.Select(m => m.Mapping).ToHashSet();
        var unserved = new List<MappingRecord>();
        foreach (var entry in mappings.Values.Where(e => message.Full ? !said.Contains(e.Record.Mapping) : e.EndpointAt(node).IsNone).OrderBy(e => e.Record.Mapping.Protocol).ThenBy(e => e.Record.Mapping.Masquerade).ToList())
        {
            var found = entry.Record.Ham == node ? entry.WithFam(new FamRecord(node, entry.Record.Mapping.Masquerade, epoch)) : entry;
            mappings[entry.Record.Mapping] = found;
            unserved.Add(Routes.For(found, node));
        }

        return unserved;
    }

    private static bool IsAwaited(ClientRecord state, NodeId node, ulong id) => state.Pending?.IsAwaited(node, id) ?? false;

    /// <summary>Takes in records that are not older than what is known. The reporter's own FAM endpoint comes with them.</summary>
    private static AckStatus Upsert(
        ClientRecord state, NodeId node, Epoch epoch, ulong id, IReadOnlyList<MappingRecord> records,
        ImmutableDictionary<MappingId, MappingEntry>.Builder mappings, List<MappingEntry> changed, StepContext context)
    {
        var status = AckStatus.Ok;
        foreach (var reported in records)
        {
            // The reporter may not have heard yet that the address has moved; that it gets to its owner is seen to when all is taken in.
            var record = reported;
            var owner = context.Nodes.MovedTo(record.Mapping.Masquerade.Address);
            mappings.TryGetValue(record.Mapping, out var known);
            if (known is null && state.HasEnded(record.Mapping, epoch, id))
            {
                continue;
            }

            if (known is null && !MayAdd(owner.IsNone ? record : record with { Ham = owner }, mappings.Count, node, context))
            {
                status = AckStatus.Refused;
                continue;
            }

            if (known is not null && (epoch < known.ReportEpoch || (epoch == known.ReportEpoch && record.Revision < known.Record.Revision)))
            {
                continue;
            }

            var entry = known is null
                ? new MappingEntry(record, epoch, [])
                : known with { Record = record with { AnchorEpoch = known.Record.AnchorEpoch, Ham = known.Record.Ham }, ReportEpoch = epoch };
            if (state.Fam == node && state.Epoch == epoch && !record.FamEndpoint.IsNone)
            {
                entry = entry.WithFam(new FamRecord(node, record.FamEndpoint, epoch));
            }

            mappings[record.Mapping] = entry;
            changed.Add(entry);
        }

        return status;
    }

    /// <summary>A mapping belongs to the node that owns its address; a client has a bounded number.</summary>
    private static bool MayAdd(MappingRecord record, int count, NodeId node, StepContext context)
    {
        var owner = context.Nodes.OwnerOf(record.Mapping.Masquerade.Address);
        return count < context.Options.MaxMappingsPerClient && (owner == record.Ham || (owner.IsNone && record.Ham != node));
    }

    private static List<MappingEntry> Remove(ImmutableDictionary<MappingId, MappingEntry>.Builder mappings, IEnumerable<MappingId> ids)
    {
        var removed = new List<MappingEntry>();
        foreach (var id in ids.ToList())
        {
            if (mappings.TryGetValue(id, out var entry))
            {
                mappings.Remove(id);
                removed.Add(entry);
            }
        }

        return removed;
    }
}
