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

/// <summary>The receiver's side of packets between clients of different nodes (N-13): whose they are is put back, if their sender's node has said so and may.</summary>
public sealed partial class AccessPointNode
{
    /// <summary>Where the client with an address is, as far as is known here. One that only pretends to have it does not count.</summary>
    private NeighbourPlace FindNeighbour(IpAddress address, out MacAddress client)
    {
        var place = Fam.FindNeighbour(address, out client);
        if (_neighbours!.Refused.Count > 0 && _neighbours.Refused.Contains((client, address)))
        {
            (place, client) = (NeighbourPlace.Unknown, MacAddress.None);
        }

        return place;
    }

    /// <summary>
    /// Whether the coordinator can say whose an address is that a client here uses, and has not yet: what is for it waits until then, for it may be another's. Without a coordinator whoever
    /// uses it here has it.
    /// </summary>
    private bool IsUnsure(NeighbourPlace place, IpAddress address, MacAddress client) =>
        place == NeighbourPlace.Here && IsUnconfirmed(address, client);

    private bool IsUnconfirmed(IpAddress address, MacAddress client) =>
        Session == SessionState.Up && (!_neighbours!.Confirmed.TryGetValue(address, out var owner) || owner != client);

    /// <summary>A packet that the FAM engine lets a client send to another one.</summary>
    private Verdict TakeFromClient(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, MacAddress from, Instant until)
    {
        var source = summary.Tuple.Source.Address;
        if (_neighbours!.Refused.Count > 0 && _neighbours.Refused.Contains((from, source)))
        {
            return CountDrop(DropReason.SpoofedSource);
        }

        // Whether the address is another client's, elsewhere, the coordinator knows. Without one nobody does.
        return !from.IsNone && IsUnconfirmed(source, from)
            ? HoldForAnswer(_neighbours.Seeking, frame[EthernetHeader.Length..][..summary.Length], offload, until, from)
            : SendToNeighbour(frame, summary, offload, from, until);
    }

    /// <summary>What has come from another node waits until it is known whose addresses it has.</summary>
    private Verdict HoldInDoubt(ReadOnlySpan<byte> packet, in OffloadInfo offload) => HoldForAnswer(_neighbours!.Doubted, packet, offload, _neighbours.DoubtedUntil, MacAddress.None);

    /// <summary>Takes a packet to one of this node's addresses if it is one of a client elsewhere for one here, or an error about what went there. True: it is finished.</summary>
    private bool TryTakeNeighbour(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, out Verdict verdict)
    {
        verdict = Verdict.Consumed;
        if (summary.Kind == PacketKind.IcmpError)
        {
            return TryTakeNeighbourError(frame, summary, offload, ref verdict);
        }

        var flows = _neighbours!.Flows;
        var (wire, isReply) = (summary.Tuple, summary.Kind == PacketKind.IcmpReply);
        if (summary.Kind != PacketKind.IcmpQuery && flows.FindLent(wire.Protocol, wire.Destination) is { IsReply: false } own
            && (own.Wire.Destination == wire.Source || (_now < own.FormerUntil && own.Former == wire.Source.Address && wire.Source.Port == own.Wire.Destination.Port)))
        {
            own.LastUsed = _now;
            SayNeighbourFlow(own);
            verdict = Deliver(frame, summary, offload, own, own.Real.Reply(), own.DestinationToReal, own.SourceToReal);
            return true;
        }

        var number = isReply ? wire.Destination.Port : wire.Source.Port;
        var others = wire.Protocol == TransportProtocol.Icmp || wire.Destination.Port == _model.PeerPort ? flows.FindOthers(wire.Protocol, wire.Source.Address, number) : null;
        if (others is null || others.Wire != wire)
        {
            return false;
        }

        if (!others.IsProven && !IsProven(others))
        {
            verdict = HoldInDoubt(frame[EthernetHeader.Length..][..summary.Length], offload);
            return true;
        }

        others.LastUsed = _now;
        verdict = Deliver(frame, summary, offload, others, others.Real, others.SourceToReal, others.DestinationToReal);
        return true;
    }

    /// <summary>Gives a packet to the client that it is for, keeps it while that is on its way, or sends it after the client.</summary>
    private Verdict Deliver(
        Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, NeighbourFlow flow, in FlowTuple real, in PacketRewriter.Rewrite source, in PacketRewriter.Rewrite destination)
    {
        var packet = frame[EthernetHeader.Length..];
        var target = real.Destination.Address;
        var place = FindNeighbour(target, out var client);
        if (place == NeighbourPlace.Waiting)
        {
            return Fam.HoldForNeighbour(target, packet[..summary.Length], offload, isLocal: false, _now);
        }

        if (IsUnsure(place, target, client))
        {
            return HoldInDoubt(packet[..summary.Length], offload);
        }

        if (place != NeighbourPlace.Here && _now >= flow.GoneAgain)
        {
            flow.GoneAgain = _now + s_doubtInterval;
            SendNeighbourWord(new NeighbourGone(target), UplinkLink.DestinationOf(packet), new TransportEndpoint(UplinkLink.SourceOf(packet), _model.PeerPort));
        }

        if (place == NeighbourPlace.Unknown)
        {
            return CountDrop(DropReason.ClientGone);
        }

        if (place == NeighbourPlace.Here && Fam.JudgeForNeighbour(client, summary, real, _now) is not DropReason.None and var reason)
        {
            return CountDrop(reason);
        }

        if (summary.Ttl <= 1)
        {
            SendError(IcmpError.TimeExceeded, packet, summary, MacAddress.None);
            return CountDrop(DropReason.TtlExpired);
        }

        var mtu = place == NeighbourPlace.Here ? _clientLink.MtuTo(client) : _model.Uplink.Mtu;
        if (LinkMtu.IsExceeded(mtu, summary, offload))
        {
            SendError(IcmpError.TooBig(mtu), packet, summary, MacAddress.None);
            return CountDrop(DropReason.TooBig);
        }

        PacketRewriter.Source(packet, summary, source, offload.ChecksumPartial);
        PacketRewriter.Destination(packet, summary, destination, offload.ChecksumPartial);
        PacketRewriter.DecrementTtl(packet, summary);
        if (place == NeighbourPlace.Here)
        {
            NeighboursReceived++;
            _clientLink.SendInPlace(frame, offload, client);
            return Verdict.Consumed;
        }

        NeighboursForwarded++;
        var restored = summary;
        restored.Tuple = real;
        restored.Ttl--;
        return SendToNeighbour(frame, restored, offload, MacAddress.None, Instant.Never);
    }

    /// <summary>An error about a packet that was exchanged with another node: of the client there, of that node, or of a router between the two.</summary>
    private bool TryTakeNeighbourError(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, ref Verdict verdict)
    {
        var packet = frame[EthernetHeader.Length..];
        var flows = _neighbours!.Flows;
        var (about, isReply) = (summary.EmbeddedTuple, summary.EmbeddedKind == PacketKind.IcmpReply);
        FlowTuple real;
        PacketRewriter.Rewrite source, destination;
        if (flows.FindLent(about.Protocol, isReply ? about.Source with { Port = about.Destination.Port } : about.Source) is { } own && own.IsReply == isReply && own.Wire == about)
        {
            (real, source, destination) = (own.Real, own.SourceToReal, own.DestinationToReal);
        }
        else if (flows.FindOthers(about.Protocol, about.Destination.Address, about.Destination.Port) is { IsProven: true, IsReply: false } others && others.Wire.Reply() == about)
        {
            (real, source, destination) = (others.Real.Reply(), others.DestinationToReal, others.SourceToReal);
        }
        else
        {
            return false;
        }

        var place = FindNeighbour(real.Source.Address, out var client);
        if (IsUnsure(place, real.Source.Address, client))
        {
            verdict = HoldInDoubt(packet[..summary.Length], offload);
            return true;
        }

        if (place != NeighbourPlace.Here || summary.Ttl <= 1)
        {
            verdict = place == NeighbourPlace.Waiting
                ? Fam.HoldForNeighbour(real.Source.Address, packet[..summary.Length], offload, isLocal: false, _now)
                : CountDrop(place == NeighbourPlace.Here ? DropReason.TtlExpired : DropReason.ClientGone);
            return true;
        }

        if (Fam.JudgeForNeighbour(client, summary, real.Reply(), _now) is not DropReason.None and var reason)
        {
            verdict = CountDrop(reason);
            return true;
        }

        // What routers say is theirs, the other node's among them; what a host says comes from the neighbour.
        var isRouters = summary.Tuple.Source.Address != about.Destination.Address || IsOfRouter(packet[summary.TransportOffset], summary.IsIPv6, packet[summary.TransportOffset + 1]);
        PacketRewriter.ErrorInbound(packet, summary, source);
        if (isRouters)
        {
            PacketRewriter.ErrorAbout(packet, summary, destination);
        }
        else
        {
            PacketRewriter.ErrorOutbound(packet, summary, destination);
        }

        PacketRewriter.DecrementTtl(packet, summary);
        NeighboursReceived++;
        _clientLink.SendInPlace(frame, offload, client);
        return true;
    }

    /// <summary>Whether an error is of a kind that only routers make.</summary>
    private static bool IsOfRouter(byte type, bool isIPv6, byte code) => isIPv6
        ? type is Icmpv6Type.PacketTooBig || (type == Icmpv6Type.TimeExceeded && code == 0)
        : (type == IcmpType.TimeExceeded && code == 0) || (type == IcmpType.DestinationUnreachable && code == 4);

    private Verdict CountDrop(DropReason reason)
    {
        Drops.Count(reason);
        return Verdict.Drop(reason);
    }

    /// <summary>
    /// Whether the node that has named a flow may send for its sender: because the coordinator says that the sender is there, or because the receiver was there before it came here.
    /// </summary>
    private bool IsProven(OthersFlow flow)
    {
        var node = flow.Wire.Source.Address;
        if (FindNeighbour(flow.Real.Destination.Address, out _) == NeighbourPlace.Unknown)
        {
            // It may be on its way here, and whose its addresses are is not known here yet.
            return false;
        }

        if (_neighbours!.Places.Use(flow.Real.Source.Address, MacAddress.None, _now) is not { } place)
        {
            return false;
        }

        if (_now >= place.AskAgain || !place.IsAt(node, _now))
        {
            Doubt(place);
        }

        flow.IsProven = (place.IsKnown && place.IsAt(node, _now)) || WasAt(flow.Real.Destination.Address, node);
        return flow.IsProven;
    }

    private bool WasAt(IpAddress own, IpAddress node) =>
        FindNeighbour(own, out var client) != NeighbourPlace.Unknown && _neighbours!.Previous.TryGetValue(client, out var previous) && _now < previous.Until && Whereabout.Holds(previous.Peers, node);

    /// <summary>What another node says about packets between clients.</summary>
    private void OnNeighbourWord(NeighbourWord word, in FlowTuple tuple)
    {
        if (_neighbours is null)
        {
            Drops.Count(DropReason.NotForUs);
            return;
        }

        switch (word)
        {
            case NeighbourFlowNamed flow:
                OnNeighbourFlow(flow, tuple);
                break;
            case NeighbourFlowKnown known:
                _neighbours.Flows.OnKnown(known, tuple.Source.Address, tuple.Destination.Address, _now);
                break;
            case NeighbourGone gone when tuple.Source.Port == _model.PeerPort && _neighbours.Places.Find(gone.Address) is { } place && place.IsAt(tuple.Source.Address, _now):
                place.GoneUntil = Whereabout.Holds(place.Peers, tuple.Source.Address) ? _now + s_goneTime : place.GoneUntil;
                Doubt(place);
                break;
        }
    }

    private void OnNeighbourFlow(NeighbourFlowNamed word, in FlowTuple tuple)
    {
        var (node, own) = (tuple.Source.Address, tuple.Destination.Address);
        if (_neighbours!.IsIsolated)
        {
            Drops.Count(DropReason.NeighbourIsolated);
            return;
        }

        // A flow with the number of the nodes' own datagrams would take those for packets of its client.
        if (word.Key != _neighbours.Key || word.Number == 0 || word.Number == _model.PeerPort || tuple.Source.Port != _model.PeerPort || word.Source.Address.IsIPv4 != own.IsIPv4
            || !_neighbours.Covers(word.Source.Address, word.Destination.Address))
        {
            Drops.Count(DropReason.NeighbourUnproven);
            return;
        }

        var place = FindNeighbour(word.Destination.Address, out _);
        if (place is NeighbourPlace.Unknown)
        {
            SendNeighbourWord(new NeighbourGone(word.Destination.Address), own, tuple.Source);
        }

        var isReply = word.Protocol == TransportProtocol.Icmp && word.Source.Port == 0 && word.Destination.Port != 0;
        var (sender, to) = (new TransportEndpoint(node, word.Number), new TransportEndpoint(own, _model.PeerPort));
        var wire = word.Protocol != TransportProtocol.Icmp ? new FlowTuple(sender, to, word.Protocol)
            : isReply ? new FlowTuple(sender with { Port = 0 }, to with { Port = word.Number }, word.Protocol)
            : new FlowTuple(sender, to with { Port = 0 }, word.Protocol);
        if (_neighbours.Flows.Learn(new FlowTuple(word.Source, word.Destination, word.Protocol), isReply, wire, _now) is not { } flow)
        {
            Drops.Count(DropReason.TableFull);
            return;
        }

        if (flow.IsProven || IsProven(flow))
        {
            flow.LastUsed = _now;
            flow.LastWord = _now;
            SendNeighbourWord(new NeighbourFlowKnown(word.Key, word.Protocol, word.Number, word.Source, word.Destination), own, tuple.Source);
        }
    }
}
