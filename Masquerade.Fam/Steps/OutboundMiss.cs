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

        if (IsHeardElsewhere(_clients[client], now))
        {
            return Drop(DropReason.HeardElsewhere);
        }

        if (_neighbourhood is not null && _neighbourhood.Covers(summary.Tuple.Source.Address, summary.Tuple.Destination.Address))
        {
            return SendToNeighbour(client, packet, summary, offload, now);
        }

        if (_neighbourhood is not null && _neighbourhood.IsNobodys(summary.Tuple.Destination.Address))
        {
            return Drop(DropReason.Multicast);
        }

        if (_config.Untranslated.Covers(summary.Tuple.Source.Address, summary.Tuple.Destination.Address) && !_pool.Owns(summary.Tuple.Destination.Address))
        {
            return OpenUntranslated(client, packet, summary, offload, now);
        }

        ref var record = ref _clients[client];
        var mapping = _table.FindByClientEndpoint(summary.Tuple.Protocol, summary.Tuple.Source, summary.Tuple.Destination);
        if (mapping >= 0 && _table.Mapping(mapping).Client != client)
        {
            return Drop(DropReason.SpoofedSource);
        }

        if (Filter is not null && record.State is ClientState.Serving or ClientState.Away && JudgeOpening(client, mapping, summary) is not DropReason.None and var refused)
        {
            // Before it takes a port, or the coordinator is asked.
            return RefuseByPolicy(refused, packet, summary, offload, source, now);
        }

        var canOpen = ConnectionTracker.CanOpen(summary.Kind, summary.TcpFlags);
        switch (record.State)
        {
            case ClientState.Further when mapping >= 0:
                return OpenOn(mapping, packet, summary, offload, now);
            case ClientState.Further when !_coordinatorUp && canOpen:
                return AnchorHere(client, packet, summary, offload, now);
            case ClientState.Further:
                // Two FAMs must not anchor one client endpoint: whoever is not the first asks.
                return AskAboutConnection(client, packet, summary, offload, now);
            case ClientState.Serving when mapping >= 0:
                return OpenOn(mapping, packet, summary, offload, now);
            case ClientState.Serving when record.Complete && !record.Truncated:
                return canOpen ? Establish(client, packet, summary, offload, now) : Drop(DropReason.NotEstablished);
            case ClientState.Serving when record.Truncated:
                return AskAboutConnection(client, packet, summary, offload, now);
            case ClientState.Serving when summary.Kind == PacketKind.Tcp && canOpen:
                // A SYN is new in any case: it need not wait for the previous FAM's last changes.
                return Establish(client, packet, summary, offload, now);
            case ClientState.Superseded when record.Epoch == Epoch.None:
                return Drop(DropReason.Refused);
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
    /// Whether an access point that has no answer yet opens a connection by itself: a SYN after a short wait, anything that opens one when there has been no coordinator for a while. Not where
    /// several hear one radio: each of them would open it, and the client get two answers.
    /// </summary>
    private bool MayGoAlone(in FamClient client, PacketKind kind, Instant now) =>
        _config.Links != ClientLinks.Shared && now >= client.GuardUntil && (kind == PacketKind.Tcp || (!_coordinatorUp && now >= _aloneFrom));

    private Verdict Establish(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now) =>
        _table.HelpedCount > 0 && _coordinatorUp && BesideWhat(client, summary.Tuple, hamIsHere: false) is { IsNone: false } beside
            ? AskAboutConnection(client, packet, summary, offload, now, beside)
        : _config.Anchoring == AnchorPolicy.Here || !_coordinatorUp
            ? AnchorHere(client, packet, summary, offload, now)
            : AskAboutConnection(client, packet, summary, offload, now);

    private Verdict AnchorHere(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var record = ref _clients[client];
        var protocol = summary.Tuple.Protocol;
        var quota = MayOpen(record, protocol, newMapping: true, now);
        if (quota != DropReason.None)
        {
            return Refuse(quota, client, packet, summary, now);
        }

        var wasAsked = TryAnchorAsked(record.Mac, summary.Tuple, record.Epoch, now, out var id);
        if (!wasAsked && _table.HelpedCount > 0 && BesideWhat(client, summary.Tuple, hamIsHere: true) is { IsNone: false } beside
            && _anchor.TryAnchorBeside(protocol, summary.Tuple.Source, record.Mac, record.Epoch, beside, now, out var masquerade))
        {
            id = new MappingId(protocol, masquerade);
        }
        else if (!wasAsked)
        {
            var server = ServerFor(summary.Tuple);
            if (!_anchor.TryAnchor(protocol, summary.Tuple.Source, record.Mac, record.Epoch, server, now, out masquerade, out var reason))
            {
                return reason == DropReason.PairedPortsExhausted
                    ? Refuse(reason, client, packet, summary, now)
                    : SendBackToClient(reason, IcmpError.HostUnreachable, packet, summary, record.Mac);
            }

            id = new MappingId(protocol, masquerade, server);
        }

        var mapping = AddAnchored(client, id, summary.Tuple.Source, now);
        if (mapping < 0)
        {
            return SendBackToClient(DropReason.TableFull, IcmpError.HostUnreachable, packet, summary, record.Mac);
        }

        _table.Mapping(mapping).IsUnheardOf = !wasAsked;
        var verdict = OpenOn(mapping, packet, summary, offload, now);
        if (_table.Mapping(mapping).ConnectionCount == 0)
        {
            EndMapping(mapping, now);
        }

        return verdict;
    }

    /// <summary>Takes in a mapping that was anchored here a moment ago, and has no connection yet; -1, and it is given back, if there is no room.</summary>
    private int AddAnchored(int client, MappingId id, TransportEndpoint local, Instant now)
    {
        var slot = _table.AddMapping(client, id, local, id.Masquerade, _self, hamIsHere: true);
        if (slot < 0)
        {
            _anchor.Release(id, now);
            return -1;
        }

        _table.Mapping(slot).AnchorEpoch = _clients[client].Epoch;
        _table.Mapping(slot).IsUnheardOf = true;
        return slot;
    }

    private Verdict OpenOn(int mapping, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        if (Filter is not null && JudgeOpening(_table.Mapping(mapping).Client, mapping, summary) is not DropReason.None and var refused)
        {
            return RefuseByPolicy(refused, packet, summary, offload, _clients[_table.Mapping(mapping).Client].Mac, now);
        }

        if ((summary.TcpFlags & TcpFlags.Rst) != 0)
        {
            // The client refuses what the filter has let through: that ends here and opens nothing.
            return summary.Ttl <= 1 ? Drop(DropReason.TtlExpired) : PassToServer(_table.Mapping(mapping), packet, summary, offload);
        }

        var client = _table.Mapping(mapping).Client;
        var quota = MayOpen(_clients[client], summary.Tuple.Protocol, newMapping: false, now);
        if (quota != DropReason.None)
        {
            return Refuse(quota, client, packet, summary, now);
        }

        var slot = OpenConnection(mapping, summary.Tuple, ConnectionState.None, now);
        if (slot < 0)
        {
            return SendBackToClient(DropReason.TableFull, IcmpError.HostUnreachable, packet, summary, _clients[client].Mac);
        }

        _table.Connection(slot).OpensOut = IsOpening(summary);
        if (Filter is not null && Judge(slot, summary, now) is not DropReason.None and var reason)
        {
            return Drop(reason);
        }

        ChargeOpening(ref _clients[client], now);
        EndExpectation(mapping, summary.Tuple.Destination, now);
        return RewriteToServer(slot, packet, summary, offload, now);
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
        var slot = _table.AddConnection(mapping, tuple, state, now, opensHere: true);
        if (slot >= 0)
        {
            _idle.Schedule(slot, now + (_clients[_table.Mapping(mapping).Client].State == ClientState.Further ? WatchInterval(_table.Connection(slot)) : ConnectionTracker.IdleTimeout(_config, tuple.Protocol, state)));
            EndPlaceholder(mapping);
            BeginHelp(slot);
            MarkDirty(mapping, now);
            if (ReportsConnections)
            {
                ref var opened = ref _table.Mapping(mapping);
                _output.Report(new ConnectionOpened(opened.Id, _clients[opened.Client].Mac, tuple.Source, tuple.Destination, opened.Ham));
            }
        }

        return slot;
    }
}
