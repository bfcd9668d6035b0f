using System.Buffers.Binary;
using Masquerade.Core.Checksum;
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
        // The parser has made sure that there is a header and that its length does not say more than there is.
        if (!UdpHeader.TryParse(packet.Slice(summary.TransportOffset, summary.TransportLength), out var udp) || udp.Length < UdpHeader.HeaderLength)
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        // This node is the datagram's end, so it must check what it only updates elsewhere. Our own datagrams always have a checksum.
        var length = udp.Length;
        var datagram = packet.Slice(summary.TransportOffset, length);
        var sum = InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, (byte)TransportProtocol.Udp, length);
        if (!offload.ChecksumPartial && InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum)) != 0)
        {
            Drops.Count(DropReason.BadTransportChecksum);
            return;
        }

        if (!PeerCodec.TryDecode(datagram[UdpHeader.HeaderLength..], out var message) || message is null)
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

        var at = own.IsIPv4 ? Ipv4Header.MinimumLength : Ipv6Header.Length;
        var length = UdpHeader.HeaderLength + PeerCodec.Encode(message, _peerDatagram.AsSpan(at + UdpHeader.HeaderLength));
        var packet = _peerDatagram.AsSpan(0, at + length);
        if (own.IsIPv4)
        {
            Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Udp, own, peer.Address);
        }
        else
        {
            Ipv6Header.Write(packet, length, IpProtocolNumber.Udp, own, peer.Address);
        }

        var datagram = packet[at..];
        UdpHeader.Write(datagram, _model.PeerPort, peer.Port);
        var sum = InternetChecksum.PseudoHeaderSum(own, peer.Address, IpProtocolNumber.Udp, length);
        var checksum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum));
        BinaryPrimitives.WriteUInt16BigEndian(datagram[UdpHeader.ChecksumOffset..], checksum == 0 ? (ushort)0xFFFF : checksum);
        SendUplinkCopy(packet, OffloadInfo.None);
    }
}
