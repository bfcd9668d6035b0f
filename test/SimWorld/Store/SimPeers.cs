using System.Globalization;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Store;

/// <summary>
/// The other coordinators over the same store, as the Redis adapter sees them: where each node is connected stands in the store, what changes is published, messages for a node go
/// over the channel of the coordinator that it is connected to. Published messages may get lost; what is in the store is read again from time to time.
/// </summary>
internal sealed partial class SimPeers : ICoordinatorPeers
{
    private const ulong Everybody = 0;

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LifeLease = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Deaf = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReadInterval = TimeSpan.FromSeconds(10);
    private static readonly StoreKey NodesKey = new("store", "nodes");

    private readonly SimNetwork _network;
    private readonly SimStore _store;
    private readonly SimStoreLink _link;
    private readonly ulong _life;
    private readonly SimCoordinator _coordinator;
    private readonly SortedSet<ulong> _others = [];
    private readonly SortedSet<ulong> _gone = [];
    private readonly NewsCount _news = new();
    private ulong _said;
    private bool _readSoon;
    private Instant _heardFromEverybody;
    private Instant _heardFromRelay;

    public SimPeers(SimNetwork network, SimStore store, ulong life, SimCoordinator coordinator)
    {
        (_network, _store, _link, _life, _coordinator) = (network, store, store.Link, life, coordinator);
    }

    private Instant HeardMyself => Instant.Min(_heardFromEverybody, _heardFromRelay);

    /// <summary>Begins to listen, and reads where all nodes are. Done before agents are let in.</summary>
    public async SimTask<bool> StartAsync()
    {
        _link.Redis.Subscribe(_link, Everybody, OnEverybody);
        _link.Redis.Subscribe(_link, _life, OnRelay);
        (_heardFromEverybody, _heardFromRelay) = (new Instant(-1), new Instant(-1));
        var begin = _network.Now;
        do
        {
            await BeatAsync();
            await _network.WaitAsync(TimeSpan.FromMilliseconds(20));
        }
        while (HeardMyself < begin && _network.Now - begin < Patience);
        await ReadAsync();
        _ = BeatOnAsync();
        return true;
    }

    public void Register(NodePresence presence, Action<Registration> done) => _ = RegisterAsync(presence, done);

    public void Forgotten(NodeId node, ulong number) => _ = _link.RunAsync(SimStore.NodeKey(node), m => Scripts.Settle(m, SimStore.NodeKey(node), number));

    public void Tell(NodePresence presence) => Say(new PresenceFrame(presence));

    public void Unregister(NodePresence presence) => _ = UnregisterAsync(presence);

    public void Renew(NodeId node, IReadOnlyList<IpAddress> addresses) => _ = RenewAsync(node, addresses);

    public void Relay(ulong life, NodeId node, ControlMessage message) => _link.Publish(life, new RelayFrame(_life, node, _network.OverTheWire(message)));

    private static StoreKey LifeKey(ulong life) => new(life.ToString("x16", CultureInfo.InvariantCulture), "k");

    private async SimTask<bool> RegisterAsync(NodePresence presence, Action<Registration> done)
    {
        var listed = await _link.RunAsync(NodesKey, m => Scripts.List(m, NodesKey, presence.Node.Name!, _store.Lease));
        var registration = new Registration(0, false, listed.Failure);
        if (listed.Failure == StoreFailure.None)
        {
            var key = SimStore.NodeKey(presence.Node);
            var reply = await _link.RunAsync(key, m => Scripts.Register(m, key, presence, _store.Lease));
            registration = reply.Failure == StoreFailure.None ? reply.Value : new Registration(0, false, reply.Failure);
            if (reply.Failure == StoreFailure.None)
            {
                Say(new PresenceFrame(presence with { Number = registration.Number }));
            }
        }

        _coordinator.Post(() => done(registration));
        return true;
    }

    private async SimTask<bool> UnregisterAsync(NodePresence presence)
    {
        var key = SimStore.NodeKey(presence.Node);
        var reply = await _link.RunAsync(key, m => Scripts.Disconnect(m, key, presence.Number));
        if (reply is { Failure: StoreFailure.None, Value: true })
        {
            Say(new PresenceFrame(presence));
        }

        return true;
    }

    private async SimTask<bool> RenewAsync(NodeId node, IReadOnlyList<IpAddress> addresses)
    {
        await _link.RunAsync(NodesKey, m => Scripts.List(m, NodesKey, node.Name!, _store.Lease));
        await _link.RunAsync(SimStore.NodeKey(node), m => Scripts.Renew(m, [SimStore.NodeKey(node), .. Enumerable.Range(0, 16).Select(s => SimStore.ListKey(node, s))], _store.Lease));
        await _link.RunAsync(AddressesKey, m => Scripts.Renew(m, [AddressesKey, AddressesVersionKey, DrainedKey], _store.Lease));
        foreach (var address in addresses)
        {
            MappingId[] firsts =
            [
                .. new[] { TransportProtocol.Icmp, TransportProtocol.Tcp, TransportProtocol.Udp }
                    .SelectMany(p => Enumerable.Range(0, 256).Select(high => new MappingId(p, new TransportEndpoint(address, (ushort)(high << 8))))),
            ];
            await _link.RunAsync(SimStore.BucketKey(firsts[0]), m => Scripts.Renew(m, firsts.Select(SimStore.BucketKey), _store.Lease));
        }

        return true;
    }

    private void OnEverybody(object frame)
    {
        switch (frame)
        {
            case AliveFrame { Life: var life } when life == _life:
                _heardFromEverybody = _network.Now;
                break;
            case AliveFrame { Life: var life, Said: var said }:
                _others.Add(life);
                _readSoon |= _gone.Remove(life) | _news.HasMissed(life, said);
                break;
            case AddressesFrame { Life: var life } when life != _life:
                _others.Add(life);
                _news.Hear(life);
                _coordinator.OnAddressesChanged();
                break;
            case PresenceFrame { Presence: var presence } when presence.Life != _life:
                _others.Add(presence.Life);
                _news.Hear(presence.Life);
                _coordinator.OnPresence(presence);
                break;
        }
    }

    private void OnRelay(object frame)
    {
        switch (frame)
        {
            case AliveFrame:
                _heardFromRelay = _network.Now;
                break;
            case RelayFrame relay:
                _coordinator.OnRelayed(relay.From, relay.Node, relay.Message);
                break;
        }
    }

    private async SimTask<bool> BeatOnAsync()
    {
        var incarnation = _store.Incarnation;
        var nextRead = _network.Now + ReadInterval;
        while (!_link.IsClosed)
        {
            await _network.WaitAsync(_network.Pace(Beat));
            await BeatAsync();
            var isDeaf = _network.Now - HeardMyself > _network.Pace(Deaf);
            if (isDeaf)
            {
                (_heardFromEverybody, _heardFromRelay) = (_network.Now, _network.Now);
            }

            if (isDeaf || _readSoon || _network.Now >= nextRead || incarnation != _store.Incarnation)
            {
                _readSoon = false;
                incarnation = _store.Incarnation;
                nextRead = _network.Now + _network.Pace(ReadInterval);
                await ReadAsync();
            }
        }

        return true;
    }

    private async SimTask<bool> BeatAsync()
    {
        var lease = _network.Pace(LifeLease);
        await _link.RunAsync(LifeKey(_life), m => SetAlive(m, LifeKey(_life), lease));
        _link.Publish(Everybody, new AliveFrame(_life, _said));
        _link.Publish(_life, new AliveFrame(_life, _said));
        foreach (var life in _others.ToArray())
        {
            var reply = await _link.RunAsync(LifeKey(life), m => m.Get<StoredLife>(LifeKey(life)) is not null);
            if (reply is { Failure: StoreFailure.None, Value: false })
            {
                _gone.Add(life);
                _others.Remove(life);
                _coordinator.OnCoordinatorGone(life);
            }
        }

        return true;
    }

    private void Say(object frame)
    {
        _said++;
        _link.Publish(Everybody, frame);
    }

    private static bool SetAlive(SimMaster master, StoreKey key, TimeSpan lease)
    {
        master.Set(key, new StoredLife(), lease);
        return true;
    }

    private async SimTask<bool> ReadAsync()
    {
        var names = await _link.RunAsync(NodesKey, m => Scripts.Members(m, NodesKey));
        _readSoon |= names.Failure != StoreFailure.None;
        var reading = (names.Value?.ToArray() ?? []).Select(name => (Name: name, Reply: _link.RunAsync(SimStore.NodeKey(new NodeId(name)), m => m.Get<StoredPresence>(SimStore.NodeKey(new NodeId(name)))))).ToArray();
        foreach (var (name, task) in reading)
        {
            var reply = await task;
            if (reply.Failure != StoreFailure.None)
            {
                _readSoon = true;
            }
            else if (reply.Value is not { } found)
            {
                await _link.RunAsync(NodesKey, m => Scripts.Unlist(m, NodesKey, name));
            }
            else if (found.Presence.Life != _life)
            {
                var presence = found.Presence;
                var isAlive = !_gone.Contains(presence.Life);
                if (isAlive)
                {
                    _others.Add(presence.Life);
                }

                _coordinator.OnPresence(presence with { IsConnected = presence.IsConnected && isAlive });
            }
        }

        return true;
    }

    private sealed record AliveFrame(ulong Life, ulong Said);

    private sealed record PresenceFrame(NodePresence Presence);

    private sealed record RelayFrame(ulong From, NodeId Node, ControlMessage Message);
}
