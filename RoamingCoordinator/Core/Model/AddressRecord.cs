using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>A masquerade address that has moved, or is about to; as all coordinators over one store know it. Immutable.</summary>
/// <param name="Address">The address.</param>
public sealed record AddressRecord(IpAddress Address)
{
    /// <summary>Who owns it; none if it has never moved before.</summary>
    public NodeId Owner { get; init; }

    /// <summary>The number of the move that made it so.</summary>
    public Epoch Epoch { get; init; }

    /// <summary>Whether the owner has been told of all mappings there.</summary>
    public bool Settled { get; init; } = true;

    /// <summary>Who is to own it next; none if nobody has been asked.</summary>
    public NodeId Next { get; init; }

    /// <summary>The number that this move will have.</summary>
    public Epoch NextEpoch { get; init; }

    /// <summary>While it is not settled: who owned it before.</summary>
    public NodeId Previous { get; init; }

    /// <summary>
    /// While it is not settled: it was not either when it moved last, so that records may name owners before the previous one as well, and the clients of those must be looked at too.
    /// </summary>
    public bool IsStray { get; init; }

    /// <summary>Whether it moves, or has moved, because its owner has failed.</summary>
    public bool Failed { get; init; }

    /// <summary>Whether it moves, or has moved, because an operator wants it so: its owner goes on with what else it has.</summary>
    public bool Planned { get; init; }

    /// <summary>Whether its home has given it away because of load, so that it does not go back before there is room.</summary>
    public bool ByLoad { get; init; }

    /// <summary>Whether the node that is to own it next will have it because its home has given it away because of load.</summary>
    public bool NextByLoad { get; init; }

    /// <summary>The life of the coordinator that moves it; 0 where there is only one.</summary>
    public ulong Mover { get; init; }

    /// <summary>Whether something is still to be done until it is where it shall be.</summary>
    public bool IsMoving => !Next.IsNone || !Settled;

    /// <summary>The last word on it: who has it or is to have it.</summary>
    public AddressOwner Latest => Next.IsNone ? new AddressOwner(Address, Epoch, Owner, Settled) : new AddressOwner(Address, NextEpoch, Next, Settled: false);

    /// <summary>
    /// What a node that greets is told: one that has an address goes on having it until it is taken, unless it was taken for dead. That it is then another's it is told by itself, with the
    /// reason.
    /// </summary>
    internal AddressOwner WordFor(NodeId node) => Owner == node && !Failed && !Next.IsNone ? new AddressOwner(Address, Epoch, Owner, Settled) : Latest;

    /// <summary>Of two records of one address the newer one is right. With equal ones it is the one in the store.</summary>
    internal bool IsNewerThan(AddressRecord other) => Order.CompareTo(other.Order) > 0;

    private (Epoch Latest, Epoch Taken, bool Settled) Order => (Latest.Epoch, Epoch, Settled);

    /// <summary>This address offered to a node.</summary>
    internal AddressRecord OfferedTo(NodeId next, Epoch epoch, bool failed, bool planned, bool byLoad, ulong mover) =>
        this with { Next = next, NextEpoch = epoch, Failed = failed, Planned = planned, NextByLoad = byLoad, Mover = mover };

    /// <summary>This address in the hands of the node that it was offered to.</summary>
    internal AddressRecord Taken() => this with
    {
        Owner = Next,
        Epoch = NextEpoch,
        Settled = false,
        Next = NodeId.None,
        NextEpoch = Epoch.None,
        ByLoad = NextByLoad,
        NextByLoad = false,
        Previous = Owner,
        IsStray = !Settled && (IsStray || (Previous != Next && Previous != Owner)),
    };

    /// <summary>This address where it was before it was offered, by a word that is newer than the offer.</summary>
    internal AddressRecord Kept(Epoch epoch) => this with { Epoch = epoch, Next = NodeId.None, NextEpoch = Epoch.None, NextByLoad = false, Mover = Settled ? 0 : Mover };

    /// <summary>This address with an owner that knows all.</summary>
    internal AddressRecord AllTold() => this with { Settled = true, Previous = NodeId.None, IsStray = false, Failed = !Next.IsNone && Failed, Planned = !Next.IsNone && Planned, Mover = Next.IsNone ? 0 : Mover };
}
