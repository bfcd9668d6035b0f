using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Neighbours;

/// <summary>Where a client is served, and under which addresses others know it.</summary>
public sealed class ClientPlace
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch in which it is served there.</summary>
    public Epoch Epoch { get; internal set; }

    /// <summary>Its FAM.</summary>
    public NodeId Node { get; internal set; }

    /// <summary>Where that takes what is for it.</summary>
    public IReadOnlyList<TransportEndpoint> Peers { get; internal set; } = [];

    /// <summary>What that wants to be shown.</summary>
    public ulong Key { get; internal set; }

    /// <summary>Whether it has left since.</summary>
    public bool HasLeft { get; internal set; }

    /// <summary>Its addresses.</summary>
    public List<IpAddress> Addresses { get; } = [];

    /// <summary>Where it was before.</summary>
    public IReadOnlyList<TransportEndpoint> Previous { get; internal set; } = [];
}

/// <summary>
/// Which client has which address and where it is, for nodes whose clients speak to each other (N-13). Soft state: it is what nodes say of the clients that they serve, and they say it again to
/// every coordinator that they come to, so nothing of it is stored. An address stays its client's while that is served. Fixed bounds.
/// </summary>
public sealed class NeighbourDirectory
{
    /// <summary>The most clients, addresses, and nodes that want to hear of an address.</summary>
    public const int MaxClients = 131_072;
    private const int MaxAddresses = 2 * MaxClients;
    private const int MaxWatched = 65_536;
    private const int MaxWatchers = 64;

    /// <summary>Who has asked hears of moves for so long; nodes ask again while they send.</summary>
    private static readonly TimeSpan s_watch = TimeSpan.FromSeconds(90);

    private readonly Dictionary<MacAddress, ClientPlace> _places = [];
    private readonly Dictionary<IpAddress, (MacAddress Client, Instant Since)> _owners = [];
    private readonly Dictionary<IpAddress, List<(NodeId Node, Instant Until)>> _watchers = [];

    /// <summary>Clients that are known.</summary>
    public int Count => _places.Count;

    /// <summary>Addresses that are known.</summary>
    public int AddressCount => _owners.Count;

    /// <summary>Where the client with an address is; null if nobody who is served has it.</summary>
    public ClientPlace? Find(IpAddress address) => _owners.TryGetValue(address, out var owner) && _places.TryGetValue(owner.Client, out var place) && !place.HasLeft ? place : null;

    /// <summary>Where a client is or was; null if that is not known.</summary>
    public ClientPlace? Find(MacAddress client) => _places.GetValueOrDefault(client);

    /// <summary>A node says that a client is there.</summary>
    /// <param name="node">The node.</param>
    /// <param name="here">What it says.</param>
    /// <param name="isServing">Whether a node has a session with anybody, so that what it serves is served.</param>
    /// <param name="now">The time.</param>
    /// <param name="place">The client's place then; null if it is not taken.</param>
    /// <param name="refused">Addresses that are another client's.</param>
    /// <returns>How it was taken.</returns>
    public AckStatus Note(NodeId node, NeighbourHere here, Func<NodeId, bool> isServing, Instant now, out ClientPlace? place, out List<IpAddress> refused)
    {
        refused = [];
        if (!_places.TryGetValue(here.Client, out place))
        {
            if (_places.Count >= MaxClients && !TryForget(isServing))
            {
                return AckStatus.Refused;
            }

            _places[here.Client] = place = new ClientPlace { Client = here.Client };
        }
        else if (here.Epoch < place.Epoch || (here.Epoch == place.Epoch && place.Node != node))
        {
            return AckStatus.StaleEpoch;
        }

        if (here.HasLeft)
        {
            place.HasLeft = true;
            return AckStatus.Ok;
        }

        if (place.Node != node)
        {
            place.Previous = place.HasLeft ? [] : place.Peers;
        }

        (place.Epoch, place.Node, place.Peers, place.Key, place.HasLeft) = (here.Epoch, node, here.Peers, here.Key, false);
        foreach (var address in here.Addresses)
        {
            if (_owners.TryGetValue(address, out var owner) && owner.Client != here.Client)
            {
                if (_places.TryGetValue(owner.Client, out var other) && !other.HasLeft && isServing(other.Node))
                {
                    refused.Add(address);
                    continue;
                }

                other?.Addresses.Remove(address);
                _owners.Remove(address);
            }

            if (!_owners.ContainsKey(address) && _owners.Count < MaxAddresses && place.Addresses.Count < ControlLimits.MaxAddresses)
            {
                _owners[address] = (here.Client, now);
                place.Addresses.Add(address);
            }
        }

        return AckStatus.Ok;
    }

    /// <summary>For how long an address has been its client's.</summary>
    public TimeSpan AgeOf(IpAddress address, Instant now) => _owners.TryGetValue(address, out var owner) ? now - owner.Since : TimeSpan.Zero;

    /// <summary>An address is another client's than was thought.</summary>
    /// <param name="address">The address.</param>
    /// <param name="place">That client's place.</param>
    /// <param name="since">Since when it is its.</param>
    public void Give(IpAddress address, ClientPlace place, Instant since)
    {
        if (_owners.TryGetValue(address, out var owner) && _places.TryGetValue(owner.Client, out var other))
        {
            other.Addresses.Remove(address);
        }

        _owners.Remove(address);
        if (place.Addresses.Count < ControlLimits.MaxAddresses)
        {
            _owners[address] = (place.Client, since);
            place.Addresses.Add(address);
        }
    }

    /// <summary>A node has started anew and serves nobody yet.</summary>
    public void Restarted(NodeId node)
    {
        foreach (var place in _places.Values)
        {
            place.HasLeft |= place.Node == node;
        }
    }

    /// <summary>A node wants to hear where an address is from now on.</summary>
    public void Watch(IpAddress address, NodeId node, Instant now)
    {
        if (!_watchers.TryGetValue(address, out var watchers))
        {
            if (_watchers.Count >= MaxWatched)
            {
                foreach (var (watched, all) in _watchers)
                {
                    if (all.TrueForAll(w => w.Until <= now))
                    {
                        _watchers.Remove(watched);
                    }
                }

                if (_watchers.Count >= MaxWatched)
                {
                    return;
                }
            }

            _watchers[address] = watchers = [];
        }

        watchers.RemoveAll(w => w.Node == node || w.Until <= now);
        if (watchers.Count < MaxWatchers)
        {
            watchers.Add((node, now + s_watch));
        }
    }

    /// <summary>Who wants to hear of an address.</summary>
    public IEnumerable<NodeId> WatchersOf(IpAddress address, Instant now) => _watchers.TryGetValue(address, out var watchers) ? watchers.Where(w => w.Until > now).Select(w => w.Node) : [];

    /// <summary>Makes room: a client that has left, or whose node is gone.</summary>
    private bool TryForget(Func<NodeId, bool> isServing)
    {
        foreach (var place in _places.Values)
        {
            if (place.HasLeft || !isServing(place.Node))
            {
                place.Addresses.ForEach(a => _owners.Remove(a));
                return _places.Remove(place.Client);
            }
        }

        return false;
    }
}
