using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// The book of addresses: who owns those that have moved. A coordinator alone keeps it in its directory; several keep it in their store, where every change is compared and set, so
/// that two of them cannot give an address to two nodes. The directory is what has been read of it. What one of them begins and does not live to end, another one ends.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>So long after its start a coordinator believes what agents say about addresses that have moved: it has forgotten, or never knew.</summary>
    private static readonly TimeSpan Youth = TimeSpan.FromSeconds(60);

    /// <summary>The book is read this often although nobody has said that it has changed: news may get lost.</summary>
    private static readonly TimeSpan ReadInterval = TimeSpan.FromSeconds(2);

    private readonly HashSet<IpAddress> _adopting = [];
    private Instant? _firstHello;
    private Instant _nextRead;
    private bool? _foundBook;
    private List<Action<bool>>? _readers;
    private List<Action<bool>>? _readersAfter;

    /// <summary>Another coordinator has changed the book of addresses.</summary>
    public void OnAddressesChanged(Instant now)
    {
        _now = now;
        ReadAddresses();
    }

    private Epoch NextEpoch(Epoch known) => new StepContext(Nodes, _options, _now, 0).NextEpoch(known);

    /// <summary>The addresses that a node owns when it comes with this greeting.</summary>
    private List<IpAddress> AddressesOf(Hello hello) =>
    [
        .. hello.Addresses.Where(a => Nodes.MovedTo(a) is var owner && (owner.IsNone || owner == hello.Node)),
        .. Nodes.Moved.Where(m => m.Owner == hello.Node && !hello.Addresses.Contains(m.Address)).Select(m => m.Address),
    ];

    private void AdvanceAddresses(Instant now)
    {
        if (_peers is not null && now >= _nextRead)
        {
            ReadAddresses();
        }
    }

    /// <summary>Writes addresses down, all or none, and goes on when that is done, or is not to be.</summary>
    private void Write(IReadOnlyList<AddressRecord> records, Action<bool> done)
    {
        if (_peers is null)
        {
            Keep(records);
            done(true);
            return;
        }

        Write([.. records.Select(r => new AddressChange(Nodes.FindMoved(r.Address), r))], done);
    }

    private void Write(IReadOnlyList<AddressChange> changes, Action<bool> done) => _peers!.WriteAddresses(changes, Nodes.AddressesAsOf, written =>
    {
        switch (written.Outcome)
        {
            case StoreOutcome.Stored when written.Before == Nodes.AddressesAsOf:
                Keep(changes.Select(c => c.After));
                Nodes.AddressesAsOf = written.Version;
                done(true);
                break;
            case StoreOutcome.Stored:
                Keep(changes.Select(c => c.After));
                ReadAddresses(_ => done(true));
                break;
            default:
                // After a failure it may have been written all the same. Then it is in the book, nobody sees to it, and whoever reads that does.
                if (written.Failure != StoreFailure.None)
                {
                    CountFailure(written.Failure);
                }

                ReadAddresses(_ => done(false));
                break;
        }
    });

    private void Keep(IEnumerable<AddressRecord> records)
    {
        foreach (var record in records)
        {
            Nodes.Set(record, _now);
        }
    }

    /// <summary>Reads the book. Who asks while it is being read is answered by another reading: the one under way may be older than the question.</summary>
    private void ReadAddresses(Action<bool>? then = null)
    {
        _nextRead = _now + ReadInterval;
        if (_readers is not null)
        {
            _readersAfter ??= [];
            if (then is not null)
            {
                _readersAfter.Add(then);
            }

            return;
        }

        _readers = then is null ? [] : [then];
        _peers!.ReadAddresses(book =>
        {
            if (book.Failure == StoreFailure.None)
            {
                Merge(book);
            }
            else
            {
                CountFailure(book.Failure);
            }

            var readers = _readers;
            _readers = null;
            readers.ForEach(r => r(book.Failure == StoreFailure.None));
            if (_readersAfter is { } after)
            {
                _readersAfter = null;
                ReadAddresses(isRead => after.ForEach(r => r(isRead)));
            }
        });
    }

    /// <summary>Of book and memory the newer word counts: the store may have lost what it had acknowledged. What only memory has is written down again.</summary>
    private void Merge(AddressBook book)
    {
        // The first look: a coordinator that comes to others has not forgotten anything.
        _foundBook ??= book.Version > 0;
        var lost = new List<AddressChange>();
        var written = new HashSet<IpAddress>();
        foreach (var record in book.Addresses)
        {
            written.Add(record.Address);
            if (Nodes.FindMoved(record.Address) is { } known && known.IsNewerThan(record))
            {
                lost.Add(new AddressChange(record, known));
            }
            else
            {
                Nodes.Set(record, _now);
            }
        }

        lost.AddRange(Nodes.Moved.Where(m => !written.Contains(m.Address)).Select(m => new AddressChange(null, m)));
        Nodes.AddressesAsOf = Math.Max(Nodes.AddressesAsOf, book.Version);
        foreach (var node in Nodes.Nodes)
        {
            SetDraining(node, book.Drained.Contains(node.Id));
        }

        foreach (var move in _moves.Where(m => m.Stage != MoveStage.Writing && !m.Addresses.All(a => IsMine(m, a))).ToList())
        {
            // Another coordinator has taken it in hand, and may not know whom this one has asked.
            Abandon(move);
            Tell(move.To, move.Addresses);
        }

        if (lost.Count > 0)
        {
            _peers!.WriteAddresses(lost, Nodes.AddressesAsOf, _ => { });
        }

        foreach (var record in Nodes.Moved.Where(m => m.IsMoving && !IsOthers(m)).ToList())
        {
            AdoptLater(record.Address);
        }
    }

    private bool IsMine(Move move, IpAddress address) => Nodes.FindMoved(address) is { } record && record.Mover == _options.Life
        && (move.Stage == MoveStage.Offered ? record.Next == move.To.Id : record.Owner == move.To.Id && record.Next.IsNone && !record.Settled);

    /// <summary>Whether another coordinator, which is alive as far as is known, is moving an address.</summary>
    private bool IsOthers(AddressRecord? record) => record is { IsMoving: true } && record.Mover != 0 && record.Mover != _options.Life && _peers?.Watch(record.Mover) == true;

    /// <summary>A coordinator has died: what it was moving is taken in hand.</summary>
    private void AdoptFrom(ulong life)
    {
        foreach (var record in Nodes.Moved.Where(m => m.IsMoving && m.Mover == life).ToList())
        {
            AdoptLater(record.Address);
        }
    }

    /// <summary>After a while that differs from coordinator to coordinator: one of them is enough.</summary>
    private void AdoptLater(IpAddress address)
    {
        if (IsMoving(address) || !_adopting.Add(address))
        {
            return;
        }

        var life = Nodes.FindMoved(address)!.Mover;
        _retries.Enqueue(
            () =>
            {
                _adopting.Remove(address);
                if (Nodes.FindMoved(address) is { IsMoving: true } record && record.Mover == life && !IsMoving(address))
                {
                    Adopt(record);
                }
            },
            _now + TimeSpan.FromMilliseconds(_random.NextInt(200)));
    }

    private void Adopt(AddressRecord record)
    {
        if (record.Next.IsNone)
        {
            if ((Nodes.Find(record.Owner) ?? (Nodes.Count < _options.MaxNodes ? AddNode(record.Owner) : null)) is not { } to)
            {
                return;
            }

            var move = new Move(record.Previous, to, [record.Address], CauseOf(record), _now, []);
            move.Sweep.Add(record.IsStray ? NodeId.None : record.Previous);
            Own(move, [record with { Mover = _options.Life }]);
        }
        else if (record.Failed && Nodes.Find(record.Owner) is { } owner && !IsThere(owner))
        {
            // Asked anew; whoever had been asked before hears how that ends.
            var asked = Nodes.Find(record.Next);
            if (MoveAway(owner, [record.Address], MoveCause.Failure, [], () => Tell(asked, [record.Address])).Count > 0)
            {
                Withdraw([record], asked);
            }
        }
        else
        {
            Withdraw([record], Nodes.Find(record.Next));
        }
    }

    private MoveCause CauseOf(AddressRecord record) =>
        record.Failed && !Nodes.IsConnected(record.Previous) ? MoveCause.Failure : record.Planned ? MoveCause.Drain : MoveCause.Return;

    /// <summary>
    /// What a node has heard of moves that this coordinator has forgotten. Later on, and where a node says of another's address that it has it, the coordinator's own word counts:
    /// no agent may fetch the addresses of others.
    /// </summary>
    private void Learn(Hello hello, Action then)
    {
        _firstHello ??= _now;
        var learnt = new List<(AddressRecord Record, NodeId Home)>();
        foreach (var claim in hello.Owners)
        {
            var known = Nodes.FindMoved(claim.Address);
            if (claim.Epoch <= (known?.Latest.Epoch ?? Epoch.None) || claim.Epoch > Refusals.MaxEpoch || (known is null && Nodes.MovedCount + learnt.Count >= _options.MaxNodes))
            {
                continue;
            }

            var home = hello.Addresses.Contains(claim.Address) ? hello.Node : Nodes.HomeOf(claim.Address);
            var isBelieved = (_now - _firstHello < Youth && _foundBook != true) || home == hello.Node || !Nodes.IsConnected(home);
            learnt.Add((new AddressRecord(claim.Address) { Owner = isBelieved ? claim.Node : home, Epoch = isBelieved ? claim.Epoch : NextEpoch(claim.Epoch) }, home));
        }

        if (learnt.Count == 0)
        {
            then();
            return;
        }

        Write([.. learnt.Select(l => l.Record)], isWritten =>
        {
            foreach (var (record, home) in isWritten ? learnt : [])
            {
                foreach (var id in new[] { home, record.Owner }.Where(id => id != hello.Node).Distinct())
                {
                    Push(id, new AddressOwners { Id = 0, Owners = [record.Latest] });
                }
            }

            then();
        });
    }

    /// <summary>
    /// A node is back before another one has taken its addresses, as far as is known: it keeps them. The one that was asked may have taken them and is told to give them up.
    /// </summary>
    private void KeepOwn(NodeId node, Action then)
    {
        var offered = Nodes.Moved.Where(m => m.Failed && m.Owner == node && !m.Next.IsNone).ToList();
        if (offered.Count == 0)
        {
            then();
            return;
        }

        foreach (var move in _moves.Where(m => m.Addresses.Any(a => offered.Exists(o => o.Address == a))).ToList())
        {
            Abandon(move);
        }

        var kept = offered.Select(o => o.Kept(NextEpoch(o.NextEpoch))).ToList();
        Write(kept, isKept =>
        {
            foreach (var group in isKept ? offered.GroupBy(o => o.Next) : [])
            {
                Tell(Nodes.Find(group.Key), [.. group.Select(o => o.Address)]);
            }

            then();
        });
    }

    /// <summary>What was offered stays where it was, with a higher epoch than the offer's.</summary>
    private void Withdraw(IReadOnlyList<AddressRecord> offered, NodeState? asked)
    {
        if (offered.Count == 0)
        {
            return;
        }

        Write([.. offered.Select(o => o.Kept(NextEpoch(o.NextEpoch)))], _ =>
        {
            var addresses = offered.Select(o => o.Address).ToList();
            Tell(asked, addresses);
            foreach (var owner in offered.Select(o => o.Owner).Distinct().Select(Nodes.Find).Where(o => o is not null && o != asked && o.IsConnected).ToList())
            {
                Tell(owner, addresses);
            }
        });
    }

    /// <summary>
    /// What a node that is away is still to be told of addresses is not said if there is a newer word by now: one that has begun anew knows of neither, and would take an address for a
    /// moment that is another's, and the network would find it there.
    /// </summary>
    private void Supersede(NodeState node, AddressOwners news)
    {
        bool IsOld(AddressOwner owner) => news.Owners.Any(n => n.Address == owner.Address && n.Epoch > owner.Epoch);
        var parts = new List<AddressOwners>();
        node.Outbox.RemoveAll(m =>
        {
            if (m is not AddressOwners old || !old.Owners.Any(IsOld))
            {
                return false;
            }

            parts.Add(old);
            return true;
        });
        foreach (var part in parts.Where(p => !p.Owners.All(IsOld)).ToList())
        {
            // There is the room that it had.
            _ = node.Outbox.Send(part with { Id = ++_lastId, Owners = [.. part.Owners.Where(o => !IsOld(o))] }, _now);
        }
    }

    /// <summary>Tells a node how it stands with addresses.</summary>
    private void Tell(NodeState? node, IReadOnlyList<IpAddress> addresses)
    {
        var owners = addresses.Select(Nodes.FindMoved).Where(m => m is not null).Select(m => m!.Latest).ToList();
        if (node is not null && owners.Count > 0)
        {
            Push(node.Id, new AddressOwners { Id = 0, Owners = owners });
        }
    }
}
