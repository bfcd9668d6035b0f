using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>Client to server: the packet's source becomes the masquerade endpoint .</summary>
public sealed partial class FamEngine
{
    private Verdict RewriteToServer(int slot, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        if (summary.Ttl <= 1)
        {
            return Drop(DropReason.TtlExpired);
        }

        ref var connection = ref _table.Connection(slot);
        Track(slot, ref connection, summary, fromClient: true, now);
        connection.PacketsOut++;
        ref var mapping = ref _table.Mapping(connection.Mapping);
        if (mapping.Unanswered++ == 0)
        {
            mapping.UnansweredSince = now;
        }
        else if (mapping.Unanswered >= ProbeAfterPackets && now - mapping.UnansweredSince >= mapping.ProbeInterval)
        {
            ProbeWayBack(connection.Mapping, now);
        }

        PacketRewriter.Source(packet, summary, mapping.ToServer, offload.ChecksumPartial);
        PacketRewriter.DecrementTtl(packet, summary);
        return Verdict.Uplink;
    }

    /// <summary>An ICMP error of the client about a packet that it got: it concerns a connection or it goes nowhere. It neither refreshes nor ends one (RFC 5508 REQ-6).</summary>
    private Verdict ProcessOutboundError(Span<byte> packet, in PacketSummary summary, MacAddress source)
    {
        var slot = _table.FindConnection(summary.EmbeddedTuple.Reply());
        if (slot < 0)
        {
            return Drop(DropReason.UnrelatedIcmpError);
        }

        ref var mapping = ref _table.Mapping(_table.Connection(slot).Mapping);
        if (_clients[mapping.Client].Mac != source)
        {
            return Drop(DropReason.SpoofedSource);
        }

        if (summary.Ttl <= 1)
        {
            return Drop(DropReason.TtlExpired);
        }

        PacketRewriter.ErrorOutbound(packet, summary, mapping.ToServer);
        PacketRewriter.DecrementTtl(packet, summary);
        return Verdict.Uplink;
    }

    /// <summary>
    /// A client whose state is not "serving" has sent a packet of a known connection. True: it goes out all the same (the masquerade endpoint is the same wherever it is
    /// sent from, so a late frame of the old link does no harm). False: the verdict says what became of it.
    /// </summary>
    private bool MaySendNow(int slot, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now, out Verdict verdict)
    {
        var client = _table.Mapping(_table.Connection(slot).Mapping).Client;
        OnClientSeen(client, now);
        verdict = default;
        if (_clients[client].State is ClientState.Arriving && (now < _clients[client].GuardUntil || IsDoubtful(slot, summary)))
        {
            // Known from an earlier stay; whether that still holds the coordinator will say, if it says it soon. Later the packet goes on what is known, like one that opens a connection.
            verdict = Hold(client, packet, offload, HoldOutbound, now);
            return false;
        }

        return true;
    }

    /// <summary>
    /// A TCP segment that is no SYN, of a connection that the client began in an earlier stay and on which it said nothing more here: whether or not the server's answer came by,
    /// the client may have opened it elsewhere since, with another masquerade endpoint.
    /// </summary>
    private bool IsDoubtful(int slot, in PacketSummary summary)
    {
        ref var connection = ref _table.Connection(slot);
        return summary.Kind == PacketKind.Tcp && (!IsAnswered(connection.State) || connection.PacketsOut < 2) && !_table.Mapping(connection.Mapping).IsUnheardOf
            && !ConnectionTracker.CanOpen(summary.Kind, summary.TcpFlags);
    }

    /// <summary>Brings a connection's state and timer up to date with a packet.</summary>
    private void Track(int slot, ref FamConnection connection, in PacketSummary summary, bool fromClient, Instant now)
    {
        connection.LastActivity = now;
        var next = ConnectionTracker.Next(connection.State, summary.Kind, summary.TcpFlags, fromClient);
        if (next == ConnectionState.Opening)
        {
            connection.SynSeen |= fromClient && (summary.TcpFlags & TcpFlags.Syn) != 0;
            connection.ClientHasClosed = (connection.ClientHasClosed && (summary.TcpFlags & TcpFlags.Syn) == 0) || (fromClient && (summary.TcpFlags & TcpFlags.Fin) != 0);
        }
        else if (connection.ClientHasClosed)
        {
            next = ConnectionTracker.WithClientClosed(next);
        }

        if (next == connection.State)
        {
            return;
        }

        connection.State = next;

        // The wheel looks at LastActivity when it fires, so only a change of state can need an earlier look.
        _idle.Schedule(slot, now + ConnectionTracker.IdleTimeout(_config, connection.Tuple.Protocol, next));
    }
}
