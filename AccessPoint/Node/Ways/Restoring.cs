using System.Buffers;
using Masquerade.AccessPoint.Ways;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>The far end of a detour (N-09): what stood in for a foreign source is put back, or a HAM sends on what a FAM elsewhere cannot send itself.</summary>
public sealed partial class AccessPointNode
{
    /// <summary>Mappings of which it is remembered for a while who was their FAM.</summary>
    private const int MaxFormerFams = 16_384;

    /// <summary>What a FAM sends may be here before the news that it is the FAM.</summary>
    private static readonly TimeSpan s_newsPatience = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<MappingId, (IpAddress Fam, Instant Until)> _formerFams = [];
    private readonly HoldQueue _early = new(maxPackets: 256, maxBytes: 512 * 1024);
    private Instant _earlyUntil = Instant.Never;

    /// <summary>How long the packet that is being looked at again may wait in all; never if none is.</summary>
    private Instant _replayedUntil = Instant.Never;

    /// <summary>Another node names a stand-in. It must be at the address that it names, and know what only the mapping's HAM and FAM know.</summary>
    private void OnStandIn(StandIn word, in FlowTuple tuple)
    {
        var cookie = CookieOf(tuple.Source.Address);
        if (word.Token != cookie)
        {
            AnswerProbe(new WayProbe(word.Token, tuple.Source.Address), tuple.Destination.Address);
            return;
        }

        var isKnown = word.Use == StandInUse.ToFam
            ? Fam.TryFindInbound(word.Protocol, word.Destination, word.Server, out _, out var client)
            : Ham.TryFindFam(word.Protocol, word.Destination, word.Server, out _, out _, out client);
        if (isKnown && client == word.Client && word.Source.Address == tuple.Source.Address && word.Destination.Address == tuple.Destination.Address && _standIns.TryLearn(word, _now))
        {
            SendWay(
                new StandInKnown(word.Token, word.Use, word.Protocol, word.Client, word.Source, word.Destination, word.Server),
                tuple.Destination.Address, new TransportEndpoint(tuple.Source.Address, _model.PeerPort));
        }
    }

    /// <summary>Puts back what stood in for a server, or sends on by this HAM what its FAM cannot send itself. True: the packet is finished.</summary>
    private bool TryRestore(Span<byte> frame, ref PacketSummary summary, in OffloadInfo offload, out Verdict verdict)
    {
        verdict = Verdict.Consumed;
        var packet = frame[EthernetHeader.Length..];
        if (summary.Kind == PacketKind.IcmpError)
        {
            return TryRestoreError(frame, ref summary, offload, out verdict);
        }

        var known = _standIns.FindKnown(summary.Tuple);
        if (known is null)
        {
            return false;
        }

        switch (known.Use)
        {
            case StandInUse.ToFam:
                if (Fam.TryFindInbound(summary.Tuple.Protocol, known.Destination, known.Server, out var mapping, out _) && mapping.Masquerade.Address is { IsNone: false } ham && ham != summary.Tuple.Source.Address)
                {
                    return false;
                }

                known.LastUsed = _now;
                PacketRewriter.Source(packet, summary, known.ToSource, offload.ChecksumPartial);
                summary.Tuple = summary.Tuple with { Source = known.Server };
                return false;

            case StandInUse.Back when IsFam(known, summary.Tuple.Source.Address):
                known.LastUsed = _now;
                PacketRewriter.Source(packet, summary, known.ToSource, offload.ChecksumPartial);
                summary.Tuple = summary.Tuple with { Source = known.Server };
                verdict = Ham.ProcessReturned(packet, summary, offload, _now);
                Apply(verdict, frame, summary, offload, Leg.ToFam);
                return true;

            case StandInUse.ToServer when IsFam(known, summary.Tuple.Source.Address):
                known.LastUsed = _now;
                verdict = RelayToServer(frame, summary, offload, known);
                return true;

            default:
                verdict = HoldEarly(packet, summary, offload);
                return true;
        }
    }

    private Verdict RelayToServer(Span<byte> frame, in PacketSummary summary, in OffloadInfo offload, KnownStandIn known)
    {
        // This node is a hop like any other: what it has to say goes to the FAM, which knows whose packet it was.
        var packet = frame[EthernetHeader.Length..];
        if (summary.Ttl <= 1 || LinkMtu.IsExceeded(_model.Uplink.Mtu, summary, offload))
        {
            var (reason, error) = summary.Ttl <= 1 ? (DropReason.TtlExpired, IcmpError.TimeExceeded) : (DropReason.TooBig, IcmpError.TooBig(_model.Uplink.Mtu));
            SendError(error, packet, summary, MacAddress.None);
            Drops.Count(reason);
            return Verdict.Drop(reason);
        }

        PacketRewriter.Source(packet, summary, known.ToSource, offload.ChecksumPartial);
        PacketRewriter.Destination(packet, summary, known.ToDestination, offload.ChecksumPartial);
        PacketRewriter.DecrementTtl(packet, summary);
        RelayedForFam++;
        SendUplink(frame, offload);
        return Verdict.Uplink;
    }

    /// <summary>An error that the FAM's client has sent about a packet, or a router about one that this node has sent with a stand-in.</summary>
    private bool TryRestoreError(Span<byte> frame, ref PacketSummary summary, in OffloadInfo offload, out Verdict verdict)
    {
        verdict = Verdict.Consumed;
        var packet = frame[EthernetHeader.Length..];
        var known = _standIns.FindKnown(summary.EmbeddedTuple.Reply());
        if (known is { Use: StandInUse.ToServer } && known.Destination.Address == summary.EmbeddedTuple.Source.Address && summary.EmbeddedTuple.Destination.Address == summary.Tuple.Source.Address)
        {
            if (summary.Ttl <= 1 || !IsFam(known, summary.Tuple.Source.Address))
            {
                var reason = summary.Ttl <= 1 ? DropReason.TtlExpired : DropReason.UnrelatedIcmpError;
                Drops.Count(reason);
                verdict = Verdict.Drop(reason);
                return true;
            }

            PacketRewriter.ErrorInbound(packet, summary, known.ToDestination);
            PacketRewriter.ErrorOutbound(packet, summary, known.ToSource);
            PacketRewriter.DecrementTtl(packet, summary);
            RelayedForFam++;
            SendUplink(frame, offload);
            verdict = Verdict.Uplink;
            return true;
        }

        var sent = _standIns.SentCount == 0 ? null : _standIns.FindSent(summary.EmbeddedTuple);
        if (sent is null)
        {
            return false;
        }

        var tuple = new FlowTuple(sent.Destination, sent.Server, sent.Protocol);
        if (sent.Use != StandInUse.ToServer || !TryFindFamEndpoint(tuple, sent, out var fam))
        {
            // A server would not know the packet; how large packets may be on the way to the FAM the HAM measures itself.
            Drops.Count(DropReason.UnrelatedIcmpError);
            verdict = Verdict.Drop(DropReason.UnrelatedIcmpError);
            return true;
        }

        PacketRewriter.ErrorAbout(packet, summary, new PacketRewriter.Rewrite(sent.Destination, sent.Server));
        if (fam != sent.Source)
        {
            PacketRewriter.ErrorInbound(packet, summary, new PacketRewriter.Rewrite(sent.Source, fam));
        }

        summary.EmbeddedTuple = new FlowTuple(fam, sent.Server, sent.Protocol);
        return false;
    }

    /// <summary>The FAM endpoint of the mapping that an own stand-in is for.</summary>
    private bool TryFindFamEndpoint(in FlowTuple real, SentStandIn sent, out TransportEndpoint fam)
    {
        fam = TransportEndpoint.None;
        return Fam.TryFindMapping(real.Protocol, real.Source, real.Destination, sent.Client, out fam) && fam.Address == sent.Source.Address;
    }

    /// <summary>Whether a node is the FAM of the mapping that a stand-in is for, or was until a moment ago.</summary>
    private bool IsFam(KnownStandIn known, IpAddress node)
    {
        var protocol = known.Protocol;
        if (!Ham.TryFindFam(protocol, known.Destination, known.Server, out var mapping, out var fam, out var client) || client != known.Client)
        {
            return false;
        }

        return fam.Address == node
            || (_formerFams.TryGetValue(mapping, out var former) && former.Fam == node && _now < former.Until);
    }

    /// <summary>Whoever was the FAM may still have sent, and hold, packets.</summary>
    private void NoteFormerFams(FamChange? change)
    {
        if (change is null || _standIns.KnownCount == 0)
        {
            return;
        }

        if (_formerFams.Count + change.Routes.Count > MaxFormerFams)
        {
            foreach (var (mapping, former) in _formerFams)
            {
                if (former.Until <= _now)
                {
                    _formerFams.Remove(mapping);
                }
            }
        }

        foreach (var route in change.Routes)
        {
            if (route.Ham == _model.Node && Ham.TryFindFam(route.Mapping.Protocol, route.Mapping.Masquerade, route.Mapping.Server, out _, out var fam, out var client) && client == change.Client
                && !fam.IsNone && fam != route.NewFamEndpoint && (_formerFams.Count < MaxFormerFams || _formerFams.ContainsKey(route.Mapping)))
            {
                _formerFams[route.Mapping] = (fam.Address, _now + _model.Fam.ForwardTime);
            }
        }
    }

    private Verdict HoldEarly(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        var until = Instant.Min(_now + s_newsPatience, _replayedUntil);
        if (until > _now && summary.Part == FragmentPart.Whole && _early.TryEnqueue(packet, offload, 0, until))
        {
            _earlyUntil = Instant.Min(_earlyUntil, until);
            return Verdict.Held;
        }

        var reason = until > _now ? DropReason.HoldQueueFull : DropReason.HoldExpired;
        Drops.Count(reason);
        return Verdict.Drop(reason);
    }

    /// <summary>What came from a FAM before the news that it is one is looked at again.</summary>
    private void ReplayEarly()
    {
        if (_early.Count == 0)
        {
            return;
        }

        _earlyUntil = Instant.Never;
        for (var left = _early.Count; left > 0 && _early.TryPeek(out var waiting); left--)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(EthernetHeader.Length + waiting.Packet.Length);
            waiting.Packet.CopyTo(buffer.AsSpan(EthernetHeader.Length));
            var frame = buffer.AsSpan(0, EthernetHeader.Length + waiting.Packet.Length);
            var offload = waiting.Offload;
            _replayedUntil = waiting.Deadline;
            _early.Dequeue();
            if (TryParse(frame, MacAddress.None, offload, out var summary))
            {
                ProcessInbound(frame[..(EthernetHeader.Length + summary.Length)], summary, offload);
            }

            ArrayPool<byte>.Shared.Return(buffer);
        }

        _replayedUntil = Instant.Never;
    }
}
