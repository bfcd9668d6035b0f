using Masquerade.AccessPoint.Link;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>Datagrams between nodes: UDP on the data path, so that they travel behind the packets that were sent before them.</summary>
public sealed partial class AccessPointNode
{
    private readonly byte[] _peerDatagram = new byte[Ipv6Header.Length + UdpHeader.HeaderLength + PeerCodec.Length];

    private void OnPeerDatagram(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        // This node is the datagram's end, so it must check what it only updates elsewhere. Our own datagrams always have a checksum.
        var datagram = packet.Slice(summary.TransportOffset, summary.TransportLength);
        var reason = UdpPackets.TryRead(datagram, summary.Tuple.Source.Address, summary.Tuple.Destination.Address, offload, needsChecksum: true, out var payload);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
            return;
        }

        if (!PeerCodec.TryDecode(payload, out var message) || message is null)
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        if (message is Probe or Probed)
        {
            OnProbe(message, summary.Tuple);
            return;
        }

        Fam.OnPeer(message, summary.Tuple.Source, _now);
        Ham.OnPeer(message, _now);
    }

    private void SendPeer(TransportEndpoint peer, PeerMessage message)
    {
        var own = _model.Uplink.Addresses.FirstOrDefault(a => a.IsIPv4 == peer.Address.IsIPv4 && _pool.Owns(a));
        if (own.IsNone)
        {
            // No packet is made, so none is dropped: a node whose addresses are another's has nobody to speak as.
            return;
        }

        var headers = UdpPackets.HeadersLength(own.IsIPv4);
        var packet = _peerDatagram.AsSpan(0, headers + PeerCodec.Encode(message, _peerDatagram.AsSpan(headers)));
        UdpPackets.WriteHeaders(packet, new TransportEndpoint(own, _model.PeerPort), peer);
        SendUplinkCopy(packet, OffloadInfo.None);
    }
}
