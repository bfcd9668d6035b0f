using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.Store;

/// <summary>The book of addresses: what the Redis adapter does with a hash, its version and the set of drained nodes.</summary>
internal sealed partial class SimPeers
{
    private static readonly StoreKey AddressesKey = new("store", "addresses");
    private static readonly StoreKey AddressesVersionKey = new("store", "addresses:version");
    private static readonly StoreKey DrainedKey = new("store", "drained");

    public bool Watch(ulong life)
    {
        if (_gone.Contains(life))
        {
            return false;
        }

        _others.Add(life);
        return true;
    }

    public void ReadAddresses(Action<AddressBook> done) => _ = ReadAddressesAsync(done);

    public void WriteAddresses(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done) => _ = WriteAddressesAsync(changes, asOf, done);

    public void WriteDrained(NodeId node, bool isDrained, Action<StoreFailure> done) => _ = WriteDrainedAsync(node, isDrained, done);

    private async SimTask<bool> ReadAddressesAsync(Action<AddressBook> done)
    {
        var reply = await _link.RunAsync(AddressesKey, m => Scripts.Book(m, AddressesKey, AddressesVersionKey, DrainedKey));
        var book = reply.Failure == StoreFailure.None ? reply.Value : new AddressBook([], new HashSet<NodeId>(), 0, reply.Failure);
        _coordinator.Post(() => done(book));
        return true;
    }

    private async SimTask<bool> WriteAddressesAsync(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done)
    {
        var reply = await _link.RunAsync(AddressesKey, m => Scripts.Addresses(m, AddressesKey, AddressesVersionKey, asOf, changes, _store.Lease));
        var written = reply.Failure == StoreFailure.None ? reply.Value : new AddressesWritten(StoreOutcome.Failed, Failure: reply.Failure);
        if (written.Outcome != StoreOutcome.Changed)
        {
            // Also if it is not known whether anything has changed.
            Say(new AddressesFrame(_life));
        }

        _coordinator.Post(() => done(written));
        return true;
    }

    private async SimTask<bool> WriteDrainedAsync(NodeId node, bool isDrained, Action<StoreFailure> done)
    {
        var reply = await _link.RunAsync(DrainedKey, m => Scripts.Drain(m, DrainedKey, node.Name!, isDrained, _store.Lease));
        Say(new AddressesFrame(_life));
        _coordinator.Post(() => done(reply.Failure));
        return true;
    }

    private sealed record AddressesFrame(ulong Life);
}
