using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Clients that several access points hear need not wait until it is known whether their silent FAM is dead: to have another one serve them harms nobody, whatever is found out.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Whether any client was heard by several access points as far as this coordinator has seen; where none is there is nothing to look for.</summary>
    private bool _hasSeveral;

    private void NoteSeveral(ClientRecord? record) => _hasSeveral |= record is { Further.Length: > 0 };

    /// <summary>Goes through the clients of a node that is not heard, part by part.</summary>
    private void LeaveToOthers(NodeState node, ulong from)
    {
        if (!_hasSeveral || IsThere(node))
        {
            return;
        }

        _store.List(node.Id, from, page =>
        {
            if (page.Failure != StoreFailure.None)
            {
                // It is looked after again, and what it anchors is gone through when it has failed.
                CountFailure(page.Failure);
                return;
            }

            var context = new StepContext(Nodes, _options, _now, _random.NextUInt64());
            var left = page.Clients.Count + 1;
            void OneDone()
            {
                if (--left == 0 && page.Next != 0)
                {
                    LeaveToOthers(node, page.Next);
                }
            }

            foreach (var client in page.Clients)
            {
                Run(new Job(client, (state, _) => state is null || IsThere(node) ? null : FurtherStep.NodeLost(state, node.Id, context)) { Done = OneDone });
            }

            OneDone();
        });
    }
}
