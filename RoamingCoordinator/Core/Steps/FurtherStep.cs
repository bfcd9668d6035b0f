using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>
/// A client that several access points hear. Its FAM, the newest by which it moved, owns the state of its connections; the further ones pass its packets by the same mappings. One
/// that hears it no more leaves; when the FAM itself is gone, or its link to the client is, a further one is summoned, and arrives as after a move.
/// </summary>
public static class FurtherStep
{
    /// <summary>Whether an access point becomes a further FAM by its arrival; otherwise the client has moved there.</summary>
    public static bool MayJoin(ClientRecord client, NodeId node, StepContext context) =>
        !client.Departed && !client.IsLinkLost && !client.Fam.IsNone && client.Fam != node && context.Nodes.IsConnected(client.Fam);

    /// <summary>Makes an access point a further FAM: the client's epoch and FAM stay what they are.</summary>
    public static Decision Join(ClientRecord client, NodeId node, Arrive message, ulong life, StepContext context)
    {
        var others = client.Further.RemoveAll(f => f.Node == node || !context.Nodes.IsConnected(f.Node));
        if (others.Length >= ControlLimits.MaxFurtherFams)
        {
            return Decision.Reply(new ArriveReply { Id = message.Id, Client = client.Client, Status = AckStatus.Refused, Epoch = client.Epoch, Complete = false });
        }

        ImmutableArray<FamOffer> offers = [.. message.Offers];
        var mappings = client.Mappings.ToBuilder();
        foreach (var entry in Routes.InOrder(client.Mappings.Values))
        {
            // What Assign finds is put behind the FAM.
            var at = Routes.Assign(entry, node, client.Epoch, drain: false, ref offers).EndpointAt(node);
            mappings[entry.Record.Mapping] = at.IsNone ? entry.WithoutFam(node) : entry.WithFurther(new FamRecord(node, at, client.Epoch), client.Fam);
        }

        var next = client with
        {
            Further = [new FurtherFam(node, message.Id), .. others],
            LastArrivals = client.LastArrivals.SetItem(node.Name!, (life, message.Id)),
            Addresses = [.. client.Addresses.Union(message.Addresses).Take(ControlLimits.MaxAddresses)],
            Mappings = mappings.ToImmutable(),
        };
        var decision = new Decision(next, Answer(next, node, message.Id, context));
        PushChoice(decision, next, context);
        decision.Events.Add(new ClientHeard(next.Client, next.Epoch, node, next.Fam));
        return decision;
    }

    /// <summary>What a further FAM is told of its client.</summary>
    public static ArriveReply Answer(ClientRecord client, NodeId node, ulong id, StepContext context)
    {
        var told = ArriveStep.Told(Routes.InOrder(client.Mappings.Values), node, context);
        return new ArriveReply
        {
            Id = id,
            Client = client.Client,
            Status = AckStatus.Ok,
            Epoch = client.Epoch,
            Complete = true,
            Truncated = told.Count < client.Mappings.Count,
            Addresses = [.. client.Addresses],
            Mappings = told,
            Role = context.Options.Fams == FamChoice.Duplicate ? FamRole.Reserve : FamRole.Further,
            Token = client.Token,
        };
    }

    /// <summary>
    /// Whether a further FAM that becomes the FAM keeps its endpoint of a mapping: packets may be on the way there. Not at the HAM, and not where copies went: there what comes by the
    /// way of the FAM before must be told from what comes straight.
    /// </summary>
    public static bool Keeps(ClientRecord client, MappingEntry entry, NodeId node, StepContext context) =>
        client.IsFurther(node) && entry.Record.Ham != node && context.Options.Fams != FamChoice.Duplicate && !entry.EndpointAt(node).IsNone;

    /// <summary>The client has moved: who heard it besides is told so, and says so again if it still does.</summary>
    public static void PushMoved(Decision decision, ClientRecord before, ClientRecord next, StepContext context)
    {
        foreach (var (node, since) in before.Further)
        {
            if (node != next.Fam && node != next.PreviousFam)
            {
                List<FamRoute> routes = [.. Routes.InOrder(next.Mappings.Values).Select(e => new FamRoute(e.Record.Mapping, e.Record.Ham, before.Mappings.GetValueOrDefault(e.Record.Mapping)?.EndpointAt(node) ?? default, e.EndpointAt(next.Fam)))];
                Pushes.Change(decision, node, Routes.Change(next, node, context) with { Stay = since }, routes);
            }
        }
    }

    /// <summary>An access point has lost its link to the client.</summary>
    public static Decision LinkLost(ClientRecord? state, NodeId node, LinkLost message, StepContext context)
    {
        if (state is null)
        {
            return Decision.Acknowledge(message.Id, AckStatus.Unknown);
        }

        if (state.Fam == node && message.Id > state.ArriveId)
        {
            var summons = new Decision(state with { IsLinkLost = true }, new Ack { Id = message.Id, Status = AckStatus.Ok });
            PushSummon(summons, state, context);
            return summons;
        }

        if (state.FurtherSince(node) is not { } since || since >= message.Id)
        {
            return Decision.Acknowledge(message.Id, AckStatus.Ok);
        }

        var decision = Left(state, node, isThere: true, context) with { Answer = new Ack { Id = message.Id, Status = AckStatus.Ok } };
        if (state.IsLinkLost || !context.Nodes.IsConnected(state.Fam))
        {
            // It may be the one that was summoned.
            PushSummon(decision, decision.Next!, context);
        }

        return decision;
    }

    /// <summary>A node is not heard any more. Whether it is dead will be found out; clients that others hear need not wait for that. Null if the client is not concerned.</summary>
    public static Decision? NodeLost(ClientRecord state, NodeId node, StepContext context)
    {
        if (state.Fam != node)
        {
            // It hears of it when it is back.
            return state.IsFurther(node) ? Left(state, node, isThere: true, context) : null;
        }

        var decision = new Decision(null, null);
        PushSummon(decision, state, context);
        return decision.Pushes.Count == 0 ? null : decision;
    }

    /// <summary>A further FAM is one no more. What is on its way there follows the client, and HAMs wait for it.</summary>
    public static Decision Left(ClientRecord state, NodeId node, bool isThere, StepContext context)
    {
        var next = state with { Further = state.Further.RemoveAll(f => f.Node == node) };
        if (!isThere)
        {
            next = next with { Mappings = next.Mappings.SetItems(next.Mappings.Select(m => KeyValuePair.Create(m.Key, m.Value.WithoutFam(node)))) };
        }

        var decision = new Decision(next, null);
        if (isThere)
        {
            Routes.PushFamChange(decision, next, node, drain: context.Options.Fams == FamChoice.RoundRobin && context.Nodes.IsConnected(node), Routes.InOrder(next.Mappings.Values), context, state.FurtherSince(node) ?? 0);
        }
        else
        {
            PushChoice(decision, next, context);
        }

        return decision;
    }

    /// <summary>Asks the newest further FAM that can be asked to take the client.</summary>
    public static void PushSummon(Decision decision, ClientRecord state, StepContext context)
    {
        foreach (var (node, _) in state.Further)
        {
            if (context.Nodes.IsConnected(node))
            {
                decision.Pushes.Add((node, new Summon { Id = 0, Client = state.Client, Epoch = state.Epoch }));
                return;
            }
        }
    }

    /// <summary>What a further FAM has seen of connections: their state and that they live. It is told to the FAM, which decides when they end.</summary>
    public static Decision Report(ClientRecord state, NodeId node, Announce message, StepContext context)
    {
        var mappings = state.Mappings.ToBuilder();
        var news = new List<MappingRecord>();
        foreach (var reported in message.Mappings)
        {
            if (!mappings.TryGetValue(reported.Mapping, out var entry))
            {
                // Anchored there while it could ask nobody. The FAM attaches.
                if (reported.Ham == node && context.Nodes.OwnerOf(reported.Mapping.Masquerade.Address) == node && mappings.Count < context.Options.MaxMappingsPerClient
                    && !state.HasEnded(reported.Mapping, message.Epoch, message.Id))
                {
                    entry = new MappingEntry(reported, message.Epoch, [new FamRecord(node, reported.Mapping.Masquerade, message.Epoch)]) { TermsAt = context.Now };
                    mappings[reported.Mapping] = entry;
                    news.Add(Routes.For(entry, state.Fam, context.Now));
                }

                continue;
            }

            var servers = reported.Connections.Select(c => c.Server).ToHashSet();
            IReadOnlyList<ConnectionRecord> connections = [.. reported.Connections, .. entry.Record.Connections.Where(c => !servers.Contains(c.Server))];
            if (connections.Count <= ControlLimits.MaxConnectionsPerMapping)
            {
                entry = entry with { Record = entry.Record with { Connections = connections } };
                mappings[reported.Mapping] = entry;
            }

            news.Add(Routes.For(entry, state.Fam, context.Now) with { Connections = reported.Connections });
        }

        var next = state with { Mappings = mappings.ToImmutable() };
        var decision = new Decision(next, new Ack { Id = message.Id, Status = AckStatus.Ok });
        if (news.Count > 0 && !state.Fam.IsNone)
        {
            Pushes.UpdateFirst(decision, next, news);
            Pushes.UpdateFurther(decision, next, news, [], except: node);
        }

        return decision;
    }

    /// <summary>HAMs hear of the FAMs that there are, where they are to choose among them.</summary>
    private static void PushChoice(Decision decision, ClientRecord client, StepContext context)
    {
        if (context.Options.Fams != FamChoice.Newest)
        {
            Routes.PushFamChange(decision, client, NodeId.None, drain: false, Routes.InOrder(client.Mappings.Values), context);
        }
    }
}
