using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>A store that answers within the call, asked like a table: for tests, simulations and the embedded default.</summary>
public static class InlineStore
{
    /// <summary>Loads a client.</summary>
    /// <exception cref="InvalidOperationException">The store does not answer within the call.</exception>
    public static Versioned Load(this IClientStore store, MacAddress client)
    {
        LoadResult? answer = null;
        store.Load(client, found => answer = found);
        return (answer ?? throw Later()).Found;
    }

    /// <summary>Sets a record if the version is still the loaded one.</summary>
    /// <exception cref="InvalidOperationException">The store does not answer within the call.</exception>
    public static StoreOutcome CompareAndSet(this IClientStore store, ClientRecord record, long version)
    {
        SetResult? answer = null;
        store.CompareAndSet(record, new Versioned(store.Load(record.Client).Record, version), default, set => answer = set);
        return (answer ?? throw Later()).Outcome;
    }

    /// <summary>The client that a masquerade endpoint belongs to.</summary>
    public static bool TryFindOwner(this IClientStore store, MappingId mapping, out MacAddress client)
    {
        EndpointClaim? claim = null;
        store.FindClaim(mapping, found => claim = found);
        client = claim?.Client ?? MacAddress.None;
        return claim is not null;
    }

    /// <summary>All clients, in ascending order of their MAC address.</summary>
    public static IReadOnlyList<MacAddress> Clients(this IClientStore store)
    {
        var all = new List<MacAddress>();
        for (ulong from = 0, next = 1; next != 0; from = next)
        {
            ClientPage? page = null;
            store.List(NodeId.None, from, found => page = found);
            all.AddRange((page ?? throw Later()).Clients);
            next = page.Value.Next;
        }

        return all;
    }

    private static InvalidOperationException Later() => new("This store answers later; use the methods with completions.");
}
