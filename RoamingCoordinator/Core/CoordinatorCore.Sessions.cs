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
        else if (node.Joining == session)
        {
            // The same greeting again; its answer is being prepared.
            return;
        }
        else if (node.IsHere && node.Session != session)
        {
            var old = node.Session;
            _output.Report(new NodeReplaced(node.Id, old, session));
            End(old, "replaced by a newer session of the same node");
        }

        node.Joining = session;
        if (_peers is null)
        {
            SettleAddresses(session, node, hello, new Registration(0, MustForget: node.Incarnation != 0 && node.Incarnation != hello.Incarnation));
            return;
        }

        var incarnation = _store.Incarnation;
        _peers.Register(PresenceOf(node, hello), registration =>
        {
            if (registration.Failure != StoreFailure.None)
            {
                CountFailure(registration.Failure);
                NotNow(session, node);
                return;
            }

            NoteStoreClock(registration.Number, now);
            node.RegisteredIn = incarnation;

            // Whether another node has its addresses must be known before it may answer for them.
            ReadAddresses(isRead =>
            {
                if (isRead)
                {
                    SettleAddresses(session, node, hello, registration);
                }
                else
                {
                    NotNow(session, node);
                }
            });
        });
    }

    private void NotNow(ulong session, NodeState node)
    {
        if (node.Joining == session)
        {
            node.Joining = 0;
            End(session, "the store cannot be reached");
        }
    }

    /// <summary>What is its is known before anything is prepared for it.</summary>
    private void SettleAddresses(ulong session, NodeState node, Hello hello, Registration registration) =>
        Learn(hello, () => KeepOwn(node.Id, () => Prepare(session, node, hello, registration)));

    private NodeState AddNode(NodeId id)
    {
        var created = default(NodeState);
        created = new NodeState(id, new Outbox(m => Send(created!, m), new OutboxOptions { Capacity = _options.MaxPushesPerNode }));
        created.Outbox.Suspended = true;
        Nodes.Add(created);
        return created;
    }

    private void Prepare(ulong session, NodeState node, Hello hello, Registration registration)
    {
        if (!registration.MustForget)
        {
            Join(session, node, hello, registration);
            return;
        }

        // What it anchored in its last life is on its way to it before it may claim anything anew.
        node.Outbox.RemoveAll(_ => true);
        node.IsBehind = false;

        // Should it have its tables still (that it had been given back everything may not have been written down), what it serves is forgotten here: it has to say so.
        node.Overflows++;
        Restore(session, node, hello, 0, () =>
        {
            void Done()
            {
                if (!IsOvertaken(session, node))
                {
                    _peers?.Forgotten(node.Id, registration.Number);
                }

                Join(session, node, hello, registration);
            }

            if (!node.IsBehind || IsOvertaken(session, node))
            {
                Done();
                return;
            }

            // More than can wait until it is there.
            TellAnew(node, AddressesOf(hello), isWritten =>
            {
                if (isWritten)
                {
                    Done();
                }
                else
                {
                    NotNow(session, node);
                }
            });
        });
    }

    private void Join(ulong session, NodeState node, Hello hello, Registration registration)
    {
        if (IsOvertaken(session, node))
        {
            node.Joining = node.Joining == session ? 0 : node.Joining;
            return;
        }

        node.Joining = 0;
        if (registration.Number < node.Number)
        {
            End(session, "the node is connected to another coordinator");
            return;
        }

        _sessions[session] = node;
        node.Session = session;
        node.Via = 0;
        node.Number = registration.Number;
        node.HelloId = hello.Id;
        node.LastHeard = _now;
        node.IsSilent = false;
        node.UpSince = _now;
        node.Clients = null;
        node.WaysRewritten = 0;
        node.LoadTold = null;
        node.IsLoadKnown = false;
        node.Loads = [];
        node.BusySince = Instant.Never;
        node.Takes = hello.Takes;
        node.Claimed = [.. hello.Owners.Select(o => o.Address)];
        if (node.Incarnation != 0 && node.Incarnation != hello.Incarnation)
        {
            Neighbours.Restarted(node.Id);
        }

        node.Incarnation = hello.Incarnation;
        node.PeerEndpoint = hello.PeerEndpoint;
        Nodes.SetAddresses(node, hello.Addresses);
        node.IsBehind = false;
        _output.Report(new NodeUp(node.Id, node.Incarnation, registration.MustForget));
        Greet(node);
        node.Outbox.Suspended = false;
        node.Outbox.Restart(_now);
        node.Outbox.Advance(_now);
        TellDenied(node);
        OnWelcomed(node);
        if (_peers is not null && node.RegisteredIn != _store.Incarnation)
        {
            // While its session was prepared the store has forgotten that it is here.
            Register(node);
        }

        foreach (var service in _options.Services.At(node.Addresses))
        {
            if (!service.Client.IsNone)
            {
                // Its client may have been here before.
                Run(new Job(service.Client, (_, _) => null));
            }
        }

        RenewLater(node, _now + (_options.Lease / 3));
    }

    /// <summary>
    /// What the node calls the store's incarnation is another one whenever it has to say anew what it owns and serves. That is so with another coordinator too, for the one before
    /// may have died before it told others what it had decided.
    /// </summary>
    private void Greet(NodeState node)
    {
        node.Told = (_store.Incarnation + node.Overflows + _options.Life, _now);
        Send(node, new Welcome
        {
            Id = node.HelloId,
            Coordinator = _options.Name,
            StoreIncarnation = node.Told.Store,
            HeartbeatMilliseconds = (uint)_options.Heartbeat.TotalMilliseconds,
            Restored = (uint)node.Outbox.CountOf(m => m is AdoptMappings),
            Owners = Nodes.OwnersFor(node.Id, [.. node.Addresses, .. node.Claimed]),
            Reserved = [.. _options.Services.At(node.Addresses).Select(s => s.Mapping)],
        });
    }

    /// <summary>In the middle of a session nobody answers a <see cref="Core.Control.Welcome"/>: that it was heard is seen by the node's heartbeats.</summary>
    private void TellAgain(NodeState node, ulong heard)
    {
        if (heard != 0 && heard != node.Told.Store && _now - node.Told.At > 2 * _options.Heartbeat)
        {
            Greet(node);
        }
    }

    /// <summary>
    /// A node does not take what it is told, or has been away for long. To keep everything for it has no bound and to leave something out would leave it wrong for ever: all is
    /// thrown away, and its next session begins as after a loss of the store, with all that it has.
    /// </summary>
    private void FallBehind(NodeState node)
    {
        var lost = node.Outbox.RemoveAll(_ => true);
        SweepAnew(node);
        _output.Report(new NodeBehind(node.Id, lost));
        const string Reason = "too much waits for the node's acknowledgement";
        if (node.Via != 0)
        {
            _peers?.Relay(node.Via, node.Id, new Goodbye { Id = ++_lastId, Reason = Reason });
            return;
        }

        StartOver(node, Reason);
    }

    private void StartOver(NodeState node, string reason)
    {
        node.IsBehind = true;
        node.Overflows++;
        SweepAnew(node);
        if (node.IsHere)
        {
            End(node.Session, reason);
        }
    }

    /// <summary>Whether another session, or the end of this one, has overtaken its preparations. Then what stands in the records may be of a later life of the node.</summary>
    private bool IsOvertaken(ulong session, NodeState node) => node.Joining != session || !_sessions.ContainsKey(session);

    /// <summary>Goes through the clients that a node anchored or served in its last life, part by part, however long the store takes.</summary>
    private void Restore(ulong session, NodeState node, Hello hello, ulong from, Action done)
    {
        if (IsOvertaken(session, node))
        {
            done();
            return;
        }

        _store.List(hello.Node, from, page =>
        {
            if (page.Failure != StoreFailure.None)
            {
                CountFailure(page.Failure);
                Later(() => Restore(session, node, hello, from, done));
                return;
            }

            var context = Context(_now);
            var addresses = AddressesOf(hello);
            var left = page.Clients.Count + 1;
            void OneDone()
            {
                if (--left > 0)
                {
                    return;
                }

                if (page.Next != 0)
                {
                    Restore(session, node, hello, page.Next, done);
                }
                else
                {
                    done();
                }
            }

            foreach (var client in page.Clients)
            {
                Run(new Job(client, (state, _) => state is null || IsOvertaken(session, node) ? null : HamStep.NodeRestarted(state, hello.Node, addresses, context)) { Done = OneDone });
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
            node.WatchAt = _now;
            _peers?.Unregister(PresenceOf(node, isConnected: false));
            _output.Report(new NodeDown(node.Id, reason));
        }
    }
}
