using System.Globalization;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;

namespace Masquerade.Lab.Scenario;

/// <summary>Takes a roam apart: when, after the new link was up, each step was first seen in the captures of the new access point. For whoever looks for a millisecond.</summary>
internal static class RoamAnatomy
{
    private static readonly long s_window = LabClock.Milliseconds(200);

    /// <summary>A line for each roam.</summary>
    public static IEnumerable<string> Describe(PacketLog log, IReadOnlyList<RoamRecord> walk)
    {
        foreach (var roam in walk)
        {
            yield return $"AP{roam.From + 1} → AP{roam.To + 1}: ms after the link was up: "
                + string.Join(", ", Steps(log, roam).Select(s => $"{s.Step} {s.Milliseconds?.ToString("F2", CultureInfo.InvariantCulture) ?? "never"}"));
        }
    }

    /// <summary>Each step and when it was seen first, ms after the link was up; null if it was not.</summary>
    public static IEnumerable<(string Step, double? Milliseconds)> Steps(PacketLog log, RoamRecord roam)
    {
        var uplink = At(CapturePoints.Uplink(roam.To));
        var client = At(CapturePoints.ClientSide(roam.To));
        var others = Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => k != roam.To).SelectMany(k => At(CapturePoints.Uplink(k))).ToArray();
        yield return ("client's first frame", First(client, p => !p.Outgoing));
        yield return ("question to the coordinator", First(uplink, p => p.Kind == FrameKind.Control && p.Outgoing && p.Length > 80));
        yield return ("its answer", First(uplink, p => p.Kind == FrameKind.Control && !p.Outgoing && p.Length > 80));
        yield return ("first datagram out", First(uplink, p => IsDatagram(p) && !p.Down && p.Outgoing));
        yield return ("marker between others", First(others, p => p.Kind == FrameKind.PeerMarker));
        yield return ("first datagram in", First(uplink, p => IsDatagram(p) && p.Down && !p.Outgoing));
        yield return ("first datagram to the client", First(client, p => IsDatagram(p) && p.Down && p.Outgoing));

        PacketRecord[] At(int point) => [.. log.At(point).Where(p => p.At >= roam.UpBegin && p.At < roam.UpEnd + s_window)];

        double? First(PacketRecord[] packets, Func<PacketRecord, bool> condition) =>
            packets.Where(condition).Select(p => (double?)LabClock.ToMilliseconds(p.At - roam.UpEnd)).Min();
    }

    private static bool IsDatagram(PacketRecord packet) => packet.Kind == FrameKind.Flow && packet.Protocol == 17;
}
