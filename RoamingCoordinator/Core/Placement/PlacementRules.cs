using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Where connections of one kind are anchored. What a rule does not name, it does not ask for.</summary>
/// <param name="Node">The HAM; <see cref="NodeId.None"/> means: where the connection is opened.</param>
public sealed record PlacementRule(NodeId Node)
{
    /// <summary>The protocol; null for any.</summary>
    public TransportProtocol? Protocol { get; init; }

    /// <summary>The servers' ports; empty for any. ICMP queries have none and match only rules for any port.</summary>
    public IReadOnlySet<ushort> Ports { get; init; } = new HashSet<ushort>();

    /// <summary>The clients, for a home of their own; empty for any.</summary>
    public IReadOnlySet<MacAddress> Clients { get; init; } = new HashSet<MacAddress>();

    internal bool Matches(MacAddress client, TransportProtocol protocol, TransportEndpoint server) =>
        (Protocol is null || Protocol == protocol)
        && (Ports.Count == 0 || (protocol != TransportProtocol.Icmp && Ports.Contains(server.Port)))
        && (Clients.Count == 0 || Clients.Contains(client));
}

/// <summary>
/// Policy as a list of which the first rule that matches decides; where none does, a connection is anchored where it was opened. One rule for everything is the central deployment
/// a rule for some ports sends long-lived services to a central HAM, one for some clients gives them a home.
/// </summary>
/// <param name="rules">The rules, in order.</param>
public sealed class PlacementRules(params IReadOnlyList<PlacementRule> rules) : IHamPlacement
{
    /// <summary>The rules, in order.</summary>
    public IReadOnlyList<PlacementRule> Rules => rules;

    /// <inheritdoc/>
    public NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server)
    {
        foreach (var rule in rules)
        {
            if (rule.Matches(client, protocol, server))
            {
                return rule.Node.IsNone ? asker : rule.Node;
            }
        }

        return asker;
    }
}
