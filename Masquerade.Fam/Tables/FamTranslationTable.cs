using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// The FAM translation table. Outbound packets find their connection by the hash of their 5-tuple, inbound packets their mapping by FAM endpoint through
/// a direct index. Mappings are threaded into a list per client, connections into a list per mapping.
/// </summary>
internal sealed partial class FamTranslationTable
{
    private readonly Slab<FamMapping> _mappings;
    private readonly Slab<FamConnection> _connections;
    private readonly HashIndex _byTuple;
    private readonly HashIndex _byClientEndpoint;
    private readonly HashIndex _byId;
    private readonly EndpointIndex _byFamEndpoint;
    private readonly HashIndex? _untranslated;
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
        _untranslated = config.Untranslated.IsEmpty ? null : new HashIndex(config.MaxMappings);
        _clients = clients;
        _probeInterval = config.ProbeInterval;
        _refreshesInbound = config.InboundRefresh != InboundRefresh.Never;
        _seed = seed;
    }

    public int MappingCount => _mappings.Count;

    public int ConnectionCount => _connections.Count;

    public int UntranslatedCount { get; private set; }

    /// <summary>Mappings that live by their lifetime and not by their connections.</summary>
    public int ExplicitCount { get; private set; }

    /// <summary>Mappings by which application helpers expect a connection.</summary>
    public int ExpectedCount { get; private set; }

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

    public int FindOfClient(int client, MappingId id)
    {
        var hash = HashOf(id.Protocol, id.Masquerade, id.Server);
        for (var slot = _byId.First(hash, out var probe); slot >= 0; slot = _byId.Next(ref probe))
        {
            if (_mappings[slot].Id == id && _mappings[slot].Client == client)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>The record of a client endpoint that is not translated.</summary>
    public int FindUntranslated(TransportProtocol protocol, TransportEndpoint clientEndpoint)
    {
        if (_untranslated is null)
        {
            return -1;
        }

        var hash = FlowHash.Of(protocol, clientEndpoint, _seed);
        for (var slot = _untranslated.First(hash, out var probe); slot >= 0; slot = _untranslated.Next(ref probe))
        {
            if (_mappings[slot].ClientEndpoint == clientEndpoint && _mappings[slot].Id.Protocol == protocol)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>Adds a record for a client endpoint that is not translated; -1 when the table is full.</summary>
    public int AddUntranslated(int client, TransportProtocol protocol, TransportEndpoint clientEndpoint)
    {
        if (_untranslated is null || !_mappings.TryAllocate(out var slot))
        {
            return -1;
        }

        var same = new PacketRewriter.Rewrite(clientEndpoint, clientEndpoint);
        _mappings[slot] = new FamMapping
        {
            Id = new MappingId(protocol, clientEndpoint),
            ClientEndpoint = clientEndpoint,
            Fam = clientEndpoint,
            IsUntranslated = true,
            ToServer = same,
            ToClient = same,
            Client = client,
            FirstConnection = -1,
            NextNews = -1,
            PreviousNews = -1,
        };
        Enlist(slot);
        _untranslated.Insert(FlowHash.Of(protocol, clientEndpoint, _seed), slot);
        UntranslatedCount++;
        return slot;
    }

    /// <summary>Adds a mapping; -1 when the table is full.</summary>
    public int AddMapping(int client, MappingId id, TransportEndpoint clientEndpoint, TransportEndpoint fam, NodeId ham, bool hamIsHere)
    {
        if (!_mappings.TryAllocate(out var slot))
        {
            return -1;
        }

        _mappings[slot] = new FamMapping
        {
            Id = id,
            ClientEndpoint = clientEndpoint,
            Ham = ham,
            HamIsHere = hamIsHere,
            ProbeInterval = _probeInterval,
            ToServer = new PacketRewriter.Rewrite(clientEndpoint, id.Masquerade),
            Client = client,
            FirstConnection = -1,
            NextNews = -1,
            PreviousNews = -1,
        };
        SetFamEndpoint(slot, fam);
        Enlist(slot);
        _byClientEndpoint.Insert(HashOf(id.Protocol, clientEndpoint, id.Server), slot);
        _byId.Insert(HashOf(id.Protocol, id.Masquerade, id.Server), slot);
        return slot;
    }

    /// <summary>Makes a mapping explicit, or not explicit any more.</summary>
    public void SetTerms(int slot, FamTerms? terms)
    {
        ref var mapping = ref _mappings[slot];
        ExplicitCount += (terms is { Expected: false } ? 1 : 0) - (mapping.Explicit is { Expected: false } ? 1 : 0);
        ExpectedCount += (terms is { Expected: true } ? 1 : 0) - (mapping.Explicit is { Expected: true } ? 1 : 0);
        mapping.Explicit = terms;
    }

    /// <summary>Removes a mapping whose connections are gone.</summary>
    public void RemoveMapping(int slot)
    {
        SetTerms(slot, null);
        ref var mapping = ref _mappings[slot];
        var byClient = HashOf(mapping.Id.Protocol, mapping.ClientEndpoint, mapping.Id.Server);
        if (mapping.IsUntranslated)
        {
            _untranslated!.Remove(byClient, slot);
            UntranslatedCount--;
        }
        else
        {
            UnindexFamEndpoint(slot);
            SetReturnEndpoint(slot, TransportEndpoint.None);
            _byClientEndpoint.Remove(byClient, slot);
            _byId.Remove(HashOf(mapping.Id.Protocol, mapping.Id.Masquerade, mapping.Id.Server), slot);
            ClearNews(slot, mapping.News);
        }

        ref var owner = ref _clients[mapping.Client];
        owner.MappingCount--;
        MappingsOf(ref owner, mapping.Id.Protocol)--;
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
            FirstOf(ref owner, mapping) = mapping.NextOfClient;
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
    /// <param name="mappingSlot">The mapping.</param>
    /// <param name="tuple">Client endpoint and server.</param>
    /// <param name="state">How far it is.</param>
    /// <param name="lastActivity">When it was last used.</param>
    /// <param name="opensHere">Whether the client opens it here and now: what was written down elsewhere as opening may have been open for long.</param>
    public int AddConnection(int mappingSlot, in FlowTuple tuple, ConnectionState state, Instant lastActivity, bool opensHere = false)
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
            CountsAsOpening = opensHere && ConnectionTracker.IsOpening(tuple.Protocol, state),
        };
        if (mapping.FirstConnection >= 0)
        {
            _connections[mapping.FirstConnection].PreviousOfMapping = slot;
        }

        mapping.FirstConnection = slot;
        mapping.ConnectionCount++;
        ref var owner = ref _clients[mapping.Client];
        owner.ConnectionCount++;
        owner.OpeningCount += _connections[slot].CountsAsOpening ? 1 : 0;
        _byTuple.Insert(FlowHash.Of(tuple, _seed), slot);
        return slot;
    }

    /// <summary>How far a connection is now, by a packet that passed here or by what was written down elsewhere.</summary>
    public void SetState(int slot, ConnectionState state, bool seenHere)
    {
        if (state != ConnectionState.Established)
        {
            StopPassing(slot);
        }

        ref var connection = ref _connections[slot];
        connection.State = state;
        var counts = (connection.CountsAsOpening || seenHere) && ConnectionTracker.IsOpening(connection.Tuple.Protocol, state);
        if (counts != connection.CountsAsOpening)
        {
            connection.CountsAsOpening = counts;
            _clients[_mappings[connection.Mapping].Client].OpeningCount += counts ? 1 : -1;
        }
    }

    /// <summary>Puts a new record at the front of its client's list.</summary>
    private void Enlist(int slot)
    {
        ref var mapping = ref _mappings[slot];
        ref var owner = ref _clients[mapping.Client];
        ref var first = ref FirstOf(ref owner, mapping);
        mapping.NextOfClient = first;
        mapping.PreviousOfClient = -1;
        if (first >= 0)
        {
            _mappings[first].PreviousOfClient = slot;
        }

        first = slot;
        owner.MappingCount++;
        MappingsOf(ref owner, mapping.Id.Protocol)++;
    }

    private static ref int FirstOf(ref FamClient client, in FamMapping mapping) => ref mapping.IsUntranslated ? ref client.FirstUntranslated : ref client.FirstMapping;

    /// <summary>How many mappings of a protocol a client has.</summary>
    public static ref int MappingsOf(ref FamClient client, TransportProtocol protocol)
    {
        switch (protocol)
        {
            case TransportProtocol.Tcp:
                return ref client.TcpMappings;
            case TransportProtocol.Udp:
                return ref client.UdpMappings;
            default:
                return ref client.IcmpMappings;
        }
    }

    public void RemoveConnection(int slot)
    {
        StopPassing(slot);
        ref var connection = ref _connections[slot];
        ref var mapping = ref _mappings[connection.Mapping];
        mapping.ConnectionCount--;
        ref var owner = ref _clients[mapping.Client];
        owner.ConnectionCount--;
        owner.OpeningCount -= connection.CountsAsOpening ? 1 : 0;
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
        if (connection.IsHelped)
        {
            EndHelp(slot);
        }

        _connections.Free(slot);
    }

    private static bool Precedes(in FamMapping a, in FamMapping b) =>
        (a.Explicit is null) != (b.Explicit is null) ? a.Explicit is not null
        : a.AnchorEpoch != b.AnchorEpoch ? a.AnchorEpoch > b.AnchorEpoch : string.CompareOrdinal(a.Ham.Name, b.Ham.Name) < 0;
}
