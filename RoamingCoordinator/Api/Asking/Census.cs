using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Api.Asking;

/// <summary>How much there is, in all and by access point.</summary>
internal sealed class Census
{
    /// <summary>Clients that are known.</summary>
    public int Clients { get; set; }

    /// <summary>Clients that an access point serves.</summary>
    public int Present { get; set; }

    /// <summary>Mappings.</summary>
    public long Mappings { get; set; }

    /// <summary>Connections.</summary>
    public long Connections { get; set; }

    /// <summary>By access point.</summary>
    public Dictionary<NodeId, NodeFigures> Nodes { get; } = [];

    /// <summary>Counts a client in.</summary>
    public void Add(ClientRecord client)
    {
        Clients++;
        Mappings += client.Mappings.Count;
        if (!client.Fam.IsNone)
        {
            Present++;
            Of(client.Fam).Clients++;
        }

        foreach (var entry in client.Mappings.Values)
        {
            Connections += entry.Record.Connections.Count;
            Of(entry.Record.Ham).Anchored++;
            if (!client.Fam.IsNone)
            {
                Of(client.Fam).Served++;
            }
        }
    }

    private NodeFigures Of(NodeId node)
    {
        if (!Nodes.TryGetValue(node, out var figures))
        {
            Nodes[node] = figures = new NodeFigures();
        }

        return figures;
    }
}

/// <summary>How much there is at one access point.</summary>
internal sealed class NodeFigures
{
    /// <summary>Clients that it serves.</summary>
    public int Clients { get; set; }

    /// <summary>Mappings that it is the HAM of.</summary>
    public long Anchored { get; set; }

    /// <summary>Mappings of clients that it serves.</summary>
    public long Served { get; set; }
}
