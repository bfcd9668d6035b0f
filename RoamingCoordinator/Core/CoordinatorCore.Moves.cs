using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Masquerade addresses move from node to node. The node that is to have an address is asked; when it has taken it, it is the owner, the one before is told to give it up,
/// and client by client the mappings there are given to it. When it has them all, it is told that: the address is settled. Every one of these steps is written down before
/// anybody is told of it.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>How long a node may take to take an address before another one is asked.</summary>
    private static readonly TimeSpan OfferPatience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan SettleInterval = TimeSpan.FromMilliseconds(10);

    private readonly List<Move> _moves = [];

    /// <summary>Addresses that this coordinator is moving: their new owner has not taken them, or has not all mappings there.</summary>
    public int AddressesMoving => _moves.Sum(m => m.Addresses.Count);

    private Instant NextMoveDeadline
    {
        get
        {
            var next = _peers is null ? Instant.Never : _nextRead;
            foreach (var move in _moves)
            {
                next = Instant.Min(next, move.Stage switch
                {
                    MoveStage.Offered => move.Deadline,
                    MoveStage.Settling when move.To.IsConnected => _now + SettleInterval,
                    _ => Instant.Never,
                });
            }

            foreach (var moved in Nodes.Moved)
            {
                next = HomeInWaiting(moved) is { } home ? Instant.Min(next, ReturnDue(home)) : next;
            }

            return next;
        }
    }

    /// <summary>A node has been welcomed: what it was asked to take it has taken, for the welcome said so. And it may take the place of nodes for which there was nobody.</summary>
    private void OnWelcomed(NodeState node)
    {
        node.HasFailed = false;
        node.WatchAt = _now + Silence;
        foreach (var move in _moves.Where(m => m.Stage == MoveStage.Offered && m.To == node).ToList())
        {
            Taken(move);
        }

        foreach (var unsettled in Nodes.Moved.Where(m => m.Owner == node.Id && m.IsMoving && !IsOthers(m)).ToList())
        {
            AdoptLater(unsettled.Address);
        }

        WatchTheLost();
    }

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

    /// <summary>Gives addresses away, each to whom policy chooses. What nobody can take stays, and is returned.</summary>
    private List<IpAddress> MoveAway(NodeState from, IReadOnlyList<IpAddress> addresses, MoveCause cause, IReadOnlyCollection<NodeState> refused, Action? offered = null)
    {
        // Whoever has been asked to take them is asked anew, or another one is.
        foreach (var move in _moves.Where(m => m.Stage == MoveStage.Offered && m.Addresses.Any(addresses.Contains)).ToList())
        {
            Abandon(move);
            offered += () => Tell(move.To, move.Addresses);
        }

        var takers = addresses.Where(a => !_moves.Exists(m => m.Stage == MoveStage.Writing && m.Addresses.Contains(a)) && !IsOthers(Nodes.FindMoved(a)))
            .Select(a => (Address: a, To: FindTaker(a, from, refused))).ToList();
        foreach (var group in takers.Where(t => t.To is not null).GroupBy(t => t.To!).OrderBy(g => g.Key.Id.Name, StringComparer.Ordinal).ToList())
        {
            Begin(new Move(from.Id, group.Key, [.. group.Select(t => t.Address)], cause, _now, refused), offered);
        }

        return [.. takers.Where(t => t.To is null).Select(t => t.Address)];
    }

    private void Begin(Move move, Action? offered = null)
    {
        _moves.Add(move);
        var records = new List<AddressRecord>();
        foreach (var address in move.Addresses)
        {
            var known = Nodes.FindMoved(address) ?? new AddressRecord(address);
            known = known.Owner.IsNone ? known with { Owner = move.From } : known;
            records.Add(known.OfferedTo(move.To.Id, NextEpoch(known.Latest.Epoch), move.Failed, move.Cause == MoveCause.Drain, _options.Life));
        }

        Write(records, isWritten =>
        {
            if (!isWritten)
            {
                // Another coordinator moves them, or the store is away: it is looked at again.
                _moves.Remove(move);
                move.To.NoReturnBefore = _now + OfferPatience;
                if (Nodes.Find(move.From) is { } from && move.Failed)
                {
                    from.WatchAt = _now + OfferPatience;
                }

                return;
            }

            move.Stage = MoveStage.Offered;
            if (!move.Addresses.All(a => IsMine(move, a)))
            {
                // It was another's turn as soon as it was written.
                _moves.Remove(move);
                Tell(move.To, move.Addresses);
                return;
            }

            move.Deadline = _now + OfferPatience;
            Tell(move.To, move.Addresses);
            offered?.Invoke();
        });
    }

    private void OnAck(NodeState node, Ack ack)
    {
        var isOffer = node.Outbox.TryGet(ack.Id, out var said) && said is AddressOwners;
        node.Outbox.Complete(ack.Id);
        if (!isOffer)
        {
            return;
        }

        foreach (var owner in ((AddressOwners)said!).Owners)
        {
            var move = _moves.Find(m => m.Stage == MoveStage.Offered && m.To == node && m.Addresses.Contains(owner.Address) && Nodes.FindMoved(owner.Address)?.NextEpoch == owner.Epoch);
            if (move is null)
            {
                continue;
            }

            if (ack.Status == AckStatus.Ok)
            {
                Taken(move);
            }
            else
            {
                Retry(move);
            }
        }
    }

    /// <summary>The node that was asked has taken the addresses: it is their owner from now on.</summary>
    private void Taken(Move move)
    {
        foreach (var record in move.Addresses.Select(Nodes.FindMoved))
        {
            // Who owned it before may not have been told of all that is anchored there either.
            if (record is { Settled: false, Previous.IsNone: false } && !move.Sources.Contains(record.Previous))
            {
                move.Sources.Add(record.Previous);
            }
        }

        Own(move, [.. move.Addresses.Select(a => Nodes.FindMoved(a)!.Taken())]);
    }

    /// <summary>Writes down that the new owner has the addresses, and tells everybody.</summary>
    private void Own(Move move, IReadOnlyList<AddressRecord> records)
    {
        if (!_moves.Contains(move))
        {
            _moves.Add(move);
        }

        var isNews = move.Stage == MoveStage.Offered;
        move.Stage = MoveStage.Writing;
        Write(records, isWritten =>
        {
            if (!isWritten)
            {
                _moves.Remove(move);
                Tell(move.To, move.Addresses);
                return;
            }

            foreach (var record in isNews ? records : [])
            {
                _output.Report(new AddressMoved(record.Address, move.From, move.To.Id, record.Epoch));
            }

            foreach (var id in move.Sources.Concat(move.Addresses.Select(Nodes.HomeOf)).Where(id => id != move.To.Id && !id.IsNone).Distinct().ToList())
            {
                Push(id, new AddressOwners { Id = 0, Owners = [.. move.Addresses.Select(a => Nodes.FindMoved(a)!.Latest)], Planned = move.Cause == MoveCause.Drain });
            }

            move.Stage = MoveStage.Telling;
            Sweep(move, 0, 0);
            if (!IsThere(move.To))
            {
                // It has gone meanwhile.
                move.To.WatchAt = _now;
            }
        });
    }

    /// <summary>Goes through the clients that have mappings at the addresses, part by part. Looking at a record is what makes it right; see <see cref="TakeoverStep.Converge"/>.</summary>
    private void Sweep(Move move, int source, ulong from) => _store.List(move.Sources[source], from, page =>
    {
        if (page.Failure != StoreFailure.None)
        {
            CountFailure(page.Failure);
            Later(() => Sweep(move, source, from));
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
                Sweep(move, source, page.Next);
            }
            else if (source + 1 < move.Sources.Count)
            {
                Sweep(move, source + 1, 0);
            }
            else
            {
                move.Stage = MoveStage.Settling;
            }
        }

        foreach (var client in page.Clients)
        {
            Run(new Job(client, (state, _) => state is null || !move.Failed ? null : TakeoverStep.NodeFailed(state, move.From, move.Since, context))
            {
                // Another coordinator may have made the record right and not have lived to say so.
                Tells = _store.IsShared ? move.Addresses : [],
                Done = OneDone,
            });
        }

        OneDone();
    });

    private void AdvanceMoves(Instant now)
    {
        for (var i = _moves.Count - 1; i >= 0; i--)
        {
            var move = _moves[i];
            if (move.Stage == MoveStage.Offered && now >= move.Deadline)
            {
                Retry(move);
            }
            else if (move.Stage == MoveStage.Settling && move.To.IsConnected && move.To.Joining == 0 && move.To.Outbox.CountOf(m => m is AdoptMappings) == 0)
            {
                Settle(move);
            }
        }

        Return(now);
    }

    private void Settle(Move move)
    {
        var told = move.Addresses.Select(a => Nodes.FindMoved(a)!).Where(m => m.Owner == move.To.Id && !m.Settled).Select(m => m.AllTold()).ToList();
        if (told.Count == 0)
        {
            _moves.Remove(move);
            return;
        }

        move.Stage = MoveStage.Writing;
        Write(told, isWritten =>
        {
            _moves.Remove(move);
            if (isWritten)
            {
                Tell(move.To, [.. told.Where(t => t.Next.IsNone).Select(t => t.Address)]);
            }

            if (!IsThere(move.To))
            {
                move.To.WatchAt = _now;
            }
        });
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
        return home is { IsHere: true, Joining: 0, IsDraining: false } && IsHeard(home) && (home.IsUndrained || (_options.Takeover && _options.ReturnAddresses)) && home.Id != moved.Owner && !IsOthers(moved) && !IsMoving(moved.Address) ? home : null;
    }

    /// <summary>The node that was asked does not take the addresses. It may have taken them and not have been able to say so, so it is told of the one that does.</summary>
    private void Retry(Move move)
    {
        Abandon(move);
        move.To.NoReturnBefore = _now + OfferPatience;
        var from = Nodes.Find(move.From);
        var stays = from is null || move.Cause == MoveCause.Return || (move.Failed && IsThere(from));
        var left = stays ? [.. move.Addresses] : MoveAway(from!, move.Addresses, move.Cause, [.. move.Refused, move.To], () => Tell(move.To, move.Addresses));
        if (left.Count > 0 && from is { IsConnected: false })
        {
            // Nobody is left now.
            from.WatchAt = _now + OfferPatience;
        }

        Withdraw([.. left.Select(a => Nodes.FindMoved(a)!).Where(m => m.Next == move.To.Id)], move.To);
    }

    /// <summary>This coordinator does not move these addresses any more, and does not ask the node any more.</summary>
    private void Abandon(Move move)
    {
        _moves.Remove(move);
        move.To.Outbox.RemoveAll(m => m is AddressOwners owners && owners.Owners.Any(o => o.Node == move.To.Id && move.Addresses.Contains(o.Address)));
    }

    /// <summary>Whether this coordinator is moving an address.</summary>
    private bool IsMoving(IpAddress address) => _moves.Exists(m => m.Addresses.Contains(address));

    /// <summary>The node fails that addresses are moving to: what it owns already is moved on as its own; what it was only asked to take is given to others.</summary>
    private void GiveUpMovesTo(NodeState node)
    {
        foreach (var move in _moves.Where(m => m.To == node && m.Stage != MoveStage.Writing).ToList())
        {
            if (move.Stage == MoveStage.Offered)
            {
                Retry(move);
            }
            else
            {
                _moves.Remove(move);
            }
        }
    }

    private enum MoveStage
    {
        /// <summary>What comes next is being written down.</summary>
        Writing,

        /// <summary>The new owner has been asked.</summary>
        Offered,

        /// <summary>It owns the addresses; it is being told of the mappings there.</summary>
        Telling,

        /// <summary>All has been said; not all is acknowledged.</summary>
        Settling,
    }

    private enum MoveCause
    {
        /// <summary>The owner has failed.</summary>
        Failure,

        /// <summary>The node that the address was configured at is back.</summary>
        Return,

        /// <summary>An operator wants nothing to be anchored at the owner.</summary>
        Drain,
    }

    private sealed class Move(NodeId from, NodeState to, IReadOnlyList<IpAddress> addresses, MoveCause cause, Instant since, IReadOnlyCollection<NodeState> refused)
    {
        public NodeId From { get; } = from;

        public NodeState To { get; } = to;

        public IReadOnlyList<IpAddress> Addresses { get; } = addresses;

        public MoveCause Cause { get; } = cause;

        public bool Failed => Cause == MoveCause.Failure;

        public Instant Since { get; } = since;

        public IReadOnlyCollection<NodeState> Refused { get; } = refused;

        /// <summary>Whose clients may have mappings at the addresses.</summary>
        public List<NodeId> Sources { get; } = [from];

        public MoveStage Stage { get; set; }

        public Instant Deadline { get; set; } = Instant.Never;
    }
}
