using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>Takes what the other coordinators say; called in the loop in which the coordinator runs.</summary>
public interface IPeerListener
{
    /// <summary>Where a node is connected.</summary>
    void OnPresence(NodePresence presence);

    /// <summary>A coordinator is not there any more.</summary>
    void OnCoordinatorGone(ulong life);

    /// <summary>Another coordinator has changed the book of addresses.</summary>
    void OnAddressesChanged();

    /// <summary>Another coordinator may have changed who is denied or which policies hold.</summary>
    void OnUsersChanged();

    /// <summary>A message by way of another coordinator.</summary>
    void OnRelayed(ulong from, NodeId node, ControlMessage message);
}

/// <summary>
/// The other coordinators over the same Redis: where each node is connected stands in keys with a lease, what changes is published, messages for a node go over a channel of the
/// coordinator that it is connected to. Published messages may get lost; keys are read again from time to time, and messages are repeated by who sent them.
/// </summary>
public sealed partial class RedisPeers : ICoordinatorPeers, IAsyncDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Deaf = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReadInterval = TimeSpan.FromSeconds(10);

    private readonly RedisClientStore _store;
    private readonly ulong _life;
    private readonly Action<Action> _post;
    private readonly RedisOptions _options;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<ulong, bool> _others = [];
    private readonly ConcurrentDictionary<ulong, bool> _gone = [];
    private IPeerListener? _listener;
    private Task _beating = Task.CompletedTask;
    private readonly NewsCount _news = new();
    private volatile bool _readSoon;
    private ulong _said;

    // A subscription can be lost alone, so a coordinator listens for itself on both of its channels.
    private long _heardFromEverybody = Stopwatch.GetTimestamp();
    private long _heardFromRelay = Stopwatch.GetTimestamp();

    /// <summary>Peers over a store.</summary>
    /// <param name="store">The store.</param>
    /// <param name="options">The store's options.</param>
    /// <param name="life">This coordinator's life.</param>
    /// <param name="post">Takes completions to the coordinator's loop.</param>
    public RedisPeers(RedisClientStore store, RedisOptions options, ulong life, Action<Action> post)
    {
        _store = store;
        _options = options;
        _life = life;
        _post = post;
    }

    /// <summary>Frames of other coordinators that could not be read.</summary>
    public long Unreadable { get; private set; }

    /// <summary>Since when it has not heard itself on one of its channels.</summary>
    private long HeardMyself => Math.Min(Volatile.Read(ref _heardFromEverybody), Volatile.Read(ref _heardFromRelay));

    private string Everybody => _options.Prefix + "peers";

    /// <summary>Begins to listen, and reads where all nodes are. Call before agents are let in.</summary>
    public async Task StartAsync(IPeerListener listener)
    {
        _listener = listener;
        await ListenAsync().ConfigureAwait(false);
        var begin = Stopwatch.GetTimestamp();
        do
        {
            // What is published before the subscriptions hold is not heard, so nothing is read before they do.
            await BeatAsync().ConfigureAwait(false);
            await Task.Delay(20).ConfigureAwait(false);
        }
        while (HeardMyself < begin && Stopwatch.GetElapsedTime(begin) < Patience);
        await ReadAsync().ConfigureAwait(false);
        _beating = BeatOnAsync();
    }

    /// <inheritdoc/>
    public void Register(NodePresence presence, Action<Registration> done) => _ = RegisterAsync(presence, done);

    /// <inheritdoc/>
    public void Forgotten(NodeId node, ulong number) =>
        _ = _store.Link.RunAsync(Script.Settle, [_store.Keys.Node(node)], [Text(number), "settled", "1"]);

    /// <inheritdoc/>
    public void Tell(NodePresence presence) => Say(PeerFrames.Presence(presence));

    /// <inheritdoc/>
    public void Unregister(NodePresence presence) => _ = UnregisterAsync(presence);

    /// <inheritdoc/>
    public void Renew(NodeId node, IReadOnlyList<IpAddress> addresses) => _ = RenewAsync(node, addresses);

    /// <inheritdoc/>
    public void Relay(ulong life, NodeId node, ControlMessage message)
    {
        if (PeerFrames.Relay(_life, node, message) is { } frame)
        {
            Publish(ChannelOf(life), frame);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _beating.ConfigureAwait(false);
        await _store.Link.RunAsync(Script.Drop, [LifeKey(_life)], ["none", RedisValue.EmptyString]).ConfigureAwait(false);
        _stop.Dispose();
    }

    private static string Text(ulong number) => number.ToString(CultureInfo.InvariantCulture);

    private string ChannelOf(ulong life) => string.Create(CultureInfo.InvariantCulture, $"{_options.Prefix}r:{life:x16}");

    private RedisKey LifeKey(ulong life) => string.Create(CultureInfo.InvariantCulture, $"{_options.Prefix}k:{life:x16}");

    private async Task RegisterAsync(NodePresence presence, Action<Registration> done)
    {
        var listed = await _store.Link.RunAsync(
            Script.List, [_store.Keys.Nodes], [presence.Node.Name!, (long)_options.Lease.TotalMilliseconds]).ConfigureAwait(false);
        var reply = listed.Failure == StoreFailure.None
            ? await _store.Link.RunAsync(
                Script.Register, [_store.Keys.Node(presence.Node)], [Text(presence.Incarnation), PeerFrames.Rest(presence), (long)_options.Lease.TotalMilliseconds]).ConfigureAwait(false)
            : new Reply<RedisResult>(null!, listed.Failure);
        var registration = new Registration(0, false, reply.Failure);
        if (reply.Failure == StoreFailure.None)
        {
            var values = (RedisValue[]?)reply.Value ?? [];
            registration = values.Length == 2 && ulong.TryParse((string?)values[0], out var number)
                ? new Registration(number, (long)values[1] == 1)
                : registration with { Failure = StoreFailure.Garbage };
            Say(PeerFrames.Presence(presence with { Number = registration.Number }));
        }

        _post(() => done(registration));
    }

    private async Task UnregisterAsync(NodePresence presence)
    {
        var reply = await _store.Link.RunAsync(Script.Settle, [_store.Keys.Node(presence.Node)], [Text(presence.Number), "connected", "0"]).ConfigureAwait(false);
        if (reply.Failure == StoreFailure.None && (long)reply.Value == 1)
        {
            Say(PeerFrames.Presence(presence));
        }
    }

    private async Task RenewAsync(NodeId node, IReadOnlyList<IpAddress> addresses)
    {
        RedisValue[] lease = [(long)_options.Lease.TotalMilliseconds];
        await _store.Link.RunAsync(Script.List, [_store.Keys.Nodes], [node.Name!, lease[0]]).ConfigureAwait(false);
        await _store.Link.RunAsync(Script.Renew, [_store.Keys.Node(node)], lease).ConfigureAwait(false);
        await _store.Link.RunAsync(Script.Renew, Book, lease).ConfigureAwait(false);
        await _store.Link.RunAsync(Script.Renew, [.. Enumerable.Range(0, RedisKeys.Shards).Select(s => _store.Keys.Clients(node, s))], lease).ConfigureAwait(false);
        foreach (var address in addresses)
        {
            foreach (var protocol in new[] { TransportProtocol.Icmp, TransportProtocol.Tcp, TransportProtocol.Udp })
            {
                await _store.Link.RunAsync(
                    Script.Renew,
                    [.. Enumerable.Range(0, 256).Select(high => _store.Keys.Bucket(new MappingId(protocol, new TransportEndpoint(address, (ushort)(high << 8)))))],
                    lease).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Who is denied, or which policies hold, may be another thing than before.</summary>
    internal void TellUsersChanged() => Say(PeerFrames.UsersChanged(_life));

    /// <summary>Says something to all, so that they can tell when they have not heard it.</summary>
    private void Say(byte[] frame)
    {
        Interlocked.Increment(ref _said);
        Publish(Everybody, frame);
    }

    private void Publish(string channel, byte[] frame) =>
        _ = _store.Link.RunAsync(static (database, a) => database.PublishAsync(a.Channel, a.Frame), (Channel: (RedisChannel)channel, Frame: (RedisValue)frame));

    private async Task ListenAsync()
    {
        var subscriber = _store.Link.Subscriber;
        await Quietly(() => subscriber.SubscribeAsync(Everybody, (_, frame) => OnEverybody(frame))).ConfigureAwait(false);
        await Quietly(() => subscriber.SubscribeAsync(ChannelOf(_life), (_, frame) => OnRelay(frame))).ConfigureAwait(false);
        Volatile.Write(ref _heardFromEverybody, Stopwatch.GetTimestamp());
        Volatile.Write(ref _heardFromRelay, Stopwatch.GetTimestamp());
    }

    private async Task Quietly(Func<Task> subscription)
    {
        try
        {
            await subscription().WaitAsync(_options.Timeout).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException or OperationCanceledException)
        {
            // Who does not hear itself subscribes again.
        }
    }

    private void OnEverybody(byte[]? frame)
    {
        if (PeerFrames.TryReadAlive(frame, out var life, out var said))
        {
            if (life == _life)
            {
                Volatile.Write(ref _heardFromEverybody, Stopwatch.GetTimestamp());
                return;
            }

            _others.TryAdd(life, true);
            var hasMissed = _news.HasMissed(life, said);
            if (_gone.TryRemove(life, out _) || hasMissed)
            {
                // Redis was away, not the coordinator; or news of it have got lost.
                _readSoon = true;
            }
        }
        else if (PeerFrames.TryReadAddressesChanged(frame, out life))
        {
            if (life != _life)
            {
                _others.TryAdd(life, true);
                _news.Hear(life);
                _post(() => _listener!.OnAddressesChanged());
            }
        }
        else if (PeerFrames.TryReadUsersChanged(frame, out life))
        {
            if (life != _life)
            {
                _others.TryAdd(life, true);
                _news.Hear(life);
                _post(() => _listener!.OnUsersChanged());
            }
        }
        else if (PeerFrames.ReadPresence(frame) is { } presence)
        {
            if (presence.Life != _life)
            {
                _others.TryAdd(presence.Life, true);
                _news.Hear(presence.Life);
                _post(() => _listener!.OnPresence(presence));
            }
        }
        else
        {
            Unreadable++;
        }
    }

    private void OnRelay(byte[]? frame)
    {
        if (PeerFrames.TryReadRelay(frame, out var from, out var node, out var message))
        {
            _post(() => _listener!.OnRelayed(from, node, message!));
        }
        else if (PeerFrames.TryReadAlive(frame, out var life, out _) && life == _life)
        {
            Volatile.Write(ref _heardFromRelay, Stopwatch.GetTimestamp());
        }
        else
        {
            Unreadable++;
        }
    }

    private async Task BeatOnAsync()
    {
        var incarnation = _store.Incarnation;
        var nextRead = ReadInterval;
        var passed = TimeSpan.Zero;
        while (true)
        {
            try
            {
                await Task.Delay(Beat, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            passed += Beat;
            await BeatAsync().ConfigureAwait(false);
            var isDeaf = Stopwatch.GetElapsedTime(HeardMyself) > Deaf;
            if (isDeaf)
            {
                await Quietly(() => _store.Link.Subscriber.UnsubscribeAllAsync()).ConfigureAwait(false);
                await ListenAsync().ConfigureAwait(false);
            }

            if (isDeaf || _readSoon || passed >= nextRead || incarnation != _store.Incarnation)
            {
                _readSoon = false;
                incarnation = _store.Incarnation;
                nextRead = passed + ReadInterval;
                await ReadAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Says that this coordinator is alive, and looks whether those are that nodes are connected to.</summary>
    private async Task BeatAsync()
    {
        await _store.Link.RunAsync(Script.Alive, [LifeKey(_life)], [(long)Lease.TotalMilliseconds]).ConfigureAwait(false);
        var alive = PeerFrames.Alive(_life, Volatile.Read(ref _said));
        Publish(Everybody, alive);
        Publish(ChannelOf(_life), alive);
        foreach (var life in _others.Keys)
        {
            var reply = await _store.Link.RunAsync(static (database, key) => database.KeyExistsAsync(key), LifeKey(life)).ConfigureAwait(false);
            if (reply is { Failure: StoreFailure.None, Value: false })
            {
                _gone[life] = true;
                _others.TryRemove(life, out _);
                _post(() => _listener!.OnCoordinatorGone(life));
            }
        }
    }

    /// <summary>Reads where all nodes are; what could not be read is read again soon.</summary>
    private async Task ReadAsync()
    {
        _post(() => _listener!.OnUsersChanged());
        var names = await _store.Link.RunAsync(static (database, key) => database.SetMembersAsync(key), _store.Keys.Nodes).ConfigureAwait(false);
        _readSoon |= names.Failure != StoreFailure.None;
        if (names.Failure == StoreFailure.Garbage)
        {
            await _store.Link.RunAsync(Script.Drop, [_store.Keys.Nodes], ["set", RedisValue.EmptyString]).ConfigureAwait(false);
        }

        foreach (var part in (names.Value ?? []).Select(n => new NodeId(n)).Where(n => NodeId.IsValid(n.Name)).Chunk(256))
        {
            var replies = await Task.WhenAll(part.Select(node => _store.Link.RunAsync(
                static (database, key) => database.HashGetAsync(key, ["number", "connected", "rest"]), _store.Keys.Node(node)))).ConfigureAwait(false);
            for (var i = 0; i < part.Length; i++)
            {
                if (replies[i].Failure != StoreFailure.None)
                {
                    _readSoon = true;
                    continue;
                }

                var values = replies[i].Value;
                if (values[2].IsNull)
                {
                    await _store.Link.RunAsync(Script.Unlist, [_store.Keys.Nodes], [part[i].Name!]).ConfigureAwait(false);
                }
                else if (ulong.TryParse((string?)values[0], out var number)
                    && PeerFrames.ReadRest((byte[]?)values[2], number, values[1] == "1") is { } presence && presence.Life != _life && presence.Node == part[i])
                {
                    var isAlive = !_gone.ContainsKey(presence.Life);
                    if (isAlive)
                    {
                        _others.TryAdd(presence.Life, true);
                    }

                    _post(() => _listener!.OnPresence(presence with { IsConnected = presence.IsConnected && isAlive }));
                }
            }
        }
    }
}
