using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Addresses move because of load. A busy node gives one address at a time to the node that would take it if it failed, if that one has much less to do and has no more than
/// the giver afterwards; so each move makes the site more even, and none is undone by the next. The coordinator that has the owner's session decides, for it alone hears what is
/// anchored at each address. The last address of a family that a node has of its own never goes: without it the node could serve nobody.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>How often it is looked at.</summary>
    private static readonly TimeSpan BalanceInterval = TimeSpan.FromSeconds(1);

    /// <summary>An address is worth moving that has at least one in this many of its owner's mappings.</summary>
    private const int LeastShare = 10;

    /// <summary>Since when the homes of addresses that are away because of load have had room for them.</summary>
    private readonly Dictionary<IpAddress, Instant> _roomSince = [];

    private void AdvanceBalance(NodeState node, Instant now)
    {
        if (!_options.Balance.Enabled || !node.IsHere || node.BalanceAt > now)
        {
            return;
        }

        node.BalanceAt = now + BalanceInterval;
        node.BusySince = !node.IsLoadKnown || node.Mappings <= _options.Balance.BusyMappings ? Instant.Never : Instant.Min(node.BusySince, now);
        var back = FindReturn(node, now);
        if (!IsHeard(node) || node.Joining != 0 || node.IsBehind || node.IsDraining || !IsRested(node) || IsMovingFrom(node))
        {
            return;
        }

        if (back is { } due)
        {
            // Whatever comes of it, the next attempt is not at once.
            node.BalanceAt = now + _options.Balance.Interval;
            _roomSince.Remove(due.Address);
            Begin(new Move(node.Id, due.Home, [due.Address], MoveCause.Return, now, []));
        }
        else if (node.BusySince != Instant.Never && now - node.BusySince >= _options.Balance.After && now - node.UpSince >= _options.Balance.Interval && FindRelief(node) is { } relief)
        {
            node.BalanceAt = now + _options.Balance.Interval;
            MoveAway(node, [relief.Address], MoveCause.Load, relief.Unfit);
        }
    }

    /// <summary>An address that this node has because of another's load, and for which that one has had room for long enough.</summary>
    private (IpAddress Address, NodeState Home)? FindReturn(NodeState node, Instant now)
    {
        (IpAddress, NodeState)? due = null;
        foreach (var other in _roomSince.Keys.Where(a => Nodes.FindMoved(a) is not { ByLoad: true } m || Nodes.Find(m.Owner) is not { IsHere: true }).ToList())
        {
            // It has gone home for another reason, or is another coordinator's to look at.
            _roomSince.Remove(other);
        }

        foreach (var record in Nodes.Moved.Where(m => m.ByLoad && m.Owner == node.Id).ToList())
        {
            if (Nodes.Find(Nodes.HomeOf(record.Address)) is not { IsDraining: false, IsBehind: false, Joining: 0 } home || home == node || !IsThere(home) || !home.IsLoadKnown
                || (ulong)home.Mappings + node.LoadOf(record.Address) > (ulong)_options.Balance.CalmMappings)
            {
                _roomSince.Remove(record.Address);
                continue;
            }

            _roomSince.TryAdd(record.Address, now);
            if (due is null && now - _roomSince[record.Address] >= _options.Balance.After && MayMove(record.Address) && IsRested(home) && !IsGiven(home, []) && !_moves.Exists(m => m.To == home))
            {
                due = (record.Address, home);
            }
        }

        return due;
    }

    /// <summary>
    /// The address whose move relieves a busy node most, and the nodes that it must not go to: those that have too much to do themselves, or of which it is not known, or which are
    /// being given something already. Others' addresses come first: their packets pass through this node for nothing.
    /// </summary>
    private (IpAddress Address, HashSet<NodeState> Unfit)? FindRelief(NodeState node)
    {
        var owned = Nodes.OwnedBy(node).ToList();
        var kept = KeptFor(node, owned);
        var busy = Nodes.Moved.Where(m => m.IsMoving).Select(m => m.Latest.Node).Concat(_moves.Select(m => m.To.Id)).ToHashSet();
        var others = Nodes.Nodes
            .Where(n => n != node && n.IsLoadKnown && IsRested(n) && !busy.Contains(n.Id) && (ulong)n.Mappings * (ulong)_options.Balance.RatioPercent <= (ulong)node.Mappings * 100)
            .ToHashSet();
        if (others.Count == 0)
        {
            return null;
        }

        foreach (var address in owned.Where(a => !kept.Contains(a) && MayMove(a)).OrderBy(node.Addresses.Contains).ThenByDescending(node.LoadOf))
        {
            var load = node.LoadOf(address);
            if ((ulong)load * LeastShare < node.Mappings)
            {
                continue;
            }

            var unfit = Nodes.Nodes.Where(n => !others.Contains(n) || (ulong)n.Mappings + (2 * (ulong)load) > node.Mappings).ToHashSet();
            if (FindTaker(address, node, unfit) is not null)
            {
                return (address, unfit);
            }
        }

        return null;
    }

    /// <summary>
    /// Whether an address stays away from a home that is there, because its home had too much to do. An operator who has let the home anchor again since wants it back, and a home that
    /// has no other address of the family needs it.
    /// </summary>
    private bool StaysAway(AddressRecord moved, NodeState home) =>
        moved.ByLoad && _options.Balance.Enabled && !(home.IsUndrained && Nodes.MovedAt(moved.Address) <= home.UndrainedAt)
        && home.Addresses.Any(a => a.IsIPv4 == moved.Address.IsIPv4 && (Nodes.OwnerOf(a) == home.Id || (_options.Takeover && _options.ReturnAddresses && Nodes.FindMoved(a) is { ByLoad: false })));

    /// <summary>Whether a node's load has been heard since addresses came to it or went from it, as far as that is to be expected.</summary>
    private bool IsRested(NodeState node) => node.ShiftedAt is not { } at || _now - at >= _options.Balance.Interval;

    private bool MayMove(IpAddress address) => Nodes.MovedAt(address) is not { } at || _now - at >= _options.Balance.AddressInterval;

    private bool IsMovingFrom(NodeState node) => _moves.Exists(m => m.From == node.Id || m.To == node) || Nodes.Moved.Any(m => m.IsMoving && m.Owner == node.Id);

    /// <summary>Whether a node is being given another address than these, by whichever coordinator.</summary>
    private bool IsGiven(NodeState node, IReadOnlyList<IpAddress> except) => Nodes.Moved.Any(m => m.IsMoving && m.Latest.Node == node.Id && !except.Contains(m.Address));
}
