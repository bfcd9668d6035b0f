using System.Buffers;
using System.Net.Sockets;
using System.Threading.Channels;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Control;
using Masquerade.Pki.Channel;
using Masquerade.Pki.Trust;

namespace Masquerade.AccessPoint.Agent.Control;

/// <summary>
/// Keeps a connection to a coordinator: dials the configured addresses in turn, beginning anywhere, with growing, jittered pauses, and hands messages to the data thread. Both directions are
/// bounded: incoming messages wait for the data thread, and an outgoing queue that is full ends the connection, after which the node repeats what matters.
/// </summary>
internal sealed class CoordinatorClient
{
    private const int OutgoingCapacity = 8_192;
    private const int BatchBytes = 64 * 1024;

    private static readonly TimeSpan FirstAnswer = TimeSpan.FromSeconds(5);

    /// <summary>A session that a coordinator ended sooner than this, with a reason, will probably be ended again: the pauses go on growing.</summary>
    private static readonly TimeSpan ShortSession = TimeSpan.FromSeconds(10);

    private readonly IReadOnlyList<CoordinatorAddress> _addresses;
    private readonly Func<AgentInput, CancellationToken, ValueTask> _post;
    private readonly TextWriter _log;
    private Channel<ControlMessage>? _outgoing;
    private long _unsent;
    private volatile string? _farewell;
    private bool _welcomed;
    private bool _dismissed;

    public CoordinatorClient(IReadOnlyList<CoordinatorAddress> addresses, Func<AgentInput, CancellationToken, ValueTask> post, TextWriter log)
    {
        _addresses = addresses;
        _post = post;
        _log = log;
    }

    /// <summary>The first pause after a failure; it doubles up to <see cref="LongestPause"/>, each time between half and all of it.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause between two attempts.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an attempt may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Secures connections; null for plain text.</summary>
    public ChannelSecurity? Security { get; init; }

    /// <summary>Messages that were not sent because the coordinator would have had to refuse them; each stands in the log. Any thread may ask.</summary>
    public long Unsent => Interlocked.Read(ref _unsent);

    /// <summary>Sends a message if there is a connection; called on the data thread, never waits.</summary>
    public void Send(ControlMessage message)
    {
        var outgoing = Volatile.Read(ref _outgoing);
        if (outgoing is not null && !outgoing.Writer.TryWrite(message))
        {
            outgoing.Writer.TryComplete(new IOException("the outgoing queue is full"));
        }
    }

    /// <summary>Runs until cancelled; the last thing sent is a farewell.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        var pause = FirstPause;
        try
        {
            // Agents spread over the coordinators by beginning anywhere.
            var first = Random.Shared.Next(_addresses.Count);
            for (var attempt = 0; ; attempt++)
            {
                var address = _addresses[(first + attempt) % _addresses.Count];
                var began = Environment.TickCount64;
                (_welcomed, _dismissed, _farewell) = (false, false, null);
                try
                {
                    await DialAsync(address, cancel).ConfigureAwait(false);
                }
                catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
                {
                    await _log.WriteLineAsync($"coordinator {address}: {(e is OperationCanceledException ? "no answer" : e.Message)}").ConfigureAwait(false);
                }

                // Two nodes of one name would else replace each other ten times a second.
                pause = _welcomed && (!_dismissed || Environment.TickCount64 - began > ShortSession.TotalMilliseconds) ? FirstPause : pause;
                await Task.Delay(pause * (0.5 + (0.5 * Random.Shared.NextDouble())), cancel).ConfigureAwait(false);

                // The next coordinator may well be there: pauses grow only when all have been tried.
                pause = (attempt + 1) % _addresses.Count != 0 ? pause : pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    private async Task DialAsync(CoordinatorAddress address, CancellationToken cancel)
    {
        using var client = new TcpClient { NoDelay = true };
        SecureChannel? channel = null;
        using (var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel))
        {
            limit.CancelAfter(ConnectTimeout);
            await client.ConnectAsync(address.Host, address.Port, limit.Token).ConfigureAwait(false);
            if (Security is not null)
            {
                channel = await Security.OpenAsync(client.GetStream(), address.Host, limit.Token).ConfigureAwait(false);
            }
        }

        await _log.WriteLineAsync($"coordinator {address}: connected{(channel is null ? ", plain text" : $", TLS 1.3, {channel.Peer}")}").ConfigureAwait(false);
        var stream = channel?.Stream ?? client.GetStream();
        await using (stream.ConfigureAwait(false))
        {
            await SpeakAsync(stream, channel, address, cancel).ConfigureAwait(false);
        }
    }

    private async Task SpeakAsync(Stream stream, SecureChannel? channel, CoordinatorAddress address, CancellationToken cancel)
    {
        var outgoing = Channel.CreateBounded<ControlMessage>(new BoundedChannelOptions(OutgoingCapacity) { SingleReader = true, SingleWriter = true });
        Volatile.Write(ref _outgoing, outgoing);
        using var session = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            if (channel is not null)
            {
                Security!.Begin(channel, reason =>
                {
                    _farewell = reason;
                    try
                    {
                        session.Cancel();
                    }
                    catch (ObjectDisposedException)
                    {
                        // It has just ended by itself.
                    }
                });
            }

            await _post(new ControlUp(), cancel).ConfigureAwait(false);
            var writing = WriteAsync(stream, outgoing.Reader, session.Token);
            var reading = ReadAsync(stream, channel, address, session.Token);
            var first = await Task.WhenAny(writing, reading).ConfigureAwait(false);
            await session.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(Quiet(writing), Quiet(reading)).ConfigureAwait(false);
            if (cancel.IsCancellationRequested || _farewell is not null)
            {
                await SecureChannel.SayGoodbyeAsync(stream, _farewell ?? "the agent stops").ConfigureAwait(false);
            }

            if (_farewell is { } reason)
            {
                throw new IOException(reason);
            }

            await first.ConfigureAwait(false);
        }
        finally
        {
            Security?.Finish();
            Volatile.Write(ref _outgoing, null);
            await _post(new ControlDown(), CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task WriteAsync(Stream stream, ChannelReader<ControlMessage> messages, CancellationToken cancel)
    {
        var body = new ArrayBufferWriter<byte>(4096);
        var frames = new ArrayBufferWriter<byte>(4096);
        while (await messages.WaitToReadAsync(cancel).ConfigureAwait(false))
        {
            // What waits together leaves together.
            frames.ResetWrittenCount();
            while (frames.WrittenCount < BatchBytes && messages.TryRead(out var message))
            {
                if (!FrameCodec.TryWriteMessage(message, body, frames, out var reason))
                {
                    Interlocked.Increment(ref _unsent);
                    await _log.WriteLineAsync(reason).ConfigureAwait(false);
                }
            }

            await stream.WriteAsync(frames.WrittenMemory, cancel).ConfigureAwait(false);
        }
    }

    private async Task ReadAsync(Stream stream, SecureChannel? channel, CoordinatorAddress address, CancellationToken cancel)
    {
        var decoder = new FrameDecoder();
        var buffer = new byte[BatchBytes];
        var patience = FirstAnswer;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        while (true)
        {
            silence.CancelAfter(patience);
            var length = await stream.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
            if (length == 0)
            {
                throw new IOException("closed by the coordinator");
            }

            decoder.Append(buffer.AsSpan(0, length));
            while (decoder.TryRead(out var body))
            {
                if (!ControlCodec.TryDecode(body.Span, out var message, out var error) || message is null)
                {
                    throw Ended($"a message that cannot be read: {error}");
                }

                if (message is Welcome { Coordinator: var name } && channel is not null && name != channel.Peer.Name)
                {
                    var reason = $"the coordinator calls itself {name}, its certificate is of {channel.Peer}";
                    Security!.Refused(address.ToString(), Refusal.WrongName, reason);
                    throw Ended(reason);
                }

                // Heartbeats are answered, so a longer silence means that nobody is there, whatever TCP believes. A coordinator under attack may take a second.
                patience = message is Welcome welcome ? TimeSpan.FromMilliseconds(Math.Clamp(welcome.HeartbeatMilliseconds * 4.0, 2_000, 600_000)) : patience;
                _welcomed |= message is Welcome;
                await _post(new ControlReceived(message), cancel).ConfigureAwait(false);
                if (message is Goodbye goodbye)
                {
                    _dismissed = true;
                    Security?.Refused(address.ToString(), Refusal.RefusedHere, goodbye.Reason);
                    throw new IOException($"the coordinator ended the session: {goodbye.Reason}");
                }
            }

            if (decoder.Error is not null)
            {
                throw Ended(decoder.Error);
            }
        }
    }

    /// <summary>The session ends for a reason that the coordinator is told, too.</summary>
    private IOException Ended(string reason)
    {
        _farewell = reason;
        return new IOException(reason);
    }

    private static async Task Quiet(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            // The first of the two tasks to end has said why; this one ends because of it.
        }
    }
}
