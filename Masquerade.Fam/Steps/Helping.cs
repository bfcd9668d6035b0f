using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// Connections with an application helper. What their clients send is looked at once, in order; where a client names an endpoint of its own, a masquerade endpoint is put in its place. From
/// then on both ends count differently, so what each says of the client's stream is put into the other's terms. The FAM owns this, like all state of a connection, and hands it over with it.
/// </summary>
public sealed partial class FamEngine
{
    private readonly IApplicationHelper[] _helpers = [];

    /// <summary>The application helpers of this node; none unless they are given.</summary>
    public IReadOnlyList<IApplicationHelper> Helpers
    {
        get => _helpers;
        init => _helpers = [.. value];
    }

    /// <summary>Connections that have a helper now.</summary>
    public int HelpedConnections => _table.HelpedCount;

    /// <summary>Endpoints that clients have named and that were replaced.</summary>
    public long HelpedEndpoints { get; private set; }

    /// <summary>Endpoints that clients have named and for which there was no mapping to be had, by their limits or for want of ports or of an answer: they were sent as they are.</summary>
    public long UnhelpedEndpoints { get; private set; }

    /// <summary>Whether the connection that opens has a helper; a flow that has none never comes here again.</summary>
    private void BeginHelp(int slot)
    {
        ref var connection = ref _table.Connection(slot);
        ref var mapping = ref _table.Mapping(connection.Mapping);
        if (connection.Tuple.Protocol != TransportProtocol.Tcp || mapping.IsUntranslated || connection.IsHelped)
        {
            return;
        }

        var isService = IsService(mapping);
        foreach (var helper in _helpers)
        {
            if (helper.Covers(connection.Tuple.Source, connection.Tuple.Destination, isService))
            {
                _table.Help(slot, new HelpedStream(helper, helper.Name));
                return;
            }
        }
    }

    /// <summary>Whether the client serves there: it has asked for the mapping, or it is published.</summary>
    private static bool IsService(in FamMapping mapping) => mapping.Explicit is { OutboundOnly: false, Expected: false };

    /// <summary>What another FAM has written down of a connection. What began here, or has been changed more often here, is fresher.</summary>
    private void InstallNote(int slot, HelperNote? note)
    {
        if (note is null || HelpedStream.FromNote(note, _helpers) is not { } incoming)
        {
            BeginHelp(slot);
            return;
        }

        var known = _table.Connection(slot).IsHelped ? _table.StreamOf(slot) : null;
        ref var client = ref _clients[_table.Mapping(_table.Connection(slot).Mapping).Client];
        if (known is null || (known.IsOlderThan(incoming) && !(known.BornIn != 0 && known.BornIn == client.ArriveId)))
        {
            _table.Help(slot, incoming);
        }
    }

    /// <summary>
    /// Whether this FAM knows all that was changed in a stream. While an arrival is not complete the previous FAM may have changed something that nobody has heard of yet.
    /// </summary>
    private bool KnowsStream(in FamClient client, HelpedStream stream, Instant now) => client.State switch
    {
        ClientState.Serving or ClientState.Away or ClientState.Further when client.Complete => true,
        ClientState.Serving or ClientState.Away or ClientState.Arriving when stream.BornIn != 0 && stream.BornIn == client.ArriveId => true,
        ClientState.Arriving => !_coordinatorUp && now >= _aloneFrom,
        _ => false,
    };

    /// <summary>A segment of a client over a connection with a helper. True: it goes on as it is now. False: the verdict says what has become of it.</summary>
    private bool Help(int slot, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now, out Verdict verdict)
    {
        verdict = default;
        if (summary.Part == FragmentPart.Later)
        {
            return true;
        }

        var client = _table.Mapping(_table.Connection(slot).Mapping).Client;
        var stream = _table.StreamOf(slot);
        if ((summary.TcpFlags & TcpFlags.Syn) != 0)
        {
            stream.Restart(summary.TcpSequence, _clients[client].ArriveId);
            return true;
        }

        if (!KnowsStream(_clients[client], stream, now))
        {
            // A late frame of the old link: what it says may be news, and the next FAM has the stream already. It comes again there.
            verdict = _clients[client].State is ClientState.Superseded or ClientState.Departing ? Drop(DropReason.ClientGone) : Hold(client, packet, offload, HoldOutbound, now);
            return false;
        }

        if ((summary.TcpFlags & TcpFlags.Fin) != 0 && summary.PayloadLength == 0 && stream.Asked != 0 && _pendingById.ContainsKey(stream.Asked))
        {
            // It stands behind what waits, and where that will be is not known yet.
            verdict = Hold(client, packet, offload, HoldOutbound, now);
            return false;
        }

        if (summary.PayloadLength > 0 && !HelpPayload(slot, client, stream, packet, summary, offload, now, out verdict))
        {
            return false;
        }

        if (!stream.Edits.IsEmpty)
        {
            StreamRewriter.Sequence(packet, summary, stream.Edits, offload.ChecksumPartial);
        }

        return true;
    }

    private bool HelpPayload(int slot, int client, HelpedStream stream, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now, out Verdict verdict)
    {
        verdict = default;
        var end = unchecked(summary.TcpSequence + (uint)summary.PayloadLength);
        var isNews = !stream.HasNext || StreamEdits.IsBefore(stream.Next, end);
        if (isNews && stream.Asked != 0 && _pendingById.ContainsKey(stream.Asked))
        {
            verdict = Hold(client, packet, offload, HoldOutbound, now);
            return false;
        }

        if (!isNews && !stream.Edits.Touches(summary.TcpSequence, summary.PayloadLength))
        {
            return true;
        }

        if (summary.Part != FragmentPart.Whole)
        {
            // Nobody cuts a segment that names an endpoint: what is in fragments is passed on unread, unless it has been changed before.
            stream.Advance(isNews ? end : stream.Next);
            verdict = stream.Edits.Touches(summary.TcpSequence, summary.PayloadLength) ? Drop(DropReason.Fragment) : default;
            return verdict.Reason == DropReason.None;
        }

        if (!StreamRewriter.IsIntact(packet, summary, offload))
        {
            verdict = Drop(DropReason.BadTransportChecksum);
            return false;
        }

        if (isNews && !Look(slot, client, stream, packet, summary, end, now))
        {
            verdict = Hold(client, packet, offload, HoldOutbound, now);
            return false;
        }

        if (!stream.Edits.Touches(summary.TcpSequence, summary.PayloadLength))
        {
            return true;
        }

        ref var connection = ref _table.Connection(slot);
        Track(slot, ref connection, packet, summary, fromClient: true, now);
        connection.PacketsOut++;
        SendChanged(slot, client, stream, packet, summary, offload);
        verdict = Verdict.Consumed;
        return false;
    }

    /// <summary>Shows the helper what it has not seen. False: the segment has to wait for a mapping.</summary>
    private bool Look(int slot, int client, HelpedStream stream, ReadOnlySpan<byte> packet, in PacketSummary summary, uint end, Instant now)
    {
        var begin = summary.TcpSequence;
        var isContinuous = stream.PicksUp;
        if (stream.HasNext && !StreamEdits.IsBefore(stream.Next, begin))
        {
            begin = stream.Next;
            isContinuous = true;
        }

        if (stream.Helper is { } helper)
        {
            ref var connection = ref _table.Connection(slot);
            var octets = packet[(summary.Length - (int)unchecked(end - begin))..summary.Length];
            var text = new HelperText(octets, isContinuous, connection.Tuple.Source, connection.Tuple.Destination, IsService(_table.Mapping(connection.Mapping)));
            var state = stream.State;
            var isChanged = false;
            Span<byte> replacement = stackalloc byte[HelperWish.MaxLength];
            for (var from = 0; helper.TryFind(text, from, ref state, out var wish) && wish.Start >= from && wish.Length is > 0 and <= HelperWish.MaxLength && wish.Length <= octets.Length - wish.Start;)
            {
                var at = unchecked(begin + (uint)wish.Start);
                from = wish.Start + wish.Length;
                var masquerade = TransportEndpoint.None;
                if (stream.GaveUpAt != at && stream.Edits.CanAdd(at) && !Expect(slot, client, stream, wish.ClientEndpoint, at, now, out masquerade))
                {
                    // What stands before it has been dealt with.
                    if (isChanged)
                    {
                        MarkDirty(_table.Connection(slot).Mapping, now);
                    }

                    return false;
                }

                if (!masquerade.IsNone)
                {
                    stream.Change(at, wish.Length, replacement[..helper.Write(wish, masquerade, replacement)]);
                    HelpedEndpoints++;
                    isChanged = true;
                }

                stream.State = state;
                stream.Advance(unchecked(begin + (uint)from));
            }

            stream.State = state;
            if (isChanged || state != stream.ToldState)
            {
                stream.ToldState = state;
                MarkDirty(_table.Connection(slot).Mapping, now);
            }
        }

        stream.Advance(end);
        return true;
    }

    /// <summary>Sends a segment with what stands in place of what its client sent: in more than one if it has become too long for one.</summary>
    private void SendChanged(int slot, int client, HelpedStream stream, ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        var headers = summary.Length - summary.PayloadLength;
        var most = StreamRewriter.MostPayload(summary, offload, Mtu.Uplink);
        var sequence = stream.Edits.Forward(summary.TcpSequence);
        var payload = ArrayPool<byte>.Shared.Rent(summary.PayloadLength + (StreamEdits.MaxPending * HelperWish.MaxLength));
        var length = stream.Edits.Render(summary.TcpSequence, packet[headers..summary.Length], payload);
        var output = ArrayPool<byte>.Shared.Rent(headers + Math.Min(length, most));
        var at = 0;
        do
        {
            var part = Math.Min(length - at, most);
            var partOffload = offload;
            StreamRewriter.WritePart(packet, summary, payload.AsSpan(at, part), unchecked(sequence + (uint)at), at + part == length, stream.Edits, ref partOffload, output);
            var whole = output.AsSpan(0, headers + part);
            if (Reader.Read(whole, _clients[client].Mac, out var changed) == DropReason.None)
            {
                PassToServer(_table.Mapping(_table.Connection(slot).Mapping), whole, changed, partOffload);
                _output.TransmitUplink(whole, partOffload);
            }

            at += part;
        }
        while (at < length);
        ArrayPool<byte>.Shared.Return(payload);
        ArrayPool<byte>.Shared.Return(output);
    }

    /// <summary>A packet for a client over a connection with a helper: what it says of the client's stream is said in the client's terms.</summary>
    private Verdict DeliverHelped(int slot, TransportEndpoint local, Span<byte> packet, PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var mappingSlot = _table.Connection(slot).Mapping;
        var stream = _table.StreamOf(slot);
        var client = _table.Mapping(mappingSlot).Client;
        if (!KnowsStream(_clients[client], stream, now))
        {
            return Hold(client, packet, offload, HoldInbound, now);
        }

        if (summary.Part != FragmentPart.Later && !stream.Edits.IsEmpty)
        {
            if (summary.Kind == PacketKind.IcmpError)
            {
                StreamRewriter.Embedded(packet, summary, stream.Edits);
            }
            else if ((summary.TcpFlags & TcpFlags.Ack) != 0)
            {
                var acknowledged = summary.TcpAcknowledgment;
                summary.TcpAcknowledgment = StreamRewriter.Acknowledgment(packet, summary, stream.Edits, offload.ChecksumPartial);
                if ((summary.TcpFlags & TcpFlags.Rst) == 0)
                {
                    stream.Acknowledge(acknowledged);
                }
            }
        }

        return DeliverToClient(mappingSlot, slot, local, packet, summary, offload, now);
    }
}
