using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Api;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Server.Users;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>The shell around the core: a listener, a task per agent, and one loop in which the core runs alone. The loop owns the clock.</summary>
internal sealed class CoordinatorServer : ICoordinatorOutput, ICoordinatorLoop, IPeerListener, IAsyncDisposable
{
    private readonly LineLog _log;
    private readonly Channel<SessionInput> _inputs;
    private readonly Dictionary<ulong, AgentSession> _sessions = [];
    private readonly CoordinatorCore _core;
    private readonly Lock _gate = new();
    private readonly AgentDoor _door;
    private readonly CoordinatorApi? _api;
    private readonly SharedStore? _shared;
    private readonly UserDirectory? _users;
    private RadiusDoor? _radius;
    private long _unsent;

    private CoordinatorServer(ServerConfig config, LineLog log, ulong origin, SharedStore? shared, Channel<SessionInput> inputs)
    {
        _log = log;
        _inputs = inputs;
        _users = config.Users is null ? null : new UserDirectory(config.Users, config.Options.Name.Name!, inputs.Writer, log.Write, shared?.Users);
        var options = config.Options with { EpochClock = origin, Life = shared?.Life ?? 0, Users = _users };
        _door = new AgentDoor(config, log, _inputs.Writer, OnUnsent);
        _shared = shared;
        var store = shared?.Store ?? (IClientStore)new InMemoryClientStore(Fresh(), config.MaxClients);
        if (config.Api.Listen is not null || config.Telemetry is not null)
        {
            _api = new CoordinatorApi(config.Api, options, this, log.Write, config.Telemetry);
            _api.AddMetrics(metrics => metrics.Counter("masq_messages_unsent_total", "Messages that an agent would have had to refuse.", Interlocked.Read(ref _unsent)));
            _api.AddMetrics(_door.Measure);
            _api.AddMetrics(metrics => _radius?.Measure(metrics));
            if (shared is not null)
            {
                _api.AddMetrics(shared.Measure);
            }

            if (config.Homes is { } homes)
            {
                _api.AddMetrics(metrics => metrics.Gauge("masq_homes", "Clients that have a home.", homes.Table.Count));
            }

            store = _api.Watch(store, Now);
        }

        _core = new CoordinatorCore(options, store, Fresh(), this, shared?.Peers, shared?.Addresses);
    }

    /// <summary>Serves until cancelled. Returns the exit code.</summary>
    public static async Task<int> RunAsync(ServerConfig config, LineLog log, CancellationToken cancel)
    {
        WarmUp.Run();
        using var listener = new Socket(config.Listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (!TryOpen(() => listener.Bind(config.Listen), config, log))
        {
            return 1;
        }

        var inputs = Channel.CreateBounded<SessionInput>(new BoundedChannelOptions(65_536) { SingleReader = true });
        var origin = (ulong)DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - (ulong)(Now().Nanoseconds / 1_000_000);
        await using var shared = config.Redis is null ? null : await SharedStore.ConnectAsync(config.Redis, inputs.Writer, origin).ConfigureAwait(false);
        var server = new CoordinatorServer(config, log, origin, shared, inputs);
        await using var disposing = server.ConfigureAwait(false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var status = config.StatusSocket.Length == 0 ? Task.CompletedTask : StatusSocket.ServeAsync(config.StatusSocket, server.DescribeAsync, log, stop.Token);
        if (shared is not null)
        {
            // Decisions need to know where nodes are, so nobody is let in before that is read: who tries is refused, and goes to another coordinator.
            await shared.Peers.StartAsync(server).ConfigureAwait(false);
            await (server._users?.StartAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        }

        if (!await server.OpenRadiusAsync(config).ConfigureAwait(false) || !TryOpen(() => listener.Listen(512), config, log))
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await status.ConfigureAwait(false);
            return 1;
        }

        log.Write(config.Insecure ? "warning" : "info", $"{config.Options.Name} listens on {config.Listen}, {(config.Credentials is null ? "plain text" : "TLS 1.3")}");
        var accept = server._door.AcceptAsync(listener, stop.Token);
        var watch = Task.WhenAll(server._door.WatchAsync(stop.Token), config.Homes?.WatchAsync(() => CheckHomes(config, log), log.Write, stop.Token) ?? Task.CompletedTask);
        using var hangUp = config.Credentials is null && server._users is null ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            config.Credentials?.Poke();
            _ = server._users?.ReloadAsync();
        });
        var api = Task.Run(() => server.StartApiAsync(config, stop), CancellationToken.None);
        var loop = server.LoopAsync(stop.Token);
        if (shared is not null)
        {
            log.Write("info", $"the store is Redis at {string.Join(", ", config.Redis!.Endpoints)}, incarnation {shared.Store.Incarnation}");
        }

        await loop.ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        var isUp = await api.ConfigureAwait(false);
        await Task.WhenAll(accept, watch, status).ConfigureAwait(false);
        await server.GoodbyeAsync().ConfigureAwait(false);
        log.Write("info", "stopped");
        return isUp ? 0 : 1;
    }

    /// <summary>Ends the API and the key holder.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_radius is not null)
        {
            await _radius.DisposeAsync().ConfigureAwait(false);
        }

        if (_api is not null)
        {
            await _api.DisposeAsync().ConfigureAwait(false);
        }

        if (_users is not null)
        {
            await _users.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Send(ulong session, ControlMessage message)
    {
        if (_sessions.TryGetValue(session, out var agent))
        {
            _api?.Sent(message);
            agent.Send(message);
        }
    }

    /// <inheritdoc/>
    public void Close(ulong session, string reason)
    {
        if (_sessions.TryGetValue(session, out var agent))
        {
            agent.Close(reason);
        }
    }

    /// <inheritdoc/>
    public void Report(CoordinatorEvent coordinatorEvent)
    {
        _api?.Report(coordinatorEvent, Now());
        if (coordinatorEvent is NodeReplaced twice)
        {
            // A restart looks like this, and so does a stolen certificate.
            _door.CountReplaced();
            _log.Write("warning", $"{twice.Node}: its session from {PeerOf(twice.Old)} was replaced by a newer one from {PeerOf(twice.New)}");
            return;
        }

        _log.Write(coordinatorEvent is ClaimRefused or NodeFailed or NodeBehind or PlacementLooped or StoreTrouble or StoreReborn ? "warning" : "info", coordinatorEvent);
    }

    /// <inheritdoc/>
    public void OnPresence(NodePresence presence) => _core.OnPresence(presence, Now());

    /// <inheritdoc/>
    public void OnCoordinatorGone(ulong life) => _core.OnCoordinatorGone(life, Now());

    /// <inheritdoc/>
    public void OnAddressesChanged() => _core.OnAddressesChanged(Now());

    /// <inheritdoc/>
    public void OnUsersChanged() => _users?.Follow();

    /// <inheritdoc/>
    public void OnRelayed(ulong from, NodeId node, ControlMessage message) => _core.OnRelayed(from, node, message, Now());

    /// <summary>Homes that have changed may close a loop, which is refused when a connection meets it; better it is said at once.</summary>
    private static void CheckHomes(ServerConfig config, LineLog log)
    {
        if (PlacementCheck.FindLoop((PlacementRules)config.Options.Placement, config.Homes!.Table.OneOfEach) is { } loop)
        {
            log.Write("warning", $"homes: with placement[{loop.Rule}] connections go round in a loop, {PlacementSection.Way(loop)}: they are anchored where they are opened");
        }
    }

    private static bool TryOpen(Action step, ServerConfig config, LineLog log)
    {
        try
        {
            step();
            return true;
        }
        catch (SocketException e)
        {
            log.Write("error", $"cannot listen on {config.Listen}: {e.Message}");
            return false;
        }
    }

    private static ulong Fresh() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));

    private string PeerOf(ulong session) => _sessions.TryGetValue(session, out var agent) ? agent.Peer : "?";

    /// <inheritdoc/>
    public bool TryPost(Action<CoordinatorCore, Instant> question) => _inputs.Writer.TryWrite(new Question(question));

    /// <summary>The API begins beside the loop: no agent waits for it. False, and everything ends, if it cannot listen where it was told to.</summary>
    private async Task<bool> StartApiAsync(ServerConfig config, CancellationTokenSource stop)
    {
        if (_api is null)
        {
            return true;
        }

        var mistake = await _api.StartAsync(stop.Token).ConfigureAwait(false);
        if (mistake.Length == 0 && config.Api.Listen is null)
        {
            // It only sends.
        }
        else if (mistake.Length == 0)
        {
            _log.Write("info", $"the API listens on {config.Api.Listen}, {(config.Api.Certificate.Length == 0 ? "plain HTTP" : "HTTPS")}");
        }
        else if (stop.IsCancellationRequested)
        {
            // The stop came first.
        }
        else if (config.Api.IsAskedFor)
        {
            _log.Write("error", $"API: {mistake}");
            await stop.CancelAsync().ConfigureAwait(false);
            return false;
        }
        else
        {
            // Nobody has asked for it: another coordinator on this machine may have the usual port.
            _log.Write("warning", $"API: {mistake}; going on without it");
        }

        return true;
    }

    private async Task<bool> OpenRadiusAsync(ServerConfig config)
    {
        if (_users is null || config.Users is null)
        {
            return true;
        }

        var (door, mistake) = await RadiusDoor.OpenAsync(config.Users, config.Options.Name.Name!, _users, _inputs.Writer, _log.Write).ConfigureAwait(false);
        _radius = door;
        if (door is null)
        {
            _log.Write("error", mistake);
        }

        return door is not null;
    }

    private void OnUnsent(string reason)
    {
        Interlocked.Increment(ref _unsent);
        _log.Write("error", reason);
    }

    private static Instant Now() => new((long)(Stopwatch.GetTimestamp() * (1_000_000_000.0 / Stopwatch.Frequency)));

    private async Task LoopAsync(CancellationToken cancel)
    {
        var reader = _inputs.Reader;
        Task<bool>? more = null;
        while (!cancel.IsCancellationRequested)
        {
            // One wait is outstanding at any time, also when a deadline comes first.
            more = more is null || more.IsCompleted ? reader.WaitToReadAsync(cancel).AsTask() : more;
            try
            {
                await more.WaitAsync(TimeUntil(_core.NextDeadline), cancel).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // A deadline of the core is due.
            }
            catch (OperationCanceledException)
            {
                return;
            }

            lock (_gate)
            {
                while (reader.TryRead(out var input))
                {
                    Take(input, Now());
                }

                _core.Advance(Now());
            }
        }
    }

    private static TimeSpan TimeUntil(Instant deadline)
    {
        var wait = deadline - Now();
        return wait <= TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : wait > TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : wait;
    }

    private void Take(SessionInput input, Instant now)
    {
        switch (input)
        {
            case SessionOpened opened:
                _sessions[opened.Session] = opened.Owner;
                _core.OnConnected(opened.Session, now);
                break;
            case SessionMessage message:
                _api?.Received(message.Message);
                _core.OnMessage(message.Session, message.Message, now);
                break;
            case Question question:
                question.Ask(_core, now);
                break;
            case StoreAnswered answered:
                _core.Complete(answered.Completion, now);
                break;
            case SessionClosed closed:
                if (_sessions.Remove(closed.Session, out var owner))
                {
                    _log.Write("info", $"session of {owner.Peer} ended: {closed.Reason}");
                }

                _core.OnDisconnected(closed.Session, now);
                break;
        }
    }

    private async Task GoodbyeAsync()
    {
        foreach (var session in _sessions.Values)
        {
            session.Send(new Goodbye { Id = 0, Reason = "the coordinator stops" });
            session.Close("the coordinator stops");
        }

        // Bounded: an agent that does not read learns it from the closed connection.
        for (var i = 0; i < 20 && _door.Open > 0; i++)
        {
            while (_inputs.Reader.TryRead(out _))
            {
                // Nobody decides any more; sessions must not wait for the loop.
            }

            await Task.Delay(25).ConfigureAwait(false);
        }
    }

    private async Task<byte[]> DescribeAsync()
    {
        var clients = await ClientListing.ReadAsync(_core.Store, _gate, StatusDocument.MaxClients).ConfigureAwait(false);
        lock (_gate)
        {
            return StatusDocument.Describe(_core, clients, Interlocked.Read(ref _unsent), Now(), json =>
            {
                _door.Describe(json);
                if (_shared is not null)
                {
                    json.WriteNumber("storeInFlight", _shared.Store.InFlight);
                    json.WriteNumber("storeUnreadable", _shared.Store.Losses);
                }
            });
        }
    }
}
