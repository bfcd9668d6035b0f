using System.Buffers;
using System.Net.Sockets;
using System.Threading.Channels;
using Masquerade.Core.Control;
using Masquerade.Core.Time;
using Masquerade.Pki.Channel;
using Masquerade.Pki.Trust;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>What a session passes to the coordinator's loop.</summary>
internal abstract record SessionInput(ulong Session);

/// <summary>A connection was made.</summary>
internal sealed record SessionOpened(ulong Session, AgentSession Owner) : SessionInput(Session);

/// <summary>A message came.</summary>
internal sealed record SessionMessage(ulong Session, ControlMessage Message) : SessionInput(Session);

/// <summary>A question of the API, answered between two messages.</summary>
internal sealed record Question(Action<CoordinatorCore, Instant> Ask) : SessionInput(0);

/// <summary>The store has answered, or another coordinator has said something.</summary>
internal sealed record StoreAnswered(Action Completion) : SessionInput(0);

/// <summary>The connection is over.</summary>
internal sealed record SessionClosed(ulong Session, string Reason) : SessionInput(Session);

/// <summary>
/// One agent's connection: frames in, messages to the loop; messages from the loop, frames out. Both directions are bounded. Whatever is wrong with what it sends ends this
/// connection, with a reason, and nothing else. The stream comes from the listener, so that a secured one takes its place.
/// </summary>
internal sealed class AgentSession : IAsyncDisposable
{
    private const int MaxQueuedMessages = 32_768;

    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly Stream _stream;
    private readonly ChannelWriter<SessionInput> _loop;
    private readonly Action<string> _unsent;
    private readonly Channel<ControlMessage> _outgoing = Channel.CreateBounded<ControlMessage>(
        new BoundedChannelOptions(MaxQueuedMessages) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    private readonly CancellationTokenSource _stop = new();
    private string? _closeReason;
    private bool _endedHere = true;

    /// <param name="id">The session's number.</param>
    /// <param name="peer">The other end, for logs.</param>
    /// <param name="stream">The connection.</param>
    /// <param name="loop">Where what comes goes.</param>
    /// <param name="unsent">Hears of messages that the agent would have to refuse, with the reason; called on any thread.</param>
    public AgentSession(ulong id, string peer, Stream stream, ChannelWriter<SessionInput> loop, Action<string> unsent)
    {
        Id = id;
        Peer = peer;
        _stream = stream;
        _loop = loop;
        _unsent = unsent;
    }

    public ulong Id { get; }

    /// <summary>The secured channel; null where plain text is spoken.</summary>
    public SecureChannel? Secured { get; init; }

    /// <summary>Hears why this connection was refused, by either end, before it became a session; any thread.</summary>
    public Action<Refusal, string> OnRefused { get; init; } = static (_, _) => { };

    /// <summary>The other end, for logs.</summary>
    public string Peer { get; }

    /// <summary>Queues a message; an agent that does not read its messages loses its connection.</summary>
    public void Send(ControlMessage message)
    {
        if (!_outgoing.Writer.TryWrite(message))
        {
            Close("the agent does not read what is sent to it");
        }
    }

    /// <summary>Says a reason to the agent and ends the connection.</summary>
    public void End(string reason)
    {
        Send(new Goodbye { Id = 0, Reason = reason });
        Close(reason);
    }

    /// <summary>Ends the connection after what is queued has been sent.</summary>
    public void Close(string reason)
    {
        _closeReason ??= reason;
        if (_outgoing.Writer.TryComplete())
        {
            // Only the first close gets here, so the source cannot have been disposed yet.
            _stop.CancelAfter(TimeSpan.FromSeconds(2));
        }
    }

    public async Task RunAsync()
    {
        await _loop.WriteAsync(new SessionOpened(Id, this)).ConfigureAwait(false);
        var write = WriteAsync();
        var reason = await ReadAsync().ConfigureAwait(false);
        Close(reason);

        // An agent that does not read must not keep its session for ever.
        if (await Task.WhenAny(write, Task.Delay(LastWords)).ConfigureAwait(false) == write && _endedHere)
        {
            await FinishAsync().ConfigureAwait(false);
        }

        await _stream.DisposeAsync().ConfigureAwait(false);
        await write.ConfigureAwait(false);
        await _loop.WriteAsync(new SessionClosed(Id, _closeReason ?? reason)).ConfigureAwait(false);
        await DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Lets the agent take what was said last: closing on octets that were not read would destroy it on its way.</summary>
    private async Task FinishAsync()
    {
        using var limit = new CancellationTokenSource(LastWords);
        try
        {
            await SecureChannel.FinishAsync(_stream, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // It has gone.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task<string> ReadAsync()
    {
        var decoder = new FrameDecoder { Limit = ControlLimits.MaxFirstFrameBytes };
        var buffer = new byte[64 * 1024];
        var (isFirst, hasGreeted) = (true, false);
        try
        {
            while (true)
            {
                var read = await _stream.ReadAsync(buffer, _stop.Token).ConfigureAwait(false);
                if (read == 0)
                {
                    _endedHere = false;
                    return "connection closed";
                }

                if (isFirst && Secured is null && buffer[0] == SecureChannel.TlsHandshake)
                {
                    const string Plain = "TLS was offered, this coordinator is set to plain text";
                    OnRefused(Refusal.NotTls, Plain);
                    Send(new Goodbye { Id = 0, Reason = Plain });
                    return Plain;
                }

                isFirst = false;

                decoder.Append(buffer.AsSpan(0, read));
                while (decoder.TryRead(out var body))
                {
                    if (!ControlCodec.TryDecode(body.Span, out var message, out var error))
                    {
                        Send(new Goodbye { Id = 0, Reason = error });
                        return error;
                    }

                    if (message is Goodbye goodbye && !hasGreeted)
                    {
                        OnRefused(Refusal.RefusedHere, goodbye.Reason);
                        return $"the agent refused: {goodbye.Reason}";
                    }

                    if (message is Hello hello)
                    {
                        hasGreeted = true;
                        if (Secured is { } channel && hello.Node != channel.Peer.Name)
                        {
                            var reason = $"the node calls itself {hello.Node}, its certificate is of {channel.Peer}";
                            OnRefused(Refusal.WrongName, reason);
                            Send(new Goodbye { Id = 0, Reason = reason });
                            return reason;
                        }

                        decoder.Limit = ControlLimits.MaxFrameBytes;
                    }

                    await _loop.WriteAsync(new SessionMessage(Id, message!), _stop.Token).ConfigureAwait(false);
                }

                if (decoder.Error is not null)
                {
                    Send(new Goodbye { Id = 0, Reason = decoder.Error });
                    return decoder.Error;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or ChannelClosedException)
        {
            return e is OperationCanceledException ? "closed" : e.Message;
        }
    }

    private async Task WriteAsync()
    {
        var body = new ArrayBufferWriter<byte>();
        var frames = new ArrayBufferWriter<byte>();
        try
        {
            while (await _outgoing.Reader.WaitToReadAsync().ConfigureAwait(false))
            {
                // What is queued goes out in one write: a move is several messages to one agent.
                frames.ResetWrittenCount();
                while (frames.WrittenCount < 256 * 1024 && _outgoing.Reader.TryRead(out var message))
                {
                    if (!FrameCodec.TryWriteMessage(message, body, frames, out var reason))
                    {
                        _unsent($"{Peer}: {reason}");
                    }
                }

                await _stream.WriteAsync(frames.WrittenMemory).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            _closeReason ??= e.Message;
        }
        finally
        {
            await _stop.CancelAsync().ConfigureAwait(false);
        }
    }
}
