using Masquerade.Core.Flow;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Checkers;

/// <summary>What the coordinator, the HAMs and the FAMs believe, laid side by side. Only meaningful when nothing is under way between them.</summary>
internal static class TableCheck
{
    /// <summary>The first thing that they disagree about; null if their tables say the same.</summary>
    public static string? FirstDisagreement(SimNetwork network)
    {
        var books = new Dictionary<MappingId, (MacAddress Client, TransportEndpoint Endpoint, NodeId Ham, TransportEndpoint Fam)>();
        foreach (var client in network.Records())
        {
            foreach (var entry in client.Mappings.Values)
            {
                var at = client.Fam.IsNone ? TransportEndpoint.None : entry.EndpointAt(client.Fam);
                books[entry.Record.Mapping] = (client.Client, entry.Record.ClientEndpoint, entry.Record.Ham, at);
            }
        }

        foreach (var ap in network.AccessPoints.Where(a => !a.IsDead))
        {
            foreach (var owned in ap.Node.Ham.Describe(int.MaxValue))
            {
                if (!ap.Owns(owned.Mapping.Masquerade.Address))
                {
                    return $"{ap.Name} owns {owned.Mapping}, whose address is not its own";
                }

                if (!books.Remove(owned.Mapping, out var entry))
                {
                    return $"{ap.Name} owns {owned.Mapping}, which the coordinator does not know";
                }

                var here = new NodeId(ap.Name);
                var same = entry.Fam == owned.FamEndpoint || (ap.Owns(entry.Fam.Address) && ap.Owns(owned.FamEndpoint.Address));
                if (entry.Client != owned.Client || entry.Endpoint != owned.ClientEndpoint || entry.Ham != here || !same)
                {
                    return $"{ap.Name} has {owned}, the coordinator has {entry}";
                }
            }
        }

        return books.Count == 0 ? null : $"the coordinator knows {books.First()}, which no HAM owns, and {books.Count - 1} more";
    }

    /// <summary>A FAM that serves a client at an epoch other than the coordinator's, or that is not the client's FAM by the coordinator's books; null if there is none.</summary>
    public static string? FirstStrayServer(SimNetwork network)
    {
        foreach (var ap in network.AccessPoints.Where(a => !a.IsDead))
        {
            foreach (var view in ap.Node.Fam.DescribeClients(int.MaxValue).Where(v => string.Equals(v.State, "Serving", StringComparison.Ordinal)))
            {
                var client = network.RecordOf(view.Client);
                if (client is null || client.Fam != new NodeId(ap.Name) || client.Epoch != view.Epoch)
                {
                    return $"{ap.Name} serves {view.Client} in epoch {view.Epoch}, the coordinator has it at {client?.Fam} in epoch {client?.Epoch}";
                }
            }
        }

        return null;
    }
}
