using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>A TCP connection from a client to the server, sockets of the real kernel at both ends.</summary>
public abstract class TcpConnection : LabConnection
{
    private readonly Socket _listener;
    private readonly Socket _clientSocket;
    private Socket? _serverSocket;

    /// <summary>Makes the sockets inside their namespaces; connecting comes with <see cref="LabConnection.Start"/>.</summary>
    protected TcpConnection(LabTopology topology, string name, int client, IPEndPoint server)
        : base(name, "TCP", client, server)
    {
        ArgumentNullException.ThrowIfNull(topology);
        _listener = topology.Server.Invoke(() =>
        {
            var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Bind(server);
            socket.Listen(4);
            return socket;
        });
        _clientSocket = topology.Clients[client].Invoke(() => new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
        Seed = ((ulong)server.Port << 32) ^ ((ulong)(client + 1) << 56) ^ (ulong)Environment.ProcessId;
    }

    /// <summary>How long connecting took, ns; 0 until it is done.</summary>
    public long ConnectTime { get; private set; }

    /// <summary>What the content depends on.</summary>
    protected ulong Seed { get; }

    /// <summary>Whether the ends have been asked to stop sending.</summary>
    protected bool Stopping { get; private set; }

    /// <inheritdoc/>
    public override void Start()
    {
        RunEnd("server", () =>
        {
            var socket = _listener.Accept();
            _serverSocket = socket;
            socket.NoDelay = true;
            SeenByServer = (IPEndPoint?)socket.RemoteEndPoint;
            RunServer(socket);
        });
        RunEnd("client", () =>
        {
            var begin = LabClock.Now;
            _clientSocket.Connect(Server);
            ConnectTime = LabClock.Now - begin;
            ClientEndpoint = (IPEndPoint?)_clientSocket.LocalEndPoint;
            Transition(ConnectionHealth.Opening, ConnectionHealth.Running);
            RunClient(_clientSocket);
        });
    }

    /// <inheritdoc/>
    public override void Stop() => Stopping = true;

    /// <summary>The client's part of the conversation.</summary>
    protected abstract void RunClient(Socket socket);

    /// <summary>The server's part of the conversation.</summary>
    protected abstract void RunServer(Socket socket);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _clientSocket.Dispose();
        _serverSocket?.Dispose();
        _listener.Dispose();
    }

    /// <summary>Reads exactly the buffer; false at the end of the stream.</summary>
    protected static bool ReadAll(Socket socket, Span<byte> buffer)
    {
        ArgumentNullException.ThrowIfNull(socket);
        while (buffer.Length > 0)
        {
            var got = socket.Receive(buffer);
            if (got == 0)
            {
                return false;
            }

            buffer = buffer[got..];
        }

        return true;
    }

    /// <summary>Writes the whole buffer.</summary>
    protected static void WriteAll(Socket socket, ReadOnlySpan<byte> buffer)
    {
        ArgumentNullException.ThrowIfNull(socket);
        while (buffer.Length > 0)
        {
            buffer = buffer[socket.Send(buffer)..];
        }
    }
}
