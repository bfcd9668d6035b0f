using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// An address has a new owner, which is told of each client's mappings there. There may be more of them than may wait for its acknowledgment, so it goes no faster than the owner
/// takes them in; and as the clients' FAMs are told at the same time, not much faster than they do. Should the owner fall behind all the same, nobody can tell what it has
/// taken of what was thrown away: it is told everything again. Only when all is told and acknowledged is the address settled.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Of the room for what waits for a node's acknowledgment this share is used; the rest is for what happens meanwhile.</summary>
    private const double SweptRoom = 0.25;

    private static readonly TimeSpan TurnInterval = TimeSpan.FromMilliseconds(1);

    /// <summary>One that has not acknowledged something for this long is not waited for, unless it is the new owner.</summary>
    private static readonly TimeSpan SweepPatience = TimeSpan.FromSeconds(1);

    /// <summary>Clients that are looked at in one turn: what agents ask must not wait behind it.</summary>
    private int ClientsPerTurn => Math.Clamp(_options.MaxPushesPerNode / 32, 1, 256);

    /// <summary>Clients that the store is asked about at once.</summary>
    private int ClientsAtOnce => Math.Clamp(_options.MaxPushesPerNode / 64, 1, 32);

    /// <summary>Looks at some of the clients that have mappings at a move's addresses. Looking at a record is what makes it right; see <see cref="TakeoverStep.Converge"/>.</summary>
    private void Sweep(Move move)
    {
        var sweep = move.Sweep;
        if (sweep.IsInTurn || !IsTelling(move))
        {
            return;
        }

        // A store that answers at once calls back from within.
        sweep.IsInTurn = true;
        var left = ClientsPerTurn;
        for (var mayGoOn = OthersHaveRoom(move.To); mayGoOn && left > 0 && IsTelling(move) && HasRoom(move);)
        {
            if (sweep.StartsOver && sweep.IsAtRest)
            {
                if (_store.IsShared)
                {
                    // What is made right is listed there and may not be elsewhere any more.
                    sweep.Add(move.To.Id);
                }

                sweep.StartOver();
            }

            if (!sweep.StartsOver && sweep.TryNext(out var client))
            {
                left--;
                LookAt(move, client);
            }
            else if (!sweep.IsAtRest)
            {
                // It goes on when what is under way is done.
                mayGoOn = false;
            }
            else if (sweep.IsOver)
            {
                move.Stage = MoveStage.Settling;
            }
            else
            {
                List(move);
            }
        }

        sweep.NextTurn = _now + (left == 0 ? TurnInterval : SettleInterval);
        sweep.IsInTurn = false;
    }

    /// <summary>
    /// A node has restarted and anchors more than can wait for it: its own addresses are not settled until it has been told everything, as if it had taken them over.
    /// </summary>
    private void TellAnew(NodeState node, IReadOnlyList<IpAddress> addresses, Action<bool> done)
    {
        List<AddressRecord> records =
        [
            .. addresses.Select(a => Nodes.FindMoved(a) ?? new AddressRecord(a) { Owner = node.Id }).Where(r => r.Owner == node.Id && r.Next.IsNone && !IsMoving(r.Address))
                .Select(r => r with
                {
                    Epoch = NextEpoch(r.Epoch), Settled = false, Previous = node.Id, IsStray = !r.Settled && (r.IsStray || r.Previous != node.Id), Mover = _options.Life,
                }),
        ];
        if (records.Count == 0)
        {
            // They are moving, so it is told anyhow.
            done(true);
            return;
        }

        var move = new Move(node.Id, node, [.. records.Select(r => r.Address)], MoveCause.Return, _now, []);
        move.Sweep.StartsOver = true;
        if (records.Exists(r => r.IsStray))
        {
            move.Sweep.Add(NodeId.None);
        }

        _moves.Add(move);
        Write(records, isWritten =>
        {
            if (isWritten)
            {
                move.Stage = MoveStage.Telling;
                move.Sweep.NextTurn = _now;
            }
            else
            {
                _moves.Remove(move);
            }

            done(isWritten);
        });
    }

    private bool IsTelling(Move move) => move.Stage == MoveStage.Telling && _moves.Contains(move);

    private bool HasRoom(Move move) =>
        move.To is { IsConnected: true, Joining: 0, IsBehind: false } && move.To.Outbox.Fill <= SweptRoom && move.Sweep.UnderWay < ClientsAtOnce;

    /// <summary>Whether the clients' FAMs, and other HAMs, keep up. One that takes nothing must not keep others' connections from going on; it will have to start over.</summary>
    private bool OthersHaveRoom(NodeState except) =>
        Nodes.Nodes.All(n => n == except || n.Outbox.Fill <= SweptRoom || !n.IsConnected || n.IsBehind || n.Outbox.OldestSince + SweepPatience < _now);

    private void List(Move move)
    {
        var sweep = move.Sweep;
        sweep.TurnPage();
        sweep.IsListing = true;
        _store.List(sweep.Source, sweep.From, page =>
        {
            if (page.Failure != StoreFailure.None)
            {
                CountFailure(page.Failure);
                Later(() =>
                {
                    sweep.IsListing = false;
                    Sweep(move);
                });
                return;
            }

            sweep.IsListing = false;
            sweep.Take(page);
            Sweep(move);
        });
    }

    private void LookAt(Move move, MacAddress client)
    {
        var context = Context(_now);
        move.Sweep.UnderWay++;
        Run(new Job(client, (state, _) => state is null || !move.Failed || move.From.IsNone ? null : TakeoverStep.NodeFailed(state, move.From, move.Since, context))
        {
            // Another coordinator may have made the record right and not have lived to say so; or the owner has fallen behind.
            Tells = _store.IsShared || move.Sweep.TellsAll ? move.Addresses : [],
            Done = () =>
            {
                move.Sweep.UnderWay--;
                Sweep(move);
            },
        });
    }

    /// <summary>What waited for a node has been thrown away, or may be: whatever it was being told of mappings it is told again.</summary>
    private void SweepAnew(NodeState node)
    {
        foreach (var move in _moves.Where(m => m.To == node && m.Stage != MoveStage.Offered))
        {
            move.Sweep.StartsOver = true;
            move.Stage = move.Stage == MoveStage.Settling ? MoveStage.Telling : move.Stage;
        }
    }

    /// <summary>How far a new owner has been told of the mappings.</summary>
    /// <param name="from">Whose clients may have mappings at the addresses.</param>
    private sealed class Sweeping(NodeId from)
    {
        private readonly List<NodeId> _sources = [from];
        private ClientPage _page = new([], 0);
        private int _source;
        private int _next;
        private bool _hasPage;

        /// <summary>Whose clients may have mappings at the addresses.</summary>
        public IReadOnlyList<NodeId> Sources => _sources;

        /// <summary>Whose clients are looked at; none for all there are.</summary>
        public NodeId Source => _sources[_source];

        /// <summary>Where the list of them goes on.</summary>
        public ulong From => _page.Next;

        /// <summary>Decisions about clients that are under way.</summary>
        public int UnderWay { get; set; }

        public bool IsListing { get; set; }

        public bool IsAtRest => UnderWay == 0 && !IsListing;

        public bool IsInTurn { get; set; }

        public Instant NextTurn { get; set; } = Instant.Never;

        /// <summary>Whether everything must be told again.</summary>
        public bool StartsOver { get; set; }

        /// <summary>Whether the owner is told also what records say already.</summary>
        public bool TellsAll { get; private set; }

        /// <summary>Whether all clients have been listed.</summary>
        public bool IsOver => IsPartOver && _source == _sources.Count - 1;

        private bool IsPartOver => _hasPage && _page.Next == 0;

        /// <summary>The clients of another node may have mappings at the addresses as well; with none, anybody's may.</summary>
        public void Add(NodeId source)
        {
            if (!_sources.Contains(source))
            {
                _sources.Add(source);
            }
        }

        /// <summary>From the first client; and what is the owner's already by a record is told as well.</summary>
        public void StartOver()
        {
            (StartsOver, TellsAll, _source) = (false, true, 0);
            Clear();
        }

        /// <summary>To the next part of the list, or to the next list.</summary>
        public void TurnPage()
        {
            if (IsPartOver)
            {
                _source++;
                Clear();
            }
        }

        /// <summary>A part of the list has come.</summary>
        public void Take(ClientPage page) => (_page, _next, _hasPage) = (page, 0, true);

        public bool TryNext(out MacAddress client)
        {
            client = _next < _page.Clients.Count ? _page.Clients[_next] : MacAddress.None;
            return _next++ < _page.Clients.Count;
        }

        private void Clear() => (_page, _next, _hasPage) = (new ClientPage([], 0), 0, false);
    }
}
