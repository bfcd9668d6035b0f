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
                    MoveStage.Telling when move.To.IsConnected => move.Sweep.NextTurn,
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

    /// <summary>
    /// A node has been welcomed. The welcome said what it is to take, but is not answered; so it is asked as well, and may refuse. And it may take the place of nodes for which there
    /// was nobody.
    /// </summary>
    private void OnWelcomed(NodeState node)
    {
        node.HasFailed = false;
        node.WatchAt = _now + Silence;
        foreach (var move in _moves.Where(m => m.Stage == MoveStage.Offered && m.To == node && !IsAsked(m)).ToList())
        {
            Tell(node, move.Addresses);
        }

        foreach (var unsettled in Nodes.Moved.Where(m => m.Owner == node.Id && m.IsMoving && !IsOthers(m)).ToList())
        {
            AdoptLater(unsettled.Address);
        }

        WatchTheLost();
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
            records.Add(known.OfferedTo(
                move.To.Id, NextEpoch(known.Latest.Epoch), move.Failed, move.Planned, move.Cause == MoveCause.Load && (known.ByLoad || Nodes.HomeOf(address) == move.From), _options.Life));
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

            if (move.Cause == MoveCause.Load && IsGiven(move.To, move.Addresses))
            {
                // Another coordinator has given it something at the same time. Who writes later sees the other's, so one of them goes on.
                _moves.Remove(move);
                Withdraw([.. move.Addresses.Select(a => Nodes.FindMoved(a)!)], null);
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
        var offered = move.Addresses.Select(a => Nodes.FindMoved(a)!).ToList();
        foreach (var record in offered.Where(r => !r.Settled))
        {
            // Who owned it before may not have been told of all that is anchored there either.
            move.Sweep.Add(record.IsStray ? NodeId.None : record.Previous);
        }

        Own(move, [.. offered.Select(o => o.Taken())]);
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
                _output.Report(new AddressMoved(record.Address, move.From, move.To.Id, record.Epoch, move.Cause));
            }

            foreach (var id in move.Sweep.Sources.Concat(move.Addresses.Select(Nodes.HomeOf)).Where(id => id != move.To.Id && !id.IsNone).Distinct().ToList())
            {
                Push(id, new AddressOwners { Id = 0, Owners = [.. move.Addresses.Select(a => Nodes.FindMoved(a)!.Latest)], Planned = move.Planned });
            }

            move.Stage = MoveStage.Telling;
            Sweep(move);
            if (!IsThere(move.To))
            {
                // It has gone meanwhile.
                move.To.WatchAt = _now;
            }
        });
    }

    private void AdvanceMoves(Instant now)
    {
        for (var i = _moves.Count - 1; i >= 0; i--)
        {
            var move = _moves[i];
            if (move.Stage == MoveStage.Offered && now >= move.Deadline)
            {
                Retry(move);
            }
            else if (move.Stage == MoveStage.Telling && now >= move.Sweep.NextTurn)
            {
                Sweep(move);
            }
            else if (move.Stage == MoveStage.Settling && move.To is { IsConnected: true, Joining: 0, IsBehind: false } && move.To.Outbox.CountOf(m => m is AdoptMappings) == 0)
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
        move.To.Outbox.RemoveAll(m => IsOffer(move, m));
    }

    /// <summary>Whether the offer waits for the node's answer: it may have been thrown away.</summary>
    private static bool IsAsked(Move move) => move.To.Outbox.CountOf(m => IsOffer(move, m)) > 0;

    private static bool IsOffer(Move move, ControlMessage message) => message is AddressOwners owners && owners.Owners.Any(o => o.Node == move.To.Id && move.Addresses.Contains(o.Address));

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

    private sealed class Move(NodeId from, NodeState to, IReadOnlyList<IpAddress> addresses, MoveCause cause, Instant since, IReadOnlyCollection<NodeState> refused)
    {
        public NodeId From { get; } = from;

        public NodeState To { get; } = to;

        public IReadOnlyList<IpAddress> Addresses { get; } = addresses;

        public MoveCause Cause { get; } = cause;

        public bool Failed => Cause == MoveCause.Failure;

        /// <summary>Whether the owner goes on with what else it has.</summary>
        public bool Planned => Cause is MoveCause.Drain or MoveCause.Load;

        public Instant Since { get; } = since;

        public IReadOnlyCollection<NodeState> Refused { get; } = refused;

        public Sweeping Sweep { get; } = new(from);

        public MoveStage Stage { get; set; }

        public Instant Deadline { get; set; } = Instant.Never;
    }
}
