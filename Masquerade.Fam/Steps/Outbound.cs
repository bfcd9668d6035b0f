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
        ref var connection = ref _table.Connection(slot);
        if (summary.Ttl <= 1)
        {
            return SendBackToClient(DropReason.TtlExpired, IcmpError.TimeExceeded, packet, summary, _clients[_table.Mapping(connection.Mapping).Client].Mac);
        }

        if (LinkMtu.IsExceeded(Mtu.Uplink, summary, offload))
        {
            return SendBackToClient(DropReason.TooBig, IcmpError.TooBig(Mtu.Uplink), packet, summary, _clients[_table.Mapping(connection.Mapping).Client].Mac);
        }

        if (connection.IsHelped && !Help(slot, packet, summary, offload, now, out var verdict))
        {
            return verdict;
        }

        Track(slot, ref connection, packet, summary, fromClient: true, now);
        connection.PacketsOut++;
        ref var mapping = ref _table.Mapping(connection.Mapping);
        if (mapping.Unanswered++ == 0)
        {
            mapping.UnansweredSince = now;
        }
        else if (mapping.Unanswered >= ProbeAfterPackets && !mapping.IsUntranslated && now - mapping.UnansweredSince >= mapping.ProbeInterval)
        {
            ProbeWayBack(connection.Mapping, now);
        }

        LetPass(slot, mapping, connection);
        return PassToServer(mapping, packet, summary, offload);
    }

    private Verdict PassToServer(in FamMapping mapping, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        ClampSegments(mapping.Client, packet, summary, offload);
        PacketRewriter.Source(packet, summary, mapping.ToServer, offload.ChecksumPartial);
        PacketRewriter.DecrementTtl(packet, summary);
        return Verdict.Uplink;
    }

    /// <summary>
    /// A SYN says how large segments its sender takes. Hosts say what their own link carries; where that is more than the links here, they are told, for there are paths on which what a
    /// router says of it does not come back (RFC 2923 section 2.1).
    /// </summary>
    private void ClampSegments(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        if (summary.Kind == PacketKind.Tcp && (summary.TcpFlags & TcpFlags.Syn) != 0 && _config.ClampMss)
        {
            TcpOptions.ClampSegmentSize(packet, summary, Math.Min(Mtu.Uplink, ClientMtu(client)), offload.ChecksumPartial);
        }
    }

    /// <summary>An ICMP error of the client about a packet that it got: it concerns a connection or it goes nowhere. It neither refreshes nor ends one (RFC 5508 REQ-6).</summary>
    private Verdict ProcessOutboundError(Span<byte> packet, in PacketSummary summary, MacAddress source, Instant now)
    {
        var slot = _table.FindConnection(summary.EmbeddedTuple.Reply());
        if (slot < 0)
        {
            return _neighbourhood is not null && _neighbourhood.Covers(summary.Tuple.Source.Address, summary.Tuple.Destination.Address)
                ? SendErrorToNeighbour(packet, summary, source, now)
                : Drop(DropReason.UnrelatedIcmpError);
        }

        ref var mapping = ref _table.Mapping(_table.Connection(slot).Mapping);
        if (_clients[mapping.Client].Mac != source)
        {
            return Drop(DropReason.SpoofedSource);
        }

        if (IsHeardElsewhere(_clients[mapping.Client], now))
        {
            return Drop(DropReason.HeardElsewhere);
        }

        if (_table.Connection(slot).Judged != _clients[mapping.Client].PolicyGeneration && Judge(slot, summary, now) is not DropReason.None and var reason)
        {
            return Drop(reason);
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
        if (IsHeardElsewhere(_clients[client], now))
        {
            verdict = Drop(DropReason.HeardElsewhere);
            return false;
        }

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
    private void Track(int slot, ref FamConnection connection, ReadOnlySpan<byte> packet, in PacketSummary summary, bool fromClient, Instant now)
    {
        if (summary.Part == FragmentPart.Later)
        {
            // Its first fragment has said all there is to say about the connection.
            return;
        }

        _table.TakePassed(slot);
        if (summary.Kind == PacketKind.Tcp)
        {
            if ((summary.TcpFlags & TcpFlags.Rst) != 0)
            {
                OnReset(slot, ref connection, summary, fromClient, now);
                return;
            }

            connection.Windows.Observe(packet, summary, fromClient);
        }

        if (fromClient || _config.InboundRefresh != InboundRefresh.Never)
        {
            connection.LastActivity = now;
        }

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

        if (next != connection.State)
        {
            Enter(slot, ref connection, next, now);
        }
    }

    /// <summary>
    /// A RST is passed on whatever it is (RFC 7857 section 2.2), for its receiver judges it by more than is known here. It changes something only if the receiver will believe it, and
    /// it keeps nothing alive (section 7.1): the connection rests from the first one on.
    /// </summary>
    private void OnReset(int slot, ref FamConnection connection, in PacketSummary summary, bool fromClient, Instant now)
    {
        if (!connection.Windows.Believes(summary, fromClient))
        {
            UnbelievedResets++;
        }
        else if (connection.State != ConnectionState.Reset)
        {
            connection.LastActivity = now;
            Enter(slot, ref connection, ConnectionState.Reset, now);
        }
    }

    /// <summary>Whether others would give a connection too little time, were this node to die now.</summary>
    private bool IsNewsToTell(in FamConnection connection) =>
        !connection.IsToldEstablished && !_config.Standalone && connection.Tuple.Protocol == TransportProtocol.Tcp
        && connection.State is ConnectionState.Established or ConnectionState.ClientClosed or ConnectionState.ServerClosed;

    private void Enter(int slot, ref FamConnection connection, ConnectionState state, Instant now)
    {
        _table.SetState(slot, state, seenHere: true);
        if (_clients[_table.Mapping(connection.Mapping).Client].State == ClientState.Further)
        {
            // Its owner has perhaps not seen that.
            MarkDirty(connection.Mapping, now);
            _idle.Schedule(slot, now + WatchInterval(connection));
            return;
        }

        // The wheel looks at LastActivity when it fires, so only a change of state can need an earlier look.
        var idle = ConnectionTracker.IdleTimeout(_config, connection.Tuple.Protocol, state);
        _idle.Schedule(slot, now + (IsNewsToTell(connection) && _config.EstablishedNewsDelay < idle ? _config.EstablishedNewsDelay : idle));
    }
}
