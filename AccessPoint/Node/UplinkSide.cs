using System.Buffers;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>Frames from the uplink, and packets that leave by it.</summary>
public sealed partial class AccessPointNode
{
    /// <summary>How often one packet may come back to this node without having left it (client to client through masquerade endpoints of one node: once).</summary>
    private const int MaxHairpins = 2;

    private int _hairpins;

    /// <summary>A whole Ethernet frame from the uplink device. It may be rewritten in place and handed to the output.</summary>
    public void OnUplinkFrame(Span<byte> frame, in OffloadInfo offload, Instant now)
    {
        _now = now;
        if (!_uplinkLink.Accept(frame, now) || !TryParse(frame[EthernetHeader.Length..], out var summary))
        {
            return;
        }

        if (!_uplinkLink.IsOwn(summary.Tuple.Destination.Address))
        {
            Drops.Count(DropReason.NotForUs);
            return;
        }

        // Nobody but this node sends from its addresses, and it does not send to itself over the wire.
        if (_uplinkLink.IsOwn(summary.Tuple.Source.Address))
        {
            Drops.Count(DropReason.Martian);
            return;
        }

        ProcessInbound(frame[..(EthernetHeader.Length + summary.Length)], summary, offload);
    }

    /// <summary>A packet to one of this node's addresses: a peer's datagram, the HAM's or the FAM's.</summary>
    private void ProcessInbound(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload)
    {
        var packet = frame[EthernetHeader.Length..];
        var isError = summary.Kind == PacketKind.IcmpError;
        if (!isError && summary.Tuple.Protocol == TransportProtocol.Udp && summary.Tuple.Destination.Port == _model.PeerPort)
        {
            OnPeerDatagram(packet, summary, offload);
            return;
        }

        if (IsDhcpAnswer(summary))
        {
            OnDhcpAnswer(packet, summary, offload);
            return;
        }

        // An error concerns the flow of the packet that it carries: that was sent from our endpoint.
        var protocol = isError ? summary.EmbeddedTuple.Protocol : summary.Tuple.Protocol;
        var endpoint = isError ? summary.EmbeddedTuple.Source : summary.Tuple.Destination;
        var isFams = !Ham.Anchors(protocol, endpoint) && Fam.ServesEndpoint(protocol, endpoint);
        var verdict = isFams ? Verdict.Local : Ham.ProcessInbound(packet, summary, offload, _now);
        if (verdict.Kind == VerdictKind.Local)
        {
            verdict = Fam.ProcessInbound(packet, summary, offload, _now);
        }

        Apply(verdict, frame, offload);
    }

    /// <summary>A packet that the HAM held and that is due to this node's own FAM.</summary>
    private void DeliverLocally(Span<byte> packet, in OffloadInfo offload)
    {
        if (!TryParse(packet, out var summary))
        {
            return;
        }

        packet = packet[..summary.Length];
        var verdict = Fam.ProcessInbound(packet, summary, offload, _now);
        if (verdict.Kind == VerdictKind.ForwardClient)
        {
            _clientLink.SendCopy(packet, offload, verdict.Client);
        }
        else if (verdict.Kind == VerdictKind.ForwardUplink)
        {
            SendUplinkCopy(packet, offload);
        }
    }

    private void SendUplink(Span<byte> frame, in OffloadInfo offload)
    {
        if (!_uplinkLink.IsOwn(UplinkLink.DestinationOf(frame[EthernetHeader.Length..])))
        {
            _uplinkLink.SendInPlace(frame, offload, _now);
            return;
        }

        if (_hairpins >= MaxHairpins)
        {
            Drops.Count(DropReason.Martian);
            return;
        }

        _hairpins++;
        if (TryParse(frame[EthernetHeader.Length..], out var summary))
        {
            ProcessInbound(frame, summary, offload);
        }

        _hairpins--;
    }

    private void SendUplinkCopy(ReadOnlySpan<byte> packet, in OffloadInfo offload)
    {
        if (!_uplinkLink.IsOwn(UplinkLink.DestinationOf(packet)))
        {
            _uplinkLink.SendCopy(packet, offload, _now);
            return;
        }

        var length = EthernetHeader.Length + packet.Length;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        packet.CopyTo(buffer.AsSpan(EthernetHeader.Length));
        SendUplink(buffer.AsSpan(0, length), offload);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
