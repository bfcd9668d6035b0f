using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>A stream in one direction at a steady rate, every byte verified, complete only when the last byte sent has arrived.</summary>
public sealed class BulkTransfer : TcpConnection
{
    private static readonly long s_tick = LabClock.Milliseconds(5);
    private readonly bool _download;
    private readonly long _bytesPerTick;
    private long _sent = -1;

    /// <summary>Prepares the transfer.</summary>
    /// <param name="topology">The network.</param>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="server">The server's endpoint.</param>
    /// <param name="download">Server to client, else client to server.</param>
    /// <param name="megabitsPerSecond">The rate offered, in Mbit/s of payload.</param>
    public BulkTransfer(LabTopology topology, int client, IPEndPoint server, bool download, double megabitsPerSecond)
        : base(topology, download ? "bulk download" : "bulk upload", client, server)
    {
        _download = download;
        _bytesPerTick = Math.Max(1, (long)(megabitsPerSecond * 1e6 / 8 * s_tick / 1e9));
    }

    /// <inheritdoc/>
    protected override void RunClient(Socket socket)
    {
        if (_download)
        {
            Receive(socket);
        }
        else
        {
            Send(socket);
        }
    }

    /// <inheritdoc/>
    protected override void RunServer(Socket socket)
    {
        if (_download)
        {
            Send(socket);
        }
        else
        {
            Receive(socket);
        }
    }

    private void Send(Socket socket)
    {
        var chunk = new byte[_bytesPerTick];
        long offset = 0;
        var next = LabClock.Now;
        while (!Stopping)
        {
            Pattern.Fill(chunk, Seed, offset);
            WriteAll(socket, chunk);
            offset += chunk.Length;

            // A sender that was blocked does not catch up: the rate is a ceiling.
            next = Math.Max(next + s_tick, LabClock.Now - s_tick);
            LabClock.SleepUntil(next);
        }

        Interlocked.Exchange(ref _sent, offset);
        socket.Shutdown(SocketShutdown.Send);
    }

    private void Receive(Socket socket)
    {
        var buffer = new byte[64 * 1024];
        long offset = 0;
        while (true)
        {
            var got = socket.Receive(buffer);
            if (got == 0)
            {
                break;
            }

            if (!Pattern.Matches(buffer.AsSpan(0, got), Seed, offset))
            {
                Fail(ConnectionHealth.Corrupted, $"wrong content within the {got} bytes at {offset}");
                return;
            }

            offset += got;
            Progress(got, _download);
        }

        if (Interlocked.Read(ref _sent) == offset)
        {
            Transition(ConnectionHealth.Running, ConnectionHealth.Finished);
        }
        else
        {
            Fail(ConnectionHealth.Reset, $"ended after {offset} bytes");
        }
    }
}
