using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>A node that has introduced itself, and what is still to be said to it.</summary>
public sealed class NodeState
{
    internal NodeState(NodeId id, Outbox outbox)
    {
        Id = id;
        Outbox = outbox;
    }

    /// <summary>Its name.</summary>
    public NodeId Id { get; }

    /// <summary>The life of its process.</summary>
    public ulong Incarnation { get; internal set; }

    /// <summary>Where it takes peer datagrams.</summary>
    public TransportEndpoint PeerEndpoint { get; internal set; }

    /// <summary>The addresses it is configured with: it owns them unless another node has taken them over.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; internal set; } = [];

    /// <summary>Other nodes' addresses that it can take over.</summary>
    public IReadOnlyList<IpPrefix> Takes { get; internal set; } = [];

    /// <summary>Addresses that it has said something about when it came: it is told how that is.</summary>
    internal IReadOnlyList<IpAddress> Claimed { get; set; } = [];

    /// <summary>Whether it was silent when it was looked after last, and has not been heard since.</summary>
    public bool IsSilent { get; internal set; }

    /// <summary>Whether it was taken for dead and has not been back since.</summary>
    public bool HasFailed { get; internal set; }

    /// <summary>Whether an operator wants nothing to be anchored at it.</summary>
    public bool IsDraining { get; internal set; }

    /// <summary>How many clients it served when it was last heard; null: it has not said so in this session.</summary>
    public uint? Clients { get; internal set; }

    /// <summary>On how many ways to other nodes it rewrites packets because the network drops foreign sources, as it has said in this session.</summary>
    public uint WaysRewritten { get; internal set; }

    /// <summary>What it was told of the store's incarnation, and when.</summary>
    internal (ulong Store, Instant At) Told { get; set; }

    /// <summary>Whether an operator has let it anchor again: then it gets its addresses back, whatever the policy on that is.</summary>
    internal bool IsUndrained { get; set; }

    /// <summary>When it may be offered its own addresses again: not at once after it could not be, or would not take them.</summary>
    internal Instant NoReturnBefore { get; set; }

    /// <summary>When it is looked at again what of its addresses can be moved away.</summary>
    internal Instant DrainAt { get; set; }

    /// <summary>How many mappings it anchored when it was last heard.</summary>
    public uint Mappings { get; internal set; }

    /// <summary>How many mappings the other coordinators were told it anchors, and when; null: they have not been told since its session is up.</summary>
    internal (Instant At, uint Mappings)? LoadTold { get; set; }

    /// <summary>Whether it, or the coordinator that has its session, has said how many they are since that session is up.</summary>
    internal bool IsLoadKnown { get; set; }

    /// <summary>How many of them there are at each address that it owns, when it was last heard here.</summary>
    internal IReadOnlyList<AddressLoad> Loads { get; set; } = [];

    /// <summary>Since when it has been busy; never if it is not.</summary>
    internal Instant BusySince { get; set; } = Instant.Never;

    /// <summary>When it is looked at again what of its addresses is to move because of load.</summary>
    internal Instant BalanceAt { get; set; }

    /// <summary>When an address has last come to it or gone from it, as far as was seen here.</summary>
    internal Instant? ShiftedAt { get; set; }

    /// <summary>When an operator has last let it anchor again.</summary>
    internal Instant UndrainedAt { get; set; }

    /// <summary>Since when its session is up.</summary>
    public Instant UpSince { get; internal set; }

    /// <summary>Its session with this coordinator; 0 while there is none.</summary>
    public ulong Session { get; internal set; }

    /// <summary>The life of another coordinator that it has a session with; 0 while there is none.</summary>
    public ulong Via { get; internal set; }

    /// <summary>The number of its latest session that is known, wherever that is.</summary>
    public ulong Number { get; internal set; }

    /// <summary>The store's life in which that session was registered last.</summary>
    internal ulong RegisteredIn { get; set; }

    /// <summary>When it was last heard.</summary>
    public Instant LastHeard { get; internal set; }

    /// <summary>How often more was to be said to it than may wait, so that it had to start over.</summary>
    public ulong Overflows { get; internal set; }

    /// <summary>What was to be said to it has been thrown away; its next session puts it right.</summary>
    internal bool IsBehind { get; set; }

    /// <summary>Whether it has a session with any coordinator.</summary>
    public bool IsConnected => Session != 0 || Via != 0;

    /// <summary>Whether it has a session with this coordinator.</summary>
    public bool IsHere => Session != 0;

    /// <summary>Pushes that wait for its acknowledgment.</summary>
    public int PushesWaiting => Outbox.Count;

    /// <summary>Octets of them, at most.</summary>
    public long PushesWaitingBytes => Outbox.Bytes;

    internal Outbox Outbox { get; }

    /// <summary>How many mappings it has at an address, not more than it has in all; 0 if it has not said so.</summary>
    internal uint LoadOf(IpAddress address) => Math.Min(Mappings, Loads.FirstOrDefault(l => l.Address == address)?.Mappings ?? 0);

    /// <summary>A session that has said who it is and is being prepared; 0 if there is none.</summary>
    internal ulong Joining { get; set; }

    /// <summary>The number of the greeting that began its session.</summary>
    internal ulong HelloId { get; set; }

    /// <summary>Whether it is being registered anew.</summary>
    internal bool IsRegistering { get; set; }

    /// <summary>Whether a time has been set to renew what it is concerned with.</summary>
    internal bool IsRenewing { get; set; }

    /// <summary>When to look whether it is alive.</summary>
    internal Instant WatchAt { get; set; } = Instant.Never;

    /// <summary>What other nodes have found out about it so far; null while they are not asked.</summary>
    internal Inquest? Inquest { get; set; }

    /// <summary>Its requests that wait for another request about the same client.</summary>
    internal int Waiting { get; set; }
}

/// <summary>The nodes that have introduced themselves, by name and by address.</summary>
public sealed class NodeDirectory
{
    private readonly SortedDictionary<string, NodeState> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<IpAddress, NodeState> _byAddress = [];
    private readonly SortedDictionary<IpAddress, AddressRecord> _moved = [];
    private readonly Dictionary<IpAddress, Instant> _movedAt = [];

    /// <summary>The nodes, in the order of their names.</summary>
    public IEnumerable<NodeState> Nodes => _nodes.Values;

    /// <summary>How many there are.</summary>
    public int Count => _nodes.Count;

    /// <summary>A node by name, or null.</summary>
    public NodeState? Find(NodeId id) => id.IsNone ? null : _nodes.GetValueOrDefault(id.Name!);

    /// <summary>Whether a node has a session.</summary>
    public bool IsConnected(NodeId id) => Find(id)?.IsConnected ?? false;

    /// <summary>The node that owns an address; none if nobody does.</summary>
    public NodeId OwnerOf(IpAddress address) => MovedTo(address) is { IsNone: false } owner ? owner : HomeOf(address);

    /// <summary>The node that an address was configured at; none if no such node is known.</summary>
    public NodeId HomeOf(IpAddress address) => _byAddress.TryGetValue(address, out var node) ? node.Id : NodeId.None;

    /// <summary>
    /// The node to which an address has come home although a reporter believes that another one has it: both are connected, so both have said what is theirs. None if that is not so,
    /// or if the address is known to have moved.
    /// </summary>
    internal NodeId HomeInsteadOf(NodeId believed, IpAddress address) =>
        MovedTo(address).IsNone && HomeOf(address) is { IsNone: false } home && home != believed && IsConnected(home) && IsConnected(believed) ? home : NodeId.None;

    internal int MovedCount => _moved.Count;

    /// <summary>Whether any address has ever moved: if not, nothing needs to be looked up in records.</summary>
    public bool HasMoved => _moved.Count > 0;

    /// <summary>The owner of an address that has moved; none if it never has.</summary>
    public NodeId MovedTo(IpAddress address) => _moved.Count > 0 && _moved.TryGetValue(address, out var moved) ? moved.Owner : NodeId.None;

    /// <summary>The addresses that a node owns now.</summary>
    public IEnumerable<IpAddress> OwnedBy(NodeState node) =>
        node.Addresses.Where(a => OwnerOf(a) == node.Id).Concat(_moved.Values.Where(m => m.Owner == node.Id && HomeOf(m.Address) != node.Id).Select(m => m.Address));

    /// <summary>Addresses that another node owns than the one that they are configured at, which is none if it is not known; and whether that one has given it away because of load.</summary>
    public IEnumerable<(IpAddress Address, NodeId Home, NodeId Owner, bool ByLoad)> Elsewhere =>
        _moved.Values.Select(m => (m.Address, Home: HomeOf(m.Address), m.Owner, m.ByLoad)).Where(m => !m.Owner.IsNone && m.Owner != m.Home);

    /// <summary>Whether a node has no address of its own left, by the latest word that has been said about them: it serves nobody.</summary>
    public bool IsFenced(NodeState node) => !node.Addresses.Any(a => FindMoved(a) is not { } moved || moved.Latest.Node == node.Id);

    /// <summary>Addresses that have moved, or are about to.</summary>
    public IEnumerable<AddressRecord> Moved => _moved.Values;

    /// <summary>How far the store's book of addresses has been read: a record that was made right by a later state of it says so.</summary>
    internal ulong AddressesAsOf { get; set; }

    internal AddressRecord? FindMoved(IpAddress address) => _moved.GetValueOrDefault(address);

    /// <summary>When an address was seen to have another owner; null if it never was.</summary>
    internal Instant? MovedAt(IpAddress address) => _movedAt.TryGetValue(address, out var at) ? at : null;

    internal void Set(AddressRecord record, Instant now)
    {
        var before = OwnerOf(record.Address);
        _moved[record.Address] = record;
        if (before != record.Owner)
        {
            _movedAt[record.Address] = now;
            foreach (var node in new[] { Find(before), Find(record.Owner) }.OfType<NodeState>())
            {
                node.ShiftedAt = now;
            }
        }
    }

    /// <summary>What a node must know of addresses that have moved: its own, and those that it has or is to have.</summary>
    internal IReadOnlyList<AddressOwner> OwnersFor(NodeId node, IReadOnlyList<IpAddress> own) =>
        [.. _moved.Values.Select(m => m.WordFor(node)).Where(o => !o.Node.IsNone && (o.Node == node || own.Contains(o.Address))).Take(ControlLimits.MaxAddresses)];

    /// <summary>The node that owns one of these addresses and is not <paramref name="id"/>; none if all are free.</summary>
    public NodeId FindRival(NodeId id, IReadOnlyList<IpAddress> addresses)
    {
        foreach (var address in addresses)
        {
            if (_byAddress.TryGetValue(address, out var node) && node.Id != id && node.IsConnected)
            {
                return node.Id;
            }
        }

        return NodeId.None;
    }

    internal void Add(NodeState node) => _nodes.Add(node.Id.Name!, node);

    internal void SetAddresses(NodeState node, IReadOnlyList<IpAddress> addresses)
    {
        foreach (var address in node.Addresses)
        {
            if (_byAddress.TryGetValue(address, out var owner) && owner == node)
            {
                _byAddress.Remove(address);
            }
        }

        node.Addresses = addresses;
        foreach (var address in addresses)
        {
            _byAddress[address] = node;
        }
    }
}
