using Masquerade.Core.Flow;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Users;

/// <summary>Listens at a client's end of the air, as anybody near could, and says how much of what it hears can be read.</summary>
internal sealed class LinkTap : IDisposable
{
    private readonly MacAddress _client;
    private readonly PacketRing _ring;
    private readonly PacketLog _log = new(1);
    private readonly Thread _thread;
    private readonly long _offset = LabClock.RealtimeOffset();
    private volatile bool _stopping;

    public LinkTap(LabTopology topology, int client)
    {
        _client = MacAddress.Parse(LabTopology.ClientMac(client));
        _ring = topology.Air.Invoke(() => PacketRing.Open($"c{client + 1}"));
        _thread = new Thread(Run) { IsBackground = true, Name = "tap" };
        _thread.Start();
    }

    /// <summary>Ends listening.</summary>
    /// <returns>How many frames there were, and those of them, from the client or to it alone, that show an IP packet or an address resolution, in words.</returns>
    public (int Frames, IReadOnlyList<string> Readable) Stop()
    {
        if (!_stopping)
        {
            // The kernel closes a started block only after its time to retire.
            Thread.Sleep(120);
            _stopping = true;
            _thread.Join();
        }

        return (_log.Count,
            [.. _log.At(0).Where(r => (r.Protocol != 0 || r.Kind != FrameKind.Unknown) && (!r.Outgoing || r.To == _client)).Select(r => $"{(r.Outgoing ? "to" : "from")} the client: {r.Kind}, protocol {r.Protocol}, {r.Source} > {r.Destination}, {r.Length} octets")]);
    }

    public void Dispose()
    {
        Stop();
        _ring.Dispose();
    }

    private unsafe void Run()
    {
        var fd = new Libc.PollFd(_ring.Fd, Libc.PollIn);
        while (true)
        {
            var last = _stopping;
            _ = Libc.Poll(&fd, 1, 40);
            _ring.Drain(_log, 0, _offset);
            if ((fd.Returned & Libc.PollErr) != 0)
            {
                // The link went down; until the error is taken, poll would not wait.
                _ring.TakeError();
            }

            if (last)
            {
                return;
            }
        }
    }
}
