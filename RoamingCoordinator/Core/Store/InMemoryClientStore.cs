using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>The embedded default: one process, rebuilt from what the agents announce after a restart. It answers within the call.</summary>
public sealed class InMemoryClientStore : IClientStore
{
    /// <summary>Clients that one list names: what a coordinator does between two messages stays short, also on a large site.</summary>
    private const int MostListed = 16_384;

    private readonly Dictionary<ulong, (ClientRecord Record, long Version)> _clients = [];
    private readonly SortedSet<ulong> _order = [];
    private readonly Dictionary<MappingId, MacAddress> _owners = [];
    private readonly int _capacity;

    /// <summary>An empty store.</summary>
    /// <param name="incarnation">Differs in every life.</param>
    /// <param name="capacity">The most clients.</param>
    public InMemoryClientStore(ulong incarnation, int capacity = 1_000_000)
    {
        Incarnation = incarnation;
        _capacity = capacity;
    }

    /// <inheritdoc/>
    public ulong Incarnation { get; }

    /// <inheritdoc/>
    public bool IsShared => false;

    /// <inheritdoc/>
    public int? ClientCount => Count;

    /// <summary>How many clients are known.</summary>
    public int Count => _clients.Count;

    /// <inheritdoc/>
    public void Load(MacAddress client, Action<LoadResult> done) =>
        done(new LoadResult(_clients.TryGetValue(client.Value, out var found) ? new Versioned(found.Record, found.Version) : default));

    /// <inheritdoc/>
    public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) =>
        done(CompareAndSet(record, loaded.Version));

    /// <inheritdoc/>
    public void Forget(NodeId node, MacAddress client)
    {
        // Nodes are not listed here: a list names every client.
    }

    /// <inheritdoc/>
    public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) =>
        done(_owners.TryGetValue(mapping, out var client) ? new EndpointClaim(mapping, client, 0) : null);

    /// <inheritdoc/>
    public void List(NodeId node, ulong from, Action<ClientPage> done)
    {
        var part = new List<MacAddress>(Math.Min(_order.Count, MostListed));
        ulong next = 0;
        foreach (var mac in _order.GetViewBetween(from, ulong.MaxValue))
        {
            if (part.Count == MostListed)
            {
                next = mac;
                break;
            }

            part.Add(new MacAddress(mac));
        }

        done(new ClientPage(part, next));
    }

    private SetResult CompareAndSet(ClientRecord record, long version)
    {
        var known = _clients.TryGetValue(record.Client.Value, out var current);
        if ((known ? current.Version : 0) != version)
        {
            return new SetResult(StoreOutcome.Changed);
        }

        if (!known && _clients.Count >= _capacity)
        {
            return new SetResult(StoreOutcome.Full);
        }

        // Records and index change together here, so there are no claims without a mapping.
        var before = known ? current.Record.Mappings : [];
        List<EndpointClaim>? taken = null;
        if (ReferenceEquals(before, record.Mappings))
        {
            Set(record, version + 1);
            return new SetResult(StoreOutcome.Stored);
        }

        foreach (var id in record.Mappings.Keys)
        {
            if (!before.ContainsKey(id) && _owners.TryGetValue(id, out var owner) && owner != record.Client)
            {
                (taken ??= []).Add(new EndpointClaim(id, owner, 0));
            }
        }

        if (taken is not null)
        {
            return new SetResult(StoreOutcome.Taken, Claims: taken);
        }

        foreach (var id in before.Keys)
        {
            if (!record.Mappings.ContainsKey(id))
            {
                _owners.Remove(id);
            }
        }

        foreach (var id in record.Mappings.Keys)
        {
            _owners[id] = record.Client;
        }

        Set(record, version + 1);
        return new SetResult(StoreOutcome.Stored);
    }

    private void Set(ClientRecord record, long version)
    {
        if (version == 1)
        {
            _order.Add(record.Client.Value);
        }

        _clients[record.Client.Value] = (record, version);
    }
}
