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
        var connection = Admit(mappingSlot, server, summary, now);
        if (connection < 0)
        {
            return Drop(summary.Kind == PacketKind.IcmpError ? DropReason.UnrelatedIcmpError : DropReason.FilteredServer);
        }

        if (summary.Ttl <= 1)
        {
            return Drop(DropReason.TtlExpired);
        }

        switch (_clients[mapping.Client].State)
        {
            case ClientState.Serving:
            case ClientState.Arriving:
                if (summary.Kind != PacketKind.IcmpError)
                {
                    ref var record = ref _table.Connection(connection);
                    record.PacketsIn++;
                    mapping.Unanswered = 0;
                    mapping.ProbeInterval = _config.ProbeInterval;
                    Track(connection, ref record, summary, fromClient: false, now);
                }

                RewriteInbound(packet, summary, local == mapping.Fam ? mapping.ToClient : mapping.ReturnToClient, offload);
                return Verdict.ToClient(_clients[mapping.Client].Mac);

            case ClientState.Superseded when mapping.HasNextFam:
                RewriteInbound(packet, summary, local == mapping.Fam ? mapping.ToNextFam : new PacketRewriter.Rewrite(local, mapping.ToNextFam.To), offload);
                return Verdict.Uplink;

            case ClientState.Departing:
                return Drop(DropReason.ClientGone);

            default:
                return Hold(mapping.Client, packet, offload, HoldInbound, now);
        }
    }

    /// <summary>The connection that an inbound packet belongs to, by the filtering policy; -1 if it is not admitted.</summary>
    private int Admit(int mappingSlot, TransportEndpoint server, in PacketSummary summary, Instant now)
    {
        ref var mapping = ref _table.Mapping(mappingSlot);

        // Nearly every mapping has one connection: compare before hashing.
        var first = mapping.FirstConnection;
        if (first >= 0 && _table.Connection(first).Tuple.Destination == server)
        {
            return first;
        }

        var tuple = new FlowTuple(mapping.ClientEndpoint, server, mapping.Id.Protocol);
        var slot = mapping.ConnectionCount > 1 ? _table.FindConnection(tuple) : -1;
        if (slot >= 0 || summary.Kind == PacketKind.IcmpError)
        {
            return slot;
        }

        var admitted = _config.Filtering switch
        {
            FilteringPolicy.EndpointIndependent => true,
            FilteringPolicy.AddressDependent => HasServerAddress(mapping, server.Address),
            _ => false,
        };
        return admitted ? OpenConnection(mappingSlot, tuple, ConnectionState.None, now) : -1;
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
