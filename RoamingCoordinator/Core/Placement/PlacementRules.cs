using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Where connections of one kind are anchored. What a rule does not name, it does not ask for.</summary>
/// <param name="Node">The HAM; <see cref="NodeId.None"/> means: where the connection is opened, or at the client's home.</param>
public sealed record PlacementRule(NodeId Node)
{
    /// <summary>At the client's home. The rule does not hold for clients that have none.</summary>
    public bool AtHome { get; init; }

    /// <summary>
    /// Nodes that connections are opened at, or that other rules send them to; empty for those that are opened anywhere. Only rules that name a node here send on what another rule
    /// has sent to it.
    /// </summary>
    public IReadOnlySet<NodeId> From { get; init; } = new HashSet<NodeId>();

    /// <summary>The protocol; null for any.</summary>
    public TransportProtocol? Protocol { get; init; }

    /// <summary>The servers' ports; empty for any. ICMP queries have none and match only rules for any port.</summary>
    public IReadOnlySet<ushort> Ports { get; init; } = new HashSet<ushort>();

    /// <summary>The clients; empty for any.</summary>
    public IReadOnlySet<MacAddress> Clients { get; init; } = new HashSet<MacAddress>();

    internal bool Matches(MacAddress client, TransportProtocol protocol, ushort port) =>
        (Protocol is null || Protocol == protocol)
        && (Ports.Count == 0 || (protocol != TransportProtocol.Icmp && Ports.Contains(port)))
        && (Clients.Count == 0 || Clients.Contains(client));
}

/// <summary>
/// Policy as a list of which the first rule that matches decides; where none does, a connection is anchored where it was opened. One rule for everything is the central deployment
/// a rule for some ports sends long-lived services to a central HAM, one for homes brings each client's connections to its home.
/// </summary>
/// <param name="rules">The rules, in order.</param>
public sealed class PlacementRules(params IReadOnlyList<PlacementRule> rules) : IHamPlacement
{
    /// <summary>The rules, in order.</summary>
    public IReadOnlyList<PlacementRule> Rules => rules;

    /// <summary>The homes of clients.</summary>
    public IHomes Homes { get; init; } = HomeTable.Empty;

    /// <inheritdoc/>
    public NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server) =>
        Follow(asker, client, protocol, server.Port, visited: null, out _);

    /// <summary>
    /// Follows the rules from node to node until none sends on. Every step leads to a node that has not been visited, or it is a loop: the chain always ends.
    /// </summary>
    /// <param name="asker">Where the connection is opened.</param>
    /// <param name="client">The client.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The server's port.</param>
    /// <param name="visited">Gets the nodes on the way; null if nobody wants to know.</param>
    /// <param name="last">The index of the last rule that sent on; -1 if none did.</param>
    /// <returns>Where the chain ends; none if it is a loop.</returns>
    internal NodeId Follow(NodeId asker, MacAddress client, TransportProtocol protocol, ushort port, List<NodeId>? visited, out int last)
    {
        last = -1;
        var at = asker;
        visited?.Add(asker);
        var isFirst = true;
        while (Next(at, client, protocol, port, isFirst, out var rule) is { IsNone: false } next && next != at)
        {
            last = rule;
            visited ??= [asker];
            var isLoop = visited.Contains(next);
            visited.Add(next);
            if (isLoop)
            {
                return NodeId.None;
            }

            (at, isFirst) = (next, false);
        }

        return at;
    }

    /// <summary>Where a node's connection goes next; none if it stays.</summary>
    private NodeId Next(NodeId at, MacAddress client, TransportProtocol protocol, ushort port, bool isFirst, out int index)
    {
        for (index = 0; index < rules.Count; index++)
        {
            var rule = rules[index];
            if (!(rule.From.Contains(at) || (isFirst && rule.From.Count == 0)) || !rule.Matches(client, protocol, port))
            {
                continue;
            }

            if (!rule.AtHome)
            {
                return rule.Node;
            }

            if (Homes.HomeOf(client) is { IsNone: false } home)
            {
                return home;
            }
        }

        return NodeId.None;
    }
}
