using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>Server to client, behind the HAM: the destination becomes the client endpoint, waits, or is sent on after the client.</summary>
public sealed partial class FamEngine
{
    private Verdict DeliverInbound(
        int mappingSlot, TransportEndpoint local, TransportEndpoint server, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var mapping = ref _table.Mapping(mappingSlot);
        var connection = FindInbound(mappingSlot, server);
        if (connection < 0 && !IsAdmitted(mapping, server, summary.Kind) && !IsOfForgotten(mapping, summary))
        {
            if (_clients[mapping.Client].State == ClientState.Further && summary.Kind != PacketKind.IcmpError)
            {
                // The FAM may have opened it a moment ago, and the word of it be on its way here.
                return HoldDoubtful(mapping.Client, packet, offload, now);
            }

            KeepUnsolicited(mappingSlot, local, packet, summary, offload, now);
            return Drop(summary.Kind == PacketKind.IcmpError ? DropReason.UnrelatedIcmpError : DropReason.FilteredServer);
        }

        if (summary.Ttl <= 1)
        {
            return SendBackToServer(DropReason.TtlExpired, IcmpError.TimeExceeded, packet, summary, local, mapping.Id.Masquerade, offload);
        }

        var mtu = _clients[mapping.Client].State == ClientState.Superseded ? Mtu.Uplink : ClientMtu(mapping.Client);
        if (LinkMtu.IsExceeded(mtu, summary, offload))
        {
            return SendBackToServer(DropReason.TooBig, IcmpError.TooBig(mtu), packet, summary, local, mapping.Id.Masquerade, offload);
        }

        switch (_clients[mapping.Client].State)
        {
            case ClientState.Serving:
            case ClientState.Arriving:
            case ClientState.Further when !_clients[mapping.Client].Gone:
                if (Filter is not null && JudgeInbound(mappingSlot, connection, server, summary, now) is not DropReason.None and var reason)
                {
                    return IsAwaited(mapping.Client, reason) ? Hold(mapping.Client, packet, offload, HoldInbound, now) : Drop(reason);
                }

                return connection >= 0 && _table.Connection(connection).IsHelped
                    ? DeliverHelped(connection, local, packet, summary, offload, now)
                    : DeliverToClient(mappingSlot, connection, local, packet, summary, offload, now);

            case ClientState.Further or ClientState.Superseded when IsCopy(mapping):
                // Whoever has the client has the packet.
                return Drop(DropReason.CopyNotNeeded);

            case ClientState.Superseded when mapping.HasNextFam:
                RewriteInbound(packet, summary, local == mapping.Fam ? mapping.ToNextFam : new PacketRewriter.Rewrite(local, mapping.ToNextFam.To), offload);
                return Verdict.Uplink;

            case ClientState.Departing:
                return Drop(DropReason.ClientGone);

            default:
                return Hold(mapping.Client, packet, offload, HoldInbound, now);
        }
    }

    private Verdict DeliverToClient(int mappingSlot, int connection, TransportEndpoint local, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var mapping = ref _table.Mapping(mappingSlot);
        if (summary.Kind != PacketKind.IcmpError)
        {
            mapping.Unanswered = 0;
            mapping.ProbeInterval = _config.ProbeInterval;
            NoteInbound(connection >= 0 ? connection : mapping.FirstConnection, isOfConnection: connection >= 0, packet, summary, now);
            if (connection >= 0 && local == mapping.Fam)
            {
                LetPass(connection, mapping, _table.Connection(connection));
            }
        }

        ClampSegments(mapping.Client, packet, summary, offload);
        RewriteInbound(packet, summary, local == mapping.Fam ? mapping.ToClient : mapping.ReturnToClient, offload);
        return !IsCopy(mapping) ? Verdict.ToClient(_clients[mapping.Client].Mac) : Keep(mapping, packet, summary, offload, now);
    }

    /// <summary>The connection that an inbound packet, or the packet that an ICMP error is about, belongs to; -1 if the client has not sent to that server endpoint.</summary>
    private int FindInbound(int mappingSlot, TransportEndpoint server)
    {
        ref var mapping = ref _table.Mapping(mappingSlot);

        // Nearly every mapping has one connection: compare before hashing.
        var first = mapping.FirstConnection;
        if (first >= 0 && _table.Connection(first).Tuple.Destination == server)
        {
            return first;
        }

        return mapping.ConnectionCount > 1 ? _table.FindConnection(new FlowTuple(mapping.ClientEndpoint, server, mapping.Id.Protocol)) : -1;
    }

    /// <summary>
    /// Whether the filter lets a server through that the client has not sent to. It opens no connection here: that is for the client to do, by an answer. So strangers can neither fill
    /// the tables nor keep anything alive, and the filter decides alike wherever the client goes (RFC 4787 REQ-11).
    /// </summary>
    private bool IsAdmitted(in FamMapping mapping, TransportEndpoint server, PacketKind kind) => kind != PacketKind.IcmpError && mapping.Explicit switch
    {
        { OutboundOnly: false } terms => terms.Filters.Count == 0 || terms.Names(server),
        { } terms when terms.Names(server) => true,
        _ => FilteringOf(mapping.Id.Protocol) switch
        {
            FilteringPolicy.EndpointIndependent => true,
            FilteringPolicy.AddressDependent => HasServerAddress(mapping, server.Address),
            _ => false,
        },
    };

    /// <summary>
    /// After a loss a mapping is known from its HAM alone, and not with whom the client speaks there. Who waits for what a server says, and says nothing itself, must get it; the client's
    /// answer shows who it is. What would open or end a connection is not let through.
    /// </summary>
    private bool IsOfForgotten(in FamMapping mapping, in PacketSummary summary) =>
        mapping.FirstConnection >= 0 && _table.Connection(mapping.FirstConnection).Tuple.Destination.IsNone && summary.Kind switch
        {
            PacketKind.IcmpError => false,
            PacketKind.Tcp => (summary.TcpFlags & (TcpFlags.Syn | TcpFlags.Rst)) == 0 && _table.CountOfClientEndpoint(mapping) == 1,
            _ => true,
        };

    private FilteringPolicy FilteringOf(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => _config.TcpFiltering,
        TransportProtocol.Udp => _config.UdpFiltering,
        _ => _config.IcmpFiltering,
    };

    private void NoteInbound(int slot, bool isOfConnection, ReadOnlySpan<byte> packet, in PacketSummary summary, Instant now)
    {
        if (isOfConnection)
        {
            ref var record = ref _table.Connection(slot);
            record.PacketsIn++;
            Track(slot, ref record, packet, summary, fromClient: false, now);
        }
        else if (_config.InboundRefresh == InboundRefresh.Always && slot >= 0 && (summary.TcpFlags & TcpFlags.Rst) == 0)
        {
            _table.Connection(slot).LastActivity = now;
        }
    }

    private bool HasServerAddress(in FamMapping mapping, IpAddress address)
    {
        for (var slot = mapping.FirstConnection; slot >= 0; slot = _table.Connection(slot).NextOfMapping)
        {
            if (_table.Connection(slot).Tuple.Destination.Address == address)
            {
                return true;
            }
        }

        return false;
    }

    private static void RewriteInbound(Span<byte> packet, in PacketSummary summary, in PacketRewriter.Rewrite rewrite, in OffloadInfo offload)
    {
        if (summary.Kind == PacketKind.IcmpError)
        {
            PacketRewriter.ErrorInbound(packet, summary, rewrite);
        }
        else
        {
            PacketRewriter.Destination(packet, summary, rewrite, offload.ChecksumPartial);
        }

        PacketRewriter.DecrementTtl(packet, summary);
    }
}
