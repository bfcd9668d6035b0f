using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
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
        if (_users is null)
        {
            TakeClientFrame(frame, offload, now);
        }
        else if (IsProtected(frame))
        {
            TakeProtected(_users, frame, now);
        }
        else if (!IsStoppedByUsers(_users, frame))
        {
            TakeClientFrame(frame, offload, now);
        }
    }

    private void TakeClientFrame(Span<byte> frame, in OffloadInfo offload, Instant now)
    {
        if (TryTakeDhcp(frame, offload, now) || TryTakePcp(frame, offload, now))
        {
            return;
        }

        if (frame.Length > EthernetHeader.Length && (frame[0] & 1) != 0 && TryTakeGroup(frame, offload))
        {
            return;
        }

        if (!_clientLink.Accept(frame, out var source, out var claimed))
        {
            // An ARP request says as well as any packet that the client is here.
            if (!MayUse(source, claimed))
            {
                return;
            }

            if (!source.IsNone && _pool.GivesOut)
            {
                Fam.OnClientSeen(source, now);
                if (_neighbours is not null && !claimed.IsNone)
                {
                    NoteClaim(source, claimed);
                }
            }

            return;
        }

        if (!_pool.GivesOut)
        {
            Drops.Count(DropReason.Fenced);
            return;
        }

        if (!TryParse(frame, source, offload, out var summary))
        {
            return;
        }

        // Short packets come padded to the least frame length.
        ProcessOutbound(frame[..(EthernetHeader.Length + summary.Length)], summary, source, offload);
    }

    /// <summary>A packet of a client: to the gateway or by way of the FAM.</summary>
    private Verdict ProcessOutbound(Span<byte> frame, in PacketSummary summary, MacAddress client, in OffloadInfo offload)
    {
        var packet = frame[EthernetHeader.Length..];
        if (!MayUse(client, summary.Tuple.Source.Address))
        {
            return Verdict.Drop(DropReason.SpoofedSource);
        }

        if (summary.Kind == PacketKind.Udp && (summary.Tuple.Source.Port, summary.Tuple.Destination.Port) is (67, 68) or (547, 546))
        {
            // DHCP servers are elsewhere; which of its clients believes what it is told is not to be found out.
            Drops.Count(DropReason.RogueServer);
            return Verdict.Drop(DropReason.RogueServer);
        }

        if (_clientLink.IsGateway(summary.Tuple.Destination.Address))
        {
            AnswerAtGateway(frame, packet, summary, client, offload);
            return Verdict.Consumed;
        }

        var verdict = Fam.ProcessOutbound(packet, summary, client, offload, _now);
        if (verdict.Kind == VerdictKind.ForwardNeighbour)
        {
            return TakeFromClient(frame, summary, offload, client, Instant.Never);
        }

        if (Apply(verdict, frame, summary, offload, Leg.ToServer) && FastPath is not null)
        {
            LetPass(frame, summary, toClient: false);
        }

        return verdict;
    }

    /// <summary>Answers a ping to the gateway in place, so that people on a client can tell a dead link from a dead network. Nothing else listens there.</summary>
    private void AnswerAtGateway(Span<byte> frame, Span<byte> packet, in PacketSummary summary, MacAddress client, in OffloadInfo offload)
    {
        var isV4 = !summary.IsIPv6;
        var (request, reply) = isV4 ? (IcmpType.Echo, IcmpType.EchoReply) : (Icmpv6Type.Echo, Icmpv6Type.EchoReply);
        var message = packet[summary.TransportOffset..];
        if (offload.ChecksumPartial || summary.Part != FragmentPart.Whole || summary.Kind != PacketKind.IcmpQuery || message[0] != request)
        {
            Drops.Count(DropReason.NotForUs);
            return;
        }

        summary.Tuple.Destination.Address.WriteTo(packet[(isV4 ? 12 : 8)..]);
        summary.Tuple.Source.Address.WriteTo(packet[(isV4 ? 16 : 24)..]);

        // Swapping the addresses changes no sum; the type is the upper octet of its word.
        message[0] = reply;
        var checksum = message[IcmpHeader.ChecksumOffset..];
        var delta = ChecksumDelta.Between((ushort)(request << 8), (ushort)(reply << 8));
        BinaryPrimitives.WriteUInt16BigEndian(checksum, delta.ApplyTo(BinaryPrimitives.ReadUInt16BigEndian(checksum)));
        if (isV4)
        {
            packet[8] = EchoHopLimit;
            packet[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Compute(packet[..summary.TransportOffset]));
        }
        else
        {
            packet[7] = EchoHopLimit;
        }

        _clientLink.SendInPlace(frame, offload, client);
    }
}
