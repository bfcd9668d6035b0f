using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>A packet of a client that belongs to no known connection: it opens one here and now, or waits for an answer, or is refused.</summary>
public sealed partial class FamEngine
{
    private Verdict ProcessOutboundMiss(Span<byte> packet, in PacketSummary summary, MacAddress source, in OffloadInfo offload, Instant now)
    {
        var client = _clients.Find(source);
        if (client < 0)
        {
            client = Meet(source, byAssociation: false, now);
            if (client < 0)
            {
                return Drop(DropReason.TableFull);
            }
        }
        else
        {
            _clients[client].LastSeen = now;
            OnClientSeen(client, now);
        }

        if (!_clients.TryClaim(client, summary.Tuple.Source.Address))
        {
            return Drop(DropReason.SpoofedSource);
        }

        ref var record = ref _clients[client];
        var mapping = _table.FindByClientEndpoint(summary.Tuple.Protocol, summary.Tuple.Source);
        if (mapping >= 0 && _table.Mapping(mapping).Client != client)
        {
            return Drop(DropReason.SpoofedSource);
        }

        var canOpen = ConnectionTracker.CanOpen(summary.Kind, summary.TcpFlags);
        switch (record.State)
        {
            case ClientState.Serving when mapping >= 0:
                return OpenOn(mapping, packet, summary, offload, now);
            case ClientState.Serving when record.Complete && !record.Truncated:
                return canOpen ? Establish(client, packet, summary, offload, now) : Drop(DropReason.NotEstablished);
            case ClientState.Serving when record.Truncated:
                return AskAboutConnection(client, packet, summary, offload, now);
            case ClientState.Serving when summary.Kind == PacketKind.Tcp && canOpen:
                // A SYN is new in any case: it need not wait for the previous FAM's last changes.
                return Establish(client, packet, summary, offload, now);
            case ClientState.Superseded:
            case ClientState.Departing:
                return Drop(DropReason.ClientGone);
            case ClientState.Away when mapping < 0 && record.Complete && !record.Truncated:
                // Its link went while the packet waited, or a moment before it was taken; nobody else serves it yet.
                return canOpen ? Establish(client, packet, summary, offload, now) : Drop(DropReason.NotEstablished);
            case ClientState.Away:
                return mapping >= 0 ? OpenOn(mapping, packet, summary, offload, now) : Hold(client, packet, offload, HoldOutbound, now);
            case ClientState.Arriving when canOpen && MayGoAlone(record, summary.Kind, now):
                return mapping >= 0 ? OpenOn(mapping, packet, summary, offload, now) : AnchorHere(client, packet, summary, offload, now);
            default:
                return Hold(client, packet, offload, HoldOutbound, now);
        }
    }

    /// <summary>
    /// Whether an access point that has no answer yet opens a connection by itself: a SYN after a short wait, anything that opens one when there has been no coordinator for a while.
    /// </summary>
    private bool MayGoAlone(in FamClient client, PacketKind kind, Instant now) =>
        now >= client.GuardUntil && (kind == PacketKind.Tcp || (!_coordinatorUp && now >= _aloneFrom));

    private Verdict Establish(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now) =>
        _config.Anchoring == AnchorPolicy.Here || !_coordinatorUp
            ? AnchorHere(client, packet, summary, offload, now)
            : AskAboutConnection(client, packet, summary, offload, now);

    private Verdict AnchorHere(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var record = ref _clients[client];
        var protocol = summary.Tuple.Protocol;
        var wasAsked = TryAnchorAsked(record.Mac, summary.Tuple, record.Epoch, now, out var masquerade);
        if (!wasAsked && !_anchor.TryAnchor(protocol, summary.Tuple.Source, record.Mac, record.Epoch, now, out masquerade, out var reason))
        {
            return Drop(reason);
        }

        var id = new MappingId(protocol, masquerade);
        var mapping = _table.AddMapping(client, id, summary.Tuple.Source, masquerade, _self, hamIsHere: true);
        if (mapping < 0)
        {
            _anchor.Release(id, now);
            return Drop(DropReason.TableFull);
        }

        _table.Mapping(mapping).AnchorEpoch = record.Epoch;
        _table.Mapping(mapping).IsUnheardOf = !wasAsked;
        var verdict = OpenOn(mapping, packet, summary, offload, now);
        if (_table.Mapping(mapping).ConnectionCount == 0)
        {
            EndMapping(mapping, now);
        }

        return verdict;
    }

    private Verdict OpenOn(int mapping, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var slot = OpenConnection(mapping, summary.Tuple, ConnectionState.None, now);
        return slot < 0 ? Drop(DropReason.TableFull) : RewriteToServer(slot, packet, summary, offload, now);
    }

    /// <summary>A connection to nobody in particular has kept a mapping alive; now there is a real one, whose own timers count.</summary>
    private void EndPlaceholder(int mapping)
    {
        for (var slot = _table.Mapping(mapping).FirstConnection; slot >= 0; slot = _table.Connection(slot).NextOfMapping)
        {
            if (_table.Connection(slot).Tuple.Destination.IsNone)
            {
                _idle.Cancel(slot);
                _table.RemoveConnection(slot);
                return;
            }
        }
    }

    /// <summary>Adds a connection to a mapping and announces it; -1 when the table is full.</summary>
    private int OpenConnection(int mapping, in FlowTuple tuple, ConnectionState state, Instant now)
    {
        var slot = _table.AddConnection(mapping, tuple, state, now);
        if (slot >= 0)
        {
            _idle.Schedule(slot, now + ConnectionTracker.IdleTimeout(_config, tuple.Protocol, state));
            EndPlaceholder(mapping);
            MarkDirty(mapping, now);
        }

        return slot;
    }
}
