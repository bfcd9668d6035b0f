using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>The clients known here, found by MAC address, and who uses which client address.</summary>
internal sealed class ClientTable
{
    private readonly Slab<FamClient> _clients;
    private readonly HashIndex _byMac;
    private readonly Dictionary<IpAddress, int> _byAddress;
    private readonly HashSet<IpAddress> _letGo;
    private readonly uint _seed;
    private readonly int _maxAddresses;

    public ClientTable(int capacity, int maxAddresses, uint seed)
    {
        _clients = new Slab<FamClient>(capacity);
        _byMac = new HashIndex(capacity);
        _byAddress = new Dictionary<IpAddress, int>(new SeededAddressComparer(seed));
        _letGo = new HashSet<IpAddress>(_byAddress.Comparer);
        _seed = seed;
        _maxAddresses = maxAddresses;
    }

    /// <summary>Clients of whose addresses something is to be said to others; null if nobody wants to know.</summary>
    public SlotQueue? News { get; set; }

    public int Count => _clients.Count;

    public ref FamClient this[int slot] => ref _clients[slot];

    public int Next(int from) => _clients.NextLive(from);

    public int Find(MacAddress mac)
    {
        var hash = FlowHash.Of(mac, _seed);
        for (var slot = _byMac.First(hash, out var probe); slot >= 0; slot = _byMac.Next(ref probe))
        {
            if (_clients[slot].Mac == mac)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>Adds a client that is not there yet; -1 when the table is full.</summary>
    public int Add(MacAddress mac, Instant now)
    {
        if (!_clients.TryAllocate(out var slot))
        {
            return -1;
        }

        _clients[slot] = new FamClient
        {
            Mac = mac,
            FirstMapping = -1,
            FirstUntranslated = -1,
            FirstBucket = -1,
            FirstNews = -1,
            LastNews = -1,
            Addresses = [],
            Offers = [],
            Forwards = [],
            Ended = [],
            Deadline = Instant.Never,
            LastSeen = now,
        };
        _byMac.Insert(FlowHash.Of(mac, _seed), slot);
        return slot;
    }

    public void Remove(int slot)
    {
        ref var client = ref _clients[slot];
        foreach (var address in client.Addresses)
        {
            if (_byAddress.TryGetValue(address, out var owner) && owner == slot)
            {
                _byAddress.Remove(address);
                _letGo.Remove(address);
            }
        }

        _byMac.Remove(FlowHash.Of(client.Mac, _seed), slot);
        News?.Remove(slot);
        client = default;
        _clients.Free(slot);
    }

    /// <summary>The client that uses an address; -1 if nobody does.</summary>
    public int OwnerOf(IpAddress address) => _byAddress.TryGetValue(address, out var slot) ? slot : -1;

    /// <summary>
    /// Notes that a client uses an address. False if another client is using it or this one uses too many. A client that has moved on
    /// does not keep its address from its next holder.
    /// </summary>
    public bool TryClaim(int slot, IpAddress address)
    {
        var owner = OwnerOf(address);
        if (owner >= 0)
        {
            if (owner == slot)
            {
                return true;
            }

            if (_clients[owner].State is (ClientState.Serving or ClientState.Arriving or ClientState.Away or ClientState.Further) && !_letGo.Contains(address))
            {
                return false;
            }
        }

        if (_clients[slot].Addresses.Count >= _maxAddresses)
        {
            return false;
        }

        if (owner >= 0)
        {
            _clients[owner].Addresses.Remove(address);
            _letGo.Remove(address);
        }

        _byAddress[address] = slot;
        _clients[slot].Addresses.Add(address);
        News?.Enqueue(slot);
        return true;
    }

    /// <summary>Whoever uses an address does not keep it from the next one that does.</summary>
    public void LetGo(IpAddress address)
    {
        if (_byAddress.ContainsKey(address))
        {
            _letGo.Add(address);
        }
    }

    /// <summary>Whoever uses an address has been confirmed to have it.</summary>
    public void Keep(IpAddress address) => _letGo.Remove(address);

    /// <summary>Addresses come from outside, so their hash is seeded.</summary>
    private sealed class SeededAddressComparer(uint seed) : IEqualityComparer<IpAddress>
    {
        public bool Equals(IpAddress x, IpAddress y) => x == y;

        public int GetHashCode(IpAddress obj) => (int)FlowHash.Of(TransportProtocol.Icmp, new TransportEndpoint(obj, 0), seed);
    }
}
