using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>A client has appeared at an access point: it gets the next epoch, that node becomes its FAM, every HAM and the previous FAM hear of it.</summary>
public static class ArriveStep
{
    /// <summary>Decides an arrival.</summary>
    public static Decision Decide(ClientRecord? state, NodeId node, Arrive message, StepContext context)
    {
        if (state is { Answer: not null } && state.Fam == node && state.ArriveId == message.Id && !state.Departed)
        {
            // The same request again: its answer may have got lost. What has come in since travels in updates of its own.
            return Decision.Reply(state.Answer);
        }

        var client = state ?? new ClientRecord { Client = message.Client };
        var life = context.Nodes.Find(node)?.Incarnation ?? 0;
        if (client.LastArrivals.TryGetValue(node.Name!, out var last) && last.Incarnation == life && message.Id <= last.Id)
        {
            // A late copy. The client has been elsewhere since; to take it for an arrival would fetch the client back from where it is.
            return Decision.Reply(new ArriveReply { Id = message.Id, Client = message.Client, Status = AckStatus.StaleEpoch, Epoch = client.Epoch, Complete = true });
        }

        var previous = client.Departed ? NodeId.None : client.Fam;
        var drain = !previous.IsNone && previous != node && context.Nodes.IsConnected(previous);
        var epoch = context.NextEpoch(message.KnownEpoch > client.Epoch ? message.KnownEpoch : client.Epoch);
        var awaited = Awaited(client, node, drain ? previous : NodeId.None, context);
        var complete = awaited.IsEmpty;
        ImmutableArray<FamOffer> offers = [.. message.Offers];
        var mappings = client.Mappings.ToBuilder();
        var moved = new List<MappingEntry>(client.Mappings.Count);
        foreach (var entry in client.Mappings.Values.OrderBy(e => e.Record.Mapping.Protocol).ThenBy(e => e.Record.Mapping.Masquerade))
        {
            var assigned = Routes.Assign(entry, node, epoch, drain, ref offers);
            mappings[entry.Record.Mapping] = assigned;
            moved.Add(assigned);
        }

        var told = MessageParts.OfRecords(moved.Take(context.Options.MaxMappingsPerReply).Select(e => Routes.For(e, node))).FirstOrDefault() ?? [];
        var reply = new ArriveReply
        {
            Id = message.Id,
            Client = message.Client,
            Status = AckStatus.Ok,
            Epoch = epoch,
            PreviousFam = previous,
            Complete = complete,
            Truncated = told.Count < moved.Count,
            Addresses = [.. client.Addresses],
            Mappings = told,
        };
        var next = client with
        {
            Epoch = epoch,
            Fam = node,
            PreviousFam = previous,
            Departed = false,
            Since = context.Now,
            ArriveId = message.Id,
            LastArrivals = client.LastArrivals.SetItem(node.Name!, (life, message.Id)),
            Answer = reply,
            Token = context.Token,
            Pending = complete ? null : new PendingArrival(awaited, context.Now + context.Options.HandOverTimeout, offers),
            Addresses = [.. client.Addresses.Union(message.Addresses).Take(ControlLimits.MaxAddresses)],
            Mappings = mappings.ToImmutable(),
        };
        var decision = new Decision(next, reply);
        Routes.PushFamChange(decision, next, previous, drain, moved, context);
        decision.Events.Add(new ClientMoved(next.Client, epoch, client.Fam, node, moved.Count, complete));
        return decision;
    }

    /// <summary>
    /// The FAM before, and whoever was still awaited when the client went on: what any of them opened and has not announced would otherwise look new here.
    /// </summary>
    private static ImmutableArray<AwaitedFam> Awaited(ClientRecord client, NodeId node, NodeId previous, StepContext context)
    {
        ImmutableArray<AwaitedFam> earlier = client.Pending?.Awaited.RemoveAll(a => a.Node == node || a.Node == previous || !context.Nodes.IsConnected(a.Node)) ?? [];
        return previous.IsNone ? earlier : earlier.Add(new AwaitedFam(previous, client.ArriveId));
    }

    /// <summary>The previous FAM has kept silent for too long: the arrival is complete without it.</summary>
    public static Decision TimeOut(ClientRecord state)
    {
        var decision = new Decision(state with { Pending = null }, null);
        decision.Pushes.Add((state.Fam, new ArrivalUpdate { Id = 0, Client = state.Client, Epoch = state.Epoch, Complete = true }));
        return decision;
    }
}
