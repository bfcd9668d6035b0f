using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading.Channels;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Observing;

/// <summary>
/// Brings events to a file and to whoever listens on a Unix socket, one JSON object per line. The data thread never waits for a disk or a reader: when the bounded
/// queue is full, events are lost and counted.
/// </summary>
internal sealed class EventLog : IAsyncDisposable
{
    private const int Capacity = 8_192;
    private const int MostListeners = 16;

    private readonly NodeId _node;
    private readonly Channel<(EngineEvent Event, Instant At, DateTimeOffset Wall)> _channel =
        Channel.CreateBounded<(EngineEvent, Instant, DateTimeOffset)>(new BoundedChannelOptions(Capacity) { SingleReader = true });

    private readonly FileStream? _file;
    private readonly Socket? _listening;
    private readonly string _socketPath;
    private readonly List<Socket> _listeners = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _writing;
    private readonly Task _accepting;
    private long _lost;

    /// <summary>Opens the file (to append) and the socket; an empty path means none.</summary>
    public EventLog(NodeId node, string filePath, string socketPath)
    {
        _node = node;
        _socketPath = socketPath;
        if (filePath.Length > 0)
        {
            _file = new FileStream(filePath, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0);
        }

        if (socketPath.Length > 0)
        {
            _listening = UnixSockets.Listen(socketPath);
        }

        _writing = Task.Run(WriteAsync);
        _accepting = _listening is null ? Task.CompletedTask : Task.Run(AcceptAsync);
    }

    /// <summary>Events that were lost because nobody took them in time.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Takes an event; never waits.</summary>
    public void Report(EngineEvent engineEvent, Instant at)
    {
        if ((_file is not null || _listening is not null) && !_channel.Writer.TryWrite((engineEvent, at, TimeProvider.System.GetUtcNow())))
        {
            Interlocked.Increment(ref _lost);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _channel.Writer.TryComplete();
        await _writing.ConfigureAwait(false);
        await _stopping.CancelAsync().ConfigureAwait(false);
        _listening?.Dispose();
        await _accepting.ConfigureAwait(false);
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }

        if (_listening is not null)
        {
            File.Delete(_socketPath);
        }

        if (_file is not null)
        {
            await _file.DisposeAsync().ConfigureAwait(false);
        }

        _stopping.Dispose();
    }

    private async Task WriteAsync()
    {
        var line = new ArrayBufferWriter<byte>(1024);
        await using var writer = new Utf8JsonWriter(line);
        while (await _channel.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            // One write per batch that is waiting, so that a burst of a thousand events is not a thousand system calls.
            line.ResetWrittenCount();
            while (line.WrittenCount < 64 * 1024 && _channel.Reader.TryRead(out var entry))
            {
                writer.Reset(line);
                EventJson.Write(writer, _node, entry.Event, entry.At, entry.Wall);
                writer.Flush();
                line.Write("\n"u8);
            }

            if (_file is not null)
            {
                await _file.WriteAsync(line.WrittenMemory).ConfigureAwait(false);
                await _file.FlushAsync().ConfigureAwait(false);
            }

            Tell(line.WrittenSpan);
        }
    }

    private void Tell(ReadOnlySpan<byte> lines)
    {
        lock (_listeners)
        {
            for (var i = _listeners.Count - 1; i >= 0; i--)
            {
                // A listener that does not keep up is let go rather than given half lines.
                var sent = 0;
                try
                {
                    sent = _listeners[i].Send(lines, SocketFlags.None);
                }
                catch (SocketException)
                {
                    // It has gone, or its buffer is full.
                }

                if (sent != lines.Length)
                {
                    _listeners[i].Dispose();
                    _listeners.RemoveAt(i);
                }
            }
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var listener = await _listening!.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                listener.Blocking = false;
                lock (_listeners)
                {
                    if (_listeners.Count < MostListeners)
                    {
                        _listeners.Add(listener);
                        continue;
                    }
                }

                listener.Dispose();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The agent stops.
        }
    }
}
