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

    /// <summary>Whether there are servers that see clients' own addresses, and send to them.</summary>
    private readonly bool _showsClients;

    private int _hairpins;

    /// <summary>A whole Ethernet frame from the uplink device. It may be rewritten in place and handed to the output.</summary>
    public void OnUplinkFrame(Span<byte> frame, in OffloadInfo offload, Instant now)
    {
        _now = now;
        if (!_uplinkLink.Accept(frame, now))
        {
            return;
        }

        var reason = Parse(frame[EthernetHeader.Length..], MacAddress.None, out var summary);
        if (reason is not (DropReason.None or DropReason.Fragment))
        {
            Drops.Count(reason);
            return;
        }

        var destination = UplinkLink.DestinationOf(frame[EthernetHeader.Length..]);
        if (!_uplinkLink.IsOwn(destination) && !(_showsClients && Fam.ShowsClient(destination)))
        {
            Drops.Count(DropReason.NotForUs);
            return;
        }

        if (reason == DropReason.Fragment)
        {
            // Whose it is shows when it is known what it is a fragment of.
            OnFragment(frame, MacAddress.None, offload);
            return;
        }

        if (IsOwnPretended(frame, summary))
        {
            Drops.Count(DropReason.Martian);
            return;
        }

        ProcessInbound(frame[..(EthernetHeader.Length + summary.Length)], summary, offload);
    }

    /// <summary>
    /// Nobody but this node sends from its addresses, and it does not send to itself over the wire; but for clients that talk to each other. A FAM elsewhere sends from the endpoint that
    /// its client has here; and what this node's FAM sends to a client that is here too comes back if that one's HAM is elsewhere.
    /// </summary>
    private bool IsOwnPretended(ReadOnlySpan<byte> frame, in PacketSummary summary) =>
        _uplinkLink.IsOwn(UplinkLink.SourceOf(frame[EthernetHeader.Length..])) && !MayBeHairpin(summary);

    private bool MayBeHairpin(in PacketSummary summary)
    {
        // An error goes the way of an answer to the packet that it is about.
        var way = summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Reply() : summary.Tuple;
        return Ham.IsServedElsewhere(way.Protocol, way.Source, way.Destination)
            || (Ham.Anchors(way.Protocol, way.Source, way.Destination) && !Ham.Anchors(way.Protocol, way.Destination, way.Source));
    }

    /// <summary>A packet to one of this node's addresses: a peer's datagram, the HAM's or the FAM's.</summary>
    private Verdict ProcessInbound(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload)
    {
        var packet = frame[EthernetHeader.Length..];
        if (_showsClients && !_uplinkLink.IsOwn(UplinkLink.DestinationOf(packet)))
        {
            var shown = Fam.ProcessInbound(packet, summary, offload, _now);
            Apply(shown, frame, summary, offload, Leg.ToFam);
            return shown;
        }

        if (_neighbours is { Flows.Count: > 0 } && TryTakeNeighbour(frame, summary, offload, out var taken))
        {
            return taken;
        }

        var isError = summary.Kind == PacketKind.IcmpError;
        if (!isError && summary.Tuple.Protocol == TransportProtocol.Udp && summary.Tuple.Destination.Port == _model.PeerPort)
        {
            OnPeerDatagram(packet, summary, offload);
            return Verdict.Consumed;
        }

        if (isError && TakePathError(packet, summary))
        {
            return Verdict.Consumed;
        }

        if (IsDhcpAnswer(summary))
        {
            OnDhcpAnswer(packet, summary, offload);
            return Verdict.Consumed;
        }

        if (StandInCount == 0)
        {
            return ProcessTranslated(frame, summary, offload);
        }

        var real = summary;
        return TryRestore(frame, ref real, offload, out var verdict) ? verdict : ProcessTranslated(frame, real, offload);
    }

    private Verdict ProcessTranslated(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload)
    {
        // An error concerns the flow of the packet that it carries: that was sent from our endpoint.
        var packet = frame[EthernetHeader.Length..];
        var isError = summary.Kind == PacketKind.IcmpError;
        var protocol = isError ? summary.EmbeddedTuple.Protocol : summary.Tuple.Protocol;
        var endpoint = isError ? summary.EmbeddedTuple.Source : summary.Tuple.Destination;
        var server = isError ? summary.EmbeddedTuple.Destination : summary.Tuple.Source;
        var isFams = !Ham.Anchors(protocol, endpoint, server) && Fam.ServesEndpoint(protocol, endpoint, server);
        var verdict = isFams ? Verdict.Local : Ham.ProcessInbound(packet, summary, offload, _now);
        if (verdict.Kind == VerdictKind.Local)
        {
            verdict = Fam.ProcessInbound(packet, summary, offload, _now);
        }

        if (Apply(verdict, frame, summary, offload, Leg.ToFam) && verdict.Kind == VerdictKind.ForwardClient && FastPath is not null && (isFams || Ham.IsHereAlone(protocol, endpoint, server)))
        {
            LetPass(frame, summary, toClient: true);
        }

        return verdict;
    }

    /// <summary>A packet that the HAM held and that is due to this node's own FAM.</summary>
    private void DeliverLocally(Span<byte> packet, in OffloadInfo offload)
    {
        var reason = _reader.Read(packet, MacAddress.None, out var summary);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
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
            SendWaited(packet, offload);
        }
    }

    /// <summary>A packet that has waited in an engine, which has just read it again and rewritten it for the uplink.</summary>
    private void SendWaited(ReadOnlySpan<byte> packet, in OffloadInfo offload)
    {
        if (!_ways.IsOn || _uplinkLink.IsOwn(UplinkLink.SourceOf(packet)) || _uplinkLink.IsOwn(UplinkLink.DestinationOf(packet)))
        {
            SendUplinkCopy(packet, offload);
            return;
        }

        var length = EthernetHeader.Length + packet.Length;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        packet.CopyTo(buffer.AsSpan(EthernetHeader.Length));
        Detour(buffer.AsSpan(EthernetHeader.Length, packet.Length), offload, _reader.Last, _reader.IsLastFromClient ? Leg.ToServer : Leg.ToFam);
        SendUplink(buffer.AsSpan(0, length), offload);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>Sends a packet by the uplink, or takes it in if it is for this node. True: it is on the link, as it is.</summary>
    private bool SendUplink(Span<byte> frame, in OffloadInfo offload)
    {
        if (!_uplinkLink.IsOwn(UplinkLink.DestinationOf(frame[EthernetHeader.Length..])))
        {
            return _uplinkLink.SendInPlace(frame, offload, _now);
        }

        if (_hairpins >= MaxHairpins)
        {
            Drops.Count(DropReason.Martian);
            return false;
        }

        _hairpins++;
        if (TryParse(frame, MacAddress.None, offload, out var summary))
        {
            ProcessInbound(frame, summary, offload);
        }

        _hairpins--;
        return false;
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
