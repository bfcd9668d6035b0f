using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>One connection at a time: look up, attach, establish .</summary>
public static class AttachStep
{
    /// <summary>Decides whether a connection is known.</summary>
    public static Decision Lookup(ClientRecord? state, NodeId node, Lookup message)
    {
        var entry = state?.FindByClientEndpoint(message.Protocol, message.ClientEndpoint);
        return Decision.Reply(new LookupReply { Id = message.Id, Mapping = entry is null ? null : Routes.For(entry, node) });
    }

    /// <summary>
    /// Decides an attach. If the connection is new and policy places its HAM at another node, <paramref name="placeAt"/> is that node and there is no answer yet.
    /// With <paramref name="mayPlace"/> false the asker is the HAM: the node that policy chose does not answer.
    /// </summary>
    public static Decision Attach(ClientRecord? state, NodeId node, Attach message, StepContext context, bool mayPlace, out NodeId placeAt)
    {
        placeAt = NodeId.None;
        if (state is not null && message.Masquerade.IsNone && EstablishedBy(state, node, message) is { } known)
        {
            // The same request again, perhaps after the client has moved on: it was established by it.
            return Decision.Reply(new AttachReply { Id = message.Id, Status = AttachStatus.Established, Client = message.Client, Mapping = Routes.For(known, node) });
        }

        if (state is null || state.Fam != node || state.Epoch != message.Epoch)
        {
            return Refuse(message);
        }

        if (!message.Masquerade.IsNone)
        {
            return state.Mappings.TryGetValue(new MappingId(message.Protocol, message.Masquerade), out var meant)
                ? Join(state, node, message, meant, context)
                : Refuse(message);
        }

        if (state.FindByClientEndpoint(message.Protocol, message.ClientEndpoint) is { } entry)
        {
            return Join(state, node, message, entry, context);
        }

        if (!message.MayEstablish || state.Mappings.Count >= context.Options.MaxMappingsPerClient)
        {
            return Refuse(message);
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
        if (ham.IsNone)
        {
            established.Events.Add(new PlacementLooped(node, message.Client, 1));
        }

        return established;
    }

    /// <summary>The node that policy chose has anchored the mapping: the asker becomes its first FAM.</summary>
    public static Decision Placed(ClientRecord? state, NodeId node, Attach message, NodeId ham, TransportEndpoint masquerade, StepContext context)
    {
        if (state is null || state.Fam != node || state.Epoch != message.Epoch)
        {
            return NotPlaced(message, ham, masquerade);
        }

        if (state.FindByClientEndpoint(message.Protocol, message.ClientEndpoint) is { } existing)
        {
            // It has become known meanwhile; what was anchored for it is not needed.
            var joined = Join(state, node, message, existing, context);
            if (existing.Record.Mapping != new MappingId(message.Protocol, masquerade))
            {
                joined.Pushes.Add((ham, Unwanted(message, masquerade)));
            }

            return joined;
        }

        if (state.Mappings.Count >= context.Options.MaxMappingsPerClient)
        {
            return NotPlaced(message, ham, masquerade);
        }

        var entry = new MappingEntry(NewRecord(message, ham, masquerade, state.Epoch), state.Epoch, []);
        return Join(state with { Mappings = state.Mappings.SetItem(entry.Record.Mapping, entry) }, node, message, entry, context);
    }

    /// <summary>Refuses an attach.</summary>
    public static Decision Refuse(Attach message) =>
        Decision.Reply(new AttachReply { Id = message.Id, Status = AttachStatus.Refused, Client = message.Client });

    /// <summary>What a HAM is told of a mapping that it has anchored and nobody waits for any more.</summary>
    public static MappingsEnded Unwanted(Attach message, TransportEndpoint masquerade) => new()
    {
        Id = 0, Client = message.Client, Epoch = message.Epoch, Mappings = [new MappingId(message.Protocol, masquerade)],
    };

    /// <summary>The mapping was anchored for an attach that cannot be: the HAM gives it up.</summary>
    public static Decision NotPlaced(Attach message, NodeId ham, TransportEndpoint masquerade)
    {
        var refused = Refuse(message);
        refused.Pushes.Add((ham, Unwanted(message, masquerade)));
        return refused;
    }

    private static MappingEntry? EstablishedBy(ClientRecord state, NodeId node, Attach message) =>
        state.Mappings.TryGetValue(new MappingId(message.Protocol, message.FamEndpoint), out var entry) && entry.Record.Ham == node && entry.Record.ClientEndpoint == message.ClientEndpoint
            ? entry
            : null;

    private static Decision Join(ClientRecord state, NodeId node, Attach message, MappingEntry entry, StepContext context)
    {
        var endpoint = entry.Record.Ham == node ? entry.Record.Mapping.Masquerade : message.FamEndpoint;
        var previous = entry.Fams.IsEmpty || entry.Fams[0].Node == node ? NodeId.None : entry.Fams[0].Node;
        var joined = entry.WithFam(new FamRecord(node, endpoint, state.Epoch));
        var next = state with { Mappings = state.Mappings.SetItem(entry.Record.Mapping, joined) };
        var decision = new Decision(
            next,
            new AttachReply { Id = message.Id, Status = AttachStatus.Attached, Client = message.Client, Mapping = Routes.For(joined, node) });
        Routes.PushFamChange(decision, next, previous, drain: !previous.IsNone && context.Nodes.IsConnected(previous), [joined], context);
        return decision;
    }

    private static MappingRecord NewRecord(Attach message, NodeId ham, TransportEndpoint masquerade, Epoch epoch) => new()
    {
        Mapping = new MappingId(message.Protocol, masquerade),
        ClientEndpoint = message.ClientEndpoint,
        Ham = ham,
        AnchorEpoch = epoch,
        Revision = 0,
        FamEndpoint = message.FamEndpoint,
        Connections = [new ConnectionRecord(message.Server, ConnectionState.None, 0)],
    };
}
