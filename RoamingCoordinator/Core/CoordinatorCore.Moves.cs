using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Masquerade addresses move from node to node. The node that is to have an address is asked; when it has taken it, it is the owner, the one before is told to give it up,
/// and client by client the mappings there are given to it. When it has them all, it is told that: the address is settled.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>How long a node may take to take an address before another one is asked.</summary>
    private static readonly TimeSpan OfferPatience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan SettleInterval = TimeSpan.FromMilliseconds(10);

    /// <summary>So long after its start a coordinator believes what agents say about addresses that have moved: it has forgotten, or never knew.</summary>
    private static readonly TimeSpan Youth = TimeSpan.FromSeconds(60);

    private readonly List<Move> _moves = [];
    private Instant? _firstHello;

    /// <summary>Addresses that are moving: their new owner has not taken them, or has not all mappings there.</summary>
    public int AddressesMoving => _moves.Sum(m => m.Addresses.Count);

    private Instant NextMoveDeadline
    {
        get
        {
            var next = Instant.Never;
            foreach (var move in _moves)
            {
                next = Instant.Min(next, move.Stage != MoveStage.Settling ? move.Deadline : move.To.IsHere ? _now + SettleInterval : Instant.Never);
            }

            if (TakesOver && _options.ReturnAddresses)
            {
                foreach (var moved in Nodes.Moved)
                {
                    next = HomeInWaiting(moved) is { } home ? Instant.Min(next, home.UpSince + _options.ReturnAfter) : next;
                }
            }

            return next;
        }
    }

    /// <summary>The addresses that a node owns when it comes with this greeting.</summary>
    private List<IpAddress> AddressesOf(Hello hello) =>
    [
        .. hello.Addresses.Where(a => Nodes.MovedTo(a) is var owner && (owner.IsNone || owner == hello.Node)),
        .. Nodes.Moved.Where(m => m.Owner == hello.Node && !hello.Addresses.Contains(m.Address)).Select(m => m.Address),
    ];

    /// <summary>
    /// What a node has heard of moves that this coordinator has forgotten. Later on, and where a node says of another's address that it has it, the coordinator's own word counts:
    /// no agent may fetch the addresses of others.
    /// </summary>
    private void Learn(NodeState node, Hello hello)
    {
        _firstHello ??= _now;
        foreach (var claim in hello.Owners)
        {
            var known = Nodes.FindMoved(claim.Address);
            if (claim.Epoch <= (known?.Latest.Epoch ?? Epoch.None) || claim.Epoch > Refusals.MaxEpoch)
            {
                continue;
            }

            var home = Nodes.HomeOf(claim.Address);
            var isBelieved = _now - _firstHello < Youth || home == node.Id || !Nodes.IsConnected(home);
            var moved = Nodes.Track(claim.Address);
            (moved.Owner, moved.Epoch, moved.Settled, moved.Next) = isBelieved
                ? (claim.Node, claim.Epoch, true, NodeId.None)
                : (home, new StepContext(Nodes, _options, _now, 0).NextEpoch(claim.Epoch), true, NodeId.None);
            foreach (var id in new[] { home, moved.Owner }.Where(id => id != node.Id).Distinct())
            {
                Push(id, new AddressOwners { Id = 0, Owners = [moved.Latest] });
            }
        }
    }

    /// <summary>
    /// A node is back before another one has taken its addresses, as far as is known: it keeps them. The one that was asked may have taken them and is told to give them up.
    /// </summary>
    private void KeepOwn(NodeState node)
    {
        foreach (var move in _moves.Where(m => m.Stage == MoveStage.Offered && m.Failed && m.From == node.Id).ToList())
        {
            _moves.Remove(move);
            Withdraw(move);
        }
    }

    /// <summary>What was offered stays where it was, with a higher epoch than the offer's.</summary>
    private void Withdraw(Move move)
    {
        foreach (var moved in move.Addresses.Select(Nodes.Track).Where(m => m.Next == move.To.Id))
        {
            (moved.Epoch, moved.Next) = (new StepContext(Nodes, _options, _now, 0).NextEpoch(moved.NextEpoch), NodeId.None);
        }

        move.To.Outbox.RemoveAll(m => m is AddressOwners owners && owners.Owners.Any(o => o.Node == move.To.Id && move.Addresses.Contains(o.Address)));
        Push(move.To.Id, new AddressOwners { Id = 0, Owners = [.. move.Addresses.Select(a => Nodes.Track(a).Latest)] });
    }

    /// <summary>A node has been welcomed: what it was asked to take it has taken, for the welcome said so. And it may take the place of nodes for which there was nobody.</summary>
    private void OnWelcomed(NodeState node)
    {
        node.WatchAt = _now + Silence;
        foreach (var move in _moves.Where(m => m.Stage == MoveStage.Offered && m.To == node).ToList())
        {
            Taken(move);
        }

        foreach (var other in Nodes.Nodes)
        {
            if (!other.IsConnected && other.WatchAt == Instant.Never && other.Inquest is null)
            {
                other.WatchAt = _now + Silence;
            }
        }
    }

    /// <summary>
    /// Who takes an address: the node that it was configured at, if it is there; else the one with the longest prefix that holds it, which is on the same link, rather than one
    /// that must have routes changed; of several the one with the fewest mappings. A node that is fenced itself takes nothing of others.
    /// </summary>
    private NodeState? FindTaker(IpAddress address, NodeState? except, IReadOnlyCollection<NodeState> refused) => Nodes.Nodes
        .Where(n => n != except && IsHeard(n) && n.Joining == 0 && !n.IsBehind && !refused.Contains(n))
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

    /// <summary>Gives addresses away, each to whom policy chooses. What nobody can take stays.</summary>
    private void MoveAway(NodeState from, IReadOnlyList<IpAddress> addresses, bool failed, IReadOnlyCollection<NodeState> refused)
    {
        // Whoever has been asked to take them is asked anew, or another one is.
        _moves.RemoveAll(m => m.Stage == MoveStage.Offered && m.Addresses.Any(addresses.Contains));
        foreach (var group in addresses.Select(a => (Address: a, To: FindTaker(a, from, refused))).Where(t => t.To is not null).GroupBy(t => t.To!).OrderBy(g => g.Key.Id.Name, StringComparer.Ordinal).ToList())
        {
            Begin(new Move(from.Id, group.Key, [.. group.Select(t => t.Address)], failed, _now, refused));
        }
    }

    private void Begin(Move move)
    {
        var context = new StepContext(Nodes, _options, _now, 0);
        var owners = new List<AddressOwner>();
        foreach (var address in move.Addresses)
        {
            var moved = Nodes.Track(address);
            if (moved.Owner.IsNone)
            {
                (moved.Owner, moved.Settled) = (move.From, true);
            }

            moved.NextEpoch = context.NextEpoch(moved.Latest.Epoch);
            moved.Next = move.To.Id;
            owners.Add(moved.Latest);
        }

        move.Deadline = _now + OfferPatience;
        _moves.Add(move);
        Push(move.To.Id, new AddressOwners { Id = 0, Owners = owners });
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
        foreach (var address in move.Addresses)
        {
            var moved = Nodes.Track(address);
            (moved.Owner, moved.Epoch, moved.Settled, moved.Next) = (move.To.Id, moved.NextEpoch, false, NodeId.None);
            _output.Report(new AddressMoved(address, move.From, move.To.Id, moved.Epoch));
        }

        foreach (var id in new[] { move.From }.Concat(move.Addresses.Select(Nodes.HomeOf)).Where(id => id != move.To.Id).Distinct().ToList())
        {
            Push(id, new AddressOwners { Id = 0, Owners = [.. move.Addresses.Select(a => Nodes.Track(a).Latest)] });
        }

        move.Stage = MoveStage.Telling;
        move.Deadline = Instant.Never;
        Tell(move, 0);
    }

    /// <summary>Goes through the clients that have mappings at the addresses, part by part. Looking at a record is what makes it right; see <see cref="TakeoverStep.Converge"/>.</summary>
    private void Tell(Move move, ulong from) => _store.List(move.From, from, page =>
    {
        if (page.Failure != StoreFailure.None)
        {
            CountFailure(page.Failure);
            Later(() => Tell(move, from));
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
                Tell(move, page.Next);
            }
            else
            {
                move.Stage = MoveStage.Settling;
            }
        }

        foreach (var client in page.Clients)
        {
            Run(new Job(client, (state, _) => state is null || !move.Failed ? null : TakeoverStep.NodeFailed(state, move.From, move.Since, context)) { Done = OneDone });
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
            else if (move.Stage == MoveStage.Settling && move.To.IsHere && move.To.Joining == 0 && move.To.Outbox.CountOf(m => m is AdoptMappings) == 0)
            {
                _moves.Remove(move);
                Settle(move);
            }
        }

        if (TakesOver && _options.ReturnAddresses)
        {
            Return(now);
        }
    }

    private void Settle(Move move)
    {
        var settled = new List<AddressOwner>();
        foreach (var moved in move.Addresses.Select(Nodes.Track).Where(m => m.Owner == move.To.Id))
        {
            moved.Settled = true;
            if (moved.Next.IsNone)
            {
                settled.Add(moved.Latest);
            }
        }

        if (settled.Count > 0)
        {
            Push(move.To.Id, new AddressOwners { Id = 0, Owners = settled });
        }
    }

    /// <summary>A node that is back has been there for long enough: it gets its addresses back.</summary>
    private void Return(Instant now)
    {
        var due = Nodes.Moved.Select(m => (m.Address, m.Owner, Home: HomeInWaiting(m))).Where(m => m.Home is { } home && home.UpSince + _options.ReturnAfter <= now).ToList();
        foreach (var group in due.GroupBy(m => (m.Owner, m.Home)))
        {
            Begin(new Move(group.Key.Owner, group.Key.Home!, [.. group.Select(m => m.Address)], failed: false, now, []));
        }
    }

    /// <summary>The node that an address was configured at, if it is there and another one owns the address.</summary>
    private NodeState? HomeInWaiting(MovedAddress moved)
    {
        var home = moved.Next.IsNone ? Nodes.Find(Nodes.HomeOf(moved.Address)) : null;
        return home is { IsHere: true, Joining: 0 } && home.Id != moved.Owner && !_moves.Exists(m => m.Addresses.Contains(moved.Address)) ? home : null;
    }

    /// <summary>The node that was asked does not take the addresses. It may have taken them and not have been able to say so, so it is told of the one that does.</summary>
    private void Retry(Move move)
    {
        _moves.Remove(move);
        var refused = move.Refused.Append(move.To).ToList();
        var from = Nodes.Find(move.From);
        var before = _moves.Count;
        if (from is not null)
        {
            MoveAway(from, move.Addresses, move.Failed, refused);
        }

        if (_moves.Count == before && from is { IsConnected: false })
        {
            // Nobody is left now.
            from.WatchAt = _now + OfferPatience;
        }

        Withdraw(move);
    }

    /// <summary>The node fails that addresses are moving to: what it owns already is moved on as its own; what it was only asked to take is given to others.</summary>
    private void GiveUpMovesTo(NodeState node)
    {
        foreach (var move in _moves.Where(m => m.To == node).ToList())
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
        /// <summary>The new owner has been asked.</summary>
        Offered,

        /// <summary>It owns the addresses; it is being told of the mappings there.</summary>
        Telling,

        /// <summary>All has been said; not all is acknowledged.</summary>
        Settling,
    }

    private sealed class Move(NodeId from, NodeState to, IReadOnlyList<IpAddress> addresses, bool failed, Instant since, IReadOnlyCollection<NodeState> refused)
    {
        public NodeId From { get; } = from;

        public NodeState To { get; } = to;

        public IReadOnlyList<IpAddress> Addresses { get; } = addresses;

        public bool Failed { get; } = failed;

        public Instant Since { get; } = since;

        public IReadOnlyCollection<NodeState> Refused { get; } = refused;

        public MoveStage Stage { get; set; }

        public Instant Deadline { get; set; }
    }
}
