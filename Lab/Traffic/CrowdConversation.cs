using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>
/// A slow TCP conversation, one of very many: the client sends a message at a steady interval, the server answers with different content, every byte is
/// verified. It has no thread of its own: its two ends wait in the runtime's one poll.
/// </summary>
public sealed class CrowdConversation : LabConnection
{
    private const int MessageSize = 64;
    private readonly Socket _listener;
    private readonly Socket _clientSocket;
    private readonly TimeSpan _interval;
    private readonly ulong _seed;
    private readonly CancellationTokenSource _stop = new();
    private Socket? _serverSocket;

    /// <summary>Wraps sockets that <see cref="Crowd"/> made.</summary>
    internal CrowdConversation(int client, IPEndPoint server, Socket listener, Socket clientSocket, TimeSpan interval)
        : base("conversation", "TCP", client, server)
    {
        (_listener, _clientSocket, _interval) = (listener, clientSocket, interval);
        _seed = ((ulong)server.Port << 32) ^ ((ulong)(client + 1) << 56) ^ (ulong)Environment.ProcessId;
    }

    /// <inheritdoc/>
    public override bool IsInCrowd => true;

    /// <inheritdoc/>
    public override void Start()
    {
        _ = RunEndAsync("server", ServeAsync);
        _ = RunEndAsync("client", SpeakAsync);
    }

    /// <inheritdoc/>
    public override void Stop() => _stop.Cancel();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _stop.Cancel();
        _clientSocket.Dispose();
        _serverSocket?.Dispose();
        _listener.Dispose();
    }

    private static async Task<bool> ReadAllAsync(Socket socket, Memory<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var got = await socket.ReceiveAsync(buffer).ConfigureAwait(false);
            if (got == 0)
            {
                return false;
            }

            buffer = buffer[got..];
        }

        return true;
    }

    private static async Task WriteAllAsync(Socket socket, ReadOnlyMemory<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            buffer = buffer[await socket.SendAsync(buffer).ConfigureAwait(false)..];
        }
    }

    private async Task SpeakAsync()
    {
        await _clientSocket.ConnectAsync(Server).ConfigureAwait(false);
        ClientEndpoint = (IPEndPoint?)_clientSocket.LocalEndPoint;
        Transition(ConnectionHealth.Opening, ConnectionHealth.Running);
        var message = new byte[MessageSize];
        for (long offset = 0; !_stop.IsCancellationRequested; offset += MessageSize)
        {
            Pattern.Fill(message, _seed, offset);
            await WriteAllAsync(_clientSocket, message).ConfigureAwait(false);
            if (!await ReadAllAsync(_clientSocket, message).ConfigureAwait(false))
            {
                Fail(ConnectionHealth.Reset, "the server's side ended");
                return;
            }

            if (!Pattern.Matches(message, ~_seed, offset))
            {
                Fail(ConnectionHealth.Corrupted, $"wrong answer at {offset}");
                return;
            }

            Progress(MessageSize, down: true);
            await Task.Delay(_interval, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _clientSocket.Shutdown(SocketShutdown.Send);
        if (await ReadAllAsync(_clientSocket, new byte[1]).ConfigureAwait(false))
        {
            Fail(ConnectionHealth.Corrupted, "bytes after the end");
        }
        else
        {
            Transition(ConnectionHealth.Running, ConnectionHealth.Finished);
        }
    }

    private async Task ServeAsync()
    {
        var socket = await _listener.AcceptAsync().ConfigureAwait(false);
        _serverSocket = socket;
        socket.NoDelay = true;
        SeenByServer = (IPEndPoint?)socket.RemoteEndPoint;
        var message = new byte[MessageSize];
        for (long offset = 0; await ReadAllAsync(socket, message).ConfigureAwait(false); offset += MessageSize)
        {
            if (!Pattern.Matches(message, _seed, offset))
            {
                Fail(ConnectionHealth.Corrupted, $"wrong message at {offset}");
                return;
            }

            Progress(MessageSize, down: false);
            Pattern.Fill(message, ~_seed, offset);
            await WriteAllAsync(socket, message).ConfigureAwait(false);
        }

        socket.Shutdown(SocketShutdown.Send);
    }
}
