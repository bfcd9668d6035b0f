using System.Net;
using System.Net.Sockets;

namespace Masquerade.Lab.Traffic;

/// <summary>Numbered datagrams in both directions, each of which is accounted for.</summary>
public abstract class DatagramFlow : DatagramConnection
{
    private volatile SocketAddress? _peer;

    /// <summary>Makes room for <paramref name="capacity"/> datagrams in each direction.</summary>
    protected DatagramFlow(string name, int client, IPEndPoint server, int capacity)
        : base(name, "UDP", client, server)
    {
        Flow = (ushort)Server.Port;
        Up = new DatagramLog(capacity);
        Down = new DatagramLog(capacity);
    }

    /// <summary>Client to server.</summary>
    public DatagramLog Up { get; }

    /// <summary>Server to client.</summary>
    public DatagramLog Down { get; }

    /// <summary>The flow's identity, in each of its datagrams: the server's port.</summary>
    protected ushort Flow { get; }

    /// <summary>From where the server had the first datagram: it sends there for ever.</summary>
    protected SocketAddress? Peer => _peer;

    /// <summary>The server has received something. False if it is not a datagram of this flow.</summary>
    protected bool TakeAtServer(ReadOnlySpan<byte> datagram, SocketAddress from)
    {
        var now = LabClock.Now;
        if (!DatagramPayload.Verify(datagram, Flow, DatagramPayload.Up, out var sequence))
        {
            Up.RecordForeign();
            return false;
        }

        Up.RecordReceived(sequence, now);
        Progress(datagram.Length, down: false);
        if (_peer is null)
        {
            SeenByServer = (IPEndPoint)Server.Create(from);
            _peer = SeenByServer.Serialize();
        }

        return true;
    }

    /// <summary>The client has received something.</summary>
    protected void TakeAtClient(ReadOnlySpan<byte> datagram)
    {
        var now = LabClock.Now;
        if (!DatagramPayload.Verify(datagram, Flow, DatagramPayload.Down, out var sequence))
        {
            Down.RecordForeign();
            return;
        }

        Down.RecordReceived(sequence, now);
        Transition(ConnectionHealth.Opening, ConnectionHealth.Running);
        Progress(datagram.Length, down: true);
    }

    /// <inheritdoc/>
    protected override bool IsWaiting => Up.Received < Up.Sent || Down.Received < Down.Sent;
}
