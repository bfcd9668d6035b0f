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
    }

    private static ArrivalUpdate Update(ClientRecord client) => new() { Id = 0, Client = client.Client, Epoch = client.Epoch, Complete = false };
}
