using System.Globalization;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;

namespace Masquerade.Lab.Scenario;

/// <summary>Takes a roam apart: when, after the new link was up, each step was first seen in the captures of the new access point. For whoever looks for a millisecond.</summary>
internal static class RoamAnatomy
{
    private static readonly long s_window = LabClock.Milliseconds(200);

    public static IEnumerable<string> Describe(PacketLog log, IReadOnlyList<RoamRecord> walk)
    {
        foreach (var roam in walk)
        {
            var uplink = log.At(CapturePoints.Uplink(roam.To)).Where(p => p.At >= roam.UpBegin && p.At < roam.UpEnd + s_window).ToArray();
            var client = log.At(CapturePoints.ClientSide(roam.To)).Where(p => p.At >= roam.UpBegin && p.At < roam.UpEnd + s_window).ToArray();
            var others = Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => k != roam.To)
                .SelectMany(k => log.At(CapturePoints.Uplink(k)).Where(p => p.At >= roam.UpBegin && p.At < roam.UpEnd + s_window)).ToArray();
            yield return $"AP{roam.From + 1} → AP{roam.To + 1}: ms after the link was up: "
                + $"client's first frame {First(client, roam, p => !p.Outgoing)}, "
                + $"question to the coordinator {First(uplink, roam, p => p.Kind == FrameKind.Control && p.Outgoing && p.Length > 80)}, "
                + $"its answer {First(uplink, roam, p => p.Kind == FrameKind.Control && !p.Outgoing && p.Length > 80)}, "
                + $"first datagram out {First(uplink, roam, p => IsDatagram(p) && !p.Down && p.Outgoing)}, "
                + $"marker between others {First(others, roam, p => p.Kind == FrameKind.PeerMarker)}, "
                + $"first datagram in {First(uplink, roam, p => IsDatagram(p) && p.Down && !p.Outgoing)}, "
                + $"first datagram to the client {First(client, roam, p => IsDatagram(p) && p.Down && p.Outgoing)}";
        }
    }

    private static bool IsDatagram(in PacketRecord packet) => packet.Kind == FrameKind.Flow && packet.Protocol == 17;

    private static string First(IEnumerable<PacketRecord> packets, RoamRecord roam, Func<PacketRecord, bool> condition)
    {
        foreach (var packet in packets.OrderBy(p => p.At))
        {
            if (condition(packet))
            {
                return LabClock.ToMilliseconds(packet.At - roam.UpEnd).ToString("F2", CultureInfo.InvariantCulture);
            }
        }

        return "never";
    }
}
