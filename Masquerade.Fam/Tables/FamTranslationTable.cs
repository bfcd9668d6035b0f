using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// The FAM translation table. Outbound packets find their connection by the hash of their 5-tuple, inbound packets their mapping by FAM endpoint through
/// a direct index. Mappings are threaded into a list per client, connections into a list per mapping.
/// </summary>
internal sealed class FamTranslationTable
{
    private readonly Slab<FamMapping> _mappings;
    private readonly Slab<FamConnection> _connections;
    private readonly HashIndex _byTuple;
    private readonly HashIndex _byClientEndpoint;
    private readonly HashIndex _byId;
    private readonly EndpointIndex _byFamEndpoint;
    private readonly ClientTable _clients;
    private readonly TimeSpan _probeInterval;
    private readonly uint _seed;

    public FamTranslationTable(FamConfig config, EndpointPool pool, ClientTable clients, uint seed)
    {
        _mappings = new Slab<FamMapping>(config.MaxMappings);
        _connections = new Slab<FamConnection>(config.MaxConnections);
        _byTuple = new HashIndex(config.MaxConnections);
        _byClientEndpoint = new HashIndex(config.MaxMappings);
        _byId = new HashIndex(config.MaxMappings);
        _byFamEndpoint = new EndpointIndex(pool);
        _clients = clients;
        _probeInterval = config.ProbeInterval;
        _seed = seed;
    }

    public int MappingCount => _mappings.Count;

    public int ConnectionCount => _connections.Count;

    public ref FamMapping Mapping(int slot) => ref _mappings[slot];

    public ref FamConnection Connection(int slot) => ref _connections[slot];

    public int NextMapping(int from) => _mappings.NextLive(from);

    public int FindConnection(in FlowTuple tuple)
    {
        var hash = FlowHash.Of(tuple, _seed);
        for (var slot = _byTuple.First(hash, out var probe); slot >= 0; slot = _byTuple.Next(ref probe))
        {
            if (_connections[slot].Tuple == tuple)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>The mapping that an inbound packet to this FAM endpoint belongs to.</summary>
    public int FindByFamEndpoint(TransportProtocol protocol, TransportEndpoint endpoint) => _byFamEndpoint[protocol, endpoint];

    /// <summary>The mapping that new connections of a client endpoint use. Of two (made on both sides of a partition) the one with the higher anchor epoch; ties go to the smaller HAM name.</summary>
    public int FindByClientEndpoint(TransportProtocol protocol, TransportEndpoint clientEndpoint)
    {
        var best = -1;
        var hash = FlowHash.Of(protocol, clientEndpoint, _seed);
        for (var slot = _byClientEndpoint.First(hash, out var probe); slot >= 0; slot = _byClientEndpoint.Next(ref probe))
        {
            ref var mapping = ref _mappings[slot];
            if (mapping.ClientEndpoint == clientEndpoint && mapping.Id.Protocol == protocol && (best < 0 || Precedes(mapping, _mappings[best])))
            {
                best = slot;
            }
        }

        return best;
    }

    /// <summary>How many mappings a client endpoint has; more than one only if it was anchored twice.</summary>
    public int CountOfClientEndpoint(TransportProtocol protocol, TransportEndpoint clientEndpoint)
    {
        var count = 0;
        var hash = FlowHash.Of(protocol, clientEndpoint, _seed);
        for (var slot = _byClientEndpoint.First(hash, out var probe); slot >= 0; slot = _byClientEndpoint.Next(ref probe))
        {
            count += _mappings[slot].ClientEndpoint == clientEndpoint && _mappings[slot].Id.Protocol == protocol ? 1 : 0;
        }

        return count;
    }

    public int FindOfClient(int client, MappingId id)
    {
        var hash = FlowHash.Of(id.Protocol, id.Masquerade, _seed);
        for (var slot = _byId.First(hash, out var probe); slot >= 0; slot = _byId.Next(ref probe))
        {
            if (_mappings[slot].Id == id && _mappings[slot].Client == client)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>Adds a mapping; -1 when the table is full.</summary>
    public int AddMapping(int client, MappingId id, TransportEndpoint clientEndpoint, TransportEndpoint fam, NodeId ham, bool hamIsHere)
    {
        if (!_mappings.TryAllocate(out var slot))
        {
            return -1;
        }

        ref var owner = ref _clients[client];
        _mappings[slot] = new FamMapping
        {
            Id = id,
            ClientEndpoint = clientEndpoint,
            Ham = ham,
            HamIsHere = hamIsHere,
            ProbeInterval = _probeInterval,
            ToServer = new PacketRewriter.Rewrite(clientEndpoint, id.Masquerade),
            Client = client,
            NextOfClient = owner.FirstMapping,
            PreviousOfClient = -1,
            FirstConnection = -1,
            NextNews = -1,
            PreviousNews = -1,
        };
        SetFamEndpoint(slot, fam);
        if (owner.FirstMapping >= 0)
        {
            _mappings[owner.FirstMapping].PreviousOfClient = slot;
        }

        owner.FirstMapping = slot;
        owner.MappingCount++;
        _byClientEndpoint.Insert(FlowHash.Of(id.Protocol, clientEndpoint, _seed), slot);
        _byId.Insert(FlowHash.Of(id.Protocol, id.Masquerade, _seed), slot);
        return slot;
    }

    /// <summary>Binds a mapping to a FAM endpoint; the old one, if any, is no longer indexed.</summary>
    public void SetFamEndpoint(int slot, TransportEndpoint fam)
    {
        ref var mapping = ref _mappings[slot];
        if (!mapping.Fam.IsNone)
        {
            _byFamEndpoint[mapping.Id.Protocol, mapping.Fam] = -1;
        }

        mapping.Fam = fam;
        mapping.ToClient = new PacketRewriter.Rewrite(fam, mapping.ClientEndpoint);
        _byFamEndpoint[mapping.Id.Protocol, fam] = slot;
    }

    /// <summary>Binds a mapping whose HAM is this node to a second endpoint; gives the one that it had before, or none.</summary>
    public TransportEndpoint SetReturnEndpoint(int slot, TransportEndpoint endpoint)
    {
        ref var mapping = ref _mappings[slot];
        var before = mapping.ReturnEndpoint;
        if (!before.IsNone)
        {
            _byFamEndpoint[mapping.Id.Protocol, before] = -1;
        }

        mapping.ReturnEndpoint = endpoint;
        if (!endpoint.IsNone)
        {
            mapping.ReturnToClient = new PacketRewriter.Rewrite(endpoint, mapping.ClientEndpoint);
            _byFamEndpoint[mapping.Id.Protocol, endpoint] = slot;
        }

        return before;
    }

    /// <summary>Removes a mapping whose connections are gone.</summary>
    public void RemoveMapping(int slot)
    {
        ref var mapping = ref _mappings[slot];
        _byFamEndpoint[mapping.Id.Protocol, mapping.Fam] = -1;
        SetReturnEndpoint(slot, TransportEndpoint.None);
        _byClientEndpoint.Remove(FlowHash.Of(mapping.Id.Protocol, mapping.ClientEndpoint, _seed), slot);
        _byId.Remove(FlowHash.Of(mapping.Id.Protocol, mapping.Id.Masquerade, _seed), slot);
        ClearNews(slot, mapping.News);
        ref var owner = ref _clients[mapping.Client];
        owner.MappingCount--;
        if (mapping.NextOfClient >= 0)
        {
            _mappings[mapping.NextOfClient].PreviousOfClient = mapping.PreviousOfClient;
        }

        if (mapping.PreviousOfClient >= 0)
        {
            _mappings[mapping.PreviousOfClient].NextOfClient = mapping.NextOfClient;
        }
        else
        {
            owner.FirstMapping = mapping.NextOfClient;
        }

        mapping = default;
        _mappings.Free(slot);
    }

    /// <summary>Marks a mapping; the first mark puts it at the end of its client's list of what is to be said.</summary>
    public void AddNews(int slot, MappingNews news)
    {
        ref var mapping = ref _mappings[slot];
        if (mapping.News == MappingNews.None)
        {
            ref var owner = ref _clients[mapping.Client];
            mapping.PreviousNews = owner.LastNews;
            mapping.NextNews = -1;
            if (owner.LastNews >= 0)
            {
                _mappings[owner.LastNews].NextNews = slot;
            }
            else
            {
                owner.FirstNews = slot;
            }

            owner.LastNews = slot;
        }

        mapping.News |= news;
    }

    /// <summary>Takes marks off; with the last one the mapping leaves the list.</summary>
    public void ClearNews(int slot, MappingNews news)
    {
        ref var mapping = ref _mappings[slot];
        if (mapping.News == MappingNews.None || (mapping.News &= ~news) != MappingNews.None)
        {
            return;
        }

        ref var owner = ref _clients[mapping.Client];
        if (mapping.NextNews >= 0)
        {
            _mappings[mapping.NextNews].PreviousNews = mapping.PreviousNews;
        }
        else
        {
            owner.LastNews = mapping.PreviousNews;
        }

        if (mapping.PreviousNews >= 0)
        {
            _mappings[mapping.PreviousNews].NextNews = mapping.NextNews;
        }
        else
        {
            owner.FirstNews = mapping.NextNews;
        }
    }

    /// <summary>Adds a connection that is not there yet; -1 when the table is full.</summary>
    public int AddConnection(int mappingSlot, in FlowTuple tuple, ConnectionState state, Instant lastActivity)
    {
        if (!_connections.TryAllocate(out var slot))
        {
            return -1;
        }

        ref var mapping = ref _mappings[mappingSlot];
        _connections[slot] = new FamConnection
        {
            Tuple = tuple,
            Mapping = mappingSlot,
            State = state,
            LastActivity = lastActivity,
            NextOfMapping = mapping.FirstConnection,
            PreviousOfMapping = -1,
        };
        if (mapping.FirstConnection >= 0)
        {
            _connections[mapping.FirstConnection].PreviousOfMapping = slot;
        }

        mapping.FirstConnection = slot;
        mapping.ConnectionCount++;
        _byTuple.Insert(FlowHash.Of(tuple, _seed), slot);
        return slot;
    }

    public void RemoveConnection(int slot)
    {
        ref var connection = ref _connections[slot];
        ref var mapping = ref _mappings[connection.Mapping];
        mapping.ConnectionCount--;
        if (connection.NextOfMapping >= 0)
        {
            _connections[connection.NextOfMapping].PreviousOfMapping = connection.PreviousOfMapping;
        }

        if (connection.PreviousOfMapping >= 0)
        {
            _connections[connection.PreviousOfMapping].NextOfMapping = connection.NextOfMapping;
        }
        else
        {
            mapping.FirstConnection = connection.NextOfMapping;
        }

        _byTuple.Remove(FlowHash.Of(connection.Tuple, _seed), slot);
        _connections.Free(slot);
    }

    private static bool Precedes(in FamMapping a, in FamMapping b) =>
        a.AnchorEpoch != b.AnchorEpoch ? a.AnchorEpoch > b.AnchorEpoch : string.CompareOrdinal(a.Ham.Name, b.Ham.Name) < 0;
}
