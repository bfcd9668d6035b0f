using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>The uplink of played access points: who answers there.</summary>
internal sealed class PlayedUplink
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TransportEndpoint, PlayedAgent> _there = [];

    public void Join(PlayedAgent agent, TransportEndpoint peer)
    {
        lock (_gate)
        {
            _there[peer] = agent;
        }
    }

    public void Leave(PlayedAgent agent)
    {
        lock (_gate)
        {
            foreach (var (peer, there) in _there.ToList())
            {
                if (there == agent)
                {
                    _there.Remove(peer);
                }
            }
        }
    }

    public bool IsAlive(TransportEndpoint peer)
    {
        lock (_gate)
        {
            return _there.ContainsKey(peer);
        }
    }
}

/// <summary>Taking over, and being replaced.</summary>
internal sealed partial class PlayedAgent
{
    private static readonly IpPrefix Anything = IpPrefix.Parse("192.0.2.0/24");
    private readonly Dictionary<IpAddress, AddressOwner> _owners = [];
    private readonly PlayedUplink? _uplink;
    private bool _isFenced;

    /// <summary>Whether it says that it can take others' addresses.</summary>
    public bool TakesOver { get; init; }

    /// <summary>Whether it takes what it is asked to take without being able to say so.</summary>
    public bool HoldsOffers { get; set; }

    /// <summary>Whether it takes no mappings for the time being.</summary>
    public bool HoldsAdoptions { get; set; }

    /// <summary>How often it was told that its address is another's.</summary>
    public int Fenced { get; private set; }

    /// <summary>Whether it would answer for an address now.</summary>
    public bool Owns(IpAddress address)
    {
        lock (_gate)
        {
            return _stream is not null && (_owners.TryGetValue(address, out var owner) ? owner.Node == Name(_number) : address == Address(_number));
        }
    }

    /// <summary>Whether it has been told that it knows all mappings at an address of another.</summary>
    public bool IsSettled(IpAddress address)
    {
        lock (_gate)
        {
            return _owners.TryGetValue(address, out var owner) && owner.Node == Name(_number) && owner.Settled;
        }
    }

    public bool Anchors(MappingId mapping)
    {
        lock (_gate)
        {
            return _anchored.ContainsKey(mapping);
        }
    }

    /// <summary>The HAM of a mapping that it serves, as far as it has been told.</summary>
    public NodeId HamOf(MacAddress client, MappingId mapping)
    {
        lock (_gate)
        {
            return _served.TryGetValue(client, out var at) && at.Mappings.TryGetValue(mapping, out var record) ? record.Ham : NodeId.None;
        }
    }

    private Hello Greeting(ulong id) => new()
    {
        Id = id,
        Node = Name(_number),
        Incarnation = Incarnation,
        PeerEndpoint = At(_number, 4_747),
        Addresses = [Address(_number)],
        Takes = TakesOver ? [Anything] : [],
        Owners = [.. _owners.Values.Select(o => o with { Settled = true })],
    };

    /// <summary>Takes in who owns what; true if its own address is another's: it forgets everything then.</summary>
    private bool IsFencedBy(IEnumerable<AddressOwner> owners)
    {
        foreach (var owner in owners)
        {
            if (!_owners.TryGetValue(owner.Address, out var known) || owner.Epoch > known.Epoch || (owner.Epoch == known.Epoch && owner.Settled))
            {
                _owners[owner.Address] = owner;
            }

            foreach (var mapping in _owners[owner.Address].Node == Name(_number) ? [] : _anchored.Keys.Where(m => m.Masquerade.Address == owner.Address).ToList())
            {
                _anchored.Remove(mapping);
                _ways.Remove(mapping);
            }
        }

        var isMine = !_owners.TryGetValue(Address(_number), out var own) || own.Node == Name(_number);
        if (isMine || (_anchored.Count == 0 && _served.Count == 0 && _isFenced))
        {
            _isFenced = !isMine;
            return false;
        }

        _isFenced = true;
        Fenced++;
        Incarnation++;
        _anchored.Clear();
        _ways.Clear();
        _served.Clear();
        _unanswered.Clear();
        _stream = null;
        return true;
    }

    private void Adopt(AdoptMappings adopt)
    {
        foreach (var record in adopt.Mappings)
        {
            _anchored[record.Mapping] = (adopt.Client, record);
            if (!_ways.TryGetValue(record.Mapping, out var way) || way.Epoch <= adopt.Epoch)
            {
                _ways[record.Mapping] = (adopt.Epoch, record.FamEndpoint);
            }
        }
    }

    private void TakeUpdate(ArrivalUpdate update)
    {
        if (_served.TryGetValue(update.Client, out var at) && at.Epoch == update.Epoch)
        {
            foreach (var record in update.Mappings)
            {
                at.Mappings[record.Mapping] = record;
            }

            foreach (var ended in update.Ended)
            {
                at.Mappings.Remove(ended);
            }
        }
    }
}
