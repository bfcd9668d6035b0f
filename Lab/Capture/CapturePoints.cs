using Masquerade.Lab.Net;

namespace Masquerade.Lab.Capture;

/// <summary>The observers of a run: the server's link, and both sides of every access point.</summary>
public sealed class CapturePoints : IDisposable
{
    /// <summary>The server's own interface.</summary>
    public const int ServerLink = 0;

    /// <summary>How many points there are.</summary>
    public const int Count = 1 + (2 * LabTopology.AccessPointCount);

    private readonly PacketRing[] _rings;
    private readonly Thread _thread;
    private readonly long _offset = LabClock.RealtimeOffset();
    private volatile bool _stopping;
    private long _dropped;

    /// <summary>Starts capturing everywhere.</summary>
    public CapturePoints(LabTopology topology)
    {
        ArgumentNullException.ThrowIfNull(topology);
        var rings = new List<PacketRing>();
        try
        {
            rings.Add(topology.Server.Invoke(() => PacketRing.Open("eth0")));
            rings.AddRange(topology.AccessPoints.Select(ap => ap.Invoke(() => PacketRing.Open("up0"))));
            rings.AddRange(topology.AccessPoints.Select(ap => ap.Invoke(() => PacketRing.Open("cl0"))));
        }
        catch
        {
            rings.ForEach(r => r.Dispose());
            throw;
        }

        _rings = [.. rings];
        _thread = new Thread(Run) { IsBackground = true, Name = "captures" };
        _thread.Start();
    }

    /// <summary>What was captured. Read it after <see cref="Stop"/>.</summary>
    public PacketLog Log { get; } = new(Count);

    /// <summary>How many frames the kernel could not store; anything but 0 weakens the proof. Final after <see cref="Stop"/>.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>The point at the uplink of an access point (0 is AP1).</summary>
    public static int Uplink(int accessPoint) => 1 + accessPoint;

    /// <summary>The point at the client side of an access point (0 is AP1).</summary>
    public static int ClientSide(int accessPoint) => 1 + LabTopology.AccessPointCount + accessPoint;

    /// <summary>What people call a point.</summary>
    public static string Name(int point) => point == ServerLink ? "the server's link"
        : point < ClientSide(0) ? $"AP{point}'s uplink" : $"AP{point - LabTopology.AccessPointCount}'s client side";

    /// <summary>Stops capturing; everything seen until now is in the log.</summary>
    public void Stop()
    {
        if (_stopping)
        {
            return;
        }

        // The kernel closes a started block only after its time to retire.
        Thread.Sleep(120);
        _stopping = true;
        _thread.Join();
        Interlocked.Exchange(ref _dropped, _rings.Sum(r => (long)r.TakeDropCount()));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        foreach (var ring in _rings)
        {
            ring.Dispose();
        }
    }

    private unsafe void Run()
    {
        var fds = stackalloc Libc.PollFd[Count];
        for (var i = 0; i < Count; i++)
        {
            fds[i] = new Libc.PollFd(_rings[i].Fd, Libc.PollIn);
        }

        while (true)
        {
            var last = _stopping;
            _ = Libc.Poll(fds, Count, 40);
            for (var i = 0; i < Count; i++)
            {
                _rings[i].Drain(Log, (byte)i, _offset);
                if ((fds[i].Returned & Libc.PollErr) != 0)
                {
                    // The link went down. Frames come again when it is up; until the error is taken, poll would not wait.
                    _rings[i].TakeError();
                }
            }

            if (last)
            {
                return;
            }
        }
    }
}
