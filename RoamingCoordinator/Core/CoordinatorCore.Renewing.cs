using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// A shared store lends room: what nobody renews expires. Each coordinator renews what the nodes that are connected to it are concerned with, and looks at the same time whether
/// record and index agree. When the store has forgotten, the nodes are told, one after the other, and announce what they own.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>One more node is told that the store has forgotten after this time.</summary>
    private static readonly TimeSpan TellInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>After the nodes have been told, a client that nobody has spoken of is not taken for a new one for so long.</summary>
    private static readonly TimeSpan LackingTime = TimeSpan.FromSeconds(2);

    /// <summary>After the nodes have been told they have this long to announce before records and index are compared.</summary>
    private static readonly TimeSpan AnnounceTime = TimeSpan.FromSeconds(10);

    private const int RenewedAtOnce = 64;

    private readonly PriorityQueue<NodeState, Instant> _renewals = new();
    private readonly Queue<(NodeState Node, Instant Due)> _toTell = new();
    private ulong _knownIncarnation;
    private Instant _lackingUntil = Instant.Zero;

    /// <summary>Whether the store has forgotten so lately that nodes may not have said yet what they know.</summary>
    private bool StoreMayLack => _now < _lackingUntil || (_knownIncarnation != 0 && _knownIncarnation != _store.Incarnation);

    /// <summary>Records that were looked at to be renewed.</summary>
    public long RecordsRenewed { get; private set; }

    private void AdvanceShared(Instant now)
    {
        if (!_store.IsShared)
        {
            return;
        }

        if (_knownIncarnation != _store.Incarnation)
        {
            if (_knownIncarnation != 0)
            {
                OnStoreReborn(now);
            }

            _knownIncarnation = _store.Incarnation;
        }

        while (_toTell.TryPeek(out var next) && next.Due <= now)
        {
            _toTell.Dequeue();
            if (next.Node.IsHere)
            {
                Greet(next.Node);
            }
        }

        while (_renewals.TryPeek(out var node, out var due) && due <= now)
        {
            _renewals.Dequeue();
            node.IsRenewing = false;
            if (node.IsHere)
            {
                Renew(node, 0);
                RenewLater(node, now + (_options.Lease / 3));
            }
        }
    }

    private void OnStoreReborn(Instant now)
    {
        _toTell.Clear();
        _renewals.Clear();
        var due = now;
        foreach (var node in Nodes.Nodes)
        {
            node.IsRenewing = false;
            if (node.IsHere)
            {
                Register(node);
                _toTell.Enqueue((node, due));
                due += TellInterval;
                RenewLater(node, due + AnnounceTime);
            }
        }

        _lackingUntil = due + LackingTime;
        _output.Report(new StoreReborn(_store.Incarnation, _toTell.Count));
    }

    /// <summary>What the others know of a node may be lost with the store.</summary>
    private void Register(NodeState node)
    {
        if (_peers is null || node.IsRegistering)
        {
            return;
        }

        node.IsRegistering = true;
        node.RegisteredIn = _store.Incarnation;
        _peers.Register(PresenceOf(node, isConnected: true), registration => OnRegistered(node, registration));
    }

    private void OnRegistered(NodeState node, Registration registration)
    {
        node.IsRegistering = false;
        if (registration.Failure != StoreFailure.None)
        {
            CountFailure(registration.Failure);
            Later(() =>
            {
                if (node.IsHere)
                {
                    Register(node);
                }
            });
        }
        else if (node.IsHere)
        {
            node.Number = Math.Max(node.Number, registration.Number);
            if (node.RegisteredIn != _store.Incarnation)
            {
                Register(node);
            }
        }
        else
        {
            // It has gone while the others were told that it is here.
            _peers!.Unregister(PresenceOf(node, isConnected: false) with { Number = registration.Number });
        }
    }

    private void RenewLater(NodeState node, Instant when)
    {
        if (_store.IsShared && !node.IsRenewing)
        {
            node.IsRenewing = true;
            _renewals.Enqueue(node, when);
        }
    }

    /// <summary>Sets each record of a node anew, as it is, and claims all its mappings, part by part.</summary>
    private void Renew(NodeState node, ulong from)
    {
        if (from == 0)
        {
            _peers?.Renew(node.Id, node.Addresses);
        }

        _store.List(node.Id, from, page =>
        {
            if (page.Failure != StoreFailure.None)
            {
                CountFailure(page.Failure);
                Later(() => Renew(node, from));
                return;
            }

            Renew(node, page, 0);
        });
    }

    /// <summary>A few at a time: what agents ask must not wait behind it.</summary>
    private void Renew(NodeState node, ClientPage page, int begin)
    {
        var part = page.Clients.Skip(begin).Take(RenewedAtOnce).ToArray();
        var left = part.Length + 1;
        void OneDone()
        {
            if (--left > 0 || !node.IsHere)
            {
                return;
            }

            if (begin + part.Length < page.Clients.Count)
            {
                Renew(node, page, begin + part.Length);
            }
            else if (page.Next != 0)
            {
                Renew(node, page.Next);
            }
        }

        foreach (var client in part)
        {
            RecordsRenewed++;
            var concerns = false;
            Run(new Job(client, (state, _) =>
            {
                concerns = state is not null && state.Nodes().Contains(node.Id);
                return concerns ? new Steps.Decision(state! with { }, null) : null;
            })
            {
                ClaimsAll = true,
                Done = () =>
                {
                    if (!concerns)
                    {
                        _store.Forget(node.Id, client);
                    }

                    OneDone();
                },
            });
        }

        OneDone();
    }
}
