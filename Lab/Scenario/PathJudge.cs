using Masquerade.Core.Flow;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// Proves from captures alone which way packets went. The judged rules: the server sees one endpoint per connection for its whole life; outbound
/// packets leave at the access point where the client is and cross no other's uplink; inbound ones reach the HAM (whose address the server sees)
/// and from there only the FAM, in that order; nothing is tunnelled or longer than what the sender sent.
/// </summary>
internal sealed class PathJudge
{
    /// <summary>Outbound packets that an access point still had in its hands when the client left.</summary>
    private static readonly long s_outboundGrace = LabClock.Milliseconds(100);

    /// <summary>After a roam the previous FAM forwards what is in flight; after this time nothing can be.</summary>
    private static readonly long s_settle = LabClock.Milliseconds(250);

    /// <summary>
    /// A frame is stamped when it is put into the observer's ring, and the agent on another core may have taken it from its own before: usually less than a hundredth of a millisecond, but as
    /// long as the hypervisor lets the observer's core stand between the two. So single stamps prove an order only beyond this; <see cref="MostInOrder"/> is what proves it.
    /// </summary>
    private static readonly long s_stampError = LabClock.Milliseconds(250);

    /// <summary>Of the datagrams of one connection that went from one HAM to one FAM, that part has stamps in order, whatever the machine does. Would they go the other way round, it were nearly none.</summary>
    private const double MostInOrder = 0.75;

    /// <summary>Fewer datagrams than that may all have come while the observer's core stood.</summary>
    private const int EnoughToTell = 20;

    private const int ViolationsKept = 12;
    private readonly PacketLog _log;
    private readonly LinkHistory _links;
    private readonly IReadOnlyDictionary<ushort, int> _clientOfFlow;
    private readonly AddressOwners _owners;
    private readonly Func<long, bool> _isUnled;
    private readonly Dictionary<(byte Protocol, ushort Flow), HashSet<TransportEndpoint>> _seenByServer = [];
    private readonly Dictionary<(byte Protocol, ushort Flow), IpAddress> _masquerade = [];
    private readonly Dictionary<(byte Protocol, ushort Flow, bool Down, long Sequence), int> _original = [];
    private readonly List<string> _violations = [];
    private long _violationCount;
    private long _encapsulated;
    private long _examined;
    private long _viaHamThenFam;

    /// <summary>Takes the evidence.</summary>
    /// <param name="log">What was captured.</param>
    /// <param name="links">Where clients were.</param>
    /// <param name="clientOfFlow">Whose the connections are.</param>
    /// <param name="owners">Which access point had which address; null: none ever moved.</param>
    /// <param name="isUnled">When access points may not have had a coordinator yet, so that a HAM may not have heard of a move; null: never.</param>
    public PathJudge(PacketLog log, LinkHistory links, IReadOnlyDictionary<ushort, int> clientOfFlow, AddressOwners? owners = null, Func<long, bool>? isUnled = null)
    {
        _isUnled = isUnled ?? (_ => false);
        _owners = owners ?? new AddressOwners();
        _log = log;
        _links = links;
        _clientOfFlow = clientOfFlow;
    }

    public PathSummary Judge()
    {
        ReadServerLink();
        ReadOriginals();
        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            foreach (var packet in _log.At(CapturePoints.Uplink(k)))
            {
                JudgeUplink(k, packet);
            }
        }

        foreach (var packet in _log.At(CapturePoints.ServerLink))
        {
            JudgeLength(packet, "the server's link");
        }

        JudgeInboundOrder();
        if (_examined == 0)
        {
            Violation("no packet of any connection was captured");
        }

        if (_viaHamThenFam == 0 && _clientOfFlow.Values.Any(client => _links.Roams(client).Count > 0))
        {
            Violation("no inbound datagram was seen to go to the HAM and then to the FAM");
        }

        if (_violationCount > _violations.Count)
        {
            _violations.Add($"… {_violationCount - _violations.Count} more");
        }

        return new PathSummary(_violationCount == 0, _encapsulated, _examined, _viaHamThenFam, _violations);
    }

    private static string Name(in PacketRecord p) => $"{(p.Protocol == 6 ? "TCP" : p.Protocol == 17 ? "UDP" : "ICMP")} connection {p.Flow}";

    private void Violation(string text)
    {
        _violationCount++;
        if (_violations.Count < ViolationsKept)
        {
            _violations.Add(text);
        }
    }

    private void ReadServerLink()
    {
        foreach (var packet in _log.At(CapturePoints.ServerLink))
        {
            if (packet.Kind != FrameKind.Flow || packet.Down || packet.Outgoing)
            {
                continue;
            }

            var key = (packet.Protocol, packet.Flow);
            if (!_seenByServer.TryGetValue(key, out var endpoints))
            {
                _seenByServer[key] = endpoints = [];
            }

            if (!endpoints.Add(new TransportEndpoint(packet.Source, packet.SourcePort)))
            {
                continue;
            }

            if (endpoints.Count > 1)
            {
                Violation($"the server saw {endpoints.Count} endpoints of {Name(packet)}: {string.Join(", ", endpoints)}");
                continue;
            }

            _masquerade[key] = packet.Source;
            if (_owners.At(packet.Source, packet.At) < 0)
            {
                Violation($"the server saw {packet.Source} as the source of {Name(packet)}, no access point's address");
            }
        }
    }

    private void ReadOriginals()
    {
        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            foreach (var packet in _log.At(CapturePoints.ClientSide(k)))
            {
                if (packet.Kind == FrameKind.Flow && !packet.Down && !packet.Outgoing)
                {
                    RememberOriginal(packet);
                }
            }
        }

        foreach (var packet in _log.At(CapturePoints.ServerLink))
        {
            if (packet.Kind == FrameKind.Flow && packet.Down && packet.Outgoing)
            {
                RememberOriginal(packet);
            }
        }
    }

    // A pure acknowledgement and the data after it share a TCP sequence number, and a retransmission may be cut differently: the longest counts.
    private void RememberOriginal(in PacketRecord packet)
    {
        var key = (packet.Protocol, packet.Flow, packet.Down, packet.Sequence);
        if (!_original.TryGetValue(key, out var length) || length < packet.Length)
        {
            _original[key] = packet.Length;
        }
    }

    private void JudgeLength(in PacketRecord packet, string where)
    {
        if (packet.Kind == FrameKind.Unknown)
        {
            _encapsulated++;
            Violation($"unknown packet on {where}: {packet.Source}:{packet.SourcePort} → {packet.Destination}:{packet.DestinationPort}, IP protocol {packet.Protocol}, {packet.Length} bytes");
        }
        else if (packet.Kind == FrameKind.Flow && _original.TryGetValue((packet.Protocol, packet.Flow, packet.Down, packet.Sequence), out var original) && packet.Length > original)
        {
            _encapsulated++;
            Violation($"a packet of {Name(packet)} has {packet.Length} bytes on {where}, the original had {original}");
        }
    }

    private void JudgeUplink(int accessPoint, in PacketRecord packet)
    {
        JudgeLength(packet, $"AP{accessPoint + 1}'s uplink");
        if (packet.Kind != FrameKind.Flow || !_clientOfFlow.TryGetValue(packet.Flow, out var client) || !_masquerade.TryGetValue((packet.Protocol, packet.Flow), out var address))
        {
            return;
        }

        _examined++;
        if (!packet.Down)
        {
            if (!packet.Outgoing)
            {
                Violation($"an outbound packet of {Name(packet)} came in at AP{accessPoint + 1}'s uplink");
            }
            else if (!_links.WasAt(client, accessPoint, packet.At, s_outboundGrace))
            {
                Violation($"an outbound packet of {Name(packet)} left at AP{accessPoint + 1} while c{client + 1} was elsewhere");
            }

            return;
        }

        var fam = _isUnled(packet.At) ? -1 : _links.SettledAt(client, packet.At, s_settle);
        var ham = HamAt(address, packet.At);
        if (fam < 0 || ham < 0)
        {
            return;
        }

        if (accessPoint != ham && accessPoint != fam)
        {
            Violation($"an inbound packet of {Name(packet)} passed AP{accessPoint + 1}, which is neither its HAM (AP{ham + 1}) nor its FAM (AP{fam + 1})");
        }
        else if (packet.Outgoing && (ham == fam || accessPoint != ham))
        {
            Violation($"an inbound packet of {Name(packet)} was sent on by AP{accessPoint + 1}, where its client is");
        }
    }

    /// <summary>Who has the connections of an address, 0 is AP1; -1 around a change.</summary>
    private int HamAt(in IpAddress address, long at) => _owners.ChangesAround(address, at, s_settle) ? -1 : _owners.At(address, at);

    /// <summary>Datagrams are numbered, so each one's way is known: HAM in, HAM out, FAM in, FAM's client side.</summary>
    private void JudgeInboundOrder()
    {
        var inAt = new Dictionary<(int AccessPoint, ushort Flow, long Sequence), long>();
        var outAt = new Dictionary<(int AccessPoint, ushort Flow, long Sequence), long>();
        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            foreach (var packet in _log.At(CapturePoints.Uplink(k)))
            {
                if (packet.Kind == FrameKind.Flow && packet.Protocol == 17 && packet.Down)
                {
                    (packet.Outgoing ? outAt : inAt).TryAdd((k, packet.Flow, packet.Sequence), packet.At);
                }
            }
        }

        var ways = new Dictionary<(int Ham, int Fam, ushort Flow), (int All, int InOrder)>();
        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            foreach (var packet in _log.At(CapturePoints.ClientSide(k)))
            {
                if (packet.Kind != FrameKind.Flow || packet.Protocol != 17 || !packet.Down || !packet.Outgoing
                    || !_clientOfFlow.TryGetValue(packet.Flow, out var client) || !_masquerade.TryGetValue((packet.Protocol, packet.Flow), out var address)
                    || _links.SettledAt(client, packet.At, s_settle) != k)
                {
                    continue;
                }

                var ham = HamAt(address, packet.At);
                if (ham < 0)
                {
                    continue;
                }

                if (!inAt.TryGetValue((ham, packet.Flow, packet.Sequence), out var inAtHam))
                {
                    Violation($"datagram {packet.Sequence} of connection {packet.Flow} reached c{client + 1} without passing its HAM (AP{ham + 1})");
                }
                else if (ham != k)
                {
                    var leftHam = outAt.TryGetValue((ham, packet.Flow, packet.Sequence), out var outAtHam);
                    var reachedFam = inAt.TryGetValue((k, packet.Flow, packet.Sequence), out var inAtFam);
                    if (leftHam && reachedFam && inAtHam <= outAtHam + s_stampError && outAtHam <= inAtFam + s_stampError && inAtFam <= packet.At + s_stampError)
                    {
                        _viaHamThenFam++;
                        var (all, inOrder) = ways.GetValueOrDefault((ham, k, packet.Flow));
                        ways[(ham, k, packet.Flow)] = (all + 1, inAtHam <= outAtHam && outAtHam <= inAtFam && inAtFam <= packet.At ? inOrder + 1 : inOrder);
                    }
                    else
                    {
                        Violation($"datagram {packet.Sequence} of connection {packet.Flow} did not go HAM (AP{ham + 1}), then FAM (AP{k + 1}): "
                            + (!leftHam ? "it was not seen to leave the HAM" : !reachedFam ? "it was not seen to reach the FAM"
                                : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"it left the HAM {(outAtHam - inAtHam) / 1e6:F3} ms after it came there, and reached the FAM {(inAtFam - outAtHam) / 1e6:F3} ms after that and the client's side {(packet.At - inAtFam) / 1e6:F3} ms later")));
                    }
                }
            }
        }

        foreach (var ((ham, fam, flow), (all, inOrder)) in ways)
        {
            if (all >= EnoughToTell && inOrder < all * MostInOrder)
            {
                Violation($"of {all} datagrams of connection {flow}, only {inOrder} were at the HAM (AP{ham + 1}) before they were at the FAM (AP{fam + 1})");
            }
        }
    }
}
