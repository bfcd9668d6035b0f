using System.Buffers;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Neighbours;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.AccessPoint;

/// <summary>
/// Clients reach each other at their own addresses, wherever each of them is (N-13). Between two nodes the clients' endpoints are exchanged for the nodes' own, as on the ways between
/// HAM and FAM, and put back at the other end; nothing is added to a packet. This is the sender's side.
/// </summary>
public sealed partial class AccessPointNode
{
    /// <summary>How long a node that a client has left may still have packets of it, or for it.</summary>
    private static readonly TimeSpan s_formerTime = TimeSpan.FromSeconds(5);

    private readonly NeighbourSide? _neighbours;

    /// <summary>Packets from one client here to another one here.</summary>
    public long NeighboursHere { get; private set; }

    /// <summary>Packets of clients here to clients elsewhere.</summary>
    public long NeighboursSent { get; private set; }

    /// <summary>Packets of clients elsewhere that came to clients here.</summary>
    public long NeighboursReceived { get; private set; }

    /// <summary>Packets for clients that have gone on, which were sent after them.</summary>
    public long NeighboursForwarded { get; private set; }

    /// <summary>Flows between clients here and clients elsewhere that are remembered.</summary>
    public int NeighbourFlowCount => _neighbours?.Flows.Count ?? 0;

    /// <summary>Clients elsewhere of which it is remembered where they are, or that are being asked for.</summary>
    public int NeighbourLocationCount => _neighbours?.Places.Count ?? 0;

    /// <summary>A packet of a client to another client's own address. The frame has room for an Ethernet header in front.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="summary">What the packet is.</param>
    /// <param name="offload">Its offload state.</param>
    /// <param name="from">Who sends it; none if it has come from another node and its receiver has gone on.</param>
    /// <param name="until">How long it may wait.</param>
    /// <returns>Held, dropped, or <see cref="VerdictKind.ForwardNeighbour"/>: it is on its way.</returns>
    private Verdict SendToNeighbour(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, MacAddress from, Instant until)
    {
        var packet = frame[EthernetHeader.Length..];
        var target = summary.Tuple.Destination.Address;
        switch (FindNeighbour(target, out var client))
        {
            case NeighbourPlace.Here or NeighbourPlace.Waiting when client == from:
                return CountDrop(DropReason.Martian);
            case NeighbourPlace.Here when LinkMtu.IsExceeded(_clientLink.MtuTo(client), summary, offload):
                return SendBackToNeighbour(DropReason.TooBig, IcmpError.TooBig(_clientLink.MtuTo(client)), packet, summary, from);
            case NeighbourPlace.Here when IsUnsure(NeighbourPlace.Here, target, client):
                return HoldForAnswer(_neighbours!.Seeking, packet[..summary.Length], offload, until, from);
            case NeighbourPlace.Here when Fam.JudgeForNeighbour(client, summary, _now) is not DropReason.None and var reason:
                return CountDrop(reason);
            case NeighbourPlace.Here:
                NeighboursHere++;
                _clientLink.SendInPlace(frame, offload, client);
                return Verdict.Neighbour;
            case NeighbourPlace.Waiting:
                return Fam.HoldForNeighbour(target, packet[..summary.Length], offload, isLocal: !from.IsNone, _now);
        }

        var place = _neighbours!.Places.Use(target, from, _now);
        var ownEpoch = client.IsNone ? Epoch.None : Fam.EpochOf(client);
        if (place is null)
        {
            return SendBackToNeighbour(DropReason.NeighbourUnknown, IcmpError.HostUnreachable, packet, summary, from);
        }

        if (_now >= place.AskAgain)
        {
            AskForNeighbour(place);
        }

        if (!place.IsKnown || (place.Client == client && place.Epoch <= ownEpoch))
        {
            // A client that was here a moment ago is on its way to wherever the coordinator will say.
            if (_now < place.UnknownUntil && client.IsNone)
            {
                return SendBackToNeighbour(DropReason.NeighbourUnknown, IcmpError.HostUnreachable, packet, summary, from);
            }

            return HoldForAnswer(_neighbours.Seeking, packet[..summary.Length], offload, until, from);
        }

        return SendToPeer(frame, summary, offload, from, place);
    }

    private Verdict SendToPeer(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, MacAddress from, Whereabout place)
    {
        var packet = frame[EthernetHeader.Length..];
        var own = OwnPeer(!summary.IsIPv6);
        var peer = place.PeerOf(!summary.IsIPv6);
        if (own.IsNone || peer.IsNone || _uplinkLink.IsOwn(peer.Address))
        {
            return SendBackToNeighbour(DropReason.NeighbourUnknown, IcmpError.HostUnreachable, packet, summary, from);
        }

        if (LinkMtu.IsExceeded(_model.Uplink.Mtu, summary, offload))
        {
            return SendBackToNeighbour(DropReason.TooBig, IcmpError.TooBig(_model.Uplink.Mtu), packet, summary, from);
        }

        var flows = _neighbours!.Flows;
        if (summary.Kind == PacketKind.IcmpError)
        {
            return SendErrorToPeer(frame, summary, offload, peer);
        }

        var isReply = summary.Kind == PacketKind.IcmpReply;
        var flow = flows.FindOwn(summary.Tuple, isReply);
        if (flow is null && flows.FindOthers(summary.Tuple.Reply(), isReply: false) is { IsReply: false } asked && asked.Wire.Source.Address == peer.Address && NeighbourFlows.IsAnswerable(asked, _now)
            && _uplinkLink.IsOwn(asked.Wire.Destination.Address) && (summary.Kind != PacketKind.IcmpQuery))
        {
            // It answers what the other node has named: to the network both together are one connection.
            asked.LastUsed = _now;
            PacketRewriter.Source(packet, summary, asked.DestinationToWire, offload.ChecksumPartial);
            PacketRewriter.Destination(packet, summary, asked.SourceToWire, offload.ChecksumPartial);
            NeighboursSent++;
            SendUplink(frame, offload);
            return Verdict.Neighbour;
        }

        flow ??= OpenNeighbourFlow(packet, summary, from, own, isReply);
        if (flow is null)
        {
            return Verdict.Drop(DropReason.TableFull);
        }

        if (flow.Peer != peer || flow.Key != place.Key)
        {
            flow.SendTo(peer, place.Key, s_formerTime, _now);
        }

        flow.LastUsed = _now;
        SayNeighbourFlow(flow);
        PacketRewriter.Source(packet, summary, flow.SourceToWire, offload.ChecksumPartial);
        PacketRewriter.Destination(packet, summary, flow.DestinationToWire, offload.ChecksumPartial);
        NeighboursSent++;
        SendUplink(frame, offload);
        return Verdict.Neighbour;
    }

    private OwnFlow? OpenNeighbourFlow(ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress from, IpAddress own, bool isReply)
    {
        var flows = _neighbours!.Flows;
        if (!flows.HasRoom(from, out var isFull))
        {
            SendBackToNeighbour(isFull ? DropReason.TableFull : DropReason.ClientQuota, IcmpError.HostUnreachable, packet, summary, from);
            return null;
        }

        if (!_pool.TryAllocateAt(_pool.AddressIndex(own), summary.Tuple.Protocol, preferredPort: 0, _now, out var lent))
        {
            SendBackToNeighbour(DropReason.PortsExhausted, IcmpError.HostUnreachable, packet, summary, from);
            return null;
        }

        return flows.Add(summary.Tuple, isReply, lent, from, _now);
    }

    /// <summary>
    /// An error of a client about a packet of a neighbour: it is about the packet that the two nodes exchanged, so that the other one knows whose it was.
    /// </summary>
    private Verdict SendErrorToPeer(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, TransportEndpoint peer)
    {
        var packet = frame[EthernetHeader.Length..];
        var flows = _neighbours!.Flows;
        var isReply = summary.EmbeddedKind == PacketKind.IcmpReply;
        if (flows.FindOthers(summary.EmbeddedTuple, isReply) is { IsProven: true } others && others.Wire.Source.Address == peer.Address)
        {
            PacketRewriter.ErrorInbound(packet, summary, others.SourceToWire);
            PacketRewriter.ErrorOutbound(packet, summary, others.DestinationToWire);
        }
        else if (flows.FindOwn(summary.EmbeddedTuple.Reply(), isReply: false) is { } flow && flow.Peer.Address == peer.Address)
        {
            PacketRewriter.ErrorInbound(packet, summary, flow.DestinationToWire);
            PacketRewriter.ErrorOutbound(packet, summary, flow.SourceToWire);
        }
        else
        {
            return CountDrop(DropReason.UnrelatedIcmpError);
        }

        NeighboursSent++;
        SendUplink(frame, offload);
        return Verdict.Neighbour;
    }

    /// <summary>This node's own endpoint of a family: what it says of its clients to the coordinator names it.</summary>
    private IpAddress OwnPeer(bool isIPv4)
    {
        foreach (var own in _configured)
        {
            if (own.IsIPv4 == isIPv4 && _pool.Owns(own))
            {
                return own;
            }
        }

        return IpAddress.None;
    }

    private void SayNeighbourFlow(OwnFlow flow)
    {
        if (NeighbourFlows.MustSay(flow, _now))
        {
            SendNeighbourWord(new NeighbourFlowNamed(flow.Key, flow.Real.Protocol, flow.Number, flow.Real.Source, flow.Real.Destination), flow.Lent.Address, flow.Peer);
        }
    }

    private void SendNeighbourWord(NeighbourWord word, IpAddress own, TransportEndpoint peer)
    {
        var headers = UdpPackets.HeadersLength(own.IsIPv4);
        var packet = _neighbours!.Datagram.AsSpan(0, headers + NeighbourCodec.Encode(word, _neighbours.Datagram.AsSpan(headers)));
        UdpPackets.WriteHeaders(packet, new TransportEndpoint(own, _model.PeerPort), peer);
        SendUplinkCopy(packet, OffloadInfo.None);
    }

    /// <summary>Drops a packet and tells the client that sent it why; what has come from another node is only counted.</summary>
    private Verdict SendBackToNeighbour(DropReason reason, in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress from)
    {
        Drops.Count(reason);
        if (!from.IsNone)
        {
            SendError(error, packet, summary, from);
        }

        return Verdict.Drop(reason);
    }

    /// <summary>Tag of what waits for an answer and has come from another node; a client's has its own.</summary>
    private const int OfNode = 0;

    private Verdict HoldForAnswer(HoldQueue queue, ReadOnlySpan<byte> packet, in OffloadInfo offload, Instant until, MacAddress from)
    {
        until = Instant.Min(_now + _model.Neighbourhood.HoldTime, until);
        if (until > _now && queue.TryEnqueue(packet, offload, from.IsNone ? OfNode : _neighbours!.TagOf(from), until))
        {
            _neighbours!.HeldUntil = Instant.Min(_neighbours.HeldUntil, until);
            return Verdict.Held;
        }

        return CountDrop(until > _now ? DropReason.HoldQueueFull : DropReason.HoldExpired);
    }

    /// <summary>What waits for an answer is looked at again: an answer has come, or time is over.</summary>
    private void ReplayNeighbours()
    {
        if (_neighbours is not { } side || side.Seeking.Count + side.Doubted.Count == 0)
        {
            return;
        }

        side.HeldUntil = Instant.Never;
        for (var left = side.Seeking.Count; left > 0 && side.Seeking.TryPeek(out var waiting); left--)
        {
            var (until, offload, tag) = (waiting.Deadline, waiting.Offload, waiting.Tag);
            var (buffer, length) = CopyToFrame(waiting.Packet);
            side.Seeking.Dequeue();
            var frame = buffer.AsSpan(0, length);
            var from = MacAddress.None;
            if (tag != OfNode)
            {
                Fam.FindNeighbour(UplinkLink.SourceOf(frame[EthernetHeader.Length..]), out from);
                if (from.IsNone || side.TagOf(from) != tag)
                {
                    // Who sent it has lost the address to another client since.
                    Drops.Count(DropReason.SpoofedSource);
                    ArrayPool<byte>.Shared.Return(buffer);
                    continue;
                }
            }

            var reason = _reader.Read(frame[EthernetHeader.Length..], from, out var summary);
            if (reason != DropReason.None)
            {
                Drops.Count(reason);
            }
            else if (until <= _now)
            {
                SendBackToNeighbour(DropReason.NeighbourUnknown, IcmpError.HostUnreachable, frame[EthernetHeader.Length..], summary, from);
            }
            else
            {
                TakeFromClient(frame, summary, offload, from, until);
            }

            ArrayPool<byte>.Shared.Return(buffer);
        }

        for (var left = side.Doubted.Count; left > 0 && side.Doubted.TryPeek(out var waiting); left--)
        {
            var (until, offload) = (waiting.Deadline, waiting.Offload);
            var (buffer, length) = CopyToFrame(waiting.Packet);
            side.Doubted.Dequeue();
            if (until <= _now)
            {
                Drops.Count(DropReason.NeighbourUnproven);
            }
            else if (_reader.Read(buffer.AsSpan(EthernetHeader.Length, length - EthernetHeader.Length), MacAddress.None, out var summary) is not DropReason.None and var reason)
            {
                Drops.Count(reason);
            }
            else
            {
                side.DoubtedUntil = until;
                TryTakeNeighbour(buffer.AsSpan(0, length), summary, offload, out _);
                side.DoubtedUntil = Instant.Never;
            }

            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A packet in a rented buffer with room for an Ethernet header in front, and how long both are.</summary>
    private static (byte[] Buffer, int Length) CopyToFrame(ReadOnlySpan<byte> packet)
    {
        var length = EthernetHeader.Length + packet.Length;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        packet.CopyTo(buffer.AsSpan(EthernetHeader.Length));
        return (buffer, length);
    }
}
