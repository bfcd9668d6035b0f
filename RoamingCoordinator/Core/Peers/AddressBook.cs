using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>What coordinators over one store have agreed on about addresses: who owns those that have moved, and which nodes are drained.</summary>
/// <param name="Addresses">Addresses that have moved, or are about to.</param>
/// <param name="Drained">Nodes at which an operator wants nothing to be anchored.</param>
/// <param name="Version">Grows with every change.</param>
/// <param name="Failure">Anything but none: the store could not tell.</param>
public readonly record struct AddressBook(
    IReadOnlyList<AddressRecord> Addresses, IReadOnlySet<NodeId> Drained, ulong Version, StoreFailure Failure = StoreFailure.None);

/// <summary>A change of an address.</summary>
/// <param name="Before">What is thought to be in the book; null: nothing.</param>
/// <param name="After">What is to be there.</param>
public readonly record struct AddressChange(AddressRecord? Before, AddressRecord After);

/// <summary>What became of changes to the book: all are made or none.</summary>
/// <param name="Outcome"><see cref="StoreOutcome.Stored"/>, <see cref="StoreOutcome.Changed"/> (something else was in the book) or <see cref="StoreOutcome.Failed"/>.</param>
/// <param name="Version">If they are made: the book's version now.</param>
/// <param name="Before">If they are made: the version before. If that is not the one that was read, there is more to read.</param>
/// <param name="Failure">Why they may not be made.</param>
public readonly record struct AddressesWritten(StoreOutcome Outcome, ulong Version = 0, ulong Before = 0, StoreFailure Failure = StoreFailure.None);
