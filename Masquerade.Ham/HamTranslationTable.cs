using System.Diagnostics.CodeAnalysis;
using Masquerade.Core.Control;
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

/// <summary>What keeps a mapping's packets from going straight to its FAM: the packet path looks whether there is anything.</summary>
[Flags]
internal enum HamDetour : byte
{
    None = 0,

    /// <summary>The previous FAM is being drained: packets wait in the client's queue.</summary>
    Draining = 1,

    /// <summary>There are several FAMs to choose among.</summary>
    Several = 2,
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

    /// <summary>What the way to the FAM carries, in octets.</summary>
    public int Mtu;
    public int Client;
    public int NextOfClient;
    public int PreviousOfClient;
    public HamRoute Route;

    /// <summary>It was anchored for a coordinator that has not said since who serves it: how often it is still asked whether anybody wants it.</summary>
    public byte Unclaimed;

    /// <summary>When it was opened, here or where it was before: milliseconds since 1970, 0 if that is not known.</summary>
    public long Opened;

    /// <summary>What makes it an explicit mapping, and since when that is true; null if it is none.</summary>
    public HamTerms? Explicit;

    public HamDetour Detour;

    /// <summary>The FAMs besides the first one, if the HAM is to choose; null otherwise. And the number of the message that named them.</summary>
    public HamFurther? Further;
    public ulong FurtherId;

    /// <summary>The coordinator has forgotten it and has not been told again.</summary>
    public bool Unreported;
}

/// <summary>What makes a mapping explicit, as it was at a time.</summary>
internal sealed record HamTerms(ExplicitTerms Terms, Instant At)
{
    /// <summary>When it ends, whether or not it is used.</summary>
    public Instant Until => Terms.LifetimeMilliseconds == ExplicitTerms.Forever ? Instant.Never : At + TimeSpan.FromMilliseconds(Terms.LifetimeMilliseconds);
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

    /// <summary>While copies are sent: who marks them, and how far they are; null otherwise.</summary>
    public HamMarks? Marks;

    /// <summary>The push that has said so.</summary>
    public ulong MarksId;

    /// <summary>The place in the pool of the own address that its mappings get, per family; -1 if there is none yet.</summary>
    private int _pairV4;
    private int _pairV6;

    public HamClient(MacAddress mac)
    {
        Mac = mac;
        FirstMapping = -1;
        DrainUntil = Instant.Never;
        _pairV4 = _pairV6 = -1;
    }

    [UnscopedRef]
    public ref int PairOf(bool ipv6) => ref ipv6 ? ref _pairV6 : ref _pairV4;
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
    private readonly EndpointPool _pool;

    /// <summary>Records for one server each, by masquerade endpoint and server; made with the first of them.</summary>
    private HashIndex? _byServer;
    private readonly int[] _countAt = new int[EndpointPool.MaxKnown];

    public HamTranslationTable(int maxMappings, int maxClients, EndpointPool pool, uint hashSeed)
    {
        _entries = new Slab<HamEntry>(maxMappings);
        _clients = new Slab<HamClient>(maxClients);
        _byMasquerade = new EndpointIndex(pool);
        _byMac = new HashIndex(maxClients);
        Unreported = new SlotQueue(maxClients);
        _hashSeed = hashSeed;
        _pool = pool;
    }

    public int Count => _entries.Count;

    /// <summary>Records at an address.</summary>
    public int CountAt(IpAddress address) => _pool.AddressIndex(address) is var place and >= 0 ? _countAt[place] : 0;

    public int Capacity => _entries.Capacity;

    /// <summary>Clients of which mappings are still to be reported.</summary>
    public SlotQueue Unreported { get; }

    public ref HamEntry this[int slot] => ref _entries[slot];

    public ref HamClient Client(int slot) => ref _clients[slot];

    /// <summary>The record of a packet from (or to) a server, or -1.</summary>
    public int Find(TransportProtocol protocol, TransportEndpoint masquerade, in TransportEndpoint server)
    {
        var slot = _byMasquerade[protocol, masquerade];
        return slot >= EndpointIndex.Nothing ? slot : FindShared(protocol, masquerade, server);
    }

    /// <summary>The record of a mapping, or -1.</summary>
    public int Find(in MappingId mapping)
    {
        if (mapping.IsOfServer)
        {
            return FindShared(mapping.Protocol, mapping.Masquerade, mapping.Server);
        }

        return Math.Max(_byMasquerade[mapping.Protocol, mapping.Masquerade], EndpointIndex.Nothing);
    }

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

            _clients[client] = new HamClient(mac);
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
        if (mapping.IsOfServer)
        {
            _byServer ??= new HashIndex(_entries.Capacity);
            _byServer.Insert(HashOf(mapping.Protocol, mapping.Masquerade, mapping.Server), slot);
            _byMasquerade.Share(mapping.Protocol, mapping.Masquerade, more: true);
        }
        else
        {
            _byMasquerade[mapping.Protocol, mapping.Masquerade] = slot;
        }

        NoteAt(mapping.Masquerade.Address, 1);
        return slot;
    }

    /// <summary>Removes a record. The client goes with its last one, unless packets are held for it.</summary>
    public void Remove(int slot)
    {
        ref var entry = ref _entries[slot];
        if (entry.Mapping.IsOfServer)
        {
            _byServer!.Remove(HashOf(entry.Mapping.Protocol, entry.Mapping.Masquerade, entry.Mapping.Server), slot);
            _byMasquerade.Share(entry.Mapping.Protocol, entry.Mapping.Masquerade, more: false);
        }
        else
        {
            _byMasquerade[entry.Mapping.Protocol, entry.Mapping.Masquerade] = EndpointIndex.Nothing;
        }

        NoteAt(entry.Mapping.Masquerade.Address, -1);
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
        record.Marks = null;
        _clients.Free(client);
    }

    private void NoteAt(IpAddress address, int change)
    {
        // What is at an address is taken out before the address is given up.
        if (_pool.AddressIndex(address) is var place and >= 0)
        {
            _countAt[place] += change;
        }
    }

    private int FindShared(TransportProtocol protocol, TransportEndpoint masquerade, in TransportEndpoint server)
    {
        if (_byServer is null)
        {
            return -1;
        }

        for (var slot = _byServer.First(HashOf(protocol, masquerade, server), out var probe); slot >= 0; slot = _byServer.Next(ref probe))
        {
            if (_entries[slot].Mapping == new MappingId(protocol, masquerade, server))
            {
                return slot;
            }
        }

        return -1;
    }

    private uint HashOf(TransportProtocol protocol, TransportEndpoint masquerade, in TransportEndpoint server) => FlowHash.Of(new FlowTuple(server, masquerade, protocol), _hashSeed);

    public int NextLiveClient(int from) => _clients.NextLive(from);

    public int NextLive(int from) => _entries.NextLive(from);
}
