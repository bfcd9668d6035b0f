using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Api.Observing;

/// <summary>
/// Passes everything through to a store and tells what was set. Whatever step moved a client, here both the record before and the one after are at hand, and only what has
/// really been set is told.
/// </summary>
internal sealed class WatchedStore(IClientStore store, Action<ClientRecord?, ClientRecord> stored) : IClientStore
{
    /// <inheritdoc/>
    public ulong Incarnation => store.Incarnation;

    /// <inheritdoc/>
    public bool IsShared => store.IsShared;

    /// <inheritdoc/>
    public int? ClientCount => store.ClientCount;

    /// <inheritdoc/>
    public void Load(MacAddress client, Action<LoadResult> done) => store.Load(client, done);

    /// <inheritdoc/>
    public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) =>
        store.CompareAndSet(record, loaded, scope, result =>
        {
            // Before the completion: what follows from the change is told after the change.
            if (result.Outcome == StoreOutcome.Stored)
            {
                stored(loaded.Record, record);
            }

            done(result);
        });

    /// <inheritdoc/>
    public void Forget(NodeId node, MacAddress client) => store.Forget(node, client);

    /// <inheritdoc/>
    public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => store.FindClaim(mapping, done);

    /// <inheritdoc/>
    public void List(NodeId node, ulong from, Action<ClientPage> done) => store.List(node, from, done);
}
