using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// Says of every datagram that did not arrive whose fault it was. The link is to blame only on evidence: for an upward one, the client's link was
/// dead when it was sent and no access point heard it; for a downward one, an access point was seen putting it onto a link that was dead then, and could not yet know better.
/// </summary>
internal sealed class DatagramAccounting
{
    /// <summary>
    /// How long after the client is back on the air an access point may still put datagrams onto the dead link without being blamed: one first
    /// frame, one question to the coordinator and one push fit into it many times. Whoever does so longer has lost them.
    /// </summary>
    private static readonly long s_deadLinkAllowance = LabClock.Milliseconds(50);

    /// <summary>When a datagram was sent is noted before the call that sends it; a thread that is held up in between sends later.</summary>
    private static readonly long s_sendingTime = LabClock.Milliseconds(1);

    private readonly LinkHistory _links;
    private readonly PacketLog _log;
    private readonly Func<long, bool>? _troubled;
    private readonly HashSet<(ushort Flow, bool Down, long Sequence)> _lost = [];

    // (flow, sequence) → heard at the client side of an access point; for downward ones whether any copy should have got through.
    private readonly HashSet<(ushort Flow, long Sequence)> _heardUp = [];
    private readonly Dictionary<(ushort Flow, long Sequence), bool> _putDown = [];

    /// <summary>Takes the evidence.</summary>
    /// <param name="log">What was captured.</param>
    /// <param name="links">Where clients were.</param>
    /// <param name="clientOfFlow">Whose the connections are.</param>
    /// <param name="troubled">Whether something killed was being replaced at an instant; null: never.</param>
    public DatagramAccounting(PacketLog log, LinkHistory links, IReadOnlyDictionary<ushort, int> clientOfFlow, Func<long, bool>? troubled = null)
    {
        _troubled = troubled;
        _links = links;
        _log = log;
        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            foreach (var packet in log.At(CapturePoints.ClientSide(k)))
            {
                if (packet.Kind != FrameKind.Flow || packet.Protocol == 6 || packet.Down != packet.Outgoing || !clientOfFlow.TryGetValue(packet.Flow, out var client))
                {
                    continue;
                }

                var key = (packet.Flow, packet.Sequence);
                if (packet.Down)
                {
                    _putDown.TryGetValue(key, out var blamed);
                    _putDown[key] = blamed || links.IsLive(client, k, packet.At) || !links.IsSwitching(client, packet.At, s_deadLinkAllowance);
                }
                else
                {
                    _heardUp.Add(key);
                }
            }
        }
    }

    /// <summary>Adds up one flow.</summary>
    public DatagramSummary Judge(DatagramFlow flow)
    {
        var id = (ushort)flow.Server.Port;
        var (unsent, lost, lostInKills) = (0, 0, 0);
        for (var i = 0; i < flow.Up.Sent; i++)
        {
            if (flow.Up.ReceivedAt(i) == 0)
            {
                if (!_heardUp.Contains((id, i)) && !(_links.IsLive(flow.Client, flow.Up.SentAt(i)) && _links.IsLive(flow.Client, flow.Up.SentAt(i) + s_sendingTime)))
                {
                    unsent++;
                }
                else
                {
                    lost++;
                    lostInKills += _troubled?.Invoke(flow.Up.SentAt(i)) is true ? 1 : 0;
                    _lost.Add((id, false, i));
                }
            }
        }

        for (var i = 0; i < flow.Down.Sent; i++)
        {
            if (flow.Down.ReceivedAt(i) == 0)
            {
                if (_putDown.TryGetValue((id, i), out var blamed) && !blamed)
                {
                    unsent++;
                }
                else
                {
                    lost++;
                    lostInKills += _troubled?.Invoke(flow.Down.SentAt(i)) is true ? 1 : 0;
                    _lost.Add((id, true, i));
                }
            }
        }

        return new DatagramSummary(flow.Up.Sent + flow.Down.Sent, unsent, lost, flow.Up.Duplicated + flow.Down.Duplicated,
            flow.Up.Reordered + flow.Down.Reordered, flow.Up.Foreign + flow.Down.Foreign)
        { LostInKills = lostInKills };
    }

    /// <summary>Where the lost datagrams of the flows judged so far were last seen, with counts and the instants (ns) of the first and last: where to look for the fault.</summary>
    public IReadOnlyList<string> LastSeen(long origin)
    {
        var last = new Dictionary<(ushort Flow, bool Down, long Sequence), (long At, string Where)>();
        for (var point = 0; point < CapturePoints.Count; point++)
        {
            foreach (var packet in _log.At(point))
            {
                var key = (packet.Flow, packet.Down, packet.Sequence);
                if (packet.Kind == FrameKind.Flow && packet.Protocol == 17 && _lost.Contains(key) && (!last.TryGetValue(key, out var seen) || packet.At >= seen.At))
                {
                    last[key] = (packet.At, $"{(packet.Outgoing ? "leaving" : "entering")} {CapturePoints.Name(point)}");
                }
            }
        }

        return [.. _lost.Select(key => (key.Flow, key.Down, Seen: last.GetValueOrDefault(key, (0, "nowhere"))))
            .GroupBy(l => (l.Flow, l.Down, l.Seen.Item2, l.Seen.Item1 / 250_000_000))
            .OrderBy(g => g.Min(l => l.Seen.Item1))
            .Select(g => string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"{g.Count()} datagrams of {g.Key.Flow} {(g.Key.Down ? "to the client" : "to the server")} last seen {g.Key.Item3}, {(g.Min(l => l.Seen.Item1) - origin) / 1e9:F4} to {(g.Max(l => l.Seen.Item1) - origin) / 1e9:F4} s"))];
    }

    /// <summary>Echo requests that were not answered although the link was alive when they were sent and when an answer could have come.</summary>
    public int LostEchoes(EchoFlow flow)
    {
        var id = (ushort)flow.Server.Port;
        var lost = 0;
        for (var i = 0; i < flow.Log.Sent; i++)
        {
            if (flow.Log.ReceivedAt(i) != 0)
            {
                continue;
            }

            var requestUnsent = !_heardUp.Contains((id, i)) && !_links.IsLive(flow.Client, flow.Log.SentAt(i));
            var answerUnsent = _putDown.TryGetValue((id, i), out var blamed) && !blamed;
            lost += requestUnsent || answerUnsent ? 0 : 1;
        }

        return lost;
    }

    /// <summary>The longest silence between two arrivals that overlaps the roam.</summary>
    /// <param name="log">One direction of a flow.</param>
    /// <param name="roam">The roam.</param>
    /// <param name="end">Up to when this roam is responsible: the next one, or the end of the traffic.</param>
    public static double LongestSilence(DatagramLog log, RoamRecord roam, long end)
    {
        long longest = 0;
        long previous = 0;
        foreach (var arrival in log.Arrivals())
        {
            if (previous != 0 && arrival >= roam.DownBegin && previous < end)
            {
                longest = Math.Max(longest, Math.Min(arrival, end) - previous);
            }

            previous = arrival;
            if (arrival >= end)
            {
                break;
            }
        }

        if (previous < end)
        {
            // The flow never came back: the silence lasts until the end.
            longest = Math.Max(longest, end - Math.Max(previous, roam.DownBegin));
        }

        return LabClock.ToMilliseconds(longest);
    }
}
