using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>The embedded default: one process, rebuilt from what the agents announce after a restart.</summary>
public sealed class InMemoryClientStore : IClientStore
{
    private readonly SortedDictionary<ulong, (ClientRecord Record, long Version)> _clients = [];
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
    public int Count => _clients.Count;

    /// <inheritdoc/>
    public Versioned Load(MacAddress client) => _clients.TryGetValue(client.Value, out var found) ? new Versioned(found.Record, found.Version) : default;

    /// <inheritdoc/>
    public StoreOutcome CompareAndSet(ClientRecord record, long version)
    {
        var known = _clients.TryGetValue(record.Client.Value, out var current);
        if ((known ? current.Version : 0) != version)
        {
            return StoreOutcome.Changed;
        }

        if (!known && _clients.Count >= _capacity)
        {
            return StoreOutcome.Full;
        }

        var before = known ? current.Record.Mappings : [];
        foreach (var id in record.Mappings.Keys)
        {
            if (!before.ContainsKey(id) && _owners.TryGetValue(id, out var owner) && owner != record.Client)
            {
                return StoreOutcome.Taken;
            }
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

        _clients[record.Client.Value] = (record, version + 1);
        return StoreOutcome.Stored;
    }

    /// <inheritdoc/>
    public bool TryFindOwner(MappingId mapping, out MacAddress client) => _owners.TryGetValue(mapping, out client);

    /// <inheritdoc/>
    public IEnumerable<MacAddress> Clients() => _clients.Keys.Select(mac => new MacAddress(mac)).ToArray();
}
