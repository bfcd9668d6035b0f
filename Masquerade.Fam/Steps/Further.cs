using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// Clients that are heard here besides elsewhere. This node passes their packets by the same mappings, or keeps copies in case the FAM goes; it says what it sees of their
/// connections and ends none, for they are the FAM's.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Of the time after which an idle connection ends, the part after which a further FAM says that it is not idle.</summary>
    private const int WatchPart = 3;

    /// <summary>How long a node that was a further FAM stays silent while it does not get an answer whether it is one still: both would send what the client sends, and open its connections.</summary>
    private static readonly TimeSpan s_furtherPatience = TimeSpan.FromSeconds(30);

    /// <summary>Copies that are kept here, of all clients. Looks at every client; not for the packet path.</summary>
    public int KeptCopies
    {
        get
        {
            var total = 0;
            for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
            {
                total += _clients[client].Copies?.Queue.Count ?? 0;
            }

            return total;
        }
    }

    /// <summary>Whether an arrival leaves the present FAM in its place.</summary>
    private bool IsAlso(in FamClient client) => _config.Links != ClientLinks.One && !client.IsSummoned;

    /// <summary>Whether what the client sends is heard, and sent on, by its FAM: while this node is a further one, and for a while if it has to ask again whether it is.</summary>
    private bool IsHeardElsewhere(in FamClient client, Instant now) =>
        _config.Links == ClientLinks.Shared && (client.State == ClientState.Further || (client.State == ClientState.Arriving && now < client.FurtherUntil));

    /// <summary>Whether a client that has moved may have its link here all the same.</summary>
    private bool MayStayLinked(in FamClient client) => _config.Links != ClientLinks.One && client.IsLinked;

    /// <summary>A client that is heard here all the time is asked for when its next FAM has what this one knew.</summary>
    private bool MustHandOverFirst(in FamClient client) => _config.Links != ClientLinks.One && (client.News & ClientNews.HandOver) != 0;

    private void BecomeFurther(int client, ArriveReply reply, Instant now)
    {
        ref var record = ref _clients[client];
        if (reply.Epoch < record.HighestEpoch)
        {
            // It has moved since: it is asked for anew.
            BeginArrival(client, byAssociation: false, now);
            return;
        }

        EndCopies(client, delivers: false, now);
        var wasGone = record.Gone;
        record.Epoch = reply.Epoch;
        record.HighestEpoch = reply.Epoch;
        record.Truncated = reply.Truncated;
        SetState(client, ClientState.Further);
        record.Complete = true;
        record.Gone = false;
        SetDeadline(client, Instant.Never);
        foreach (var address in reply.Addresses)
        {
            _clients.TryClaim(client, address);
        }

        ForgetOutdated(client, reply.Mappings, now);
        Install(client, reply.Mappings, now);
        record.GetsCopies = reply.Role == FamRole.Reserve;
        record.Copies = record.GetsCopies && _copyHolds.Rent() is { } queue ? new CopyLog(queue, reply.Token) : null;

        WithdrawOffers(ref record, settled: true, now);
        WatchConnections(client, now);
        _output.Report(new ClientHeardToo(record.Mac, record.Epoch, reply.Mappings.Count));
        AnnounceProvisional(client, now);
        if (wasGone)
        {
            LeaveFurther(client, now);
            return;
        }

        ReleaseHeld(client, now, out _);
    }

    /// <summary>Its link here has gone: who sends packets here hears of it, and what comes meanwhile waits to be sent on.</summary>
    private void LeaveFurther(int client, Instant now)
    {
        ref var record = ref _clients[client];
        EndCopies(client, delivers: false, now);
        record.Gone = true;
        record.GuardUntil = now + _config.ReturnGuard;
        SayLinkLost(ref record, now);
        SetDeadline(client, now + _config.HoldTime);
    }

    /// <summary>A client may have other links: who knows them can have it served there before its time here is over.</summary>
    private void SayLinkLost(ref FamClient record, Instant now)
    {
        if (_config.Links == ClientLinks.One || _config.Standalone)
        {
            return;
        }

        var lost = new LinkLost { Id = _outbox.NextId(), Client = record.Mac, Epoch = record.Epoch };
        record.LinkLostId = _outbox.Send(lost, now) ? lost.Id : 0;
    }

    private void TakeBackLinkLost(ref FamClient record)
    {
        if (record.LinkLostId != 0)
        {
            _outbox.Complete(record.LinkLostId);
            record.LinkLostId = 0;
        }
    }

    /// <summary>The client's FAM is gone. If the client is heard here, this node asks to be its FAM.</summary>
    private void OnSummon(Summon summon, Instant now)
    {
        var client = _clients.Find(summon.Client);
        if (client >= 0 && _clients[client] is { State: ClientState.Further, Gone: false } && _clients[client].Epoch <= summon.Epoch)
        {
            _clients[client].IsSummoned = true;
            BeginArrival(client, byAssociation: false, now);
        }
        else if (client < 0)
        {
            // Who is taken to hear a client and does not know it says so, or nobody else is asked.
            _ = _outbox.Send(new LinkLost { Id = _outbox.NextId(), Client = summon.Client, Epoch = summon.Epoch }, now);
        }
    }

    /// <summary>The coordinator has forgotten who is heard here besides.</summary>
    private void AskForFurther(Instant now)
    {
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client] is { State: ClientState.Further, Gone: false })
            {
                BeginArrival(client, byAssociation: false, now);
            }
        }
    }

    /// <summary>Connections of a client are looked at before their owner could take them for idle.</summary>
    private void WatchConnections(int client, Instant now)
    {
        for (var slot = _clients[client].FirstMapping; slot >= 0; slot = _table.Mapping(slot).NextOfClient)
        {
            for (var connection = _table.Mapping(slot).FirstConnection; connection >= 0; connection = _table.Connection(connection).NextOfMapping)
            {
                _idle.Schedule(connection, now + WatchInterval(_table.Connection(connection)));
            }
        }
    }

    private TimeSpan WatchInterval(in FamConnection connection) => ConnectionTracker.IdleTimeout(_config, connection.Tuple.Protocol, connection.State) / WatchPart;

    /// <summary>A connection has been used here since it was looked at last: its owner may not have seen it.</summary>
    private void ReportLife(int slot, Instant now)
    {
        ref var connection = ref _table.Connection(slot);
        var interval = WatchInterval(connection);
        if (now - connection.LastActivity < interval)
        {
            MarkDirty(connection.Mapping, now);
        }

        _idle.Schedule(slot, now + interval);
    }

    /// <summary>Whether what comes to a mapping's endpoint here is a copy. The HAM of this node gives its FAM a packet itself as long as it knows of no other.</summary>
    private bool IsCopy(in FamMapping mapping) =>
        _clients[mapping.Client].GetsCopies && (!mapping.HamIsHere || _anchor.IsServedElsewhere(mapping.Id));

    /// <summary>Keeps a copy that is ready for the client. Older ones give way: what has waited longest has most likely been delivered.</summary>
    private Verdict Keep(in FamMapping mapping, ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        if (_clients[mapping.Client].Copies is not { } copies || copies.TagOf(CopyMark.HashOf(mapping.Ham)) is not (>= 0 and var tag))
        {
            return Drop(DropReason.CopyNotNeeded);
        }

        while (copies.Queue.TryPeek(out var first) && (copies.IsDelivered(first.Tag) || first.Deadline <= now))
        {
            _drops.Count(DropReason.CopyNotNeeded);
            copies.Queue.Dequeue();
        }

        while (!copies.Queue.TryEnqueue(packet[..summary.Length], offload, tag, now + _config.CopyTime))
        {
            if (copies.Queue.Count == 0)
            {
                return Drop(DropReason.CopyNotNeeded);
            }

            _drops.Count(DropReason.CopyNotNeeded);
            copies.Queue.Dequeue();
        }

        return Verdict.Held;
    }

    /// <summary>
    /// No copies are kept for a client any more. They are delivered where the FAM before is gone and cannot have been the one to do so; but for those that it is known to have delivered.
    /// </summary>
    private void EndCopies(int client, bool delivers, Instant now)
    {
        ref var record = ref _clients[client];
        if (record.Copies is not { } copies)
        {
            return;
        }

        record.Copies = null;
        while (copies.Queue.TryPeek(out var kept))
        {
            if (delivers && kept.Deadline > now && !copies.IsDelivered(kept.Tag))
            {
                _output.TransmitClient(record.Mac, kept.Packet, kept.Offload);
            }
            else
            {
                _drops.Count(DropReason.CopyNotNeeded);
            }

            copies.Queue.Dequeue();
        }

        _copyHolds.Return(copies.Queue);
    }

    private void OnCopyMark(PeerMessage message, TransportEndpoint from)
    {
        var client = _clients.Find(message.Client);
        if (client < 0)
        {
            return;
        }

        ref var record = ref _clients[client];
        switch (message)
        {
            case CopyMark mark when record.State == ClientState.Serving && _config.Links != ClientLinks.One:
                // What was in front of it has gone to the client.
                _output.SendPeer(from, new CopyMarked(mark.Client, mark.Place, mark.Token));
                break;
            case CopyMark mark when record.Copies is { } copies && copies.Token == mark.Token:
                copies.Mark(mark.Ham, mark.Number);
                break;
            case CopyMarked marked when record.Copies is { } copies && copies.Token == marked.Token:
                copies.Delivered(marked.Ham, marked.Number);
                break;
        }
    }
}
