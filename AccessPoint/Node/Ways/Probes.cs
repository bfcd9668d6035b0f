using System.Buffers.Binary;
using System.Security.Cryptography;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Ways;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>Questions about ways, and what other nodes and routers say to them (N-09).</summary>
public sealed partial class AccessPointNode
{
    /// <summary>Where questions to routers are addressed at the far end: the port that traceroute begins with, where nobody listens.</summary>
    private const ushort FarPort = 33_434;

    private readonly byte[] _wayDatagram = new byte[Ipv6Header.Length + UdpHeader.HeaderLength + WayCodec.MaxLength];
    private readonly List<Way> _changedWays = [];
    private readonly byte[] _cookieKey;
    private readonly WayTable _ways;

    /// <summary>What is known of ways to other nodes and by them.</summary>
    public IReadOnlyList<WayView> DescribeWays(int limit) => [.. _ways.All.Take(limit).Select(w => new WayView(w.Peer, w.ToServers, w.State))];

    private static byte[] MakeKey(SeededRandom random)
    {
        var key = new byte[32];
        for (var i = 0; i < key.Length; i += sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(key.AsSpan(i), random.NextUInt64());
        }

        return key;
    }

    private void AdvanceWays(Instant now)
    {
        while (_ways.TryAsk(now, out var way, out var first, out var second, _changedWays))
        {
            Ask(way, first);
            if (second != first)
            {
                Ask(way, second);
            }
        }

        if (_changedWays.Count > 0)
        {
            FastPath?.VoidAll();
        }

        foreach (var way in _changedWays)
        {
            _output.Report(new WayChanged(way.Peer, way.ToServers, way.State == WayState.Rewritten));
        }

        _changedWays.Clear();
    }

    private void Ask(Way way, (WayQuestion Question, ulong Token) asked)
    {
        if (!_uplinkLink.IsOwn(way.Own) || _uplinkLink.IsOwn(way.Peer))
        {
            return;
        }

        var peer = new TransportEndpoint(way.Peer, _model.PeerPort);
        var foreign = way.ToServers ? way.Peer : way.Sample;
        var (source, destination, hops) = asked.Question switch
        {
            WayQuestion.Hello => (way.Own, peer, 0),
            WayQuestion.Control => (way.Own, new TransportEndpoint(way.Sample, FarPort), way.Hop),
            _ => (foreign, way.ToServers ? new TransportEndpoint(way.Sample, FarPort) : peer, way.Hop),
        };
        SendWay(new WayProbe(asked.Token, way.Own), source, destination, hops);
    }

    /// <summary>Sends a datagram about ways.</summary>
    /// <param name="message">What it says.</param>
    /// <param name="source">Where it is to come from; the port is the peer port, by which errors about it are known.</param>
    /// <param name="destination">Where it goes.</param>
    /// <param name="hops">How far; 0: all the way.</param>
    private void SendWay(WayMessage message, IpAddress source, TransportEndpoint destination, int hops = 0)
    {
        if (_uplinkLink.IsOwn(destination.Address))
        {
            return;
        }

        var headers = UdpPackets.HeadersLength(source.IsIPv4);
        var packet = _wayDatagram.AsSpan(0, headers + WayCodec.Encode(message, _wayDatagram.AsSpan(headers)));
        UdpPackets.WriteHeaders(packet, new TransportEndpoint(source, _model.PeerPort), destination);
        if (hops > 0 && source.IsIPv4)
        {
            Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Udp, source, destination.Address, (byte)hops);
        }
        else if (hops > 0)
        {
            Ipv6Header.Write(packet, packet.Length - Ipv6Header.Length, IpProtocolNumber.Udp, source, destination.Address, (byte)hops);
        }

        // Its source may be another node's, on purpose.
        _uplinkLink.SendCopy(packet, OffloadInfo.None, _now);
    }

    private void OnWayDatagram(WayMessage message, in FlowTuple tuple)
    {
        switch (message)
        {
            case WayProbe probe:
                AnswerProbe(probe, tuple.Destination.Address);
                break;
            case WayProbed probed:
                _ways.OnProbed(probed.Token, probed.Cookie, _now);
                if (_ways.OnNewCookie(tuple.Source.Address, probed.Token, probed.Cookie))
                {
                    _standIns.SayAgain(tuple.Source.Address, _now);
                }

                break;
            case StandIn word:
                OnStandIn(word, tuple);
                break;
            case StandInKnown word when _uplinkLink.IsOwn(word.Source.Address) && word.Destination.Address == tuple.Source.Address:
                _standIns.OnKnown(word, _now);
                break;
        }
    }

    /// <summary>
    /// Whoever sent it: the answer goes to who asked. It is smaller than what it answers, and limited like the errors that it may be about, so that it is of no use to anybody else.
    /// </summary>
    private void AnswerProbe(WayProbe probe, IpAddress own)
    {
        if (probe.Asker.IsIPv4 == own.IsIPv4 && !probe.Asker.IsMulticastOrBroadcast && !probe.Asker.IsLinkLocal && _errorLimiter.TryTake(probe.Asker, _now))
        {
            SendWay(new WayProbed(probe.Token, CookieOf(probe.Asker)), own, new TransportEndpoint(probe.Asker, _model.PeerPort));
        }
    }

    /// <summary>An error that quotes a question on a way; it has come to the address that the question had as its source.</summary>
    private void OnProbeExpired(WayProbe probe, in PacketSummary summary)
    {
        if (_uplinkLink.IsOwn(probe.Asker))
        {
            _ways.OnControlHeard(probe.Token, summary.Tuple.Source.Address, _now);
        }
        else
        {
            AnswerProbe(probe, summary.Tuple.Destination.Address);
        }
    }

    private ulong CookieOf(IpAddress address)
    {
        Span<byte> text = stackalloc byte[16];
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_cookieKey, text[..address.WriteTo(text)], hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }
}
