using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>A client has appeared at an access point: it gets the next epoch, that node becomes its FAM, every HAM and the previous FAM hear of it.</summary>
public static class ArriveStep
{
    /// <summary>Decides an arrival.</summary>
    public static Decision Decide(ClientRecord? state, NodeId node, Arrive message, StepContext context)
    {
        if (state is { Answered: true, Departed: false } && state.Fam == node && state.ArriveId == message.Id)
        {
            return Again(state, context);
        }

        if (state is not null && state.FurtherSince(node) == message.Id)
        {
            return Decision.Reply(FurtherStep.Answer(state, node, message.Id, context));
        }

        var client = state ?? new ClientRecord { Client = message.Client };
        var life = context.Nodes.Find(node)?.Incarnation ?? 0;
        if (client.LastArrivals.TryGetValue(node.Name!, out var last) && last.Incarnation == life && message.Id <= last.Id)
        {
            // A late copy. The client has been elsewhere since; to take it for an arrival would fetch the client back from where it is.
            return Decision.Reply(new ArriveReply { Id = message.Id, Client = message.Client, Status = AckStatus.StaleEpoch, Epoch = client.Epoch, Complete = true });
        }

        if (message.Also && FurtherStep.MayJoin(client, node, context))
        {
            return FurtherStep.Join(client, node, message, life, context);
        }

        var previous = client.Departed ? NodeId.None : client.Fam;

        // A further FAM was summoned because the one before is silent, or of its own accord: a silent one is not waited for.
        var isSilent = client.IsFurther(node) && context.Nodes.Find(previous) is { IsSilent: true };
        var drain = !previous.IsNone && previous != node && context.Nodes.IsConnected(previous) && !isSilent;
        var known = message.KnownEpoch > client.HighestReported ? message.KnownEpoch : client.HighestReported;
        var epoch = context.NextEpoch(known > client.Epoch ? known : client.Epoch);
        var awaited = Awaited(client, node, drain ? previous : NodeId.None, context);

        // After a loss of the store the absence of a FAM may only mean that it has not been heard yet. What is unknown is not new before it could say so.
        var complete = awaited.IsEmpty && !(context.StoreMayLack && previous.IsNone && !client.Departed);
        ImmutableArray<FamOffer> offers = [.. message.Offers];
        var mappings = client.Mappings.ToBuilder();
        var moved = new List<MappingEntry>(client.Mappings.Count);
        foreach (var entry in Routes.InOrder(client.Mappings.Values))
        {
            var assigned = FurtherStep.Keeps(client, entry, node, context) ? entry.WithFam(new FamRecord(node, entry.EndpointAt(node), epoch)) : Routes.Assign(entry, node, epoch, drain, ref offers);
            mappings[entry.Record.Mapping] = assigned;
            moved.Add(assigned);
        }

        var next = client with
        {
            Epoch = epoch,
            Fam = node,
            Further = [],
            IsLinkLost = false,
            PreviousFam = previous,
            Departed = false,
            Since = context.Now,
            ArriveId = message.Id,
            LastArrivals = client.LastArrivals.SetItem(node.Name!, (life, message.Id)),
            Answered = true,
            Decider = context.Decider,
            Token = context.Token,
            Pending = complete ? null : new PendingArrival(awaited, context.Now + context.Options.HandOverTimeout, offers),
            Addresses = [.. client.Addresses.Union(message.Addresses).Take(ControlLimits.MaxAddresses)],
            Mappings = mappings.ToImmutable(),
        };
        var decision = new Decision(next, Answer(next, moved, context));
        Routes.PushFamChange(decision, next, previous, drain, moved, context);
        FurtherStep.PushMoved(decision, client, next, context);
        decision.Events.Add(new ClientMoved(next.Client, epoch, client.Fam, node, moved.Count, complete));
        return decision;
    }

    /// <summary>
    /// The same request again: its answer may have got lost. If another coordinator gave it, that one may have died between setting the record and telling the others.
    /// </summary>
    private static Decision Again(ClientRecord state, StepContext context)
    {
        var answer = Answer(state, Routes.InOrder(state.Mappings.Values), context);
        if (state.Decider == context.Decider)
        {
            return Decision.Reply(answer);
        }

        var next = state with { Decider = context.Decider };
        var decision = new Decision(next, answer);
        Routes.PushWhole(decision, next, context);
        return decision;
    }

    /// <summary>What a FAM is told of its client.</summary>
    private static ArriveReply Answer(ClientRecord client, IEnumerable<MappingEntry> inOrder, StepContext context)
    {
        var told = Told(inOrder, client.Fam, context);
        return new ArriveReply
        {
            Id = client.ArriveId,
            Client = client.Client,
            Status = AckStatus.Ok,
            Epoch = client.Epoch,
            PreviousFam = client.PreviousFam,
            Complete = client.Pending is null,
            Truncated = told.Count < client.Mappings.Count,
            Addresses = [.. client.Addresses],
            Mappings = told,
        };
    }

    /// <summary>As many of the records as an answer holds.</summary>
    internal static IReadOnlyList<MappingRecord> Told(IEnumerable<MappingEntry> inOrder, NodeId node, StepContext context) =>
        MessageParts.OfRecords(inOrder.Take(context.Options.MaxMappingsPerReply).Select(e => Routes.For(e, node, context.Now))).FirstOrDefault() ?? [];

    /// <summary>
    /// The FAM before, and whoever was still awaited when the client went on: what any of them opened and has not announced would otherwise look new here.
    /// </summary>
    private static ImmutableArray<AwaitedFam> Awaited(ClientRecord client, NodeId node, NodeId previous, StepContext context)
    {
        ImmutableArray<AwaitedFam> earlier = client.Pending?.Awaited.RemoveAll(a => a.Node == node || a.Node == previous || !context.Nodes.IsConnected(a.Node)) ?? [];
        return previous.IsNone ? earlier : earlier.Add(new AwaitedFam(previous, client.ArriveId));
    }

    /// <summary>
    /// The previous FAM has kept silent for too long: the arrival is complete without it. Where another coordinator may have taken the hand-over, its word to the FAM may have been
    /// lost with it, so the FAM is told in any case. Null if there is nothing to say.
    /// </summary>
    public static Decision? TimeOut(ClientRecord? state, Epoch epoch, Instant now, bool isShared)
    {
        if (state is null || state.Epoch != epoch || state.Fam.IsNone || (state.Pending is { } pending ? pending.Deadline > now : !isShared))
        {
            return null;
        }

        var decision = new Decision(state.Pending is null ? null : state with { Pending = null }, null);
        decision.Pushes.Add((state.Fam, new ArrivalUpdate { Id = 0, Client = state.Client, Epoch = state.Epoch, Complete = true }));
        return decision;
    }
}
