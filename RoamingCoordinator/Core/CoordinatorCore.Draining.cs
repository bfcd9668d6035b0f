using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// An operator drains a node: what is anchored there moves to others, and no flow breaks by it. A node needs an address of its own for the clients that it serves, so the last
/// one of each family goes when it serves none any more. It stays drained until the operator says otherwise.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>How often it is looked whether more can be moved.</summary>
    private static readonly TimeSpan DrainInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Drains a node, or lets it anchor again.</summary>
    /// <param name="id">The node; one that has a session or had one.</param>
    /// <param name="isDrained">Whether it is to be drained.</param>
    /// <param name="now">The time.</param>
    /// <param name="done">Why it could not be written down; none if it could.</param>
    /// <returns>False if no such node is known; then nothing is done.</returns>
    public bool TryDrain(NodeId id, bool isDrained, Instant now, Action<StoreFailure> done)
    {
        _now = now;
        if (Nodes.Find(id) is not { } node)
        {
            return false;
        }

        if (_peers is null)
        {
            SetDraining(node, isDrained);
            done(StoreFailure.None);
            return true;
        }

        _peers.WriteDrained(id, isDrained, failure =>
        {
            if (failure == StoreFailure.None)
            {
                // What is being read now may be older.
                ReadAddresses(_ => done(failure));
            }
            else
            {
                CountFailure(failure);
                done(failure);
            }
        });
        return true;
    }

    private void SetDraining(NodeState node, bool isDrained)
    {
        if (node.IsDraining == isDrained)
        {
            return;
        }

        node.IsDraining = isDrained;
        node.IsUndrained = !isDrained;
        node.DrainAt = _now;
        node.UndrainedAt = isDrained ? node.UndrainedAt : _now;
        _output.Report(new NodeDrained(node.Id, isDrained));
        if (!isDrained)
        {
            WatchTheLost();
        }
    }

    private void AdvanceDrain(NodeState node, Instant now)
    {
        if (!node.IsDraining || !node.IsHere || node.DrainAt > now)
        {
            return;
        }

        node.DrainAt = now + DrainInterval;
        var owned = Nodes.OwnedBy(node).ToList();
        var kept = node.Clients == 0 ? [] : KeptFor(node, owned);
        var away = owned.Where(a => !kept.Contains(a) && !IsMoving(a)).ToList();
        if (away.Count > 0 && node.Joining == 0)
        {
            MoveAway(node, away, MoveCause.Drain, []);
        }
    }

    /// <summary>One address of each family, the one where other nodes find it if it has that.</summary>
    private static List<IpAddress> KeptFor(NodeState node, IReadOnlyList<IpAddress> owned) =>
    [
        .. owned.Where(node.Addresses.Contains).GroupBy(a => a.IsIPv4).Select(g => g.Contains(node.PeerEndpoint.Address) ? node.PeerEndpoint.Address : g.First()),
    ];
}
