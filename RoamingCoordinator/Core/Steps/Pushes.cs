using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>News for one node in as many messages as it takes. Each part is true by itself; where the end of the news matters, the last part says it.</summary>
internal static class Pushes
{
    /// <summary>The ways of a client's mappings. One message at least, for it tells the previous FAM that it is that.</summary>
    public static void Change(Decision decision, NodeId node, FamChange change, IReadOnlyList<FamRoute> routes)
    {
        foreach (var part in MessageParts.Of(routes, ControlLimits.MaxRoutes))
        {
            decision.Pushes.Add((node, change with { Routes = part }));
        }
    }

    /// <summary>Mappings of a client that have no FAM any more.</summary>
    public static void Cleared(Decision decision, NodeId node, MacAddress client, Epoch epoch, IReadOnlyList<FamRoute> routes)
    {
        foreach (var part in MessageParts.Of(routes, ControlLimits.MaxRoutes))
        {
            decision.Pushes.Add((node, new FamCleared { Id = 0, Client = client, Epoch = epoch, Routes = part }));
        }
    }

    /// <summary>Mappings of a client that a node must anchor although it may not know of them.</summary>
    public static void Adopt(Decision decision, NodeId node, ClientRecord client, IEnumerable<MappingRecord> records)
    {
        foreach (var part in MessageParts.OfRecords(records))
        {
            decision.Pushes.Add((node, new AdoptMappings { Id = 0, Client = client.Client, Epoch = client.Epoch, Mappings = part }));
        }
    }

    /// <summary>Mappings of a client that have ended.</summary>
    public static void Ended(Decision decision, NodeId node, MacAddress client, Epoch epoch, IReadOnlyList<MappingId> mappings)
    {
        foreach (var part in MessageParts.Of(mappings, ControlLimits.MaxBareMappings))
        {
            decision.Pushes.Add((node, new MappingsEnded { Id = 0, Client = client, Epoch = epoch, Mappings = part }));
        }
    }

    /// <summary>What the current FAM must know besides the answer to its arrival; only the last part says whether it was all.</summary>
    public static void Update(Decision decision, ClientRecord client, IEnumerable<MappingRecord> records, IReadOnlyList<MappingId> ended)
    {
        var messages = MessageParts.Of(ended, ControlLimits.MaxBareMappings).Select(part => Update(client) with { Ended = part }).ToList();
        var parts = MessageParts.OfRecords(records).ToList();
        for (var i = 0; i < parts.Count; i++)
        {
            // What has ended goes first; the first records ride along with the last of it.
            if (i == 0)
            {
                messages[^1] = messages[^1] with { Mappings = parts[i] };
            }
            else
            {
                messages.Add(Update(client) with { Mappings = parts[i] });
            }
        }

        messages[^1] = messages[^1] with { Complete = client.Pending is null };
        decision.Pushes.AddRange(messages.Select(m => (client.Fam, (ControlMessage)m)));
        Tell(decision, client, messages, except: NodeId.None);
    }

    /// <summary>What the FAM is told, its further ones must know as well, each with the endpoints that it has itself.</summary>
    private static void Tell(Decision decision, ClientRecord client, IReadOnlyList<ArrivalUpdate> messages, NodeId except)
    {
        foreach (var further in client.Further)
        {
            if (further.Node != except)
            {
                decision.Pushes.AddRange(messages.Select(m => (further.Node, (ControlMessage)(m with
                {
                    Complete = true,
                    Mappings = [.. m.Mappings.Select(r => r with { FamEndpoint = client.Mappings.GetValueOrDefault(r.Mapping)?.EndpointAt(further.Node) ?? default })],
                }))));
            }
        }
    }

    /// <summary>What the FAM has said itself, and its further ones must know.</summary>
    public static void UpdateFurther(Decision decision, ClientRecord client, IEnumerable<MappingRecord> records, IReadOnlyList<MappingId> ended, NodeId except)
    {
        if (client.Further.IsEmpty)
        {
            return;
        }

        foreach (var part in MessageParts.OfRecords(records))
        {
            Tell(decision, client, [Update(client) with { Mappings = part }], except);
        }

        if (ended.Count > 0)
        {
            Tell(decision, client, [.. MessageParts.Of(ended, ControlLimits.MaxBareMappings).Select(part => Update(client) with { Ended = part })], except);
        }
    }

    /// <summary>What the FAM alone is told.</summary>
    public static void UpdateFirst(Decision decision, ClientRecord client, IEnumerable<MappingRecord> records) =>
        decision.Pushes.AddRange(MessageParts.OfRecords(records).Select(part => (client.Fam, (ControlMessage)(Update(client) with { Mappings = part, Complete = client.Pending is null }))));

    private static ArrivalUpdate Update(ClientRecord client) => new() { Id = 0, Client = client.Client, Epoch = client.Epoch, Complete = false };
}
