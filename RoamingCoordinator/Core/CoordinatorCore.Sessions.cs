using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>Sessions of nodes: one per node, the newest counts; a new life of a node means that its tables are empty, and that it is given back what it anchored.</summary>
public sealed partial class CoordinatorCore
{
    private void OnHello(ulong session, Hello hello, Instant now)
    {
        if (!NodeId.IsValid(hello.Node.Name))
        {
            End(session, "the node name is not valid");
            return;
        }

        var rival = Nodes.FindRival(hello.Node, hello.Addresses);
        if (!rival.IsNone)
        {
            ClaimsRefused++;
            _output.Report(new ClaimRefused(hello.Node, MacAddress.None, $"an address is owned by {rival}", RefusalKind.AddressTaken));
            End(session, $"one of the node's addresses is owned by {rival}");
            return;
        }

        var node = Nodes.Find(hello.Node);
        if (node is null)
        {
            if (Nodes.Count >= _options.MaxNodes)
            {
                End(session, "too many nodes");
                return;
            }

            node = AddNode(hello.Node);
        }
        else if (node.IsConnected && node.Session != session)
        {
            var old = node.Session;
            _output.Report(new NodeReplaced(node.Id, old, session));
            End(old, "replaced by a newer session of the same node");
        }

        node.Joining = session;
        if (node.Incarnation == 0 || node.Incarnation == hello.Incarnation)
        {
            Join(session, node, hello, restarted: false);
            return;
        }

        // What it anchored in its last life is on its way to it before it may claim anything anew.
        node.Outbox.RemoveAll(_ => true);
        Restore(hello, 0, () => Join(session, node, hello, restarted: true));
    }

    private void Join(ulong session, NodeState node, Hello hello, bool restarted)
    {
        if (node.Joining != session || !_sessions.ContainsKey(session))
        {
            // Another session, or the end of this one, has overtaken the preparations.
            return;
        }

        node.Joining = 0;
        _sessions[session] = node;
        node.Session = session;
        node.LastHeard = _now;
        node.Incarnation = hello.Incarnation;
        node.PeerEndpoint = hello.PeerEndpoint;
        Nodes.SetAddresses(node, hello.Addresses);
        node.IsBehind = false;
        _output.Report(new NodeUp(node.Id, node.Incarnation, restarted));
        Send(node, new Welcome
        {
            Id = hello.Id,
            Coordinator = _options.Name,
            StoreIncarnation = _store.Incarnation + node.Overflows,
            HeartbeatMilliseconds = (uint)_options.Heartbeat.TotalMilliseconds,
        });
        node.Outbox.Suspended = false;
        node.Outbox.Restart(_now);
        node.Outbox.Advance(_now);
    }

    /// <summary>
    /// A node does not take what it is told, or has been away for long. To keep everything for it has no bound and to leave something out would leave it wrong for ever: all is
    /// thrown away, and its next session begins as after a loss of the store, with all that it has.
    /// </summary>
    private void FallBehind(NodeState node)
    {
        var lost = node.Outbox.RemoveAll(_ => true);
        node.IsBehind = true;
        node.Overflows++;
        _output.Report(new NodeBehind(node.Id, lost));
        if (node.IsConnected)
        {
            End(node.Session, "too much waits for the node's acknowledgement");
        }
    }

    private NodeState AddNode(NodeId id)
    {
        var created = default(NodeState);
        created = new NodeState(id, new Outbox(m => Send(created!, m), new OutboxOptions { Capacity = _options.MaxPushesPerNode }));
        created.Outbox.Suspended = true;
        Nodes.Add(created);
        return created;
    }

    /// <summary>Goes through the clients that a node anchored or served in its last life, part by part, however long the store takes.</summary>
    private void Restore(Hello hello, ulong from, Action done)
    {
        _store.List(hello.Node, from, page =>
        {
            if (page.Failure != StoreFailure.None)
            {
                CountFailure(page.Failure);
                Later(() => Restore(hello, from, done));
                return;
            }

            var context = new StepContext(Nodes, _options, _now, _random.NextUInt64());
            var left = page.Clients.Count + 1;
            void OneDone()
            {
                if (--left > 0)
                {
                    return;
                }

                if (page.Next != 0)
                {
                    Restore(hello, page.Next, done);
                }
                else
                {
                    done();
                }
            }

            foreach (var client in page.Clients)
            {
                Run(new Job(client, (state, _) => state is null ? null : HamStep.NodeRestarted(state, hello.Node, hello.Addresses, context)) { Done = OneDone });
            }

            OneDone();
        });
    }

    private void End(ulong session, string reason)
    {
        MessagesSent++;
        _output.Send(session, new Goodbye { Id = ++_lastId, Reason = reason });
        Drop(session, reason);
        _output.Close(session, reason);
    }

    private void Drop(ulong session, string reason)
    {
        if (_sessions.Remove(session, out var node) && node is not null && node.Session == session)
        {
            node.Session = 0;
            node.Outbox.Suspended = true;
            _output.Report(new NodeDown(node.Id, reason));
        }
    }
}
