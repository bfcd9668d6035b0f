using System.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>Numbered datagrams in both directions, each of which is accounted for.</summary>
public abstract class DatagramFlow : DatagramConnection
{
    /// <summary>Makes room for <paramref name="capacity"/> datagrams in each direction.</summary>
    protected DatagramFlow(string name, int client, IPEndPoint server, int capacity)
        : base(name, "UDP", client, server)
    {
        Up = new DatagramLog(capacity);
        Down = new DatagramLog(capacity);
    }

    /// <summary>Client to server.</summary>
    public DatagramLog Up { get; }

    /// <summary>Server to client.</summary>
    public DatagramLog Down { get; }

    /// <inheritdoc/>
    protected override bool IsWaiting => Up.Received < Up.Sent || Down.Received < Down.Sent;
}
