using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>A way that rules send connections in a loop.</summary>
/// <param name="Rule">The index of the rule that closes it.</param>
/// <param name="Way">The nodes, from where such a connection is opened to the node that comes a second time.</param>
public sealed record PlacementLoop(int Rule, IReadOnlyList<NodeId> Way);

/// <summary>
/// Looks for loops before the first connection does. Connections that no rule can tell apart are looked at once, so that what is found exists, and what exists is found unless there are
/// too many kinds; a loop that is met later is refused then.
/// </summary>
public static class PlacementCheck
{
    private const int MostLooks = 1_000_000;

    /// <summary>A loop; null if there is none.</summary>
    /// <param name="placement">The rules.</param>
    /// <param name="clients">Clients that have homes, one of each home.</param>
    public static PlacementLoop? FindLoop(PlacementRules placement, IEnumerable<MacAddress> clients)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentNullException.ThrowIfNull(clients);
        var rules = placement.Rules;
        if (!rules.Any(r => r.From.Count > 0))
        {
            // Whatever is sent somewhere stays there.
            return null;
        }

        var housed = clients.ToList();
        var nodes = rules.SelectMany(r => r.From.Append(r.Node)).Concat(housed.Select(placement.Homes.HomeOf)).Where(n => !n.IsNone).Distinct().OrderBy(n => n.Name, StringComparer.Ordinal).ToList();
        nodes.Add(FirstWithout([.. nodes], i => new NodeId($"node{i}")));
        var ports = OneOfEachKind(rules, r => r.Ports).Append(FirstWithout(rules.SelectMany(r => r.Ports).ToHashSet(), i => (ushort)i)).ToList();
        var kinds = OneOfEachKind(rules, r => r.Clients).Concat(housed).Append(FirstWithout([.. rules.SelectMany(r => r.Clients), .. housed], i => new MacAddress((ulong)i))).ToList();
        var looks = 0;
        foreach (var client in kinds)
        {
            foreach (var port in ports)
            {
                foreach (var protocol in (ReadOnlySpan<TransportProtocol>)[TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp])
                {
                    foreach (var node in nodes)
                    {
                        if (++looks > MostLooks)
                        {
                            return null;
                        }

                        var way = new List<NodeId>();
                        if (placement.Follow(node, client, protocol, port, way, out var rule).IsNone)
                        {
                            return new PlacementLoop(rule, way);
                        }
                    }
                }
            }
        }

        return null;
    }

    /// <summary>One value of each kind that the same rules name.</summary>
    private static IEnumerable<T> OneOfEachKind<T>(IReadOnlyList<PlacementRule> rules, Func<PlacementRule, IReadOnlySet<T>> named)
        where T : notnull
    {
        // The rules that name a value, as a sum of numbers that are random enough not to meet.
        var kinds = new Dictionary<T, ulong>();
        for (var i = 0; i < rules.Count; i++)
        {
            var random = (ulong)(i + 1) * 0x9E37_79B9_7F4A_7C15;
            random = (random ^ (random >> 30)) * 0xBF58_476D_1CE4_E5B9;
            foreach (var value in named(rules[i]))
            {
                kinds[value] = kinds.GetValueOrDefault(value) + random;
            }
        }

        return kinds.DistinctBy(k => k.Value).Select(k => k.Key);
    }

    /// <summary>A value that is not among these: it stands for all that no rule names.</summary>
    private static T FirstWithout<T>(HashSet<T> named, Func<int, T> make) => Enumerable.Range(1, named.Count + 1).Select(make).First(v => !named.Contains(v));
}
