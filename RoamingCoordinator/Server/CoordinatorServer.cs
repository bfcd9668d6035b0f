using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading.Channels;
using Masquerade.Core.Control;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>The shell around the core: a listener, a task per agent, and one loop in which the core runs alone. The loop owns the clock.</summary>
internal sealed class CoordinatorServer : ICoordinatorOutput
{
    private readonly ServerConfig _config;
    private readonly LineLog _log;
    private readonly Channel<SessionInput> _inputs = Channel.CreateBounded<SessionInput>(new BoundedChannelOptions(65_536) { SingleReader = true });
    private readonly Dictionary<ulong, AgentSession> _sessions = [];
    private readonly CoordinatorCore _core;
    private readonly Lock _gate = new();
    private int _open;
    private long _unsent;

    public CoordinatorServer(ServerConfig config, LineLog log)
    {
        _config = config;
        _log = log;
        var random = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
        var options = config.Options with { EpochClock = (ulong)DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - (ulong)(Now().Nanoseconds / 1_000_000) };
        _core = new CoordinatorCore(options, new InMemoryClientStore(random, config.MaxClients), BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)), this);
    }

    /// <summary>Serves until cancelled. Returns the exit code.</summary>
    public static async Task<int> RunAsync(ServerConfig config, LineLog log, CancellationToken cancel)
    {
        WarmUp.Run();
        using var listener = new Socket(config.Listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(config.Listen);
            listener.Listen(512);
        }
        catch (SocketException e)
        {
            log.Write("error", $"cannot listen on {config.Listen}: {e.Message}");
            return 1;
        }

        var server = new CoordinatorServer(config, log);
        log.Write("info", $"{config.Options.Name} listens on {config.Listen}");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var status = config.StatusSocket.Length == 0 ? Task.CompletedTask : StatusSocket.ServeAsync(config.StatusSocket, server.DescribeAsJson, log, stop.Token);
        var accept = server.AcceptAsync(listener, stop.Token);
        await server.LoopAsync(stop.Token).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(accept, status).ConfigureAwait(false);
        await server.GoodbyeAsync().ConfigureAwait(false);
        log.Write("info", "stopped");
        return 0;
    }

    /// <inheritdoc/>
    public void Send(ulong session, ControlMessage message)
    {
        if (_sessions.TryGetValue(session, out var agent))
        {
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
    public void Report(CoordinatorEvent coordinatorEvent) =>
        _log.Write(coordinatorEvent is ClaimRefused or NodeBehind ? "warning" : "info", coordinatorEvent.ToString());

    private void OnUnsent(string reason)
    {
        Interlocked.Increment(ref _unsent);
        _log.Write("error", reason);
    }

    private static Instant Now() => new((long)(Stopwatch.GetTimestamp() * (1_000_000_000.0 / Stopwatch.Frequency)));

    private async Task AcceptAsync(Socket listener, CancellationToken cancel)
    {
        ulong next = 0;
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync(cancel).ConfigureAwait(false);
                if (Volatile.Read(ref _open) >= _config.MaxSessions)
                {
                    _log.Write("warning", $"{socket.RemoteEndPoint}: refused, {_config.MaxSessions} sessions are open");
                    socket.Dispose();
                    continue;
                }

                socket.NoDelay = true;
                Interlocked.Increment(ref _open);
                var session = new AgentSession(++next, socket.RemoteEndPoint?.ToString() ?? "?", new NetworkStream(socket, ownsSocket: true), _inputs.Writer, OnUnsent);
                _ = Task.Run(
                    async () =>
                    {
                        await session.RunAsync().ConfigureAwait(false);
                        Interlocked.Decrement(ref _open);
                    },
                    CancellationToken.None);
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

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
                _core.OnMessage(message.Session, message.Message, now);
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
        for (var i = 0; i < 20 && Volatile.Read(ref _open) > 0; i++)
        {
            while (_inputs.Reader.TryRead(out _))
            {
                // Nobody decides any more; sessions must not wait for the loop.
            }

            await Task.Delay(25).ConfigureAwait(false);
        }
    }

    private byte[] DescribeAsJson()
    {
        lock (_gate)
        {
            return StatusDocument.Describe(_core, Interlocked.Read(ref _unsent), Now());
        }
    }
}
