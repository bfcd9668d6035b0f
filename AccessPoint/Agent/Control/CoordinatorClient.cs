using System.Buffers;
using System.Net.Sockets;
using System.Threading.Channels;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Control;

namespace Masquerade.AccessPoint.Agent.Control;

/// <summary>
/// Keeps a connection to a coordinator: dials the configured addresses in turn, with growing, jittered pauses, and hands messages to the data thread. Both directions are
/// bounded: incoming messages wait for the data thread, and an outgoing queue that is full ends the connection, after which the node repeats what matters.
/// </summary>
internal sealed class CoordinatorClient
{
    private const int OutgoingCapacity = 8_192;
    private const int BatchBytes = 64 * 1024;

    private static readonly TimeSpan FirstAnswer = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FarewellTime = TimeSpan.FromMilliseconds(500);

    private readonly IReadOnlyList<CoordinatorAddress> _addresses;
    private readonly Func<AgentInput, CancellationToken, ValueTask> _post;
    private readonly TextWriter _log;
    private Channel<ControlMessage>? _outgoing;
    private long _unsent;

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
            for (var attempt = 0; ; attempt++)
            {
                var address = _addresses[attempt % _addresses.Count];
                try
                {
                    using var client = new TcpClient { NoDelay = true };
                    using (var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel))
                    {
                        limit.CancelAfter(ConnectTimeout);
                        await client.ConnectAsync(address.Host, address.Port, limit.Token).ConfigureAwait(false);
                    }

                    await _log.WriteLineAsync($"coordinator {address}: connected").ConfigureAwait(false);
                    pause = FirstPause;
                    await SpeakAsync(client.GetStream(), cancel).ConfigureAwait(false);
                }
                catch (Exception e) when (e is SocketException or IOException or OperationCanceledException && !cancel.IsCancellationRequested)
                {
                    await _log.WriteLineAsync($"coordinator {address}: {(e is OperationCanceledException ? "no answer" : e.Message)}").ConfigureAwait(false);
                }

                await Task.Delay(pause * (0.5 + (0.5 * Random.Shared.NextDouble())), cancel).ConfigureAwait(false);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    private async Task SpeakAsync(NetworkStream stream, CancellationToken cancel)
    {
        var outgoing = Channel.CreateBounded<ControlMessage>(new BoundedChannelOptions(OutgoingCapacity) { SingleReader = true, SingleWriter = true });
        Volatile.Write(ref _outgoing, outgoing);
        using var session = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            await _post(new ControlUp(), cancel).ConfigureAwait(false);
            var writing = WriteAsync(stream, outgoing.Reader, session.Token);
            var reading = ReadAsync(stream, session.Token);
            var first = await Task.WhenAny(writing, reading).ConfigureAwait(false);
            await session.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(Quiet(writing), Quiet(reading)).ConfigureAwait(false);
            if (cancel.IsCancellationRequested)
            {
                await SayGoodbyeAsync(stream).ConfigureAwait(false);
            }

            await first.ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _outgoing, null);
            await _post(new ControlDown(), CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task WriteAsync(NetworkStream stream, ChannelReader<ControlMessage> messages, CancellationToken cancel)
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

    private async Task ReadAsync(NetworkStream stream, CancellationToken cancel)
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
                    throw new IOException($"a message that cannot be read: {error}");
                }

                // Heartbeats are answered, so a longer silence means that nobody is there, whatever TCP believes.
                patience = message is Welcome welcome ? TimeSpan.FromMilliseconds(Math.Clamp(welcome.HeartbeatMilliseconds * 4.0, 1_000, 600_000)) : patience;
                await _post(new ControlReceived(message), cancel).ConfigureAwait(false);
            }

            if (decoder.Error is not null)
            {
                throw new IOException(decoder.Error);
            }
        }
    }

    private static async Task SayGoodbyeAsync(NetworkStream stream)
    {
        using var limit = new CancellationTokenSource(FarewellTime);
        var frame = new ArrayBufferWriter<byte>();
        if (FrameCodec.TryWriteMessage(new Goodbye { Id = 0, Reason = "the agent stops" }, new ArrayBufferWriter<byte>(), frame, out _))
        {
            await Quiet(stream.WriteAsync(frame.WrittenMemory, limit.Token).AsTask()).ConfigureAwait(false);
        }
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
