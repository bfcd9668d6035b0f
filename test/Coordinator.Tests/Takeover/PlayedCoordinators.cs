using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>Several coordinators in one process that hear of each other at once: the book of addresses, and where nodes are connected.</summary>
internal sealed class PlayedCoordinators
{
    private readonly SortedDictionary<ulong, Peer> _peers = [];
    private readonly Dictionary<IpAddress, AddressRecord> _book = [];
    private readonly HashSet<NodeId> _drained = [];
    private ulong _version;
    private ulong _sessions;

    /// <summary>News of the book of addresses get lost: the others see it when they read it.</summary>
    public bool LosesNews { get; set; }

    /// <summary>What coordinators pass on to each other gets lost.</summary>
    public bool LosesRelays { get; set; }

    /// <summary>A site whose coordinator has this life.</summary>
    public PlayedSite Begin(ulong life, IClientStore store, BalanceOptions? balance = null)
    {
        var peer = new Peer(this, life);
        peer.Site = new PlayedSite(new CoordinatorOptions { Life = life, Balance = balance ?? new BalanceOptions() }, store, peer);
        _peers[life] = peer;
        return peer.Site;
    }

    /// <summary>A coordinator dies: nothing comes from it any more, and the others hear of it.</summary>
    public void Kill(ulong life)
    {
        _peers.Remove(life);
        foreach (var other in _peers.Values)
        {
            other.Site!.Bench.Core.OnCoordinatorGone(life, other.Site.Bench.Now);
        }
    }

    public AddressRecord? Find(IpAddress address) => _book.GetValueOrDefault(address);

    private void Others(ulong life, Action<CoordinatorBench> tell)
    {
        foreach (var other in _peers.Where(p => p.Key != life && _peers.ContainsKey(life)).ToList())
        {
            tell(other.Value.Site!.Bench);
        }
    }

    private sealed class Peer(PlayedCoordinators all, ulong life) : ICoordinatorPeers
    {
        public PlayedSite? Site { get; set; }

        public void Register(NodePresence presence, Action<Registration> done)
        {
            var number = ++all._sessions;
            Tell(presence with { Number = number });
            done(new Registration(number, MustForget: false));
        }

        public void Tell(NodePresence presence) => all.Others(life, other => other.Core.OnPresence(presence, other.Now));

        public void Forgotten(NodeId node, ulong number)
        {
        }

        public void Unregister(NodePresence presence) => Tell(presence);

        public void Renew(NodeId node, IReadOnlyList<IpAddress> addresses)
        {
        }

        public void Relay(ulong life1, NodeId node, ControlMessage message)
        {
            if (!all.LosesRelays && all._peers.TryGetValue(life1, out var other) && all._peers.ContainsKey(life))
            {
                other.Site!.Bench.Core.OnRelayed(life, node, message, other.Site.Bench.Now);
            }
        }

        public bool Watch(ulong watched) => all._peers.ContainsKey(watched);

        public void ReadAddresses(Action<AddressBook> done) => done(new AddressBook([.. all._book.Values], all._drained.ToHashSet(), all._version));

        public void WriteAddresses(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done)
        {
            if (!changes.All(c => all._book.GetValueOrDefault(c.After.Address) == c.Before))
            {
                done(new AddressesWritten(StoreOutcome.Changed));
                return;
            }

            foreach (var change in changes)
            {
                all._book[change.After.Address] = change.After;
            }

            var before = all._version;
            all._version = Math.Max(before, asOf) + 1;
            done(new AddressesWritten(StoreOutcome.Stored, all._version, before));
            if (!all.LosesNews)
            {
                all.Others(life, other => other.Core.OnAddressesChanged(other.Now));
            }
        }

        public void WriteDrained(NodeId node, bool isDrained, Action<StoreFailure> done)
        {
            _ = isDrained ? all._drained.Add(node) : all._drained.Remove(node);
            all.Others(life, other => other.Core.OnAddressesChanged(other.Now));
            done(StoreFailure.None);
        }
    }
}
