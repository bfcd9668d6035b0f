using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
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
    private const int UdpHeader = 8;
    private const byte PeerHopLimit = 64;

    private readonly byte[] _peerDatagram = new byte[40 + UdpHeader + PeerCodec.Length];

    private void OnPeerDatagram(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        var isV4 = packet[0] >> 4 == 4;
        var at = isV4 ? (packet[0] & 0x0F) * 4 : 40;
        if ((!isV4 && packet[6] != (byte)TransportProtocol.Udp) || packet.Length < at + UdpHeader)
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(packet[(at + 4)..]);
        if (length < UdpHeader || at + length > packet.Length)
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        // This node is the datagram's end, so it must check what it only updates elsewhere. Our own datagrams always have a checksum.
        var datagram = packet.Slice(at, length);
        var sum = InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, (byte)TransportProtocol.Udp, length);
        if (!offload.ChecksumPartial && InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum)) != 0)
        {
            Drops.Count(DropReason.BadTransportChecksum);
            return;
        }

        if (!PeerCodec.TryDecode(datagram[UdpHeader..], out var message) || message is null)
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        Fam.OnPeer(message, summary.Tuple.Source, _now);
        Ham.OnPeer(message, _now);
    }

    private void SendPeer(TransportEndpoint peer, PeerMessage message)
    {
        var own = _model.PeerEndpoint.Address;
        if (own.IsIPv4 != peer.Address.IsIPv4)
        {
            own = _model.Uplink.Addresses.FirstOrDefault(a => a.IsIPv4 == peer.Address.IsIPv4);
            if (own.IsNone)
            {
                Drops.Count(DropReason.NoNeighbour);
                return;
            }
        }

        var at = own.IsIPv4 ? 20 : 40;
        var length = UdpHeader + PeerCodec.Encode(message, _peerDatagram.AsSpan(at + UdpHeader));
        var packet = _peerDatagram.AsSpan(0, at + length);
        packet[..(at + UdpHeader)].Clear();
        if (own.IsIPv4)
        {
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);

            // Atomic datagram (RFC 6864): don't fragment, identification 0.
            packet[6] = 0x40;
            packet[8] = PeerHopLimit;
            packet[9] = (byte)TransportProtocol.Udp;
            own.WriteTo(packet[12..]);
            peer.Address.WriteTo(packet[16..]);
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Finish(InternetChecksum.Sum(packet[..at])));
        }
        else
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)length);
            packet[6] = (byte)TransportProtocol.Udp;
            packet[7] = PeerHopLimit;
            own.WriteTo(packet[8..]);
            peer.Address.WriteTo(packet[24..]);
        }

        var datagram = packet[at..];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, _model.PeerPort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], peer.Port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)length);
        var sum = InternetChecksum.PseudoHeaderSum(own, peer.Address, (byte)TransportProtocol.Udp, length);
        var checksum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, sum));
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], checksum == 0 ? (ushort)0xFFFF : checksum);
        SendUplinkCopy(packet, OffloadInfo.None);
    }
}
