using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>
/// Runs the node over capture files: the frames of both inputs in the order of their timestamps, the node's deadlines in between, on the files' own clock. The same files
/// in give the same files out.
/// </summary>
internal static class FileRun
{
    /// <summary>Runs until both inputs end; returns how many frames there were.</summary>
    public static long Run(AccessPointNode node, CaptureFileDevice uplink, CaptureFileDevice clients, DeviceOutput output, CancellationToken stop)
    {
        long frames = 0;
        var now = Instant.Zero;
        FrameHandler onUplink = (Span<byte> frame, in OffloadInfo offload) => node.OnUplinkFrame(frame, offload, now);
        FrameHandler onClient = (Span<byte> frame, in OffloadInfo offload) => node.OnClientFrame(frame, offload, now);
        while (!(uplink.EndOfInput && clients.EndOfInput) && !stop.IsCancellationRequested)
        {
            // A broken file has no next timestamp: it is read at once, and says so.
            var nextUplink = TimeOf(uplink);
            var nextClient = TimeOf(clients);
            var isClient = nextClient <= nextUplink;
            var next = Instant.Max(now, isClient ? nextClient : nextUplink);
            now = frames == 0 ? next : now;

            // Deadlines before the first frame are the node's first announcements: they happen when the files begin.
            while (node.NextDeadline <= next)
            {
                now = Instant.Max(now, node.NextDeadline);
                uplink.Now = clients.Now = output.Now = now;
                node.Advance(now);
            }

            now = next;
            uplink.Now = clients.Now = output.Now = now;
            frames += isClient ? clients.Receive(onClient, 1) : uplink.Receive(onUplink, 1);
        }

        uplink.Flush();
        clients.Flush();
        return frames;
    }

    private static Instant TimeOf(CaptureFileDevice device) =>
        device.EndOfInput ? Instant.Never : device.NextTimestamp ?? Instant.Zero;
}
