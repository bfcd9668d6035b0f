using System.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>A connection of datagrams: it has no end of its own, and sends until it is told to stop.</summary>
public abstract class DatagramConnection : LabConnection
{
    private volatile bool _stopping;

    /// <inheritdoc/>
    protected DatagramConnection(string name, string protocol, int client, IPEndPoint server)
        : base(name, protocol, client, server)
    {
    }

    /// <summary>Set once nothing more is to be sent.</summary>
    protected bool Stopping => _stopping;

    /// <summary>Whether datagrams that were sent have not arrived.</summary>
    protected abstract bool IsWaiting { get; }

    /// <inheritdoc/>
    public override void Stop() => _stopping = true;

    /// <inheritdoc/>
    public override void Complete(long deadline)
    {
        // Give the last ones the time to arrive.
        while (LabClock.Now < deadline && IsWaiting && LabClock.Now - LastProgress < LabClock.Milliseconds(300))
        {
            Thread.Sleep(5);
        }

        Transition(ConnectionHealth.Running, ConnectionHealth.Finished);
        base.Complete(deadline);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _stopping = true;
}
