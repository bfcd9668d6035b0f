using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>An interactive conversation: the client sends, the server answers with different content, again and again. The first message may be larger.</summary>
public sealed class PingPong : TcpConnection
{
    private const int MessageSize = 64;
    private readonly int _firstSize;
    private readonly TimeSpan _interval;

    /// <summary>Prepares the conversation.</summary>
    /// <param name="topology">The network.</param>
    /// <param name="name">What it is, for people.</param>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="server">The server's endpoint.</param>
    /// <param name="firstSize">Size of the first message in each direction, bytes.</param>
    /// <param name="interval">Pause between an answer and the next message.</param>
    public PingPong(LabTopology topology, string name, int client, IPEndPoint server, int firstSize, TimeSpan interval)
        : base(topology, name, client, server)
    {
        _firstSize = firstSize;
        _interval = interval;
    }

    /// <summary>The longest time from a message to its answer, ns.</summary>
    public long LongestRoundTrip { get; private set; }

    /// <summary>The longest time is that from now on; one that is under way counts.</summary>
    public void ForgetLongest() => LongestRoundTrip = 0;

    /// <inheritdoc/>
    protected override void RunClient(Socket socket)
    {
        long offset = 0;
        while (!Stopping)
        {
            var message = new byte[offset == 0 ? _firstSize : MessageSize];
            Pattern.Fill(message, Seed, offset);
            var begin = LabClock.Now;
            WriteAll(socket, message);
            if (!ReadAll(socket, message))
            {
                Fail(ConnectionHealth.Reset, "the server's side ended");
                return;
            }

            LongestRoundTrip = Math.Max(LongestRoundTrip, LabClock.Now - begin);
            if (!Pattern.Matches(message, ~Seed, offset))
            {
                Fail(ConnectionHealth.Corrupted, $"wrong answer at {offset}");
                return;
            }

            offset += message.Length;
            Progress(message.Length, down: true);
            Thread.Sleep(_interval);
        }

        socket.Shutdown(SocketShutdown.Send);
        if (ReadAll(socket, new byte[1]))
        {
            Fail(ConnectionHealth.Corrupted, "bytes after the end");
        }
        else
        {
            Transition(ConnectionHealth.Running, ConnectionHealth.Finished);
        }
    }

    /// <inheritdoc/>
    protected override void RunServer(Socket socket)
    {
        long offset = 0;
        while (true)
        {
            var message = new byte[offset == 0 ? _firstSize : MessageSize];
            if (!ReadAll(socket, message))
            {
                socket.Shutdown(SocketShutdown.Send);
                return;
            }

            if (!Pattern.Matches(message, Seed, offset))
            {
                Fail(ConnectionHealth.Corrupted, $"wrong message at {offset}");
                return;
            }

            Progress(message.Length, down: false);
            Pattern.Fill(message, ~Seed, offset);
            offset += message.Length;
            WriteAll(socket, message);
        }
    }
}
