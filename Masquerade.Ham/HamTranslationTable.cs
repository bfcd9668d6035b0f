using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Ham;

/// <summary>Where a mapping's inbound packets go.</summary>
internal enum HamRoute : byte
{
    /// <summary>Nowhere: no FAM is known.</summary>
    None,

    /// <summary>To this node's own FAM engine, unchanged.</summary>
    Local,

    /// <summary>To the FAM endpoint of another node.</summary>
    Remote,
}

/// <summary>One HAM translation record: masquerade endpoint → FAM endpoint.</summary>
internal struct HamEntry
{
    public MappingId Mapping;
    public TransportEndpoint ClientEndpoint;
    public TransportEndpoint Fam;
    public PacketRewriter.Rewrite ToFam;
    public Epoch AnchorEpoch;

    /// <summary>The epoch of the FAM in this record.</summary>
    public Epoch Epoch;

    /// <summary>The number of the coordinator's message that said so; 0 if none did.</summary>
    public ulong ChangeId;

    /// <summary>The number of the coordinator's request that it was anchored for; 0 if it was anchored by this node itself.</summary>
    public ulong PlacedBy;
    public Instant NextQueryAt;
    public TimeSpan QueryInterval;

    /// <summary>The number of the question whether the FAM is still there; 0 if none is open.</summary>
    public ulong VerifyId;
    public int Client;
    public int NextOfClient;
    public int PreviousOfClient;
    public HamRoute Route;

    /// <summary>The previous FAM is being drained: packets wait in the client's queue.</summary>
    public bool Draining;

    /// <summary>The coordinator has forgotten it and has not been told again.</summary>
    public bool Unreported;
}

/// <summary>What a HAM knows of a client: its mappings, and the move that is being drained.</summary>
internal struct HamClient
{
    public MacAddress Mac;
    public Epoch Epoch;
    public int FirstMapping;
    public HoldQueue? Held;
    public ulong DrainToken;
    public Epoch DrainEpoch;
    public Instant DrainUntil;
}

/// <summary>
/// The HAM translation table: records in a slab, found by masquerade endpoint through a direct index (no hash on the packet path),
/// and threaded into a list per client so that a move touches just that client's records.
/// </summary>
internal sealed class HamTranslationTable
{
    private readonly Slab<HamEntry> _entries;
    private readonly Slab<HamClient> _clients;
    private readonly EndpointIndex _byMasquerade;
    private readonly HashIndex _byMac;
    private readonly uint _hashSeed;

    public HamTranslationTable(int maxMappings, int maxClients, EndpointPool pool, uint hashSeed)
    {
        _entries = new Slab<HamEntry>(maxMappings);
        _clients = new Slab<HamClient>(maxClients);
        _byMasquerade = new EndpointIndex(pool);
        _byMac = new HashIndex(maxClients);
        Unreported = new SlotQueue(maxClients);
        _hashSeed = hashSeed;
    }

    public int Count => _entries.Count;

    public int Capacity => _entries.Capacity;

    /// <summary>Clients of which mappings are still to be reported.</summary>
    public SlotQueue Unreported { get; }

    public ref HamEntry this[int slot] => ref _entries[slot];

    public ref HamClient Client(int slot) => ref _clients[slot];

    public int Find(TransportProtocol protocol, TransportEndpoint masquerade) => _byMasquerade[protocol, masquerade];

    public int FindClient(MacAddress mac)
    {
        var hash = FlowHash.Of(mac, _hashSeed);
        for (var slot = _byMac.First(hash, out var probe); slot >= 0; slot = _byMac.Next(ref probe))
        {
            if (_clients[slot].Mac == mac)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>Adds a record, and the client if it is new; -1 when a table is full.</summary>
    public int Add(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress mac)
    {
        var client = FindClient(mac);
        if (client < 0)
        {
            if (!_clients.TryAllocate(out client))
            {
                return -1;
            }

            _clients[client] = new HamClient { Mac = mac, FirstMapping = -1, DrainUntil = Instant.Never };
            _byMac.Insert(FlowHash.Of(mac, _hashSeed), client);
        }

        if (!_entries.TryAllocate(out var slot))
        {
            RemoveClientIfEmpty(client);
            return -1;
        }

        ref var owner = ref _clients[client];
        _entries[slot] = new HamEntry
        {
            Mapping = mapping,
            ClientEndpoint = clientEndpoint,
            Client = client,
            NextOfClient = owner.FirstMapping,
            PreviousOfClient = -1,
        };
        if (owner.FirstMapping >= 0)
        {
            _entries[owner.FirstMapping].PreviousOfClient = slot;
        }

        owner.FirstMapping = slot;
        _byMasquerade[mapping.Protocol, mapping.Masquerade] = slot;
        return slot;
    }

    /// <summary>Removes a record. The client goes with its last one, unless packets are held for it.</summary>
    public void Remove(int slot)
    {
        ref var entry = ref _entries[slot];
        _byMasquerade[entry.Mapping.Protocol, entry.Mapping.Masquerade] = -1;
        if (entry.NextOfClient >= 0)
        {
            _entries[entry.NextOfClient].PreviousOfClient = entry.PreviousOfClient;
        }

        var client = entry.Client;
        if (entry.PreviousOfClient >= 0)
        {
            _entries[entry.PreviousOfClient].NextOfClient = entry.NextOfClient;
        }
        else
        {
            _clients[client].FirstMapping = entry.NextOfClient;
        }

        _entries.Free(slot);
        RemoveClientIfEmpty(client);
    }

    public void RemoveClientIfEmpty(int client)
    {
        ref var record = ref _clients[client];
        if (record.FirstMapping >= 0 || record.Held is not null)
        {
            return;
        }

        _byMac.Remove(FlowHash.Of(record.Mac, _hashSeed), client);
        Unreported.Remove(client);
        _clients.Free(client);
    }

    public int NextLiveClient(int from) => _clients.NextLive(from);

    public int NextLive(int from) => _entries.NextLive(from);
}
