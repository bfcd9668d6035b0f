using System.Net;
using System.Net.Sockets;

namespace Masquerade.Lab.Traffic;

/// <summary>How a connection of the demonstration fares.</summary>
public enum ConnectionHealth
{
    /// <summary>Not established yet.</summary>
    Opening,

    /// <summary>Carries data.</summary>
    Running,

    /// <summary>Ended in order, every byte verified.</summary>
    Finished,

    /// <summary>Has not moved for longer than anything but death explains.</summary>
    Stalled,

    /// <summary>Reset, refused or timed out.</summary>
    Reset,

    /// <summary>Delivered bytes that were never sent there.</summary>
    Corrupted,
}

/// <summary>One connection between a client and the server, at real sockets. Each has a server port of its own, which names it at every point of capture.</summary>
public abstract class LabConnection : IDisposable
{
    private readonly Silences _up = new();
    private readonly Silences _down = new();
    private long _bytes;
    private long _lastProgress;
    private int _health;

    /// <summary>Creates the connection's description; traffic starts later.</summary>
    /// <param name="name">What it does, for people.</param>
    /// <param name="protocol">"TCP", "UDP" or "ICMP".</param>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="server">The server's endpoint; for ICMP the port is the flow's identity in the payload.</param>
    protected LabConnection(string name, string protocol, int client, IPEndPoint server)
    {
        Name = name;
        Protocol = protocol;
        Client = client;
        Server = server;
        _lastProgress = LabClock.Now;
    }

    /// <summary>What it does, for people.</summary>
    public string Name { get; }

    /// <summary>"TCP", "UDP" or "ICMP".</summary>
    public string Protocol { get; }

    /// <summary>The client; 0 is c1.</summary>
    public int Client { get; }

    /// <summary>The server's endpoint.</summary>
    public IPEndPoint Server { get; }

    /// <summary>The client's own endpoint as its application sees it.</summary>
    public IPEndPoint? ClientEndpoint { get; protected set; }

    /// <summary>The client's endpoint as the server sees it.</summary>
    public IPEndPoint? SeenByServer { get; protected set; }

    /// <summary>Payload bytes received so far, both directions together.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>When payload was last received, in either direction.</summary>
    public long LastProgress => Interlocked.Read(ref _lastProgress);

    /// <summary>Whether it is one of many of its kind, which nobody wants to see one by one.</summary>
    public virtual bool IsInCrowd => false;

    /// <summary>How it fares.</summary>
    public ConnectionHealth Health => (ConnectionHealth)Volatile.Read(ref _health);

    /// <summary>What went wrong, for people.</summary>
    public string? Failure { get; private set; }

    /// <summary>Set once the demonstration ends the connection: errors after that are our own doing.</summary>
    protected bool Closing { get; private set; }

    /// <summary>Starts the traffic.</summary>
    public abstract void Start();

    /// <summary>Asks both ends to stop sending; what was sent still arrives.</summary>
    public abstract void Stop();

    /// <summary>After <see cref="Stop"/>: waits for the end until <paramref name="deadline"/>, then closes hard; sets the final health.</summary>
    public virtual void Complete(long deadline)
    {
        while (Health is ConnectionHealth.Running or ConnectionHealth.Opening && LabClock.Now < deadline)
        {
            Thread.Sleep(5);
        }

        Closing = true;
        Transition(ConnectionHealth.Running, ConnectionHealth.Stalled);
        Transition(ConnectionHealth.Opening, ConnectionHealth.Stalled);
        Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Closing = true;
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the sockets.</summary>
    protected abstract void Dispose(bool disposing);

    /// <summary>The longest time (ns) without payload, in the worse direction, that has a part between two instants; by the receivers' clocks; what is shorter than 10 ms is not seen.</summary>
    public long LongestSilence(long from, long until) => Math.Max(_up.Longest(from, until), _down.Longest(from, until));

    /// <summary>Payload arrived and was verified.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="down">At the client, else at the server.</param>
    protected void Progress(int bytes, bool down)
    {
        var now = LabClock.Now;
        Interlocked.Add(ref _bytes, bytes);
        Interlocked.Exchange(ref _lastProgress, now);
        (down ? _down : _up).Arrived(now);
    }

    /// <summary>Changes health if it is still <paramref name="from"/>; the first failure is the one that counts.</summary>
    protected bool Transition(ConnectionHealth from, ConnectionHealth to) => Interlocked.CompareExchange(ref _health, (int)to, (int)from) == (int)from;

    /// <summary>Records a failure, unless the demonstration itself closed the connection.</summary>
    protected void Fail(ConnectionHealth health, string why)
    {
        if (!Closing && (Transition(ConnectionHealth.Running, health) || Transition(ConnectionHealth.Opening, health)))
        {
            Failure = why;
        }
    }

    /// <summary>Runs one end of the connection without a thread of its own and turns socket errors into health.</summary>
    protected async Task RunEndAsync(string end, Func<Task> action)
    {
        ArgumentNullException.ThrowIfNull(action);
        try
        {
            await action().ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            Fail(ConnectionHealth.Reset, $"{end}: {e.SocketErrorCode}");
        }
        catch (ObjectDisposedException)
        {
            // Closed by Complete or by the other end's failure, which has been recorded there.
        }
    }

    /// <summary>Runs one end of the connection on a thread of its own and turns socket errors into health.</summary>
    protected void RunEnd(string end, Action action)
    {
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (SocketException e)
            {
                Fail(ConnectionHealth.Reset, $"{end}: {e.SocketErrorCode}");
            }
            catch (ObjectDisposedException)
            {
                // Closed by Complete or by the other end's failure, which has been recorded there.
            }
        })
        { IsBackground = true, Name = $"{Name} {end}" };
        thread.Start();
    }
}
