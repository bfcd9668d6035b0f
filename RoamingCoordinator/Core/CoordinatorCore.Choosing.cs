using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>Who is to have an address: the node that it was configured at as soon as that is there again, else the one that fits best.</summary>
public sealed partial class CoordinatorCore
{
    /// <summary>
    /// Who takes an address: the node that it was configured at, if it is there; else the one with the longest prefix that holds it, which is on the same link, rather than one
    /// that must have routes changed; of several the one with the fewest mappings. A node that is fenced or drained itself takes nothing of others.
    /// </summary>
    private NodeState? FindTaker(IpAddress address, NodeState? except, IReadOnlyCollection<NodeState> refused) => Nodes.Nodes
        .Where(n => n != except && IsThere(n) && n.Joining == 0 && !n.IsBehind && !n.IsDraining && !refused.Contains(n))
        .Select(n => (Node: n, Length: Fitness(n, address)))
        .Where(t => t.Length >= 0)
        .OrderByDescending(t => t.Length).ThenBy(t => t.Node.Mappings).ThenBy(t => t.Node.Id.Name, StringComparer.Ordinal)
        .FirstOrDefault().Node;

    private int Fitness(NodeState node, IpAddress address)
    {
        if (node.Addresses.Contains(address))
        {
            return int.MaxValue;
        }

        return Nodes.IsFenced(node) ? -1 : node.Takes.Where(p => p.Contains(address)).Select(p => p.Length).DefaultIfEmpty(-1).Max();
    }

    /// <summary>A node that is back has been there for long enough: it gets its addresses back.</summary>
    private void Return(Instant now)
    {
        var due = Nodes.Moved.Select(m => (m.Address, m.Owner, Home: HomeInWaiting(m))).Where(m => m.Home is { } home && ReturnDue(home) <= now).ToList();
        foreach (var group in due.GroupBy(m => (m.Owner, m.Home)))
        {
            Begin(new Move(group.Key.Owner, group.Key.Home!, [.. group.Select(m => m.Address)], MoveCause.Return, now, []));
        }
    }

    private Instant ReturnDue(NodeState home) => Instant.Max(home.UpSince + _options.ReturnAfter, home.NoReturnBefore);

    /// <summary>The node that an address was configured at, if it is there, may have it, and another one owns it.</summary>
    private NodeState? HomeInWaiting(AddressRecord moved)
    {
        var home = moved.Next.IsNone ? Nodes.Find(Nodes.HomeOf(moved.Address)) : null;
        return home is { IsHere: true, Joining: 0, IsDraining: false } && IsHeard(home) && (home.IsUndrained || (_options.Takeover && _options.ReturnAddresses)) && home.Id != moved.Owner && !IsOthers(moved) && !IsMoving(moved.Address) && !StaysAway(moved, home) ? home : null;
    }
}
