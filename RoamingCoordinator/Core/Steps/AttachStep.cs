using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>One connection at a time: look up, attach, establish .</summary>
public static class AttachStep
{
    /// <summary>Decides whether a connection is known.</summary>
    public static Decision Lookup(ClientRecord? state, NodeId node, Lookup message, Instant now)
    {
        var entry = state?.FindByClientEndpoint(message.Protocol, message.ClientEndpoint, message.Server);
        return Decision.Reply(new LookupReply { Id = message.Id, Mapping = entry is null ? null : Routes.For(entry, node, now) });
    }

    /// <summary>
    /// Decides an attach. If the connection is new and policy places its HAM at another node, <paramref name="placeAt"/> is that node and there is no answer yet.
    /// With <paramref name="mayPlace"/> false the asker is the HAM: the node that policy chose does not answer.
    /// </summary>
    public static Decision Attach(ClientRecord? state, NodeId node, Attach message, StepContext context, bool mayPlace, out NodeId placeAt)
    {
        placeAt = NodeId.None;
        if (state is not null && EstablishedBy(state, node, message) is { } known)
        {
            // The same request again, perhaps after the client has moved on: it was established by it.
            return Decision.Reply(new AttachReply { Id = message.Id, Status = AttachStatus.Established, Client = message.Client, Mapping = Routes.For(known, node, context.Now) });
        }

        if (state is null || !state.IsServedBy(node, message.Epoch))
        {
            return Refuse(message);
        }

        if (state.FindByClientEndpoint(message.Protocol, message.ClientEndpoint, message.Server) is { } entry)
        {
            return Join(state, node, message, entry, context);
        }

        if (!message.MayEstablish || state.Mappings.Count >= context.Options.MaxMappingsPerClient)
        {
            return Refuse(message);
        }

        if (!message.At.IsNone)
        {
            // Beside another mapping, or not at all: whoever expects the connection knows only that address.
            var owner = context.Nodes.OwnerOf(message.At);
            placeAt = mayPlace && owner != node && context.Nodes.IsConnected(owner) ? owner : NodeId.None;
            return placeAt.IsNone ? Refuse(message) : new Decision(null, null);
        }

        var ham = context.Options.Placement.Choose(node, message.Client, message.Protocol, message.Server);
        if (mayPlace && ham != node && context.Nodes.Find(ham) is { IsConnected: true, IsDraining: false })
        {
            placeAt = ham;
            return new Decision(null, null);
        }

        if (context.Nodes.OwnerOf(message.FamEndpoint.Address) != node)
        {
            return Refuse(message);
        }

        var record = NewRecord(message, node, message.FamEndpoint, state.Epoch);
        if (state.HasEnded(record.Mapping, state.Epoch, message.Id))
        {
            // A late copy: the node has given the request up since.
            return Refuse(message);
        }

        var added = new MappingEntry(record, state.Epoch, [new FamRecord(node, message.FamEndpoint, state.Epoch)]);
        var established = new Decision(
            state with { Mappings = state.Mappings.SetItem(record.Mapping, added) },
            new AttachReply { Id = message.Id, Status = AttachStatus.Established, Client = message.Client, Mapping = record });
        TellFirst(established, node, added, context);
        if (ham.IsNone)
        {
            established.Events.Add(new PlacementLooped(node, message.Client, 1));
        }

        return established;
    }

    /// <summary>The node that policy chose has anchored the mapping: the asker becomes its first FAM.</summary>
    public static Decision Placed(ClientRecord? state, NodeId node, Attach message, NodeId ham, TransportEndpoint masquerade, StepContext context, long opened = 0)
    {
        if (state is null || !state.IsServedBy(node, message.Epoch))
        {
            return NotPlaced(message, ham, masquerade);
        }

        if (state.FindByClientEndpoint(message.Protocol, message.ClientEndpoint, message.Server) is { } existing)
        {
            // It has become known meanwhile; what was anchored for it is not needed.
            var joined = Join(state, node, message, existing, context);
            if (existing.Record.Mapping != message.MappingAt(masquerade))
            {
                joined.Pushes.Add((ham, Unwanted(message, masquerade)));
            }

            return joined;
        }

        if (state.Mappings.Count >= context.Options.MaxMappingsPerClient)
        {
            return NotPlaced(message, ham, masquerade);
        }

        var entry = new MappingEntry(NewRecord(message, ham, masquerade, state.Epoch) with { Opened = opened }, state.Epoch, []);
        if (ham != node && ham == state.Fam)
        {
            // The client is there too, and nobody attaches where the mapping is anchored.
            entry = entry.WithFam(new FamRecord(ham, masquerade, state.Epoch));
        }

        var placed = Join(state with { Mappings = state.Mappings.SetItem(entry.Record.Mapping, entry) }, node, message, entry, context);
        TellFirst(placed, node, entry, context);
        return placed;
    }

    /// <summary>A further FAM has opened a connection on a mapping that the client's FAM, which owns its state, does not know.</summary>
    private static void TellFirst(Decision decision, NodeId node, MappingEntry entry, StepContext context)
    {
        if (decision.Next is { } next && next.Fam != node)
        {
            Pushes.UpdateFirst(decision, next, [Routes.For(next.Mappings[entry.Record.Mapping], next.Fam, context.Now)]);
        }
    }

    /// <summary>
    /// Makes a node a FAM of mappings that it serves already. Who was their FAM before drains to it; the HAMs are told in any case, for the node may doubt that they know.
    /// An endpoint at an address that is not, or not yet, known as the node's is left out, and the request stays unanswered: it comes again when that is known.
    /// </summary>
    public static Decision AttachKnown(ClientRecord? state, NodeId node, AttachKnown message, StepContext context)
    {
        if (state is null || !state.IsServedBy(node, message.Epoch))
        {
            var isElsewhere = state is { Fam.IsNone: false } && state.Fam != node && state.Epoch > message.Epoch;
            return Decision.Acknowledge(message.Id, isElsewhere ? AckStatus.StaleEpoch : AckStatus.Unknown);
        }

        var mappings = state.Mappings.ToBuilder();
        var joined = new List<(NodeId Previous, MappingEntry Entry)>(message.Attachments.Count);
        var (status, isWhole, isNews) = (AckStatus.Ok, true, false);
        foreach (var (mapping, endpoint) in message.Attachments)
        {
            if (context.Nodes.OwnerOf(endpoint.Address) != node)
            {
                isWhole = false;
            }
            else if (!mappings.TryGetValue(mapping, out var entry))
            {
                status = AckStatus.Unknown;
            }
            else
            {
                var attached = Joined(state, entry, node, endpoint, out var previous);
                joined.Add((previous, attached));
                isNews |= entry.EndpointAt(node) != attached.EndpointAt(node) || !previous.IsNone;
                mappings[mapping] = attached;
            }
        }

        var next = isNews ? state with { Mappings = mappings.ToImmutable() } : state;
        var decision = new Decision(next, isWhole ? new Ack { Id = message.Id, Status = status } : null);
        foreach (var group in joined.GroupBy(j => j.Previous).OrderBy(g => g.Key.Name, StringComparer.Ordinal))
        {
            Routes.PushFamChange(decision, next, group.Key, drain: !group.Key.IsNone && context.Nodes.IsConnected(group.Key), group.Select(j => j.Entry), context);
        }

        return decision;
    }

    /// <summary>Refuses an attach.</summary>
    public static Decision Refuse(Attach message) =>
        Decision.Reply(new AttachReply { Id = message.Id, Status = AttachStatus.Refused, Client = message.Client });

    /// <summary>What a HAM is told of a mapping that it has anchored and nobody waits for any more.</summary>
    public static MappingsEnded Unwanted(Attach message, TransportEndpoint masquerade) => new()
    {
        Id = 0, Client = message.Client, Epoch = message.Epoch, Mappings = [message.MappingAt(masquerade)],
    };

    /// <summary>The mapping was anchored for an attach that cannot be: the HAM gives it up.</summary>
    public static Decision NotPlaced(Attach message, NodeId ham, TransportEndpoint masquerade)
    {
        var refused = Refuse(message);
        refused.Pushes.Add((ham, Unwanted(message, masquerade)));
        return refused;
    }

    private static MappingEntry? EstablishedBy(ClientRecord state, NodeId node, Attach message) =>
        state.Mappings.TryGetValue(message.MappingAt(message.FamEndpoint), out var entry) && entry.Record.Ham == node && entry.Record.ClientEndpoint == message.ClientEndpoint
            ? entry
            : null;

    private static Decision Join(ClientRecord state, NodeId node, Attach message, MappingEntry entry, StepContext context)
    {
        if (message.ServerOnly && !entry.Record.Mapping.IsOfServer)
        {
            // What comes for the mapping from other servers may not go to this endpoint: the node has to name another.
            return Decision.Reply(new AttachReply { Id = message.Id, Status = AttachStatus.Attached, Client = message.Client, Mapping = Routes.For(entry, node, context.Now) });
        }

        var joined = Joined(state, entry, node, message.FamEndpoint, out var previous);
        var next = state with { Mappings = state.Mappings.SetItem(entry.Record.Mapping, joined) };
        var decision = new Decision(
            next,
            new AttachReply { Id = message.Id, Status = AttachStatus.Attached, Client = message.Client, Mapping = Routes.For(joined, node, context.Now) });
        Routes.PushFamChange(decision, next, previous, drain: !previous.IsNone && context.Nodes.IsConnected(previous), [joined], context);
        return decision;
    }

    /// <summary>The mapping with the node as its newest FAM, or as a further one; at its own HAM the endpoint is the masquerade endpoint.</summary>
    private static MappingEntry Joined(ClientRecord state, MappingEntry entry, NodeId node, TransportEndpoint endpoint, out NodeId previous)
    {
        var fam = new FamRecord(node, entry.Record.Ham == node ? entry.Record.Mapping.Masquerade : endpoint, state.Epoch);
        if (state.Fam != node)
        {
            previous = NodeId.None;
            return entry.WithFurther(fam, state.Fam);
        }

        previous = entry.Fams.IsEmpty || entry.Fams[0].Node == node || state.IsFurther(entry.Fams[0].Node) ? NodeId.None : entry.Fams[0].Node;
        return entry.WithFam(fam);
    }

    private static MappingRecord NewRecord(Attach message, NodeId ham, TransportEndpoint masquerade, Epoch epoch) => new()
    {
        Mapping = message.MappingAt(masquerade),
        ClientEndpoint = message.ClientEndpoint,
        Ham = ham,
        AnchorEpoch = epoch,
        Revision = 0,
        FamEndpoint = message.FamEndpoint,
        Connections = [new ConnectionRecord(message.Server, ConnectionState.None, 0)],
    };
}
