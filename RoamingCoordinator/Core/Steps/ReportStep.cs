using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

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
        if (state is null && message.Also)
        {
            // The store has forgotten. A further FAM asks anew, and says it again.
            return Decision.Acknowledge(message.Id, AckStatus.StaleEpoch);
        }

        var client = state ?? new ClientRecord { Client = message.Client };
        var isCurrent = client.Fam == node && client.Epoch == message.Epoch;
        var claims = !isCurrent && !message.Also && (message.Epoch > client.Epoch || (message.Epoch == client.Epoch && client.Fam.IsNone && !client.Departed));
        if (!isCurrent && !message.Full && client.IsFurther(node) && client.Epoch == message.Epoch)
        {
            return FurtherStep.Report(client, node, message, context);
        }

        if (!isCurrent && !claims)
        {
            // A stale FAM may still know mappings that nobody else knows; and it must learn that it is stale.
            return Merge(client, node, message.Epoch, message.Mappings, message.Ended, message.Id, AckStatus.StaleEpoch, completes: false, context);
        }

        var decidedElsewhere = message.Full && !claims && client.Decider != context.Decider;
        var displaced = NodeId.None;
        if (claims)
        {
            // The store has forgotten, or was behind: the agents know better.
            displaced = client.Fam != node ? client.Fam : NodeId.None;
            client = client with
            {
                Epoch = message.Epoch,
                Fam = node,
                Further = [],
                IsLinkLost = false,
                PreviousFam = NodeId.None,
                Departed = false,
                Since = context.Now,
                Token = context.Token,
                Pending = null,
                Answered = false,
                ArriveId = message.Id,
                Decider = context.Decider,
            };
        }
        else if (message.Full)
        {
            client = client with { Decider = context.Decider };
        }

        client = client with { Addresses = [.. client.Addresses.Union(message.Addresses).Take(ControlLimits.MaxAddresses)] };
        var mappings = client.Mappings.ToBuilder();
        var changed = new List<MappingEntry>();
        var kept = new List<MappingEntry>();
        var status = Upsert(client, node, message.Epoch, message.Id, message.Mappings, mappings, changed, kept, context);
        var ended = Remove(mappings, message.Ended);
        var unserved = claims ? Unserved(mappings, node, message, context.Now) : [];
        unserved.AddRange(CameHome(mappings, node, message, context));
        var next = (client with { Mappings = mappings.ToImmutable() }).WithEnded(message.Ended, message.Epoch, message.Id);
        var decision = new Decision(next, new Ack { Id = message.Id, Status = status });
        NoteRefused(decision, client, node, status);
        Routes.PushTerms(decision, next, kept.Where(e => mappings.ContainsKey(e.Record.Mapping)), context.Now);
        if (unserved.Count > 0)
        {
            // HAMs or earlier FAMs have reported them, or know where they are; whoever serves the client must know them to serve them.
            Pushes.Update(decision, next, unserved, ended: []);
        }

        Routes.PushEnded(decision, client.Client, message.Epoch, ended, except: node);
        Pushes.UpdateFurther(decision, next, changed.Where(e => next.Mappings.ContainsKey(e.Record.Mapping)).Select(e => Routes.For(next.Mappings[e.Record.Mapping], node, context.Now)), [.. ended.Select(e => e.Record.Mapping)], except: NodeId.None);
        if (!displaced.IsNone)
        {
            // Who served the client by an older epoch must learn that it does so no more.
            Routes.PushFamChange(decision, next, displaced, drain: context.Nodes.IsConnected(displaced), Routes.InOrder(next.Mappings.Values), context);
        }
        else if (decidedElsewhere)
        {
            // The reporter comes from another coordinator, which may have died before it told everybody. The first part of the report is enough for that.
            Routes.PushWhole(decision, next, context);
        }
        else if (claims || changed.Count > 0)
        {
            var known = client.Mappings;
            var news = changed.Where(e => !known.TryGetValue(e.Record.Mapping, out var before) || before.EndpointAt(node) != e.EndpointAt(node));
            Routes.PushFamChange(decision, next, NodeId.None, drain: false, Routes.InOrder(claims ? next.Mappings.Values : news.Where(e => e.Record.Ham != node)), context);
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
            // Who was asked to be a further FAM and lost the client before it had the answer departs like anybody.
            var left = state.FurtherSince(node) < message.Id ? FurtherStep.Left(state, node, isThere: true, context) : null;
            var merged = Merge(left?.Next ?? state, node, message.Epoch, message.Mappings, message.Ended, message.Id, AckStatus.StaleEpoch, IsAwaited(state, node, message.Id), context);
            return left is null ? merged : merged.After(left);
        }

        var mappings = state.Mappings.ToBuilder();
        var kept = new List<MappingEntry>();
        var taken = Upsert(state, node, message.Epoch, message.Id, message.Mappings, mappings, [], kept, context);
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
        Routes.PushTerms(decision, next, kept.Where(e => mappings.ContainsKey(e.Record.Mapping)).Select(e => mappings[e.Record.Mapping]), context.Now);
        Routes.PushEnded(decision, state.Client, message.Epoch, ended, except: node);
        foreach (var (ham, routes) in cleared)
        {
            Pushes.Cleared(decision, new NodeId(ham), state.Client, state.Epoch, routes);
        }

        FurtherStep.PushSummon(decision, state, context);
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
        var kept = new List<MappingEntry>();
        var wasKnown = state.Mappings;

        // What is not the current FAM's word never ranks with it, whatever epoch it claims.
        var limit = node == state.Fam || state.Fam.IsNone || state.Epoch == Epoch.None ? state.Epoch : new Epoch(state.Epoch.Value - 1);
        epoch = epoch > limit ? limit : epoch;

        var taken = Upsert(state, node, epoch, id, records, mappings, changed, kept, context);

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
        Routes.PushTerms(decision, next, kept.Where(e => mappings.ContainsKey(e.Record.Mapping)).Select(e => mappings[e.Record.Mapping]), context.Now);
        Routes.PushEnded(decision, state.Client, epoch, ended, except: node);
        if (state.Fam.IsNone)
        {
            return decision;
        }

        if (moved.Count > 0 || status == AckStatus.StaleEpoch)
        {
            Routes.PushFamChange(decision, next, node, drain: context.Nodes.IsConnected(node) && node != next.Fam, Routes.InOrder(moved), context);
        }

        if (completes || changed.Count > 0 || ended.Count > 0)
        {
            Pushes.Update(
                decision,
                next,
                changed.Where(e => mappings.ContainsKey(e.Record.Mapping)).Select(e => Routes.For(mappings[e.Record.Mapping], state.Fam, context.Now)),
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
    private static List<MappingRecord> Unserved(ImmutableDictionary<MappingId, MappingEntry>.Builder mappings, NodeId node, Announce message, Instant now)
    {
        var epoch = message.Epoch;
        var said = message.Mappings.Select(m => m.Mapping).ToHashSet();
        var unserved = new List<MappingRecord>();
        foreach (var entry in mappings.Values.Where(e => message.Full ? !said.Contains(e.Record.Mapping) : e.EndpointAt(node).IsNone).OrderBy(e => e.Record.Mapping).ToList())
        {
            var found = entry.Record.Ham == node ? entry.WithFam(new FamRecord(node, entry.Record.Mapping.Masquerade, epoch)) : entry;
            mappings[entry.Record.Mapping] = found;
            unserved.Add(Routes.For(found, node, now));
        }

        return unserved;
    }

    /// <summary>Mappings of the report that are at another HAM than the reporter believes, because their address has come home.</summary>
    private static IEnumerable<MappingRecord> CameHome(ImmutableDictionary<MappingId, MappingEntry>.Builder mappings, NodeId node, Announce message, StepContext context)
    {
        foreach (var reported in message.Mappings)
        {
            if (!HomeInstead(reported, node, context).IsNone && mappings.TryGetValue(reported.Mapping, out var entry))
            {
                yield return Routes.For(entry, node, context.Now);
            }
        }
    }

    /// <summary>Whose mapping it is rather; none if the reporter may be right, or says it of itself: what is its own it must know.</summary>
    private static NodeId HomeInstead(MappingRecord reported, NodeId node, StepContext context) =>
        reported.Ham == node ? NodeId.None : context.Nodes.HomeInsteadOf(reported.Ham, reported.Mapping.Masquerade.Address);

    private static bool IsAwaited(ClientRecord state, NodeId node, ulong id) => state.Pending?.IsAwaited(node, id) ?? false;

    /// <summary>Takes in records that are not older than what is known. The reporter's own FAM endpoint comes with them.</summary>
    private static AckStatus Upsert(
        ClientRecord state, NodeId node, Epoch epoch, ulong id, IReadOnlyList<MappingRecord> records,
        ImmutableDictionary<MappingId, MappingEntry>.Builder mappings, List<MappingEntry> changed, List<MappingEntry> kept, StepContext context)
    {
        var status = AckStatus.Ok;
        foreach (var reported in records)
        {
            // The reporter may not have heard yet that the address has moved; that it gets to its owner is seen to when all is taken in. That an address has come home is known to
            // nobody any more if the store has forgotten that it was away: then its home says whether it has the mapping.
            var home = HomeInstead(reported, node, context);
            var record = home.IsNone ? reported : reported with { Ham = home };
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
                : known with { Record = record with { AnchorEpoch = known.Record.AnchorEpoch, Ham = known.Record.Ham, Opened = OpenedAt(known.Record, record) }, ReportEpoch = epoch };
            if (state.Fam == node && state.Epoch == epoch && !record.FamEndpoint.IsNone)
            {
                entry = entry.WithFam(new FamRecord(node, record.FamEndpoint, epoch));
            }

            entry = entry with { TermsAt = context.Now, Record = entry.Record with { Explicit = TermsOf(known, record, context.Now) } };
            mappings[record.Mapping] = entry;
            if (entry.Record.Ham != node && !(known?.TermsNow(context.Now) is { } before ? entry.Record.Explicit is { } terms && terms.SaysTheSame(before) : entry.Record.Explicit is null))
            {
                kept.Add(entry);
            }

            if (known is null || !Says(known, entry, node))
            {
                changed.Add(entry);
            }
        }

        return status;
    }

    /// <summary>When a mapping was opened does not change; whoever reports it may not know.</summary>
    private static long OpenedAt(MappingRecord known, MappingRecord reported) =>
        reported.Opened == 0 || (known.Opened != 0 && known.ClientEndpoint == reported.ClientEndpoint) ? known.Opened : reported.Opened;

    /// <summary>What is published is the operator's and not a FAM's to say; whoever serves it may not have heard of it yet.</summary>
    private static ExplicitTerms? TermsOf(MappingEntry? known, MappingRecord reported, Instant now) =>
        known?.Record.Explicit is { Published: true } ? known.TermsNow(now) : reported.Explicit;

    /// <summary>
    /// Whether a report is the one that is known, said again: nobody needs to hear of it. A mapping's revision does not count up while its connections age, so these are looked at
    /// as well; a FAM that hands over says by them how its timers stand.
    /// </summary>
    private static bool Says(MappingEntry known, MappingEntry reported, NodeId node) =>
        known.ReportEpoch == reported.ReportEpoch && known.Record.Revision == reported.Record.Revision && known.EndpointAt(node) == reported.EndpointAt(node)
        && known.Record.Connections.SequenceEqual(reported.Record.Connections);

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
