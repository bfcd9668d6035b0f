using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// The embedded default: one process, rebuilt from what the agents announce after a restart. It answers within the call. Clients that are nowhere and have no mapping are kept for
/// their epochs only; of those it remembers the latest, so that devices which pass by once, or pretend to be many, do not fill it.
/// </summary>
public sealed class InMemoryClientStore : IClientStore
{
    /// <summary>Clients that one list names: what a coordinator does between two messages stays short, also on a large site.</summary>
    private const int MostListed = 16_384;

    private readonly Dictionary<ulong, (ClientRecord Record, long Version)> _clients = [];
    private readonly SortedSet<ulong> _order = [];
    private readonly Dictionary<MappingId, MacAddress> _owners = [];
    private readonly LinkedList<ulong> _idle = [];
    private readonly Dictionary<ulong, LinkedListNode<ulong>> _idleByClient = [];
    private readonly int _capacity;
    private readonly int _idleCapacity;
    private long _highestForgotten;

    /// <summary>An empty store.</summary>
    /// <param name="incarnation">Differs in every life.</param>
    /// <param name="capacity">The most clients; a sixteenth of it may be clients that are nowhere and have no mapping.</param>
    public InMemoryClientStore(ulong incarnation, int capacity = 1_000_000)
    {
        Incarnation = incarnation;
        _capacity = capacity;
        _idleCapacity = Math.Max(1, capacity / 16);
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

        if (!known && _clients.Count >= _capacity && !ForgetIdle())
        {
            return new SetResult(StoreOutcome.Full);
        }

        // Records and index change together here, so there are no claims without a mapping.
        var before = known ? current.Record.Mappings : [];
        List<EndpointClaim>? taken = null;
        if (ReferenceEquals(before, record.Mappings))
        {
            Set(record, known, version);
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

        Set(record, known, version);
        return new SetResult(StoreOutcome.Stored);
    }

    private void Set(ClientRecord record, bool known, long version)
    {
        var client = record.Client.Value;
        if (!known)
        {
            // A version never comes again, also not after the client was forgotten.
            version = _highestForgotten;
            _order.Add(client);
        }

        _clients[client] = (record, version + 1);
        var isIdle = record.Fam.IsNone && record.Mappings.IsEmpty;
        if (isIdle != _idleByClient.ContainsKey(client))
        {
            if (_idleByClient.Remove(client, out var node))
            {
                _idle.Remove(node);
            }
            else
            {
                _idleByClient[client] = _idle.AddLast(client);
            }
        }

        if (_idle.Count > _idleCapacity)
        {
            ForgetIdle();
        }
    }

    /// <summary>Forgets who has been nowhere, without a mapping, for the longest; false if there is nobody.</summary>
    private bool ForgetIdle()
    {
        if (_idle.First?.Value is not { } client)
        {
            return false;
        }

        _idle.RemoveFirst();
        _idleByClient.Remove(client);
        _order.Remove(client);
        _clients.Remove(client, out var forgotten);
        _highestForgotten = Math.Max(_highestForgotten, forgotten.Version);
        return true;
    }
}
