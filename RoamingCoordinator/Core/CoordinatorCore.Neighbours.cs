using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Neighbours;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Tells nodes where the clients are that their clients speak to (N-13). Each coordinator knows what the nodes say that are connected to it, and what other coordinators pass on; a question is
/// passed on to the others too, and the answer with the highest epoch is right.
/// </summary>
public sealed partial class CoordinatorCore
{
    private static readonly TimeSpan s_servesOn = TimeSpan.FromSeconds(60);

    /// <summary>What coordinators tell each other takes time: ages that differ by less are the same.</summary>
    private static readonly TimeSpan s_sameAge = TimeSpan.FromSeconds(2);

    private readonly HashSet<ulong> _otherLives = [];

    /// <summary>Which client has which address, and where it is.</summary>
    public NeighbourDirectory Neighbours { get; } = new();

    /// <summary>Questions of nodes for clients elsewhere.</summary>
    public long NeighbourQueries { get; private set; }

    /// <summary>Addresses that a node's client uses and that were another client's.</summary>
    public long NeighbourAddressesRefused { get; private set; }

    private void OnNeighbourHere(NodeState node, NeighbourHere here)
    {
        if (here.Client.IsNone || here.Client.IsGroup || here.HasLeft || here.OwnedMilliseconds != 0 || here.Peers.Any(p => !node.Addresses.Contains(p.Address)))
        {
            Refuse(node, here, "where a client is can be said by its own node only, with that node's addresses");
            return;
        }

        var before = Neighbours.Find(here.Client);
        var (was, at) = (before?.Node ?? NodeId.None, before?.Epoch ?? Epoch.None);
        var status = Neighbours.Note(node.Id, here, IsServing, _now, out var place, out var refused);
        NeighbourAddressesRefused += refused.Count;
        Send(node, new NeighbourNoted
        {
            Id = here.Id, Client = here.Client, Status = status, Addresses = status == AckStatus.Ok ? [.. place!.Addresses] : [], Refused = refused, Previous = status == AckStatus.Ok ? place!.Previous : [],
        });
        if (status == AckStatus.Ok)
        {
            PassToOthers(node.Id, here);
            TellNeighbours(place!, at < place!.Epoch ? was : NodeId.None);
        }
    }

    private void OnNeighbourQuery(NodeState node, NeighbourQuery query)
    {
        NeighbourQueries++;
        if (query.Address.IsMulticastOrBroadcast)
        {
            JoinGroup(node, query.Address);
            Send(node, DescribeGroup(node, query.Id, query.Address));
        }
        else
        {
            Neighbours.Watch(query.Address, node.Id, _now);
            Send(node, Describe(query.Id, query.Address));
        }

        PassToOthers(node.Id, query);
    }

    /// <summary>Another coordinator passes on what a node has said or asked.</summary>
    private void OnNeighbourRelayed(NodeState node, ControlMessage message)
    {
        if (message is NeighbourHere here)
        {
            if (Neighbours.Note(node.Id, here, IsServing, _now, out var place, out var refused) == AckStatus.Ok)
            {
                refused.ForEach(address => SettleAddress(node, here, place!, address));
                TellNeighbours(place!, NodeId.None);
            }
        }
        else if (message is NeighbourQuery { Address.IsMulticastOrBroadcast: true } group)
        {
            JoinGroup(node, group.Address);
        }
        else if (message is NeighbourQuery query && Neighbours.Find(query.Address) is { } found && Nodes.Find(found.Node) is { IsHere: true })
        {
            Send(node, Describe(query.Id, query.Address));
        }
    }

    /// <summary>
    /// Two coordinators that had not heard of each other's clients have given both one address. Whoever has had it for longer keeps it; where that is nearly the same, the lower MAC address, so
    /// that both come to one end. It takes one word and one answer at most: who goes on claiming is asked again.
    /// </summary>
    private void SettleAddress(NodeState node, NeighbourHere claim, ClientPlace claimant, IpAddress address)
    {
        if (Neighbours.Find(address) is not { } owner || Nodes.Find(owner.Node) is not { IsHere: true } home)
        {
            // Whoever has the owner's node says so.
            return;
        }

        var owned = Neighbours.AgeOf(address, _now);
        var claimed = TimeSpan.FromMilliseconds(Math.Min(claim.OwnedMilliseconds, int.MaxValue));
        var isClaimants = (owned - claimed).Duration() > s_sameAge ? claimed > owned : claim.Client.Value < owner.Client.Value;
        if (claim.OwnedMilliseconds > 0 && isClaimants)
        {
            Neighbours.Give(address, claimant, _now - claimed);
            NeighbourAddressesRefused++;
            Send(home, new NeighbourNoted { Id = 0, Client = owner.Client, Status = AckStatus.Ok, Addresses = [.. owner.Addresses], Refused = [address] });
        }
        else if (!claim.IsFinal)
        {
            _peers?.Relay(node.Via, owner.Node, new NeighbourHere
            {
                Id = claim.Id, Client = owner.Client, Epoch = owner.Epoch, Addresses = [address], Peers = owner.Peers, Key = owner.Key,
                OwnedMilliseconds = 1 + (ulong)owned.TotalMilliseconds, IsFinal = claim.OwnedMilliseconds > 0,
            });
        }
    }

    /// <summary>A client has left: its addresses may be another's from now on.</summary>
    private void NoteDeparture(NodeState node, Depart depart)
    {
        if (Neighbours.Find(depart.Client) is { HasLeft: false } place && place.Node == node.Id && place.Epoch <= depart.Epoch)
        {
            place.HasLeft = true;
            PassToOthers(node.Id, new NeighbourHere { Id = depart.Id, Client = depart.Client, Epoch = place.Epoch, HasLeft = true });
        }
    }

    /// <summary>Who has asked for it hears where a client is, and the node that it has left.</summary>
    private void TellNeighbours(ClientPlace place, NodeId left)
    {
        foreach (var address in place.Addresses)
        {
            foreach (var watcher in Neighbours.WatchersOf(address, _now))
            {
                Tell(watcher, address);
            }

            if (!left.IsNone && !Neighbours.WatchersOf(address, _now).Contains(left))
            {
                Tell(left, address);
            }
        }

        void Tell(NodeId id, IpAddress address)
        {
            if (id != place.Node && Nodes.Find(id) is { } node)
            {
                Send(node, Describe(0, address));
            }
        }
    }

    private NeighbourAt Describe(ulong id, IpAddress address) => Neighbours.Find(address) is { } place
        ? new NeighbourAt { Id = id, Address = address, Client = place.Client, Epoch = place.Epoch, Peers = place.Peers, Key = place.Key }
        : new NeighbourAt { Id = id, Address = address };

    /// <summary>Nodes that ask for a group take part in it: each is told the others. All coordinators over one store give the same key.</summary>
    private NeighbourAt DescribeGroup(NodeState asker, ulong id, IpAddress group) => new()
    {
        Id = id,
        Address = group,
        Peers = [.. Neighbours.WatchersOf(group, _now).Where(n => n != asker.Id).Select(Nodes.Find).OfType<NodeState>().Where(n => !n.PeerEndpoint.IsNone).Select(n => n.PeerEndpoint).Take(ControlLimits.MaxAddresses)],
        Key = new SeededRandom(_store.Incarnation ^ (_peers is null ? _seed : 0)).NextUInt64(),
    };

    /// <summary>A node takes part; those that are connected here and did so before hear of it at once.</summary>
    private void JoinGroup(NodeState node, IpAddress group)
    {
        var isNew = !Neighbours.WatchersOf(group, _now).Contains(node.Id);
        Neighbours.Watch(group, node.Id, _now);
        foreach (var member in isNew ? Neighbours.WatchersOf(group, _now).ToList() : [])
        {
            if (member != node.Id && Nodes.Find(member) is { IsHere: true } other)
            {
                Send(other, DescribeGroup(other, 0, group));
            }
        }
    }

    /// <summary>Whose session has just been lost goes on serving: its clients' addresses are not free at once.</summary>
    private bool IsServing(NodeId id) => Nodes.Find(id) is { } node && (node.IsConnected || _now < node.LastHeard + s_servesOn);

    private void PassToOthers(NodeId node, ControlMessage message)
    {
        if (_peers is null)
        {
            return;
        }

        _otherLives.Clear();
        foreach (var other in Nodes.Nodes)
        {
            if (other.Via != 0 && _otherLives.Add(other.Via))
            {
                _peers.Relay(other.Via, node, message);
            }
        }
    }
}
