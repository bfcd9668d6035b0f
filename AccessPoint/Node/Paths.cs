using Masquerade.AccessPoint.Link;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>The ways from this node's HAM to FAMs: how large packets may be there.</summary>
public sealed partial class AccessPointNode
{
    private readonly PathMtus _paths;

    /// <summary>What the way to a FAM's address is known to carry, in octets.</summary>
    public int PathMtuTo(IpAddress fam) => _paths.To(fam, _now);

    private void AdvancePaths(Instant now)
    {
        while (_paths.TryProbe(now, out var address, out var size, out var token))
        {
            var own = FirstOwn(address.IsIPv4);
            if (own.IsNone || _uplinkLink.IsOwn(address))
            {
                // Nobody to speak as, or the address has been taken over: there is no way to measure.
                continue;
            }

            var packet = new byte[size];
            PeerCodec.Encode(new PathProbe(token), packet.AsSpan(UdpPackets.HeadersLength(own.IsIPv4)));
            UdpPackets.WriteHeaders(packet, new TransportEndpoint(own, _model.PeerPort), new TransportEndpoint(address, _model.PeerPort));
            SendUplinkCopy(packet, OffloadInfo.None);
        }
    }

    private void OnPathDatagram(PeerMessage message, in FlowTuple tuple)
    {
        if (message is PathProbe)
        {
            SendPeer(tuple.Source, new PathProbed(message.Token), tuple.Destination.Address);
        }
        else if (_paths.OnAnswer(tuple.Source.Address, message.Token, _now))
        {
            Ham.OnPathMtu(tuple.Source.Address, _paths.To(tuple.Source.Address, _now));
        }
    }

    /// <summary>Whether an ICMP error is about a datagram between nodes; it is finished then.</summary>
    private bool TakePathError(ReadOnlySpan<byte> packet, in PacketSummary summary)
    {
        if (summary.EmbeddedTuple.Protocol != TransportProtocol.Udp || summary.EmbeddedTuple.Source.Port != _model.PeerPort)
        {
            return false;
        }

        var quoted = packet[(summary.EmbeddedTransportOffset + UdpHeader.HeaderLength)..(summary.EmbeddedOffset + summary.EmbeddedLength)];
        if (WayCodec.TryDecodeStart(quoted, out var question, out _) && question is WayProbe probe)
        {
            OnProbeExpired(probe, summary);
            return true;
        }

        if (PathMtus.TryReadTooBig(packet[summary.TransportOffset..], quoted, summary.IsIPv6, out var token, out var mtu))
        {
            _paths.OnTooBig(summary.EmbeddedTuple.Destination.Address, token, mtu, _now);
        }

        return true;
    }
}
