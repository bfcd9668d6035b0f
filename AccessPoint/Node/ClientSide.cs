using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>Frames from clients: presence, the virtual gateway's own business, and everything else to the FAM engine.</summary>
public sealed partial class AccessPointNode
{
    private const byte EchoHopLimit = 64;

    /// <summary>A whole Ethernet frame from the client device. It may be rewritten in place and handed to the output.</summary>
    public void OnClientFrame(Span<byte> frame, in OffloadInfo offload, Instant now)
    {
        _now = now;
        if (!_clientLink.Accept(frame, out var source))
        {
            // An ARP request says as well as any packet that the client is here.
            if (!source.IsNone)
            {
                Fam.OnClientSeen(source, now);
            }

            return;
        }

        var packet = frame[EthernetFrame.HeaderLength..];
        if (!TryParse(packet, out var summary))
        {
            return;
        }

        // Short packets come padded to the least frame length.
        frame = frame[..(EthernetFrame.HeaderLength + summary.Length)];
        packet = packet[..summary.Length];
        if (_clientLink.IsGateway(summary.Tuple.Destination.Address))
        {
            AnswerAtGateway(frame, packet, offload);
            return;
        }

        Apply(Fam.ProcessOutbound(packet, summary, source, offload, now), frame, offload);
    }

    /// <summary>Answers a ping to the gateway in place, so that people on a client can tell a dead link from a dead network. Nothing else listens there.</summary>
    private void AnswerAtGateway(Span<byte> frame, Span<byte> packet, in OffloadInfo offload)
    {
        var isV4 = packet[0] >> 4 == 4;
        var at = isV4 ? (packet[0] & 0x0F) * 4 : 40;
        var (request, reply) = isV4 ? ((byte)8, (byte)0) : ((byte)128, (byte)129);
        if (offload.ChecksumPartial || packet.Length < at + 8 || packet[isV4 ? 9 : 6] != (isV4 ? 1 : 58) || packet[at] != request)
        {
            Drops.Count(DropReason.NotForUs);
            return;
        }

        var (source, destination, length) = isV4 ? (12, 16, 4) : (8, 24, 16);
        Span<byte> asker = stackalloc byte[16];
        packet.Slice(source, length).CopyTo(asker);
        packet.Slice(destination, length).CopyTo(packet[source..]);
        asker[..length].CopyTo(packet[destination..]);

        // RFC 1624 equation 3; swapping the addresses changes no sum. Type is the upper octet of the first word.
        var checksum = (uint)(ushort)~BinaryPrimitives.ReadUInt16BigEndian(packet[(at + 2)..]);
        checksum += (ushort)~(request << 8) + (uint)(reply << 8);
        BinaryPrimitives.WriteUInt16BigEndian(packet[(at + 2)..], InternetChecksum.Finish(checksum));
        packet[at] = reply;
        if (isV4)
        {
            packet[8] = EchoHopLimit;
            packet[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Finish(InternetChecksum.Sum(packet[..at])));
        }
        else
        {
            packet[7] = EchoHopLimit;
        }

        _clientLink.SendInPlace(frame, offload, EthernetFrame.Source(frame));
    }
}
