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
        if (summary.Part != FragmentPart.Whole)
        {
            // Nodes send nothing to each other that anybody would have to cut.
            Drops.Count(DropReason.Fragment);
            return;
        }

        // This node is the datagram's end, so it must check what it only updates elsewhere. Our own datagrams always have a checksum.
        var datagram = packet.Slice(summary.TransportOffset, summary.TransportLength);
        var reason = UdpPackets.TryRead(datagram, summary.Tuple.Source.Address, summary.Tuple.Destination.Address, offload, needsChecksum: true, out var payload);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
            return;
        }

        if (WayCodec.TryDecode(payload, out var word) && word is not null)
        {
            OnWayDatagram(word, summary.Tuple);
            return;
        }

        if (NeighbourCodec.IsMessage(payload))
        {
            var told = TellClients(payload, summary.Tuple);
            if (told != DropReason.None)
            {
                Drops.Count(told);
            }

            return;
        }

        if (NeighbourCodec.TryDecode(payload, out var neighbour) && neighbour is not null)
        {
            OnNeighbourWord(neighbour, summary.Tuple);
            return;
        }

        if (!PeerCodec.TryDecode(payload, out var message) || message is null)
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        if (message is PathProbe or PathProbed)
        {
            OnPathDatagram(message, summary.Tuple);
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

    private void SendPeer(TransportEndpoint peer, PeerMessage message, IpAddress from = default)
    {
        // Who asked an address wants to hear from that one.
        var own = !from.IsNone && _uplinkLink.IsOwn(from) ? from : _model.Uplink.Addresses.FirstOrDefault(a => a.IsIPv4 == peer.Address.IsIPv4 && _pool.Owns(a));
        if (own.IsNone || _uplinkLink.IsOwn(peer.Address))
        {
            // No packet is made, so none is dropped: a node whose addresses are another's has nobody to speak as, and one that has taken the peer's address has nobody to speak to.
            return;
        }

        var headers = UdpPackets.HeadersLength(own.IsIPv4);
        var packet = _peerDatagram.AsSpan(0, headers + PeerCodec.Encode(message, _peerDatagram.AsSpan(headers)));
        UdpPackets.WriteHeaders(packet, new TransportEndpoint(own, _model.PeerPort), peer);
        SendUplinkCopy(packet, OffloadInfo.None);
    }
}
